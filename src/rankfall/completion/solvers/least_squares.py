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

from ...compute.threads import threads_for
from ...geometry import truncated_svd
from ...problem import Problem
from .tangent_system import Cells, TangentSystem

MACHINE_PRECISION = 1e-13
# how a tangent vector is found from its values at the cells
_INNER_STRAIGHT, _DAMPING_STRAIGHT, _TOLERANCE_STRAIGHT = 200, 1e-10, 1e-5


@dataclass(frozen=True, eq=False)
class LeastSquaresFit:
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


def fit_least_squares(
    problem: Problem,
    U: np.ndarray,
    s: np.ndarray,
    V: np.ndarray,
    max_iter: int = 60,
    patience: int = 8,
    max_inner: int = 500,
    enough: float = MACHINE_PRECISION,
) -> LeastSquaresFit:
    """Minimise ``|U S V^T - X|_observed`` over rank-r matrices, from a start.

    Stops at a residual of `enough`, at a local minimum, or as soon as it stalls: `patience` steps that do not
    halve the residual mean a wrong basin (or noise), and an unregularised fit only wanders off from there. A
    step makes at most `max_inner` iterations of conjugate gradients.
    """
    if problem.n_cols > problem.n_rows:  # the eliminated side should be the long one
        flipped = fit_least_squares(problem.T, V, s, U, max_iter, patience, max_inner, enough)
        return LeastSquaresFit(
            flipped.V, flipped.s, flipped.U, flipped.residual, flipped.history, flipped.settled
        )
    with threads_of_fit(problem, s.size):
        return _levenberg_marquardt(Cells.of(problem), U, s, V, max_iter, patience, max_inner, enough)


def threads_of_fit(problem: Problem, rank: int) -> AbstractContextManager[None]:
    """Threads that a product with the Jacobian is worth: conjugate gradients make hundreds of them."""
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
    with threads_of_fit(problem, U.shape[1]):
        system = TangentSystem(Cells.of(problem), U, V, _INNER_STRAIGHT)
        return system.solve(system.right_sides_of_tangent(X, Y), _DAMPING_STRAIGHT, _TOLERANCE_STRAIGHT)


def _levenberg_marquardt(
    cells: Cells,
    U: np.ndarray,
    s: np.ndarray,
    V: np.ndarray,
    max_iter: int,
    patience: int,
    max_inner: int,
    enough: float,
) -> LeastSquaresFit:
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
    return LeastSquaresFit(point.U, point.s, point.V, point.residual, tuple(history), settled)


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
    error: np.ndarray  # observed minus fitted, cells by rows
    residual: float

    @classmethod
    def at(cls, cells: Cells, U: np.ndarray, s: np.ndarray, V: np.ndarray) -> _Point:
        U, V = np.ascontiguousarray(U), np.ascontiguousarray(V)
        error = cells.problem.values - cells.at(U * s, V)
        return cls(U, s, V, error, float(np.linalg.norm(error) / cells.norm))


def _accepted_step(
    cells: Cells, point: _Point, damping: float, max_inner: int
) -> tuple[_Point, float] | None:
    """The next point and its damping, or None when no damping gives descent."""
    system = TangentSystem(cells, point.U, point.V, max_inner)
    right_sides = system.right_sides_of_misfit(point.U * point.s)
    tolerance = min(1e-2, max(point.residual, 1e-8))
    while damping < 1e3:
        step = system.solve(right_sides, damping, tolerance)
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


def _left_over(cells: Cells, point: _Point, X: np.ndarray, Y: np.ndarray) -> float:
    """Norm of what the straight step ``X V^T + U Y^T`` leaves of the error."""
    left, right = np.hstack([X, point.U]), np.hstack([point.V, Y])
    return float(np.linalg.norm(point.error - cells.at(left, right)))
