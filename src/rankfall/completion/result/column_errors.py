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
    return problem.values[_places(problem, rows, cols)]


def _places(problem: Problem, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Which of the sorted entries some observed cells are."""
    keys = problem.rows * problem.n_cols + problem.cols
    return np.searchsorted(keys, rows.astype(np.int64) * problem.n_cols + cols)


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
    at = _places(problem, rows, cols)
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
