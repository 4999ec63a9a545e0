"""The effective loss on the set of matrices of rank k: value, gradient, Hessian, and the way along a step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..geometry import retract
from ..problem import Problem
from .landscape import data_gradient


@dataclass(frozen=True, eq=False)
class Point:
    """A matrix ``U diag(s) Vt`` of rank k, by its thin singular value decomposition.

    Attributes
    ----------
    U, s, Vt : ndarray, shapes (m, k), (k,) and (k, n)
        Orthonormal columns of U and rows of Vt; s positive and decreasing.
    """

    U: np.ndarray
    s: np.ndarray
    Vt: np.ndarray

    @classmethod
    def truncated(cls, A: np.ndarray, rank: int) -> Point:
        """The nearest matrix of rank at most `rank`."""
        U, s, Vt = np.linalg.svd(A, full_matrices=False)
        return cls(U[:, :rank], s[:rank], Vt[:rank])

    @property
    def rank(self) -> int:
        return self.s.size

    def matrix(self) -> np.ndarray:
        return (self.U * self.s) @ self.Vt


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Gradient and Hessian of F at a point, in orthonormal coordinates (M, X, Y) of the tangent space.

    A tangent step is ``U M V^T + U' X V^T + U Y^T V'^T`` with ``U', V'`` the orthogonal complements;
    coordinates are M (k x k), X ((m-k) x k), Y ((n-k) x k), row by row.

    Attributes
    ----------
    gradient : ndarray, shape (d,)
        ``d = k (m + n - k)``.
    hessian : ndarray, shape (d, d)
        Riemannian, in the metric of the surrounding space of matrices.
    free_gradient : float
        ``|E|_op``, ``E = U'^T (dC/dA) V'``: the part of the data's gradient that leaves the set.
    """

    gradient: np.ndarray
    hessian: np.ndarray
    free_gradient: float
    left: np.ndarray = field(repr=False)
    right: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False)
class FixedRankLoss:
    """``F(A) = C(A) + ridge L sum_i s_i^(2/L)`` on the set of matrices of one rank, where it is smooth."""

    problem: Problem
    depth: int
    ridge: float

    def parts(self, point: Point) -> tuple[float, float]:
        """``C(A)`` and the ridge's part of F."""
        problem = self.problem
        seen: np.ndarray = np.einsum("nk,kn->n", point.U[problem.rows] * point.s, point.Vt[:, problem.cols])
        cost = self.ridge * self.depth * np.sum(point.s ** (2 / self.depth))
        return float(0.5 * np.mean((seen - problem.values) ** 2)), float(cost)

    def value(self, point: Point) -> float:
        """``F(A)``."""
        return sum(self.parts(point))

    def derivatives(self, point: Point) -> Derivatives:
        """Gradient and Hessian.

        For a tangent step ``xi = (M, X, Y)`` the second derivative of F along the nearest-point retraction,
        which is a retraction of second order, so this is the Riemannian Hessian, is

            1/N |xi|_observed^2 + 2 <U'^T (dC/dA) V', X S^-1 Y^T> + sum_i (f'(s_i) / s_i) (|X_i|^2 + |Y_i|^2)
            + sum_ij f'[s_i, s_j] ((M_ij + M_ji)/2)^2 + (f'(s_i) + f'(s_j))/(s_i + s_j) ((M_ij - M_ji)/2)^2

        with ``f(s) = ridge L s^(2/L)`` and ``f'[., .]`` the divided difference of its derivative: the first
        line from the data, curvature of the set included, the rest from perturbation theory of singular
        values.
        """
        k, (m, n) = point.rank, self.problem.shape
        left = np.linalg.qr(point.U, mode="complete")[0]
        right = np.linalg.qr(point.Vt.T, mode="complete")[0]
        left[:, :k], right[:, :k] = point.U, point.Vt.T
        G = left.T @ data_gradient(self.problem, point.matrix()) @ right
        slope = 2 * self.ridge * point.s ** (2 / self.depth - 1)
        in_span = G[:k, :k] + np.diag(slope)
        gradient = np.concatenate([in_span.ravel(), G[k:, :k].ravel(), G[:k, k:].T.ravel()])

        J = self._observed(left, right, k)
        H = J.T @ J / self.problem.n_observed
        x, y = k * k, k * m
        H[:x, :x] += self._spectral_hessian(point.s)
        H[np.arange(x, y + (n - k) * k), np.arange(x, y + (n - k) * k)] += np.tile(
            slope / point.s, m + n - 2 * k
        )
        # <E, X S^-1 Y^T>: couples X_ai with Y_bi only
        cross = np.einsum("ab,ij->aibj", G[k:, k:], np.diag(1 / point.s)).reshape((m - k) * k, (n - k) * k)
        H[x:y, y:] += cross
        H[y:, x:y] += cross.T
        free = float(np.linalg.norm(G[k:, k:], 2)) if k < min(m, n) else 0.0
        return Derivatives(gradient, H, free, left, right)

    def move(self, point: Point, at: Derivatives, step: np.ndarray) -> Point:
        """The matrix of rank k nearest to the point plus a tangent step, shape (d,)."""
        k, (m, n) = point.rank, self.problem.shape
        M = step[: k * k].reshape(k, k)
        X = step[k * k : k * m].reshape(m - k, k)
        Y = step[k * m :].reshape(n - k, k)
        dU = point.U @ M + at.left[:, k:] @ X
        dV = at.right[:, k:] @ Y / point.s
        return Point(*retract(point.U * point.s, point.Vt.T, dU, dV))

    def _observed(self, left: np.ndarray, right: np.ndarray, k: int) -> np.ndarray:
        """The tangent coordinates seen at the observed cells, shape (N, d)."""
        N = self.problem.n_observed
        u, v = left[self.problem.rows], right[self.problem.cols]
        blocks = (
            (u[:, :k, None] * v[:, None, :k]).reshape(N, -1),
            (u[:, k:, None] * v[:, None, :k]).reshape(N, -1),
            (v[:, k:, None] * u[:, None, :k]).reshape(N, -1),
        )
        return np.concatenate(blocks, axis=1)

    def _spectral_hessian(self, s: np.ndarray) -> np.ndarray:
        """Second derivative of ``sum f(s_i)`` in the coordinates M, shape (k^2, k^2)."""
        k, power = s.size, 2 / self.depth - 1
        slope = 2 * self.ridge * s**power
        # f'[s_i, s_j] = f'(s_j)/s_j * expm1(power x) / expm1(x), x = log(s_i/s_j): no cancellation
        x = np.log1p((s[:, None] - s) / s)
        close = np.abs(x) < 1e-9
        safe = np.where(close, 1.0, x)
        divided = (slope / s) * np.where(close, power, np.expm1(power * safe) / np.expm1(safe))
        mean = (slope[:, None] + slope) / (s[:, None] + s)
        H = np.zeros((k, k, k, k))
        i, j = np.indices((k, k))
        H[i, j, i, j] += (divided + mean) / 2
        H[i, j, j, i] += (divided - mean) / 2
        return H.reshape(k * k, k * k)
