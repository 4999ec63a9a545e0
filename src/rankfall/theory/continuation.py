"""Curves of critical points (A, ridge) on the matrices of one rank, followed by pseudo-arclength."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .fixed_rank import Derivatives, FixedRankLoss, Point

# A correction this small, relative to the size of (A, ridge), ends Newton's method: it converges
# quadratically, so the next one would be rounding.
_CORRECTED = 1e-11
# A gradient this small, relative to the data's, is rounding, and corrections of it are noise.
_ROUNDING = 1e-14
_MAX_CORRECTIONS = 12
# Corrections after which a step counts as easy (the next is longer) or hard (the next is shorter).
_EASY, _HARD = 3, 6
# Singular values of the Jacobian up to this, relative to the largest, are zero: far above the rounding of
# its entries, far below what the Hessians of the test problems have away from folds (1e-6).
_SINGULAR = 1e-11
# Largest angle between the tangents at the two ends of a step, as a cosine: 0.95 is 18 degrees. With 0.8 the
# curves of 10 x 10 problems are the same, with 30% fewer steps.
_LEAST_COSINE = 0.95


@dataclass(frozen=True, eq=False)
class CurvePoint:
    """A critical point of ``F`` at one ridge, and the direction in which the curve goes on from it.

    Coordinates are ``(xi, t)``: xi the tangent coordinates of A, relative to its norm, and t the logarithm
    of the ridge, so that a unit of length is a change by a factor of order one in either.

    Attributes
    ----------
    point : Point
    ridge : float
    at : Derivatives
    direction : ndarray, shape (d + 1,)
        Unit vector: tangent coordinates divided by the norm of A, then ``d log(ridge)``.
    """

    point: Point
    ridge: float
    at: Derivatives = field(repr=False)
    direction: np.ndarray = field(repr=False)

    @property
    def slope(self) -> float:
        """``d log(ridge)`` per unit of arclength; zero at a fold."""
        return float(self.direction[-1])

    @property
    def curvature(self) -> float:
        """Least eigenvalue of the Riemannian Hessian of F."""
        return float(np.linalg.eigvalsh(self.at.hessian)[0])

    def reversed(self) -> CurvePoint:
        """The same point, with the other direction."""
        return replace(self, direction=-self.direction)


@dataclass(frozen=True, eq=False)
class Curve:
    """The equation ``grad F(A; ridge) = 0`` on the matrices of one rank, and steps along its solutions."""

    loss: FixedRankLoss

    def begin(self, point: Point, ridge: float, upwards: bool = True) -> CurvePoint | None:
        """The critical point near `point` at this ridge, directed towards larger (smaller) ridges."""
        found = self.at_ridge(point, ridge)
        if found is None:
            return None
        at = self._at(ridge).derivatives(found)
        upward = np.zeros(at.gradient.size + 1)
        upward[-1] = 1.0
        direction = self._tangent(found, ridge, at, upward)
        if not direction.any():
            return None
        sign = 1.0 if (direction[-1] > 0) == upwards else -1.0
        return CurvePoint(found, ridge, at, sign * direction)

    def at_ridge(self, point: Point, ridge: float) -> Point | None:
        """Newton's method at a fixed ridge; None where it does not converge."""
        loss = self._at(ridge)
        for _ in range(2 * _MAX_CORRECTIONS):
            at = loss.derivatives(point)
            step = -np.linalg.solve(at.hessian, at.gradient)
            size = float(np.linalg.norm(step) / np.linalg.norm(point.s))
            if not size < 0.5:
                return None
            point = loss.move(point, at, step)
            if not point.s[-1] > 0:
                return None
            if size <= _CORRECTED:
                return point
        return None

    def step(self, start: CurvePoint, length: float) -> tuple[CurvePoint, int] | None:
        """The point of the curve at this arclength (to first order), and the corrections that it took.

        Predicted along the tangent; corrected by the shortest solution of
        ``H dxi + (d grad / d ridge) d ridge = -grad``, which exists at folds too. None where it does not
        converge, or the curve bends too much for the step.
        """
        size = float(np.linalg.norm(start.point.s))
        along = start.direction[:-1] * size
        point = self._at(start.ridge).move(start.point, start.at, length * along)
        ridge = float(start.ridge * np.exp(length * start.slope))
        count = 0
        for count in range(1, _MAX_CORRECTIONS + 1):  # noqa: B007
            if not point.s[-1] > 0:
                return None
            loss = self._at(ridge)
            at = loss.derivatives(point)
            if np.linalg.norm(at.gradient) <= _ROUNDING * self._natural:
                break
            J = self._jacobian(point, ridge, at)
            shift = -np.linalg.lstsq(J, at.gradient, rcond=_SINGULAR)[0]
            moved = float(np.linalg.norm(shift))
            if not moved < max(0.5 * abs(length), 1e-6):
                return None
            point = loss.move(point, at, shift[:-1] * float(np.linalg.norm(point.s)))
            ridge *= float(np.exp(shift[-1]))
            if moved <= _CORRECTED:
                break
        else:
            return None
        if not point.s[-1] > 0:
            return None
        at = self._at(ridge).derivatives(point)
        before = self._carried(start, point, at)
        direction = self._tangent(point, ridge, at, before)
        if not float(before @ direction) >= _LEAST_COSINE:
            return None
        return CurvePoint(point, ridge, at, direction), count

    def walk(self, start: CurvePoint, length: float, longest: float) -> tuple[CurvePoint, float] | None:
        """One step of adaptive length, and the length to try next; None where none is short enough."""
        while length > 1e-9:
            found = self.step(start, length)
            if found is not None:
                there, count = found
                factor = 1.5 if count <= _EASY else 0.5 if count >= _HARD else 1.0
                return there, min(factor * length, longest)
            length /= 2
        return None

    @property
    def _natural(self) -> float:
        """Size of the data's gradient."""
        return float(np.linalg.norm(self.loss.problem.values)) / self.loss.problem.n_observed

    def _at(self, ridge: float) -> FixedRankLoss:
        return replace(self.loss, ridge=ridge)

    def _jacobian(self, point: Point, ridge: float, at: Derivatives) -> np.ndarray:
        """Derivative of the gradient in the coordinates of the curve, shape (d, d + 1)."""
        k = point.rank
        # d grad / d log(ridge): the ridge's part of the gradient, which stands on the diagonal of M
        along = np.zeros(at.gradient.size)
        along[np.arange(k) * (k + 1)] = 2 * ridge * point.s ** (2 / self.loss.depth - 1)
        return np.column_stack([at.hessian * float(np.linalg.norm(point.s)), along])

    def _tangent(self, point: Point, ridge: float, at: Derivatives, before: np.ndarray) -> np.ndarray:
        """Unit vector of the null space of the Jacobian, on the side of `before`.

        Where folds coincide, as where singular values of fully observed data do, the null space is larger;
        the shortest solution of ``J x = 0, <before, x> = 1`` then goes straight on.
        """
        J = np.vstack([self._jacobian(point, ridge, at), before * _scale(at)])
        right = np.zeros(J.shape[0])
        right[-1] = _scale(at)
        x = np.linalg.lstsq(J, right, rcond=_SINGULAR)[0]
        length = float(np.linalg.norm(x))
        return x / length if length > 0 else x  # the zero vector has no angle with any direction

    def _carried(self, start: CurvePoint, point: Point, at: Derivatives) -> np.ndarray:
        """The direction at `start` in the coordinates at `point`, by projection, of unit length."""
        k = point.rank
        old = start.direction * float(np.linalg.norm(start.point.s))
        tangent = ambient(start.at, k, old[:-1])
        there = at.left.T @ tangent @ at.right
        parts = (there[:k, :k].ravel(), there[k:, :k].ravel(), there[:k, k:].T.ravel())
        carried = np.concatenate([*parts, [start.slope * float(np.linalg.norm(point.s))]])
        return carried / np.linalg.norm(carried)


def _scale(at: Derivatives) -> float:
    """A number of the size of the Hessian, so that rows of an enlarged Jacobian are alike."""
    return float(np.abs(np.diag(at.hessian)).max())


def ambient(at: Derivatives, rank: int, step: np.ndarray) -> np.ndarray:
    """The matrix ``U M V^T + U' X V^T + U Y^T V'^T`` of tangent coordinates, shape (m, n)."""
    k, m, n = rank, at.left.shape[0], at.right.shape[0]
    inner = np.zeros((m, n))
    inner[:k, :k] = step[: k * k].reshape(k, k)
    inner[k:, :k] = step[k * k : k * m].reshape(m - k, k)
    inner[:k, k:] = step[k * m :].reshape(n - k, k).T
    return at.left @ inner @ at.right.T
