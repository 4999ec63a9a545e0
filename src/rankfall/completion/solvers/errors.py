"""Errors of fits: root mean square and mean absolute value, weighted where cells have weights."""

from __future__ import annotations

import numpy as np


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
