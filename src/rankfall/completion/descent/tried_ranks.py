"""The ranks that were tried, and what was found at each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import isnan, nan


class Source(Enum):
    """Where a fit of some rank began."""

    CHAIN = "a chain of SGD that met the rank"
    RIDGE = "such a chain, along a ridge that falls to nothing"
    PURSUIT = "the fit of one rank less and the leading direction of its misfit"
    REFIT = "refits of other ranks"


@dataclass(frozen=True)
class TriedRank:
    """One fit of one rank; errors are root mean squares, NaN where there is no such number.

    Attributes
    ----------
    rank : int
    train, validation : float
        After the refit or the least-squares fit.
    validation_mae : float
        Mean absolute error at the held-out cells.
    relative : float
        Both errors there combined, in units of the columns' spreads.
    sgd_train, sgd_validation : float
        Of the SGD network alone, cut to this rank.
    ridge : float
        Ridge of the SGD stage.
    refit_ridge : float
        Ridge of the refit.
    steps : float
        SGD steps of the chain so far.
    source : Source
    """

    rank: int
    train: float
    validation: float = nan
    validation_mae: float = nan
    relative: float = nan
    sgd_train: float = nan
    sgd_validation: float = nan
    ridge: float = nan
    refit_ridge: float = nan
    steps: float = nan
    source: Source = Source.REFIT

    @property
    def merit(self) -> float:
        """What fits are compared by: the relative held-out error, if there is one."""
        return self.train if isnan(self.relative) else self.relative
