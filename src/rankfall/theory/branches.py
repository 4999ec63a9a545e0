"""The bifurcation diagram: all branches of minima over a range of ridges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from ..problem import Problem
from .branch import Branch, BranchPoint, End, check_jumping_depth, follow, point_of, recorded
from .continuation import Curve, CurvePoint
from .critical_points import Minimum, check_rank
from .fixed_rank import FixedRankLoss
from .minima import minima
from .requirements import plain, require_alike, require_positive, require_whole, several

if TYPE_CHECKING:
    import pandas as pd

# Ranks looked at by default: 0 to this, or to the largest that the shape allows.
_DEFAULT_MAX_RANK = 4
# Matrices closer than this, relative to their norm, are one minimum (as for `minima`).
_SAME = 1e-5


@dataclass(frozen=True, eq=False)
class Branches:
    """The branches of minima that were found; iterates over `branches`.

    Attributes
    ----------
    branches : tuple of Branch
        By rank, then by decreasing last ridge. Their points lie at the ridges asked for, and at the folds and
        bifurcations in between.
    ridges : tuple of float
        Increasing.
    depth : int
    """

    branches: tuple[Branch, ...]
    ridges: tuple[float, ...]
    depth: int

    def __iter__(self) -> Iterator[Branch]:
        return iter(self.branches)

    def __len__(self) -> int:
        return len(self.branches)

    @declared
    def at(self, rank: int) -> tuple[Branch, ...]:
        """The branches of one rank."""
        return tuple(branch for branch in self.branches if branch.rank == rank)

    def to_frame(self) -> pd.DataFrame:
        """One row per point: ``branch`` (its number), then the columns of :meth:`Branch.to_frame`."""
        import pandas as pd

        frames = [branch.to_frame() for branch in self.branches]
        for number, frame in enumerate(frames):
            frame.insert(0, "branch", number)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def ends(self) -> pd.DataFrame:
        """One row per branch: rank, where and how it begins and ends."""
        import pandas as pd

        rows = [
            {
                "branch": number,
                "rank": branch.rank,
                "from": branch.points[0].ridge,
                "to": branch.points[-1].ridge,
                "begins": branch.begins,
                "ends": branch.ends,
            }
            for number, branch in enumerate(self.branches)
        ]
        return pd.DataFrame(rows)


@declared
def branches(
    problem: Problem,
    depth: int,
    ridges: Iterable[float],
    ranks: Iterable[int] | None = None,
    n_starts: int = 10,
    seed: int = 0,
) -> Branches:
    """The minima of each rank over a range of ridges, and where each branch of them begins and ends.

    At every ridge the minima of every rank are searched for (:func:`minima`); one that lies on no branch
    known so far is followed by continuation (see :func:`critical_ridge`) in both directions, to a fold, a
    bifurcation, or the end of the range.

    Parameters
    ----------
    problem : Problem
        Without weights.
    depth : int
        At least 3.
    ridges : iterable of float
        Positive; in any order.
    ranks : iterable of int, optional
        0 to 4 by default, or to min(m, n) if that is less. The only minimum of rank 0 is the zero matrix, at
        every ridge.
    n_starts : int
        Random starts for each rank and ridge. A branch is missed only if the search fails at all its ridges.
    seed : int

    Returns
    -------
    Branches

    Raises
    ------
    InputError
        If an argument is out of range, or the problem has weights.
    """
    require_alike(problem)
    require_whole(2, depth=depth)
    check_jumping_depth(depth)
    require_whole(1, n_starts=n_starts)
    require_whole(0, seed=seed)
    given = several("ridges", ridges)
    if not given:
        raise InputError("Give at least one ridge.")
    for ridge in given:
        require_positive(ridge=ridge)
    grid = sorted({plain(ridge) for ridge in given})
    least = range(min(_DEFAULT_MAX_RANK, *problem.shape) + 1)
    chosen = list(least) if ranks is None else several("ranks", ranks)
    for rank in chosen:
        check_rank(problem, rank)
    found: list[Branch] = []
    for index, ridge in enumerate(grid):
        # all ranks at once: minima of one rank are starts for the next lower one
        for point in minima(problem, depth, ridge, ranks=chosen, n_starts=n_starts, seed=seed):
            if point.rank and point.kind == "minimum" and not any(_contains(other, point) for other in found):
                found.append(_traced(problem, point, grid, index))
    if 0 in chosen:
        found.append(_zeros(problem, depth, grid))
    found.sort(key=lambda branch: (branch.rank, -branch.points[-1].ridge))
    return Branches(tuple(found), tuple(grid), int(depth))


def _contains(branch: Branch, point: Minimum) -> bool:
    """Whether this minimum is a point of the branch."""
    return branch.rank == point.rank and any(
        other.ridge == point.ridge
        and np.linalg.norm(other.matrix() - point.matrix()) <= _SAME * np.linalg.norm(point.s)
        for other in branch.points
    )


def _traced(problem: Problem, point: Minimum, grid: list[float], index: int) -> Branch:
    """The branch of a minimum at ``grid[index]``."""
    loss = FixedRankLoss(problem, point.depth, point.ridge)
    below, begins = _one_way(loss, point, grid[:index][::-1], upwards=False)
    above, ends = _one_way(loss, point, grid[index + 1 :], upwards=True)
    here = BranchPoint(point.ridge, point.U, point.s, point.Vt, point.loss, point.curvature)
    return Branch(point.rank, point.depth, (*below[::-1], here, *above), begins, ends)


def _one_way(
    loss: FixedRankLoss, point: Minimum, limits: list[float], upwards: bool
) -> tuple[list[BranchPoint], End]:
    """The points of a branch at these ridges, one after the other, and how it ends."""
    passed: list[BranchPoint] = []
    here: CurvePoint | None = Curve(loss).begin(point_of(point), point.ridge, upwards)
    for limit in limits:
        if here is None:
            raise InputError(f"The minimum at ridge {point.ridge:.6g} is too flat to be followed.")
        curve, end = follow(loss, here, limit, upwards)
        here = curve[-1]
        passed.append(recorded(loss, here))
        if end != "range":
            return passed, end
    return passed, "range"


def _zeros(problem: Problem, depth: int, grid: list[float]) -> Branch:
    """The zero matrix, a minimum at every ridge."""
    m, n = problem.shape
    loss = 0.5 * float(np.mean(problem.values**2))
    points = (
        BranchPoint(ridge, np.zeros((m, 0)), np.zeros(0), np.zeros((0, n)), loss, float("inf"))
        for ridge in grid
    )
    return Branch(0, depth, tuple(points), "range", "range")
