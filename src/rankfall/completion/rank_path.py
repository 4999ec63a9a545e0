"""The ranks that were visited, and what was found at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from ..problem import Problem

_ERRORS = ("sgd_train", "sgd_validation", "train", "validation", "validation_mae")


@dataclass(frozen=True)
class Visit:
    """One fit of one rank; errors are root mean squares, NaN where there is no such number.

    Attributes
    ----------
    rank : int
    train, validation : float
        After the refit or polish.
    validation_mae : float
        Mean absolute error at the held-out cells.
    sgd_train, sgd_validation : float
        Of the SGD network alone, cut to this rank.
    ridge : float
        Ridge of the SGD stage.
    refit_ridge : float
        Ridge of the refit.
    steps : float
        SGD steps of the chain so far.
    """

    rank: int
    train: float
    validation: float = nan
    validation_mae: float = nan
    sgd_train: float = nan
    sgd_validation: float = nan
    ridge: float = nan
    refit_ridge: float = nan
    steps: float = nan

    @property
    def merit(self) -> float:
        """What visits are compared by: the held-out error (see :func:`combined`), if there is one."""
        return self.train if isnan(self.validation) else combined(self.validation, self.validation_mae)


def combined(rmse: float, mae: float) -> float:
    """Geometric mean of root mean square and mean absolute error.

    Where errors have heavy tails the first alone would hang on a few cells.
    """
    return (rmse * mae) ** 0.5


def table(visits: Sequence[Visit], problem: Problem, unit: float, chosen: int) -> pd.DataFrame:
    """One row per rank, the best visit of each, errors times `unit`."""
    import pandas as pd

    best: dict[int, Visit] = {}
    for visit in visits:
        if visit.rank not in best or visit.merit < best[visit.rank].merit:
            best[visit.rank] = visit
    ranks = sorted(best)
    # column by column: a table that is built and then converted takes longer than a small fit
    columns: dict[str, np.ndarray] = {"rank": np.array(ranks, np.int64)}
    columns["oversampling"] = np.array([problem.oversampling(rank) for rank in ranks], np.float64)
    for name in ("ridge", *_ERRORS, "refit_ridge", "steps"):
        numbers = np.array([getattr(best[rank], name) for rank in ranks], np.float64)
        columns[name] = numbers * unit if name in _ERRORS else numbers
    columns["chosen"] = columns["rank"] == chosen
    return pd.DataFrame(columns)
