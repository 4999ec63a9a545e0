"""Where chains start: the minimum of a rank at a given share of its own critical ridge."""

from __future__ import annotations

from dataclasses import dataclass

from ....errors import InputError
from ....network import Network
from ....problem import Problem
from ....theory import CriticalRidge, Minimum, critical_ridge, minima, step_sharpness

# Two ways to the end of one branch agree to about 1e-7.
_SAME_END = 1e-5


@dataclass(frozen=True, eq=False)
class Stage:
    """A minimum, and what decides whether SGD stays at it.

    Attributes
    ----------
    ridge : float
    critical : float
        The ridge at which the minimum ceases to exist.
    sharpness : float
        K, the largest tangent kernel entry there.
    network : Network
        Its balanced weights, all hidden layers as wide as the matrix.
    """

    ridge: float
    critical: float
    sharpness: float
    network: Network


def stage(problem: Problem, end: CriticalRidge, share: float) -> Stage:
    """The minimum at `share` of the critical ridge on the branch that ends at `end`.

    Raises
    ------
    InputError
        If the search finds no minimum there whose own branch ends at `end`.
    """
    ridge = share * end.ridge
    nearest = min(end.branch.points, key=lambda point: abs(point.ridge - ridge))
    found = minima(problem, end.depth, ridge, ranks=[end.rank], starts=[nearest.matrix()])
    for point in found.at(end.rank):
        if point.kind == "minimum":
            here = _stage(problem, point)
            if abs(here.critical - end.ridge) <= _SAME_END * end.ridge:
                return here
    raise InputError(f"No minimum of rank {end.rank} was found at {share:g} of the critical ridge.")


def lowest(problem: Problem, above: Stage, rank: int) -> Stage | None:
    """The lowest minimum of a smaller rank that is found at the same ridge; None if none is."""
    starts = [above.network.product()]
    found = minima(problem, above.network.depth, above.ridge, ranks=[rank], starts=starts)
    points = [point for point in found.at(rank) if point.kind == "minimum"]
    return _stage(problem, points[0]) if points else None


def _stage(problem: Problem, point: Minimum) -> Stage:
    network = point.network(min(problem.shape))
    critical = critical_ridge(problem, point).ridge
    return Stage(point.ridge, critical, step_sharpness(problem, network), network)
