"""Least squares on the set of rank-r matrices: from near a solution to machine precision.

A Levenberg-Marquardt method in orthonormal frames. With ``A = U S V^T``, a tangent step is
``X V^T + U Y^T``; because U and V are orthonormal its conditioning depends on which cells are observed,
not on the spread of the singular values (Boumal & Absil's RTRMC and Zilber & Nadler's GNMR use the same
fact). The row unknowns X are eliminated exactly, one r x r block per row; the column unknowns Y are
solved by a dense Cholesky factorisation when they are few and badly determined, otherwise by conjugate
gradients without forming the matrix. The rank-2r result is brought back to rank r by the truncated SVD.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from ...compute.threads import threads_for
from ...geometry import truncated_svd
from ...problem import Problem
from .kernels import least_squares as kernels
from .low_rank import products

# above these, conjugate gradients are cheaper than forming and factorising the column system; from so many
# cells per degree of freedom on they mostly are at any size, since they need few iterations
DENSE_UNKNOWNS, DENSE_FLOPS, DENSE_CELLS = 1200, 2e8, 2.0
MACHINE_PRECISION = 1e-13
# how a tangent vector is found from its values at the cells
_INNER_STRAIGHT, _DAMPING_STRAIGHT, _TOLERANCE_STRAIGHT = 200, 1e-10, 1e-5
# compressed rows of a problem or of its transpose: where each row begins, columns, values
Compressed = tuple[np.ndarray, np.ndarray, np.ndarray]
# a Jacobian, transposed, times numbers at the cells: that of the row unknowns and that of the column unknowns
Pulls = tuple[np.ndarray, np.ndarray]
# read-only, as the values of a problem are: kernels are compiled once more for arrays that may be written to
_NO_VALUES = np.empty(0)
_NO_VALUES.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Polished:
    """A fit on the fixed-rank set.

    Attributes
    ----------
    U, s, V : ndarray, shapes (m, r), (r,), (n, r)
        Orthonormal frames and singular values.
    residual : float
        ``|A - X|_observed / |X|_observed``.
    history : tuple of float
        The residual at the start and after every accepted step.
    settled : bool
        Whether the last steps no longer moved the residual: a local minimum, exact or not.
    """

    U: np.ndarray
    s: np.ndarray
    V: np.ndarray
    residual: float
    history: tuple[float, ...]
    settled: bool


def polish(
    problem: Problem,
    U: np.ndarray,
    s: np.ndarray,
    V: np.ndarray,
    max_iter: int = 60,
    patience: int = 8,
    max_inner: int = 500,
    enough: float = MACHINE_PRECISION,
) -> Polished:
    """Minimise ``|U S V^T - X|_observed`` over rank-r matrices, from a start.

    Stops at a residual of `enough`, at a local minimum, or as soon as it stalls: `patience` steps that do not
    halve the residual mean a wrong basin (or noise), and an unregularised fit only wanders off from there. A
    step makes at most `max_inner` iterations of conjugate gradients.
    """
    if problem.n_cols > problem.n_rows:  # the eliminated side should be the long one
        flipped = polish(problem.T, V, s, U, max_iter, patience, max_inner, enough)
        return Polished(flipped.V, flipped.s, flipped.U, flipped.residual, flipped.history, flipped.settled)
    with _threads(problem, s.size):
        return _polish(_Cells.of(problem), U, s, V, max_iter, patience, max_inner, enough)


def _threads(problem: Problem, rank: int) -> AbstractContextManager[None]:
    """Those that a product with the Jacobian is worth: conjugate gradients make hundreds of them."""
    return threads_for(2 * problem.n_observed * rank)


def tangent_from_cells(
    problem: Problem, U: np.ndarray, V: np.ndarray, X: np.ndarray, Y: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Row and column unknowns of a tangent vector with the values of ``X V^T + U Y^T`` at the observed cells.

    U and V are orthonormal frames. Where the cells do not determine the vector, the smallest is found
    (nearly); and None where the equations cannot be solved.
    """
    if problem.n_cols > problem.n_rows:
        found = tangent_from_cells(problem.T, V, U, Y, X)
        return None if found is None else (found[1], found[0])
    with _threads(problem, U.shape[1]):
        system = _TangentSystem(_Cells.of(problem), U, V, _INNER_STRAIGHT)
        return system.solve(system.pulls_of_tangent(X, Y), _DAMPING_STRAIGHT, _TOLERANCE_STRAIGHT)


def _polish(
    cells: _Cells,
    U: np.ndarray,
    s: np.ndarray,
    V: np.ndarray,
    max_iter: int,
    patience: int,
    max_inner: int,
    enough: float,
) -> Polished:
    point = _Point.at(cells, U, s, V)
    history, damping = [point.residual], 1e-4
    settled = False
    for _ in range(max_iter):
        if point.residual < enough:
            settled = True
            break
        step = _accepted_step(cells, point, damping, max_inner)
        if step is None:
            settled = True
            break
        point, damping = step
        history.append(point.residual)
        if _at_floor(history):
            settled = True
            break
        if _stalled(history, patience):
            settled = history[-1] > (1 - 1e-3) * history[-2]
            break
    return Polished(point.U, point.s, point.V, point.residual, tuple(history), settled)


def _at_floor(history: list[float]) -> bool:
    """Rounding level reached, or no measurable progress any more."""
    if len(history) < 3:
        return False
    if history[-1] < 1e-11:
        return history[-1] > 0.5 * history[-2]
    return history[-1] > (1 - 1e-6) * history[-2]


