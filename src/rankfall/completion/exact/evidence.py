"""What a search for an exact fit has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf, nan
from types import MappingProxyType

import numpy as np

from ...problem import Problem
from ..descent.certificate_anchors import Anchors
from ..descent.descend import Stage
from ..descent.tried_ranks import Source, TriedRank
from ..solvers.least_squares import LeastSquaresFit
from .exactness import predicts, without_rounding
from .precision import Precision
from .uniqueness import is_isolated

# oversampling below which exact data are hard
NEAR_LIMIT = 1.3
# fall of the misfit from one rank to the next, relative to that of noise, below which the data look exact
_CLIFF = 0.4
# the same where the time was over before chains of some length fell: a glimpse at quick ones
_CLIFF_IN_HASTE = 0.75
# fits of a rank that end so often, the middle half of them at misfits so much alike, have found its minimum
# (wrong basins of exact data are scattered: in 54 problems between rho 1.05 and 1.2 the quartiles of eight or
# more inexact fits of the true rank differed by factors of 1.14 to 17); cells times rank squared below which
# a few more tries cost nothing
_SEEN, _ALIKE, _TRIFLE, _SEEN_TRIFLE = 8, 1.1, 1e5, 12


@dataclass(frozen=True)
class OpenQuestion:
    """Data that look exact, though no exact fit was found.

    Attributes
    ----------
    rank : int
        Where the misfit falls as that of exact data does.
    misfit : float
        The smallest one there, relative to the norm of the observed cells.
    excluded : int
        No exact fit has this rank or a smaller one (see :mod:`.rank_bound`).
    """

    rank: int
    misfit: float
    excluded: int


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was seen so far; every step of the search returns a new one.

    Attributes
    ----------
    precision : Precision
    found : LeastSquaresFit or None
        The exact fit of smallest rank.
    unique : bool
        Whether it is locally the only one of its rank.
    minima : frozenset of int
        Ranks at which a least-squares fit begun by a chain ended in a minimum that is not exact.
    best : mapping
        Rank -> the inexact fit of smallest misfit.
    tried : tuple of TriedRank
        Every fit, with errors relative to the data's norm.
    history : tuple of dict
        Records of the present descent.
    anchors : Anchors or None
        Of the present descent.
    sgd_steps : int
        Of all chains so far.
    glimpse : Evidence or None
        What a quick round saw that found nothing.
    """

    precision: Precision
    found: LeastSquaresFit | None = None
    unique: bool = False
    minima: frozenset[int] = frozenset()
    best: Mapping[int, LeastSquaresFit] = field(default_factory=lambda: MappingProxyType({}))
    tried: tuple[TriedRank, ...] = ()
    history: tuple[dict[str, np.ndarray], ...] = ()
    anchors: Anchors | None = None
    sgd_steps: int = 0
    glimpse: Evidence | None = None

    def with_stage(self, stage: Stage) -> Evidence:
        """After one more stage of a descent."""
        return replace(
            self,
            history=(*self.history, stage.history),
            anchors=stage.anchors,
            sgd_steps=self.sgd_steps + stage.sgd_steps,
        )

    def with_fit(
        self,
        problem: Problem,
        fit: LeastSquaresFit,
        source: Source,
        before: float = nan,
        ridge: float = nan,
        steps: float = nan,
    ) -> Evidence:
        """After one more fit; `before` is the misfit of the chain that it began with."""
        fit, exact = without_rounding(problem, fit, self.precision)
        rank = fit.s.size
        tried = TriedRank(rank, fit.residual, sgd_train=before, ridge=ridge, steps=steps, source=source)
        after = replace(self, tried=(*self.tried, tried))
        if exact:
            if self.found is not None and rank >= self.found.s.size:
                return after
            unique = is_isolated(problem, fit, self.precision.tolerance, self.precision.single)
            return replace(after, found=fit, unique=unique)
        if (
            fit.settled and source is Source.CHAIN
        ):  # pursuits begin with a fit of smaller rank and tell nothing
            after = replace(after, minima=self.minima | {rank})
        if rank not in self.best or fit.residual < self.best[rank].residual:
            after = replace(after, best=MappingProxyType({**self.best, rank: fit}))
        return after

    def hard_ranks(self, problem: Problem) -> list[int]:
        """Ranks near the information limit at which the spectra pointed more than once.

        That is, with hardly more cells than unknowns, and whose minimum is not known.
        """
        return [rank for rank in self._near_limit(problem) if not self.knows_minimum(problem, rank)]

    def _near_limit(self, problem: Problem) -> list[int]:
        pointed = [fit.rank for fit in self.tried if fit.source is Source.CHAIN]
        ranks = sorted(rank for rank in set(pointed) if pointed.count(rank) > 1)
        return [rank for rank in ranks if problem.oversampling(rank) < NEAR_LIMIT]

    def near_limit(self, problem: Problem) -> bool:
        """Whether there are such ranks."""
        return bool(self.hard_ranks(problem))

    def fall(self, problem: Problem, rank: int) -> float:
        """Ratio of the smallest misfits of a rank and the next smaller one, relative to that of noise.

        Of independent noise a fit of rank r leaves ``1 - 1 / rho(r)`` of the variance, where
        ``rho(r) = N / (r (m + n - r))``: what is left of the data falls no faster once the rank is reached.
        Infinite where the smaller rank was not fitted.
        """
        below = rank - 1
        if below and below not in self.best:
            return inf
        before = self.best[below].residual if below else 1.0
        left, left_below = (1 - 1 / problem.oversampling(k) for k in (rank, below))
        return self.best[rank].residual / before / float(np.sqrt(left / left_below))

    def looks_exact(self, problem: Problem) -> bool:
        """Whether the misfit falls at a rank near the limit as that of exact data does."""
        return bool(self._falling(problem, _CLIFF))

    def open_question(self, problem: Problem, excluded: int, in_haste: bool) -> OpenQuestion | None:
        """What is left open where no fit is exact; None where nothing is.

        Values of a few digits are not asked about. `in_haste`: the time was over before the end.
        """
        if self.found is not None or self.precision.coarse:
            return None
        # a quick round counts only where nothing followed it
        for seen in (self, self.glimpse if in_haste else None):
            if seen is not None:
                for rank in seen._falling(problem, _CLIFF_IN_HASTE if in_haste else _CLIFF):
                    return OpenQuestion(rank, seen.best[rank].residual, excluded)
        return None

    def _falling(self, problem: Problem, most: float) -> list[int]:
        ranks = [rank for rank in self._near_limit(problem) if rank in self.best]
        return [rank for rank in ranks if self.fall(problem, rank) < most]

    def knows_minimum(self, problem: Problem, rank: int) -> bool:
        """Whether fits of this rank or a larger one keep ending at one misfit that is not exact.

        The smallest misfit falls with the rank: where it is not zero at a larger rank, it is not here.
        """
        misfits: dict[int, list[float]] = {}
        for fit in self.tried:
            if fit.rank >= rank and fit.source is Source.CHAIN:
                misfits.setdefault(fit.rank, []).append(fit.train)
        return any(self._is_minimum(problem, larger, found) for larger, found in misfits.items())

    def _is_minimum(self, problem: Problem, rank: int, misfits: list[float]) -> bool:
        if len(misfits) < (_SEEN if problem.n_observed * rank**2 > _TRIFLE else _SEEN_TRIFLE):
            return False
        low, high = np.quantile(misfits, (0.25, 0.75))
        return bool(high <= _ALIKE * low)

    def says_noise(self, problem: Problem) -> bool:
        """Whether an inexact minimum predicts cells that it has not seen.

        In a wrong basin of exact data the fit is good where it was made and worthless elsewhere. A
        minimum that predicts is the right one; what it leaves over is noise, or directions that a pursuit
        from it would have found.
        """
        return any(predicts(problem, self.best[rank]) for rank in self.minima if rank in self.best)
