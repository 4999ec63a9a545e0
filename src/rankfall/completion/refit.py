"""Ridge refits on the fixed-rank set, for data with noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem import Problem
from . import kernels


@dataclass(frozen=True, eq=False)
class Refit:
    """Factors that minimise ``|U V^T - X|^2_observed + ridge (|U|^2 + |V|^2)`` from a start.

    Attributes
    ----------
    U, V : ndarray, shapes (m, r), (n, r)
        The rows of U are the ridge solutions for V ("folded in"), exactly.
    ridge : float
    converged : bool
        Whether the objective had stopped falling.
    """

    U: np.ndarray
    V: np.ndarray
    ridge: float
    converged: bool

    def at(self, problem: Problem) -> np.ndarray:
        """Fitted values at the problem's cells."""
        indptr = np.concatenate([[0], np.cumsum(problem.row_counts)])
        U, V = np.ascontiguousarray(self.U), np.ascontiguousarray(self.V)
        return kernels.fitted_cells(indptr, problem.cols, U, V)

    def rmse(self, problem: Problem) -> float:
        """Root mean square misfit at the problem's cells."""
        return float(np.sqrt(np.mean((self.at(problem) - problem.values) ** 2)))


class Refitter:
    """Alternating ridge regressions on one problem; rows last, so that they are folded in."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._sides = tuple(
            (np.concatenate([[0], np.cumsum(side.row_counts)]), side.cols, side.values)
            for side in (problem, problem.T)
        )

    def fold_rows(self, V: np.ndarray, ridge: float) -> np.ndarray:
        """Row factors for given column factors, each row by itself."""
        return self._half(0, V, ridge, self.problem.n_rows)

    def _half(self, side: int, fixed: np.ndarray, ridge: float, size: int) -> np.ndarray:
        out = np.zeros((size, fixed.shape[1]))
        kernels.ridge_rows(*self._sides[side], fixed, max(ridge, 1e-12), out)
        return out

    def fit(self, V: np.ndarray, ridge: float, tol: float = 1e-5, max_sweeps: int = 100) -> Refit:
        """Alternate from column factors `V` until the relative fall of the objective is below `tol`."""
        problem = self.problem
        V = np.ascontiguousarray(V)
        objective, converged = np.inf, False
        U = self.fold_rows(V, ridge)
        for sweep in range(max_sweeps):
            V = self._half(1, U, ridge, problem.n_cols)
            U = self.fold_rows(V, ridge)
            if sweep % 2:
                continue
            indptr, cols, values = self._sides[0]
            misfit = kernels.fitted_cells(indptr, cols, U, V) - values
            value = float(misfit @ misfit + ridge * (np.sum(U**2) + np.sum(V**2)))
            converged = objective - value <= tol * value
            objective = value
            if converged:
                break
        return Refit(U, V, ridge, converged)


def noise_ridge(problem: Problem, rmse: float) -> float:
    """Ridge at which noise of this size just stays out: its operator norm on the observed cells."""
    return rmse * float(np.sqrt(problem.n_observed / min(problem.shape)))


def search_ridge(refitter: Refitter, held: Problem, V: np.ndarray, start: float, tol: float = 1e-3) -> Refit:
    """The fit whose ridge has the smallest held-out error, warm-started.

    While the error says that there is far less noise than the ridge assumes, the ridge follows it down;
    then steps of a factor 2.
    """
    best = refitter.fit(V, start, tol)
    error = best.rmse(held)
    for _ in range(12):
        implied = 0.3 * noise_ridge(refitter.problem, error)
        if implied > 0.5 * best.ridge:
            break
        fit = refitter.fit(best.V, implied, tol)
        trial = fit.rmse(held)
        if trial >= error:
            break
        best, error = fit, trial
    moved = False
    for factor in (0.5, 2.0):
        if moved:
            break
        for _ in range(6):
            fit = refitter.fit(best.V, best.ridge * factor, tol)
            trial = fit.rmse(held)
            if trial >= error * (1 - 1e-4):
                break
            best, error, moved = fit, trial, True
    return best
