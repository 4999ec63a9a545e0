"""The critical ridge: where a branch of minima ceases to exist."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, inf, log
from typing import TYPE_CHECKING

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from ..problem import Problem
from .branch import (
    BEYOND,
    Branch,
    BranchPoint,
    End,
    check_jumping_depth,
    check_minimum,
    fall,
    follow,
    point_of,
    recorded,
)
from .continuation import Curve
from .critical_points import Minimum, check_rank, describe
from .fixed_rank import FixedRankLoss
from .minima import minima
from .requirements import require_alike, require_whole

if TYPE_CHECKING:
    import pandas as pd

# Ratio of the ridges at which a minimum of the rank is looked for, from the largest that could have one
# downwards, and how many there are: 1.3^50 is 5e5. At still smaller ridges a descent takes seconds.
_RUNG, _MOST_RUNGS = 1.3, 50


@dataclass(frozen=True, eq=False)
class CriticalRidge:
    """Where a branch of minima ends as the ridge grows.

    Attributes
    ----------
    ridge : float
        The critical ridge: the minimum exists below it and not above.
    end : {"fold", "bifurcation"}
        "fold": it merges with a saddle of the same rank; "bifurcation": its critical point becomes a saddle.
    rank, depth : int
    next_rank : int
        Rank of the minimum to which a descent from the end of the branch leads just beyond it.
    branch : Branch
        The minima from the one given up to the end.
    """

    ridge: float
    end: End
    rank: int
    depth: int
    next_rank: int
    branch: Branch

    @property
    def last(self) -> BranchPoint:
        """The end of the branch, at the critical ridge."""
        return self.branch.points[-1]

    def to_frame(self) -> pd.DataFrame:
        """The branch as a table, see :meth:`Branch.to_frame`."""
        return self.branch.to_frame()


@declared
def critical_ridge(
    problem: Problem,
    minimum: Minimum | int,
    depth: int = 3,
    n_starts: int = 10,
    seed: int = 0,
) -> CriticalRidge:
    """The ridge at which a minimum ceases to exist, by continuation.

    The critical points of ``F(A) = C(A) + ridge L sum_i s_i^(2/L)`` on the matrices of rank k form curves in
    (A, ridge), which are followed by pseudo-arclength: a step along the tangent, then the shortest correction
    ``(dA, d ridge)`` with ``Hess F dA + (d grad F / d ridge) d ridge = -grad F``, which is defined at folds
    too. A minimum ends where its curve turns back to smaller ridges (a fold: it merges with the saddle over
    which it is left) or where the Hessian loses its definiteness before that (a bifurcation). No branch of
    nonzero minima goes on for ever: section 4b(iii) bounds the ridge.

    Near the critical ridge SGD leaves a minimum easily, and gradient descent only beyond it: see section 10
    of docs/theory.md.

    Parameters
    ----------
    problem : Problem
        Without weights.
    minimum : Minimum or int
        A minimum of rank 1 or more, from :func:`minima`; or a rank, as a convenience: ridges are tried from
        the bound of section 4b(iii) downwards in ratios of 1.3, and at the first at which the search finds
        minima of this rank the lowest one is followed upwards, from branch to branch where a descent from
        the end of one leads to another minimum of the rank. A rank can have several minima, which end at
        different ridges, and rare ones may be missed: to be exact, give the minimum that is meant.
    depth : int
        At least 3; used if `minimum` is a rank.
    n_starts, seed : int
        Random starts of the search, as in :func:`minima`; used if `minimum` is a rank.

    Returns
    -------
    CriticalRidge

    Raises
    ------
    InputError
        If the depth is 2, the point is no strict minimum of rank 1 or more, no minimum of the rank was found,
        or the problem has weights.
    """
    require_alike(problem)
    if isinstance(minimum, Minimum):
        check_minimum(problem, minimum)
        return _ended(problem, minimum)
    require_whole(2, depth=depth)
    check_jumping_depth(depth)
    check_rank(problem, minimum)
    require_whole(1, rank=minimum)
    found = _ended(problem, _first_found(problem, int(minimum), depth, n_starts, seed))
    # where the descent from a fold leads to another minimum of the rank, that one exists beyond the fold
    while found.next_rank == found.rank:
        beyond = _beyond(problem, found)
        point = fall(beyond, point_of(found.last))
        found = _ended(problem, describe(beyond, point, fit_tol=0.0))
    return found


def _ended(problem: Problem, minimum: Minimum) -> CriticalRidge:
    if minimum.rank < 1:
        raise InputError("The zero matrix is a minimum at every ridge; take a minimum of rank 1 or more.")
    if minimum.kind != "minimum":
        raise InputError(f"The point is {minimum.kind}; a branch needs a strict minimum.")
    loss = FixedRankLoss(problem, minimum.depth, minimum.ridge)
    start = Curve(loss).begin(point_of(minimum), minimum.ridge)
    if start is None:
        raise InputError("The point is no minimum of this problem at its ridge.")
    points, end = follow(loss, start, inf, upwards=True)
    rank, depth, last = minimum.rank, minimum.depth, points[-1]
    branch = Branch(rank, depth, tuple(recorded(loss, point) for point in points), "range", end)
    found = CriticalRidge(last.ridge, end, rank, depth, rank, branch)
    return replace(found, next_rank=fall(_beyond(problem, found), last.point).rank)


def _beyond(problem: Problem, found: CriticalRidge) -> FixedRankLoss:
    return FixedRankLoss(problem, found.depth, found.ridge * (1 + BEYOND))


def ridge_bound(problem: Problem, rank: int, depth: int) -> float:
    """No critical point of this rank exists at a larger ridge.

    From section 4b(iii): ``k (2 ridge N / |x|)^(2/(L-2)) <= sum_i s_i^(2/L) <= |x|^2 / (8 ridge N)``.
    """
    size, N = float(np.linalg.norm(problem.values)), problem.n_observed
    power = 2 / (depth - 2)
    if size == 0:
        return 0.0
    # in logarithms, since squares of data of any unit may leave the range of numbers
    log_bound = 2 * log(size) - log(8 * N * rank) + power * (log(size) - log(2 * N))
    return exp(log_bound / (1 + power))


def _first_found(problem: Problem, rank: int, depth: int, n_starts: int, seed: int) -> Minimum:
    """The lowest minimum at the largest ridge of the ladder at which one is found."""
    ridge = ridge_bound(problem, rank, depth)
    if not ridge > 0:
        raise InputError("All observed entries are zero: the only minimum is the zero matrix.")
    for _ in range(_MOST_RUNGS):
        found = [
            point
            for point in minima(problem, depth, ridge, ranks=[rank], n_starts=n_starts, seed=seed).at(rank)
            if point.kind == "minimum"
        ]
        if found:
            return found[0]
        ridge /= _RUNG
    raise InputError(
        f"No strict minimum of rank {rank} was found at any ridge down to {ridge:.2g}; give more starts, "
        "or a minimum."
    )
