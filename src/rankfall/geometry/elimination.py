"""Solves with the normal matrix of the factor map's Jacobian; one side is eliminated."""

# matrices have capital letters, and scipy has no types
# pyright: reportConstantRedefinition=false, reportMissingTypeStubs=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..problem import Problem

if TYPE_CHECKING:
    from scipy import sparse

# relative size of the shift that makes a singular reduced matrix positive definite; the iteration cannot
# separate two singular values below about its square root
_SHIFT = 1e-14
# above this density a dense product is faster than a sparse one
_DENSE_ABOVE = 0.05


class Elimination:
    """Pseudo-inverse of ``J^T J`` for the Jacobian J at orthonormal factors U, V, up to gauge.

    The rows of U are coupled only through V. Each row i is eliminated by an SVD of its own block
    ``V[observed columns of i] = Q_i S_i W_i^T`` (orthogonally, so nothing is squared). What remains is the
    matrix

        C = J_V^T (I - Q Q^T) J_V,        shape (r n, r n),

    for ``dV`` alone. C is zero exactly on the gauge directions ``dV = V G`` and on directions that the
    observed cells do not determine; adding ``V V^T (x) I`` makes it definite on the gauge, so that it can be
    factored.

    Parameters
    ----------
    problem : Problem
        With at least as many rows as columns, so that the elimination removes the longer side.
    U, V : ndarray, shapes (m, r) and (n, r)
        Orthonormal columns.
    J : csr_array
        The Jacobian at U, V.
    tol : float
        Directions of a row with a singular value of at most this count as undetermined (`unseen`).

    Attributes
    ----------
    unseen : ndarray of bool, shape (m, r)
        Right singular directions of each row's block that its observed cells do not determine.
    row_values : ndarray, shape (m, r)
        Singular values of each row's block.
    row_frames : ndarray, shape (m, r, r)
        ``W_i``; column a is the direction of ``row_values[i, a]``.
    """

    def __init__(
        self, problem: Problem, U: np.ndarray, V: np.ndarray, J: sparse.csr_array, tol: float
    ) -> None:
        from scipy.sparse import csr_array

        (m, rank), n = U.shape, V.shape[0]
        self.shape = (m, n, rank)
        Q, self.row_values, self.row_frames = _row_decompositions(problem, V)
        self.unseen = self.row_values <= tol
        Q[self.unseen[problem.rows]] = 0.0
        self._inverse_values = np.where(self.unseen, 0.0, 1.0 / np.where(self.unseen, 1.0, self.row_values))
        columns = problem.rows[:, None] * rank + np.arange(rank)
        starts = np.arange(problem.n_observed + 1) * rank
        ranges = csr_array((Q.ravel(), columns.ravel(), starts), shape=(problem.n_observed, m * rank))
        J_V = J[:, m * rank :]
        self._coupling = csr_array(J_V.T @ ranges)
        C = (J_V.T @ J_V).toarray()
        if self._coupling.nnz > _DENSE_ABOVE * (n * rank) * (m * rank):
            dense = self._coupling.toarray()
            C -= dense @ dense.T
        else:
            C -= (self._coupling @ self._coupling.T).toarray()
        C += np.kron(V @ V.T, np.eye(rank))
        self._factor = _shifted_cholesky(C)

    @property
    def n_reduced(self) -> int:
        """Number of unknowns after the elimination."""
        return self.shape[1] * self.shape[2]

    def solve(self, dU: np.ndarray, dV: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A solution z of ``J^T J z = (dU, dV)``; shapes (m, r, k) and (n, r, k).

        The right-hand sides must be orthogonal to the gauge; z is determined up to gauge, and zero in the
        unseen directions of the rows.
        """
        from scipy.linalg import cho_solve

        m, n, rank = self.shape
        k = dU.shape[-1]
        w = (self.row_frames.transpose(0, 2, 1) @ dU) * self._inverse_values[:, :, None]
        reduced = dV.reshape(n * rank, k) - self._coupling @ w.reshape(m * rank, k)
        out_V = cho_solve(self._factor, reduced, check_finite=False)
        w -= (self._coupling.T @ out_V).reshape(m, rank, k)
        out_U = self.row_frames @ (w * self._inverse_values[:, :, None])
        return out_U, out_V.reshape(n, rank, k)


def _row_decompositions(problem: Problem, V: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular value decompositions of ``V[observed columns]`` for every row.

    Returns the left vectors (n_observed, r), the singular values (m, r; zeros where a row has fewer than r
    entries) and the full right frames (m, r, r). Rows with equally many entries share one call.
    """
    m, rank = problem.n_rows, V.shape[1]
    counts = problem.row_counts
    starts, *_ = problem.compressed_rows()
    Q = np.zeros((problem.n_observed, rank))
    values, frames = np.zeros((m, rank)), np.tile(np.eye(rank), (m, 1, 1))
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        at = starts[rows][:, None] + np.arange(count)
        blocks = V[problem.cols[at]]
        if count < rank:  # square blocks, so that the right frames are complete
            blocks = np.concatenate([blocks, np.zeros((rows.size, rank - count, rank))], axis=1)
        left, s, right = np.linalg.svd(blocks, full_matrices=False)
        Q[at] = left[:, :count]
        values[rows], frames[rows] = s, right.transpose(0, 2, 1)
    return Q, values, frames


def _shifted_cholesky(C: np.ndarray) -> tuple[np.ndarray, bool]:
    """Cholesky factor of a semidefinite matrix plus the smallest shift that makes it definite."""
    from scipy.linalg import cho_factor

    size = np.arange(C.shape[0])
    shift = _SHIFT * C[size, size].max()
    C[size, size] += shift
    while True:
        try:
            return cho_factor(C, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            C[size, size] += 9 * shift
            shift *= 10