def _stalled(history: list[float], patience: int) -> bool:
    return len(history) > patience and history[-1] > 0.5 * history[-1 - patience]


@dataclass(frozen=True, eq=False)
class _Cells:
    """The observed cells by rows and by columns, for kernels that go through one or the other.

    Every output of a kernel belongs to one line and is summed by one thread in the order of the cells: the
    bits do not depend on the number of threads, and no array is larger than the cells themselves.
    """

    problem: Problem
    rows: Compressed
    cols: Compressed
    norm: float

    @classmethod
    def of(cls, problem: Problem) -> _Cells:
        norm = float(np.linalg.norm(problem.values)) or 1.0
        return cls(problem, problem.compressed_rows(), problem.T.compressed_rows(), norm)

    def at(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """``left_i . right_j`` at all cells, by rows."""
        return products(self.problem.rows, self.problem.cols, left, right)


@dataclass(frozen=True, eq=False)
class _Point:
    """A rank-r matrix and its misfit on the observed cells."""

    U: np.ndarray
    s: np.ndarray
    V: np.ndarray
    error: np.ndarray  # observed minus fitted, cells by rows
    residual: float

    @classmethod
    def at(cls, cells: _Cells, U: np.ndarray, s: np.ndarray, V: np.ndarray) -> _Point:
        U, V = np.ascontiguousarray(U), np.ascontiguousarray(V)
        error = cells.problem.values - cells.at(U * s, V)
        return cls(U, s, V, error, float(np.linalg.norm(error) / cells.norm))


def _accepted_step(
    cells: _Cells, point: _Point, damping: float, max_inner: int
) -> tuple[_Point, float] | None:
    """The next point and its damping, or None when no damping gives descent."""
    system = _TangentSystem(cells, point.U, point.V, max_inner)
    pulls = system.pulls_of_misfit(point.U * point.s)
    tolerance = min(1e-2, max(point.residual, 1e-8))
    while damping < 1e3:
        step = system.solve(pulls, damping, tolerance)
        if step is None:
            damping *= 10
            continue
        X, Y = step
        # U S V^T + X V^T + U Y^T, brought back to rank r
        left, right = np.hstack([point.U * point.s + X, point.U]), np.hstack([point.V, Y])
        candidate = _Point.at(cells, *truncated_svd(left, right, rank=point.s.size))
        if candidate.residual < point.residual:
            predicted = point.residual**2 - (_left_over(cells, point, X, Y) / cells.norm) ** 2
            gain = (point.residual**2 - candidate.residual**2) / max(predicted, 1e-300)
            if gain > 0.7:
                damping /= 10
            elif gain < 0.25:
                damping *= 3
            return candidate, max(damping, 1e-14)
        damping = max(damping * 8, 1e-10)
    return None


def _left_over(cells: _Cells, point: _Point, X: np.ndarray, Y: np.ndarray) -> float:
    """Norm of what the straight step ``X V^T + U Y^T`` leaves of the error."""
    left, right = np.hstack([X, point.U]), np.hstack([point.V, Y])
    return float(np.linalg.norm(point.error - cells.at(left, right)))


class _TangentSystem:
    """Damped normal equations for a tangent vector ``X V^T + U Y^T`` whose values at the cells are wanted."""

    def __init__(self, cells: _Cells, U: np.ndarray, V: np.ndarray, max_inner: int) -> None:
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

    def pulls_of_misfit(self, scaled: np.ndarray) -> Pulls:
        """Right-hand sides where what ``scaled V^T`` leaves of the data is wanted."""
        return (
            kernels.pull(*self.cells.rows, scaled, self.V, self.V),
            kernels.pull(*self.cells.cols, self.V, scaled, self.U),
        )

    def pulls_of_tangent(self, X: np.ndarray, Y: np.ndarray) -> Pulls:
        """Right-hand sides where the values of ``X V^T + U Y^T`` are wanted."""
        rows = kernels.pull(*self.by_rows, _NO_VALUES, -X, self.V, self.V)
        cols = kernels.pull(*self.by_cols, _NO_VALUES, -Y, self.U, self.U)
        return rows + self._to_rows(Y), cols + self._to_cols(X)

    def solve(self, pulls: Pulls, damping: float, tolerance: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Row and column unknowns; None if the damped system is numerically singular.

        Conjugate gradients stop at `tolerance`, relative to the right-hand side.
        """
        pull_rows, pull_cols = pulls
        H_inverse = np.linalg.inv(self.H + damping * np.eye(self.r))
        start = _blockwise(H_inverse, pull_rows)
        right = pull_cols - self._to_cols(start)
        if self.dense:
            Y = self._dense(H_inverse, damping, right)
        else:
            Y = self._conjugate_gradients(H_inverse, damping, right, tolerance)
        if Y is None:
            return None
        return start - _blockwise(H_inverse, self._to_rows(Y)), Y

    def _to_rows(self, Y: np.ndarray) -> np.ndarray:
        """``sum_j (u_i . y_j) v_j``: the coupling of the column unknowns to those of the rows."""
        return kernels.pull(*self.by_rows, _NO_VALUES, -self.U, np.ascontiguousarray(Y), self.V)

    def _to_cols(self, X: np.ndarray) -> np.ndarray:
        """``sum_i (v_j . x_i) u_i``, its transpose."""
        return kernels.pull(*self.by_cols, _NO_VALUES, -self.V, np.ascontiguousarray(X), self.U)

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


def _blockwise(blocks: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """``B_i x_i`` for all lines."""
    return np.einsum("iab,ib->ia", blocks, lines)
