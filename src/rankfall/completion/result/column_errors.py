"""Errors at held-out cells, column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...problem import Problem

if TYPE_CHECKING:
    import pandas as pd

# a column's error is worth a word if it comes from so many held-out cells
ENOUGH = 5


def values_at(problem: Problem, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Observed values at some observed cells."""
    return problem.values[places_of(problem, rows, cols)]


def places_of(problem: Problem, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Which of the sorted entries some observed cells are."""
    keys = problem.rows * problem.n_cols + problem.cols
    return np.searchsorted(keys, rows.astype(np.int64) * problem.n_cols + cols)


def standard_error(errors: np.ndarray, rows: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Standard error of a root mean square; NaN where fewer than two rows tell.

    To first order error k, of weight ``w_k`` (mean 1), contributes ``w_k (e_k^2 - rmse^2) / (2 rmse)``.
    Contributions are summed within rows, whose errors may depend on each other.
    """
    largest = float(np.max(np.abs(errors), initial=0.0))  # squares may leave the range of floats
    groups, number = np.unique(rows, return_inverse=True)
    if groups.size < 2 or largest == 0:
        return float("nan")
    counted = np.ones(errors.size) if weights is None else weights / weights.mean()
    squares = (errors / largest) ** 2
    mean = float(np.mean(counted * squares))
    sums = np.bincount(number, counted * (squares - mean)) / (2 * np.sqrt(mean))
    factor = groups.size / (groups.size - 1)
    return float(np.sqrt(factor * np.sum(sums**2)) / errors.size * largest)


def column_errors(
    problem: Problem, rows: np.ndarray, cols: np.ndarray, predicted: np.ndarray, labels: pd.Index | None
) -> pd.DataFrame:
    """One row per column of the matrix.

    Parameters
    ----------
    problem : Problem
        The observed cells, in the data's own units.
    rows, cols, predicted : ndarray, shape (n_held,)
        Held-out cells, and what was predicted there, in the same units.
    labels : Index or None
        Of the columns.
    """
    import pandas as pd

    n = problem.n_cols
    at = places_of(problem, rows, cols)
    weights = np.ones(at.size) if problem.weights is None else problem.weights[at]
    error = _root_mean_square(cols, predicted - problem.values[at], weights, n)
    ones = np.ones(problem.n_observed)
    means = _means(problem.cols, problem.values, problem.col_counts)
    spread = _root_mean_square(problem.cols, problem.values - means[problem.cols], ones, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(spread > 0, error / spread, np.nan)
    return pd.DataFrame(
        {
            "error": error,
            "relative": relative,
            "spread": spread,
            "n_held_out": np.bincount(cols, minlength=n),
        },
        index=pd.RangeIndex(n, name="column") if labels is None else labels,
    )


def _means(cols: np.ndarray, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    # divided first: sums may leave the range of floats
    return np.bincount(cols, values / counts[cols], counts.size)


def _root_mean_square(cols: np.ndarray, values: np.ndarray, weights: np.ndarray, n: int) -> np.ndarray:
    """Of the values in each column; NaN where there is none."""
    largest = np.zeros(n)  # squares may leave the range of floats
    np.maximum.at(largest, cols, np.abs(values))
    unit = np.where(largest > 0, largest, 1.0)
    total = np.bincount(cols, weights, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(np.bincount(cols, weights * (values / unit[cols]) ** 2, n) / total) * unit
