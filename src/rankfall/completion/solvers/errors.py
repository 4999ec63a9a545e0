"""Errors of fits: root mean square and mean absolute value, weighted where cells have weights."""

from __future__ import annotations

import numpy as np

from ...geometry import thin_svd
from ...problem import Problem
from .products import products


def rms(misfit: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Root (weighted) mean square."""
    return float(np.sqrt(np.average(misfit**2, weights=weights)))


def both_errors(misfit: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Root (weighted) mean square, and (weighted) mean absolute value."""
    return rms(misfit, weights), float(np.average(np.abs(misfit), weights=weights))


def combined(rmse: float, mae: float) -> float:
    """Geometric mean of root mean square and mean absolute error.

    Where errors have heavy tails the first alone would hang on a few cells.
    """
    return (rmse * mae) ** 0.5


def living_rank(
    cells: Problem, left: np.ndarray, right: np.ndarray, fitted: np.ndarray, fraction: float
) -> int:
    """The smallest rank to which a product of factors can be cut without loss at some cells.

    Without loss: neither the root mean square nor the mean absolute error is larger by more than this
    `fraction` than that of all factors. (The first alone may hang on a few bad cells.)

    Parameters
    ----------
    left, right : ndarray, shapes (m, r), (n, r)
    fitted : ndarray
        What is fitted at the cells: the product, and whatever is not cut.
    """
    U, s, Vt = thin_svd(left, right)
    U, V = U * s, np.ascontiguousarray(Vt.T)
    rest = fitted - cells.values - products(cells.rows, cells.cols, U, V)
    errors = [both_errors(rest, cells.weights)]
    for k in range(s.size):
        rest = rest + U[cells.rows, k] * V[cells.cols, k]
        errors.append(both_errors(rest, cells.weights))
    fine = np.array(errors) <= (1 + fraction) * np.array(errors[-1])
    return int(np.argmax(fine.all(axis=1)))
