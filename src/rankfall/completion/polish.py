"""Least squares on the set of rank-r matrices: from near a solution to machine precision.

A Levenberg-Marquardt method in orthonormal frames. With ``A = U S V^T``, a tangent step is
``X V^T + U Y^T``; because U and V are orthonormal its conditioning depends on which cells are observed,
not on the spread of the singular values (Boumal & Absil's RTRMC and Zilber & Nadler's GNMR use the same
fact). The row unknowns X are eliminated exactly, one r x r block per row; the column unknowns Y are
solved by a dense Cholesky factorisation when there are few, otherwise by conjugate gradients without
forming the matrix. The rank-2r result is brought back to rank r by the truncated SVD.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from ..problem import Problem
from . import kernels

# above these, conjugate gradients are cheaper than forming and factorising the column system
DENSE_UNKNOWNS, DENSE_FLOPS = 1200, 2e8
MACHINE_PRECISION = 1e-13


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
) -> Polished:
    """Minimise ``|U S V^T - X|_observed`` over rank-r matrices, from a start.

    Stops at machine precision, at a local minimum, or as soon as it stalls: `patience` steps that do not
    halve the residual mean a wrong basin (or noise), and an unregularised fit only wanders off from there.
    """
    if problem.n_cols > problem.n_rows:  # the eliminated side should be the long one
        flipped = polish(problem.T, V, s, U, max_iter, patience)
        return Polished(flipped.V, flipped.s, flipped.U, flipped.residual, flipped.history, flipped.settled)
    point = _Point.at(problem, U, s, V)
    history, damping = [point.residual], 1e-4
    settled = False
    for _ in range(max_iter):
        if point.residual < MACHINE_PRECISION:
            settled = True
            break
        step = _accepted_step(problem, point, damping)
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
class _Point:
    """A rank-r matrix and its misfit on the observed cells."""

    U: np.ndarray
    s: np.ndarray
    V: np.ndarray
    error: np.ndarray  # observed minus fitted
    residual: float

    @classmethod
    def at(cls, problem: Problem, U: np.ndarray, s: np.ndarray, V: np.ndarray) -> _Point:
        U, V = np.ascontiguousarray(U), np.ascontiguousarray(V)
        error = problem.values - np.einsum("ij,ij->i", U[problem.rows] * s, V[problem.cols])
        scale = np.linalg.norm(problem.values) or 1.0
        return cls(U, s, V, error, float(np.linalg.norm(error) / scale))


def _accepted_step(problem: Problem, point: _Point, damping: float) -> tuple[_Point, float] | None:
    """The next point and its damping, or None when no damping gives descent."""
    system = _TangentSystem(problem, point)
    while damping < 1e3:
        step = system.solve(damping)
        if step is None:
            damping *= 10
            continue
        X, Y = step
        candidate = _Point.at(problem, *_retract(point, X, Y))
        linear = np.linalg.norm(point.error - system.apply(X, Y)) / (np.linalg.norm(problem.values) or 1.0)
        if candidate.residual < point.residual:
            predicted = point.residual**2 - linear**2
            gain = (point.residual**2 - candidate.residual**2) / max(predicted, 1e-300)
            if gain > 0.7:
                damping /= 10
            elif gain < 0.25:
                damping *= 3
            return candidate, max(damping, 1e-14)
        damping = max(damping * 8, 1e-10)
    return None


def _retract(point: _Point, X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best rank-r approximation of ``U S V^T + X V^T + U Y^T``."""
    r = point.s.size
    Ql, Rl = np.linalg.qr(np.hstack([point.U * point.s + X, point.U]))
    Qr, Rr = np.linalg.qr(np.hstack([point.V, Y]))
    a, s, bt = np.linalg.svd(Rl @ Rr.T)
    return Ql @ a[:, :r], s[:r], Qr @ bt[:r].T


class _TangentSystem:
    """Damped normal equations of the tangent step at one point."""

    def __init__(self, problem: Problem, point: _Point) -> None:
        self.problem, self.point = problem, point
        self.r = point.s.size
        self.indptr = np.concatenate([[0], np.cumsum(problem.row_counts)])
        self.H = kernels.gram_blocks(self.indptr, problem.cols, point.V)
        starts = np.arange(problem.n_observed + 1) * self.r
        blocks = np.arange(self.r)
        self.J_rows = sparse.csr_array(
            (point.V[problem.cols].ravel(), (problem.rows[:, None] * self.r + blocks).ravel(), starts),
            shape=(problem.n_observed, problem.n_rows * self.r),
        )
        self.J_cols = sparse.csr_array(
            (point.U[problem.rows].ravel(), (problem.cols[:, None] * self.r + blocks).ravel(), starts),
            shape=(problem.n_observed, problem.n_cols * self.r),
        )
        self.J_rows_T, self.J_cols_T = self.J_rows.T.tocsr(), self.J_cols.T.tocsr()

    def apply(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """The tangent step on the observed cells."""
        return self.J_rows @ X.ravel() + self.J_cols @ Y.ravel()

    def solve(self, damping: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Row and column unknowns; None if the damped system is numerically singular."""
        H_inverse = np.linalg.inv(self.H + damping * np.eye(self.r))

        def eliminate(row_side: np.ndarray) -> np.ndarray:
            return np.einsum("iab,ib->ia", H_inverse, row_side.reshape(-1, self.r)).ravel()

        row_start = eliminate(self.J_rows_T @ self.point.error)
        right = self.J_cols_T @ (self.point.error - self.J_rows @ row_start)
        flops = float(np.sum(self.problem.row_counts.astype(float) ** 2)) * self.r**2
        if right.size <= DENSE_UNKNOWNS and flops <= DENSE_FLOPS:
            Y = self._dense(H_inverse, damping, right)
        else:
            Y = self._conjugate_gradients(eliminate, damping, right)
        if Y is None:
            return None
        X = row_start - eliminate(self.J_rows_T @ (self.J_cols @ Y))
        return X.reshape(-1, self.r), Y.reshape(-1, self.r)

    def _dense(self, H_inverse: np.ndarray, damping: float, right: np.ndarray) -> np.ndarray | None:
        S = kernels.schur_complement(
            self.indptr, self.problem.cols, self.point.U, self.point.V, H_inverse, damping
        )
        try:
            return linalg.cho_solve(linalg.cho_factor(S, lower=True, overwrite_a=True), right)
        except linalg.LinAlgError:
            return None

    def _conjugate_gradients(self, eliminate, damping: float, right: np.ndarray) -> np.ndarray:
        def normal(Y: np.ndarray) -> np.ndarray:
            cells = self.J_cols @ Y
            cells = cells - self.J_rows @ eliminate(self.J_rows_T @ cells)
            return self.J_cols_T @ cells + damping * Y

        counts = np.concatenate([[0], np.cumsum(self.problem.T.row_counts)])
        blocks = kernels.gram_blocks(counts, self.problem.T.cols, self.point.U)
        block_inverse = np.linalg.inv(blocks + damping * np.eye(self.r))

        def precondition(Y: np.ndarray) -> np.ndarray:
            return np.einsum("jab,jb->ja", block_inverse, Y.reshape(-1, self.r)).ravel()

        size = right.size
        tolerance = min(1e-2, max(self.point.residual, 1e-8))
        return sparse.linalg.cg(
            sparse.linalg.LinearOperator((size, size), matvec=normal, dtype=float),
            right,
            rtol=tolerance,
            maxiter=500,
            M=sparse.linalg.LinearOperator((size, size), matvec=precondition, dtype=float),
        )[0]
