"""A branch: minima of one rank that go over into each other as the ridge changes, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import InputError
from ..problem import Problem
from .continuation import Curve, CurvePoint
from .critical_points import Minimum
from .fixed_rank import FixedRankLoss, Point
from .newton import descend

if TYPE_CHECKING:
    import pandas as pd

End = Literal["fold", "bifurcation", "range"]

# First and longest step along a curve, in units of the norm of A and of log(ridge).
FIRST_STEP, LONGEST_STEP = 0.02, 0.25
_MOST_STEPS = 5000
# At a fold the least eigenvalue of the Hessian is zero. Below minus this, relative to the largest, it crossed
# zero earlier: the minimum was lost to a bifurcation before its curve turns.
_CROSSED = 1e-7
# Secants end when the bracket, relative to the step, or the value, relative to its start, is rounding.
_MOST_SECANTS, _BRACKET, _AT_ZERO = 100, 1e-12, 1e-12
# How far beyond its end, relative to the ridge, the descent that leaves a branch is followed.
BEYOND = 1e-4


@dataclass(frozen=True, eq=False)
class BranchPoint:
    """One minimum of a branch.

    Attributes
    ----------
    ridge : float
    U, s, Vt : ndarray, shapes (m, k), (k,) and (k, n)
        Its thin singular value decomposition.
    loss : float
        ``F`` there, the regularised loss of the balanced weights.
    curvature : float
        Least eigenvalue of the Riemannian Hessian of F on the matrices of rank k.
    """

    ridge: float
    U: np.ndarray = field(repr=False)
    s: np.ndarray
    Vt: np.ndarray = field(repr=False)
    loss: float
    curvature: float

    def matrix(self) -> np.ndarray:
        """``A = U diag(s) Vt``, shape (m, n)."""
        return (self.U * self.s) @ self.Vt


@dataclass(frozen=True, eq=False)
class Branch:
    """Minima of one rank along a range of ridges.

    Attributes
    ----------
    rank, depth : int
    points : tuple of BranchPoint
        By increasing ridge. Where the branch ends at a fold or a bifurcation, this is a point of it.
    begins, ends : {"fold", "bifurcation", "range"}
        How the branch ends at its smallest and at its largest ridge. "fold": the minimum merges with a saddle
        of the same rank and neither exists beyond; "bifurcation": the critical point goes on, but as a
        saddle; "range": only the range of ridges that was asked for ends here.
    """

    rank: int
    depth: int
    points: tuple[BranchPoint, ...] = field(repr=False)
    begins: End
    ends: End

    @property
    def ridges(self) -> np.ndarray:
        """Shape (n_points,), increasing."""
        return np.array([point.ridge for point in self.points])

    @property
    def singular_values(self) -> np.ndarray:
        """Shape (n_points, rank)."""
        return np.array([point.s for point in self.points])

    def to_frame(self) -> pd.DataFrame:
        """One row per point: rank, ridge, loss, least Hessian eigenvalue, singular values ``s_1 .. s_k``."""
        import pandas as pd

        columns: dict[str, object] = {"rank": self.rank, "ridge": self.ridges}
        columns["loss"] = [point.loss for point in self.points]
        columns["curvature"] = [point.curvature for point in self.points]
        for k in range(self.rank):
            columns[f"s_{k + 1}"] = self.singular_values[:, k]
        return pd.DataFrame(columns)


def check_jumping_depth(depth: int) -> None:
    """Refuse depth 2: there singular values reach zero without a barrier, and no branch has a fold."""
    if depth < 3:
        raise InputError(
            f"Branches end at folds from depth 3 on, not at depth {depth}: with two layers the loss in A is "
            "convex, and singular values shrink to zero without a barrier."
        )


def check_minimum(problem: Problem, minimum: Minimum) -> None:
    """Refuse minima of depth 2, and those of another problem as far as their shape shows it."""
    check_jumping_depth(minimum.depth)
    shape = minimum.U.shape[0], minimum.Vt.shape[1]
    if shape != problem.shape:
        raise InputError(f"The minimum is a matrix of shape {shape}, the problem has {problem.shape}.")


def point_of(minimum: Minimum | BranchPoint) -> Point:
    """Its matrix in the form that the solvers use."""
    return Point(minimum.U, minimum.s, minimum.Vt)


def recorded(loss: FixedRankLoss, there: CurvePoint) -> BranchPoint:
    """A point of a curve with its numbers."""
    point = there.point
    at = FixedRankLoss(loss.problem, loss.depth, there.ridge)
    return BranchPoint(there.ridge, point.U, point.s, point.Vt, at.value(point), there.curvature)


def follow(
    loss: FixedRankLoss, start: CurvePoint, limit: float, upwards: bool
) -> tuple[list[CurvePoint], End]:
    """Minima from `start` on, up (down) to the ridge `limit` or the end of the branch, and how they end."""
    curve, length = Curve(loss), FIRST_STEP
    sign = 1.0 if upwards else -1.0
    points = [start]
    for _ in range(_MOST_STEPS):
        here = points[-1]
        found = curve.walk(here, length, LONGEST_STEP)
        if found is None:
            return points, "fold"  # several folds coincide here
        there, length = found
        turned = sign * there.slope <= 0
        ended = _end(curve, here, there, turned) if turned or there.curvature < 0 else None
        last = there if ended is None else ended[0]
        if sign * (last.ridge - limit) >= 0:
            return [*points, _stopped(curve, here, last, limit, sign)], "range"
        if ended is not None:
            return [*points, last], ended[1]
        points.append(there)
    raise InputError("The branch winds on without an end; the ridge may be too small for this problem.")


def _stopped(curve: Curve, here: CurvePoint, there: CurvePoint, limit: float, sign: float) -> CurvePoint:
    """The point between two others at a given ridge."""
    near = _zero(curve, here, _distance(here, there), lambda point: sign * np.log(limit / point.ridge))
    at = curve.at_ridge(near.point, limit)
    exact = None if at is None else curve.begin(at, limit, sign > 0)
    return near if exact is None else exact  # Newton's method at a fixed ridge fails only at a fold


def _end(curve: Curve, here: CurvePoint, there: CurvePoint, turned: bool) -> tuple[CurvePoint, End]:
    """The fold or the loss of stability between two points."""
    reach = _distance(here, there)
    if turned:
        fold = _zero(curve, here, reach, lambda point: np.sign(here.slope) * point.slope)
        largest = float(np.linalg.eigvalsh(fold.at.hessian)[-1])
        if fold.curvature >= -_CROSSED * largest:
            return fold, "fold"
        reach = min(reach, _distance(here, fold))
    return _zero(curve, here, reach, lambda point: point.curvature), "bifurcation"


def _distance(here: CurvePoint, there: CurvePoint) -> float:
    """Chord from one point to the other, in the units of the curve."""
    moved = float(np.linalg.norm(here.point.matrix() - there.point.matrix()) / np.linalg.norm(here.point.s))
    return float(np.hypot(moved, np.log(there.ridge / here.ridge)))


def _zero(curve: Curve, here: CurvePoint, reach: float, value: Callable[[CurvePoint], float]) -> CurvePoint:
    """The point at which a quantity that is positive at `here` reaches zero: secants in a bracket (Illinois).

    The ridge at a fold is found to the square of the error in arclength.
    """
    low, low_value, last = 0.0, value(here), here
    high, high_value = reach, 0.0
    while high_value >= 0:  # the chord is a little shorter than the step was
        found = curve.step(here, high)
        if found is None:
            high *= 0.7
            continue
        last, high_value = found[0], value(found[0])
        if high_value >= 0:
            low, low_value, high = high, high_value, 1.5 * high
    kept = 0  # which end the last secant kept, and a second time makes it count half
    for _ in range(_MOST_SECANTS):
        middle = low + (high - low) * low_value / (low_value - high_value)
        found = curve.step(here, middle)
        if found is None:  # just beside a point at which the Hessian loses a second eigenvalue
            middle = 0.5 * (low + high)
            found = curve.step(here, middle)
        if found is None:
            break
        last, there = found[0], value(found[0])
        if there >= 0:
            low, low_value, high_value = middle, there, high_value / (2 if kept > 0 else 1)
            kept = 1
        else:
            high, high_value, low_value = middle, there, low_value / (2 if kept < 0 else 1)
            kept = -1
        if high - low <= _BRACKET * reach or abs(there) <= _AT_ZERO * abs(value(here)):
            break
    return last


def fall(loss: FixedRankLoss, point: Point) -> Point:
    """The minimum to which a descent from here leads, through lower ranks where singular values vanish."""
    while point.rank:
        ended = descend(loss, point)
        if ended.end != "fell":
            return ended.point
        s = ended.point.s
        point = Point(ended.point.U[:, : s.size - 1], s[:-1], ended.point.Vt[: s.size - 1])
    return point
