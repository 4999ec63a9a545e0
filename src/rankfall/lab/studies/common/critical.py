"""The ridge beside the critical one, at which a minimum of too high a rank ceases to exist.

Falls can hardly be seen far below the critical ridge and need no noise above it, so every study that counts
falls says where its ridge lies.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ....network import Network
from ....problem import Problem
from ....theory import minima
from ....theory.fixed_rank import FixedRankLoss, Point
from ....theory.newton import descend

# ratio of two ridges of the way up
_RUNG = 1.25
TOL = 1e-3
"""Relative width to which the critical ridge is bisected."""


def critical_ridge(problem: Problem, A: np.ndarray, rank: int, depth: int, ridge: float) -> float:
    """The largest ridge to which the minimum near `A` can be followed, to a relative 1e-3.

    From each minimum a second-order descent on the matrices of this rank finds that of the next ridge, 1.25
    times larger, until the descent leaves the set of this rank; then the interval is bisected.

    Parameters
    ----------
    problem : Problem
    A : ndarray, shape (m, n)
        At a minimum of this rank or near one.
    rank : int
        From 1 on.
    depth : int
    ridge : float
        At which A is that minimum.

    Returns
    -------
    float
        NaN if there is no minimum of this rank near A at `ridge`.
    """

    def followed(at: float, start: Point) -> Point | None:
        found = descend(FixedRankLoss(problem, depth, at), start)
        return found.point if found.end == "stationary" else None

    point = followed(ridge, Point.truncated(A, rank))
    if point is None:
        return math.nan
    low, high = ridge, ridge * _RUNG
    while (further := followed(high, point)) is not None:
        low, high, point = high, high * _RUNG, further
    while high > (1 + TOL) * low:
        middle = math.sqrt(low * high)
        further = followed(middle, point)
        if further is None:
            high = middle
        else:
            low, point = middle, further
    return low


def ridge_share(problem: Problem, network: Network, rank: int, ridge: float) -> float:
    """The ridge divided by the critical one of the minimum near a network; NaN where there is none."""
    if rank < 1:
        return math.nan
    return ridge / critical_ridge(problem, network.product(), rank, network.depth, ridge)


def shares_by_rank(
    problem: Problem, depth: int, ridge: float, ranks: Iterable[int], n_starts: int = 6
) -> dict[int, float]:
    """For each of these ranks with minima at this ridge: the ridge over the critical one of the lowest."""
    found = minima(problem, depth, ridge, ranks, n_starts)
    return {
        rank: ridge / critical_ridge(problem, found.at(rank)[0].matrix(), rank, depth, ridge)
        for rank in found.ranks
    }


def told_shares(shares: list[float]) -> str:
    """Ridges relative to the critical one in words."""
    known = sorted(share for share in shares if math.isfinite(share))
    if not known:
        return "no critical ridge is known"
    if known[-1] - known[0] < 0.005:
        return f"ridge {known[0]:.2f} of the critical one"
    middle = float(np.median(known))
    return f"ridge {known[0]:.2f} to {known[-1]:.2f} of the critical one, median {middle:.2f}"
