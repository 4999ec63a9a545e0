"""Where a saddle between two ranks may be, and whether one is: curves, eigenvector following, descents."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .branch import FIRST_STEP, LONGEST_STEP, fall, point_of
from .continuation import Curve
from .critical_points import Minimum
from .fixed_rank import FixedRankLoss, Point
from .landscape import data_gradient
from .newton import descend, has_fallen

# Off a saddle at a small ridge a singular value grows by a factor of up to 1e10 in steps of 5%: 470 steps.
_MOST_STEPS = 1000
# Steps are at most this long, relative to the norm of A and to its smallest singular value: paths of descent
# then follow the gradient flow closely enough not to change from one basin to another.
_LONGEST, _LONGEST_OF_WEAKEST = 0.05, 0.2
# A relative change of F below this is rounding: the smallest saddles lie so near zero that F does not show
# the first steps off them.
_ROUNDING = 1e-13
# A step off the saddle, relative to its smallest singular value.
_OFF = 0.01
# Matrices closer than this, relative to their norm, are one critical point.
_SAME = 1e-5


# -- candidates -----------------------------------------------------------------------------------------


def candidates(loss: FixedRankLoss, minimum: Minimum) -> Iterator[Point]:
    """Critical points that may be the saddle; the same one may come twice."""
    around = _around_the_fold(loss, minimum)
    if around is not None:
        yield around
    for pair in range(minimum.rank):
        top = _top_of_one_pair(loss, minimum, pair)
        found = None if top is None else _followed(loss, top)
        if found is not None:
            yield found


def _around_the_fold(loss: FixedRankLoss, minimum: Minimum) -> Point | None:
    """The first critical point at the same ridge beyond the fold of the minimum's curve."""
    curve = Curve(loss)
    here, length = curve.begin(point_of(minimum), minimum.ridge), FIRST_STEP
    for _ in range(_MOST_STEPS):
        found = None if here is None else curve.walk(here, length, LONGEST_STEP)
        if found is None:
            return None
        here, length = found
        if here.ridge <= minimum.ridge:
            return curve.at_ridge(here.point, minimum.ridge)
    return None


def _top_of_one_pair(loss: FixedRankLoss, minimum: Minimum, pair: int) -> Point | None:
    """The minimum, with one singular value where F, as a function of it alone, has its maximum.

    ``F = a s^2/2 - b s + ridge L s^(2/L) + const``; the maximum is the small root of
    ``a s + 2 ridge s^(2/L - 1) = b``, and the left side has its least value at ``s_c``.
    """
    problem, depth, ridge = loss.problem, loss.depth, loss.ridge
    u, v = minimum.U[:, pair], minimum.Vt[pair]
    across: np.ndarray = u[problem.rows] * v[problem.cols]
    a = float(across @ across) / problem.n_observed
    b = a * minimum.s[pair] - float(u @ data_gradient(problem, minimum.matrix()) @ v)
    power = 2 / depth - 1
    s_c = float((-2 * ridge * power / a) ** (1 / (1 - power))) if a > 0 else 0.0
    if not 0 < s_c < minimum.s[pair]:
        return None
    # the left side is convex and falling up to s_c: Newton's method from the left rises to the root
    s = float((2 * ridge / b) ** (-1 / power))
    for _ in range(100):
        s -= (a * s + 2 * ridge * s**power - b) / (a + 2 * ridge * power * s ** (power - 1))
    if not 0 < s <= s_c * (1 + 1e-9):
        return None
    sizes = minimum.s.copy()
    sizes[pair] = s
    order = np.argsort(-sizes)
    return Point(minimum.U[:, order], sizes[order], minimum.Vt[order])


def _followed(loss: FixedRankLoss, point: Point) -> Point | None:
    """Eigenvector following to a saddle: uphill in the softest direction, downhill in all others."""
    natural = float(np.linalg.norm(loss.problem.values)) / loss.problem.n_observed
    for _ in range(_MOST_STEPS):
        at = loss.derivatives(point)
        if np.linalg.norm(at.gradient) <= 1e-14 * natural:
            return point
        values, vectors = np.linalg.eigh(at.hessian)
        along = -(vectors.T @ at.gradient) / np.maximum(np.abs(values), 1e-14 * np.abs(values).max())
        along[0] = -along[0]
        longest = _cap(point)
        size = float(np.linalg.norm(along))
        if size <= 1e-12 * np.linalg.norm(point.s):
            return point
        point = loss.move(point, at, vectors @ along * min(1.0, longest / size))
        if not point.s[-1] > 0:
            return None
    return None


def _cap(point: Point) -> float:
    return min(_LONGEST * float(np.linalg.norm(point.s)), _LONGEST_OF_WEAKEST * float(point.s[-1]))


# -- the two sides --------------------------------------------------------------------------------------


def other_side(loss: FixedRankLoss, point: Point, minimum: Minimum) -> Point | None:
    """Where the descent on the other side ends, if the point is a saddle between the minimum and there."""
    at = loss.derivatives(point)
    values, vectors = np.linalg.eigh(at.hessian)
    if not (values[0] < 0 and (values.size < 2 or values[1] > 0)):
        return None
    lower: Point | None = None
    back = False
    for sign in (1.0, -1.0):
        start = loss.move(point, at, sign * _OFF * point.s[-1] * vectors[:, 0])
        end = _downhill(loss, start)
        if end is None:
            return None
        A = minimum.matrix()
        if end.rank < minimum.rank:
            lower = end
        elif np.linalg.norm(end.matrix() - A) <= _SAME * np.linalg.norm(A):
            back = True
    return lower if back else None


def _downhill(loss: FixedRankLoss, point: Point) -> Point | None:
    """The minimum at the end of a descent in small steps, through lower ranks where singular values vanish.

    Each step solves ``(H + shift I) step = -gradient``, an implicit step of the gradient flow, with the
    smallest shift that keeps the left side definite and the step short.
    """
    for _ in range(_MOST_STEPS):
        if has_fallen(loss, point, loss.value(point)):
            return fall(loss, point)
        at = loss.derivatives(point)
        values, vectors = np.linalg.eigh(at.hessian)
        slopes = vectors.T @ at.gradient
        longest = _cap(point)
        if values[0] > 0 and np.linalg.norm(slopes / values) <= longest:
            ended = descend(loss, point)  # Newton's method converges from here
            return ended.point if ended.end == "stationary" else None
        step = -vectors @ (slopes / (values + _shift(values, slopes, longest)))
        moved, value = loss.move(point, at, step), loss.value(point)
        if not (moved.s[-1] > 0 and loss.value(moved) <= value * (1 + _ROUNDING)):
            return None
        point = moved
    return None


def _shift(values: np.ndarray, slopes: np.ndarray, longest: float) -> float:
    """The shift at which the step has this length, by bisection of its logarithm."""
    least = max(0.0, -float(values[0]))
    low, high = 1e-12 * float(np.abs(values).max()), float(np.linalg.norm(slopes)) / longest + 2 * least
    for _ in range(60):
        middle = float(np.sqrt(low * high))
        if np.linalg.norm(slopes / (values + least + middle)) > longest:
            low = middle
        else:
            high = middle
    return least + high
