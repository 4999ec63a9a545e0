"""The linear system of a Levenberg-Marquardt step: damped normal equations for a tangent vector.

The row unknowns are eliminated exactly, one r x r block per row; what remains for the column unknowns is
solved by a dense Cholesky factorisation or by conjugate gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from ...problem import Problem
from .kernels import least_squares as kernels
from .products import products

# above these, conjugate gradients are cheaper than forming and factorising the column system; from so many
# cells per degree of freedom on they mostly are at any size, since they need few iterations
DENSE_UNKNOWNS, DENSE_FLOPS, DENSE_CELLS = 1200, 2e8, 2.0
# compressed rows of a problem or of its transpose: where each row begins, columns, values
Compressed = tuple[np.ndarray, np.ndarray, np.ndarray]
# right-hand sides of the normal equations (the Jacobian transpose times values at the cells): of the row
# unknowns and of the column unknowns
RightSides = tuple[np.ndarray, np.ndarray]
# read-only, as the values of a problem are: kernels are compiled once more for arrays that may be written to
_NO_VALUES = np.empty(0)
_NO_VALUES.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Cells:
    """The observed cells by rows and by columns, for kernels that go through one or the other.

    Every output of a kernel belongs to one row or column and is summed by one thread in the order of the
    cells: the bits do not depend on the number of threads, and no array is larger than the cells themselves.
    """

    problem: Problem
    rows: Compressed
    cols: Compressed
    norm: float

    @classmethod
    def of(cls, problem: Problem) -> Cells:
        norm = float(np.linalg.norm(problem.values)) or 1.0
        return cls(problem, problem.compressed_rows(), problem.T.compressed_rows(), norm)

    def at(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """``left_i . right_j`` at all cells, by rows."""
        return products(self.problem.rows, self.problem.cols, left, right)


class TangentSystem:
    """Damped normal equations for a tangent vector ``X V^T + U Y^T`` whose values at the cells are wanted."""

    def __init__(self, cells: Cells, U: np.ndarray, V: np.ndarray, max_inner: int) -> None:
        self.cells, self.U, self.V, self.max_inner = cells, U, V, max_inner
        self.r = U.shape[1]
        indptr, indices, _ = cells.rows
        self.by_rows, self.by_cols = cells.rows[:2], cells.cols[:2]
        self.H = kernels.gram_blocks(indptr, indices, V)
        self.dense = V.size <= DENSE_UNKNOWNS
        freedom = self.r * (sum(cells.problem.shape) - self.r)
        self.dense &= cells.problem.n_observed < DENSE_CELLS * freedom
        self.dense &= float(np.sum(np.diff(indptr).astype(float) ** 2)) * self.r**2 <= DENSE_FLOPS
        if not self.dense:
            self.blocks = kernels.gram_blocks(*self.by_cols, U)

    def right_sides_of_misfit(self, scaled: np.ndarray) -> RightSides:
        """Right-hand sides where what ``scaled V^T`` leaves of the data is wanted."""
        return (
            kernels.jacobian_transpose(*self.cells.rows, scaled, self.V, self.V),
            kernels.jacobian_transpose(*self.cells.cols, self.V, scaled, self.U),
        )

    def right_sides_of_tangent(self, X: np.ndarray, Y: np.ndarray) -> RightSides:
        """Right-hand sides where the values of ``X V^T + U Y^T`` are wanted."""
        rows = kernels.jacobian_transpose(*self.by_rows, _NO_VALUES, -X, self.V, self.V)
        cols = kernels.jacobian_transpose(*self.by_cols, _NO_VALUES, -Y, self.U, self.U)
        return rows + self._to_rows(Y), cols + self._to_cols(X)

    def solve(
        self, right_sides: RightSides, damping: float, tolerance: float
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Row and column unknowns; None if the damped system is numerically singular.

        Conjugate gradients stop at `tolerance`, relative to the right-hand side.
        """
        right_rows, right_cols = right_sides
        H_inverse = np.linalg.inv(self.H + damping * np.eye(self.r))
        start = _blockwise(H_inverse, right_rows)
        right = right_cols - self._to_cols(start)
        if self.dense:
            Y = self._dense(H_inverse, damping, right)
        else:
            Y = self._conjugate_gradients(H_inverse, damping, right, tolerance)
        if Y is None:
            return None
        return start - _blockwise(H_inverse, self._to_rows(Y)), Y

    def _to_rows(self, Y: np.ndarray) -> np.ndarray:
        """``sum_j (u_i . y_j) v_j``: the coupling of the column unknowns to those of the rows."""
        return kernels.jacobian_transpose(*self.by_rows, _NO_VALUES, -self.U, np.ascontiguousarray(Y), self.V)

    def _to_cols(self, X: np.ndarray) -> np.ndarray:
        """``sum_i (v_j . x_i) u_i``, its transpose."""
        return kernels.jacobian_transpose(*self.by_cols, _NO_VALUES, -self.V, np.ascontiguousarray(X), self.U)

    def _dense(self, H_inverse: np.ndarray, damping: float, right: np.ndarray) -> np.ndarray | None:
        S = kernels.schur_complement(*self.by_rows, self.U, self.V, H_inverse, damping)
        # numpy's order of S is the other triangle of LAPACK's, which then needs no copy
        potrf, potrs = linalg.get_lapack_funcs(("potrf", "potrs"), (S,))
        factor, info = potrf(S.T, lower=False, clean=False, overwrite_a=True)
        if info:
            return None
        return potrs(factor, right.ravel(), lower=False)[0].reshape(right.shape)

    def _conjugate_gradients(
        self, H_inverse: np.ndarray, damping: float, right: np.ndarray, tolerance: float
    ) -> np.ndarray:
        shifted = self.blocks + damping * np.eye(self.r)
        block_inverse = np.linalg.inv(shifted)

        def normal(Y: np.ndarray) -> np.ndarray:
            Y = Y.reshape(right.shape)
            out = _blockwise(shifted, Y) - self._to_cols(_blockwise(H_inverse, self._to_rows(Y)))
            return out.ravel()

        def precondition(Y: np.ndarray) -> np.ndarray:
            return _blockwise(block_inverse, Y.reshape(right.shape)).ravel()

        size = right.size
        return sparse.linalg.cg(
            sparse.linalg.LinearOperator((size, size), matvec=normal, dtype=float),
            right.ravel(),
            rtol=tolerance,
            maxiter=self.max_inner,
            M=sparse.linalg.LinearOperator((size, size), matvec=precondition, dtype=float),
        )[0].reshape(right.shape)


def _blockwise(blocks: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """``B_i x_i`` for all i."""
    return np.einsum("iab,ib->ia", blocks, vectors)
