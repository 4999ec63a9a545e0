"""First-order steps of SGD on balanced weights, as steps of the matrix that they make."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ...problem import Problem

# Squared singular values closer than this, relative to the larger, share one derivative of the power: its
# error is then of the order of the square, below the rounding of a quotient.
_EQUAL = 1e-6


@dataclass(frozen=True, eq=False)
class MatrixSteps:
    """First-order steps of the product of balanced weights, in coordinates of the matrices of one rank.

    With ``A = U_0 M V_0^T``, U_0 and V_0 the singular vectors of a matrix of rank k, the coordinates x are
    the entries of M in its first k rows or first k columns; the others follow from the rank as
    ``M_21 M_11^-1 M_12``, where M_11 is invertible. A step on the observed entry e, ``A_e = a_e^T M b_e``,
    changes x by ``lr xi_e(x) + O(lr^2)``, the coordinates of

        -(A_e - x_e) sum_l (M M^T)^((L-l)/L) a_e b_e^T (M^T M)^((l-1)/L) - 2 ridge L M.

    Neither the rotations of the hidden layers nor the imbalance occur: no gradient of an entry has a part
    along either.

    Attributes
    ----------
    values : ndarray, shape (N,)
        The observed entries.
    a, b : ndarray, shapes (N, m) and (N, n)
        Rows of U_0 and V_0.
    rank, depth : int
    ridge : float
    """

    values: np.ndarray = field(repr=False)
    a: np.ndarray = field(repr=False)
    b: np.ndarray = field(repr=False)
    rank: int
    depth: int
    ridge: float

    @classmethod
    def around(cls, problem: Problem, A: np.ndarray, rank: int, depth: int, ridge: float) -> MatrixSteps:
        """Coordinates from the singular vectors of this matrix."""
        U, _, Vt = np.linalg.svd(A)
        return cls(problem.values, U[problem.rows], Vt.T[problem.cols], rank, depth, ridge)

    @property
    def shape(self) -> tuple[int, int]:
        return self.a.shape[1], self.b.shape[1]

    @cached_property
    def chart(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the entries of M that are coordinates."""
        m, n = self.shape
        rows, cols = np.indices((m, n))
        chosen = np.nonzero((rows < self.rank) | (cols < self.rank))
        return chosen[0], chosen[1]

    def coordinates(self, M: np.ndarray) -> np.ndarray:
        """The coordinates of matrices, shape (..., d)."""
        rows, cols = self.chart
        return M[..., rows, cols]

    def covector(self, p: np.ndarray) -> np.ndarray:
        """The matrix P with ``<P, dM> = p . dx``."""
        P = np.zeros((*p.shape[:-1], *self.shape))
        rows, cols = self.chart
        P[..., rows, cols] = p
        return P

    def matrix(self, x: np.ndarray) -> np.ndarray:
        """M of this rank, shape (..., m, n)."""
        k = self.rank
        M = self.covector(x)
        M[..., k:, k:] = M[..., k:, :k] @ np.linalg.solve(M[..., :k, :k], M[..., :k, k:])
        return M

    def residuals(self, M: np.ndarray) -> np.ndarray:
        """``A_e - x_e``, shape (B, N)."""
        return np.einsum("bem,em->be", np.swapaxes(M @ self.b.T, 1, 2), self.a) - self.values

    def jumps(self, x: np.ndarray) -> np.ndarray:
        """``xi_e(x)``, shape (B, N, d), for x of shape (B, d)."""
        M = self.matrix(x)
        powers = _Powers.of(M, self.rank, self.depth)
        left, right = self.a @ powers.left, self.b @ powers.right
        rows, cols = self.chart
        K = np.einsum("lbed,lbed->bed", left[..., rows], right[..., cols])
        return -self.residuals(M)[:, :, None] * K - 2 * self.ridge * self.depth * x[:, None]

    def pulled(self, x: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``sum_e weights_e d (p . xi_e) / dx`` with p and weights fixed, shape (B, d).

        Parameters
        ----------
        x, p : ndarray, shape (B, d)
        weights : ndarray, shape (B, N)
        """
        M, P = self.matrix(x), self.covector(p)
        powers = _Powers.of(M, self.rank, self.depth)
        G = np.swapaxes(self.a[None] * (weights * self.residuals(M))[:, :, None], 1, 2) @ self.b
        Z = np.sum(powers.left @ P @ powers.right, axis=0)
        across = weights * np.einsum("bem,em->be", np.swapaxes(Z @ self.b.T, 1, 2), self.a)
        D = np.swapaxes(self.a[None] * across[:, :, None], 1, 2) @ self.b
        D += powers.along_left(P @ powers.right @ np.swapaxes(G, 1, 2)) @ M
        D += M @ powers.along_right(np.swapaxes(G, 1, 2) @ powers.left @ P)
        pull = 2 * self.ridge * self.depth * weights.sum(axis=1)[:, None] * p
        return -self._in_coordinates(M, D) - pull

    def _in_coordinates(self, M: np.ndarray, D: np.ndarray) -> np.ndarray:
        """``<D, dM / dx>``: the derivative of a function of M with gradient D, shape (B, d)."""
        k = self.rank
        inverse = np.linalg.inv(M[:, :k, :k])
        low_t = np.swapaxes(M[:, k:, :k] @ inverse, 1, 2)
        high_t = np.swapaxes(inverse @ M[:, :k, k:], 1, 2)
        corner, found = D[:, k:, k:], D.copy()
        found[:, :k, :k] -= low_t @ corner @ high_t
        found[:, k:, :k] += corner @ high_t
        found[:, :k, k:] += low_t @ corner
        return self.coordinates(found)


@dataclass(frozen=True, eq=False)
class _Powers:
    """``(M M^T)^((L-l)/L)`` and ``(M^T M)^((l-1)/L)`` for l = 1..L, and the adjoints of their derivatives."""

    U: np.ndarray
    Vt: np.ndarray
    squares: np.ndarray
    exponents: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, M: np.ndarray, rank: int, depth: int) -> _Powers:
        U, s, Vt = np.linalg.svd(M, full_matrices=True)
        squares = s[:, :rank] ** 2
        exponents = (depth - np.arange(1.0, depth + 1)) / depth
        left = _powers(U, squares, exponents)
        right = _powers(np.swapaxes(Vt, 1, 2), squares, exponents[::-1])
        return cls(U, Vt, squares, exponents, left, right)

    def along_left(self, Y: np.ndarray) -> np.ndarray:
        """S with ``<S, dM M^T> = sum_l <d (M M^T)^((L-l)/L), Y_l>``."""
        return _adjoint(self.U, self.squares, self.exponents, Y)

    def along_right(self, Y: np.ndarray) -> np.ndarray:
        """S with ``<S, M^T dM> = sum_l <d (M^T M)^((l-1)/L), Y_l>``."""
        return _adjoint(np.swapaxes(self.Vt, 1, 2), self.squares, self.exponents[::-1], Y)


def _powers(U: np.ndarray, squares: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """``(M M^T)^exponent`` for all exponents, shape (L, B, m, m); the power zero is the identity."""
    kept = U[:, :, : squares.shape[1]]
    scaled = kept * squares[:, None, :] ** exponents[:, None, None, None]
    found = scaled @ np.swapaxes(kept, 1, 2)
    found[exponents == 0] = np.eye(U.shape[1])
    return found


def _adjoint(U: np.ndarray, squares: np.ndarray, exponents: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Daleckii and Krein's formula, turned around and summed over the powers."""
    padded = np.zeros((squares.shape[0], U.shape[1]))
    padded[:, : squares.shape[1]] = squares
    Ut = np.swapaxes(U, 1, 2)
    quotients = np.array([_divided(padded, float(exponent)) for exponent in exponents])
    X = U @ np.sum(quotients * (Ut @ Y @ U), axis=0) @ Ut
    return X + np.swapaxes(X, 1, 2)


def _divided(squares: np.ndarray, exponent: float) -> np.ndarray:
    """Divided differences of ``t^exponent``; zero between two zeros, where tangents of M have no part."""
    if exponent == 0:
        return np.zeros((*squares.shape, squares.shape[1]))
    t, u = squares[:, :, None], squares[:, None, :]
    gap, larger = t - u, np.maximum(t, u)
    near = np.abs(gap) <= _EQUAL * larger
    middle = np.where(larger > 0, (t + u) / 2, 1.0)
    apart = (t**exponent - u**exponent) / np.where(near, 1.0, gap)
    return np.where(larger > 0, np.where(near, exponent * middle ** (exponent - 1), apart), 0.0)
