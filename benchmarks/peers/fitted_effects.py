"""Row and column effects, fitted by damped alternating means."""

from __future__ import annotations

import numpy as np

import rankfall as rf

# for the cells on which a method has nothing to say
FALLBACK = 5.0
_N_SWEEPS = 50


def fit_effects(train: rf.Problem, row_damping: float, column_damping: float) -> np.ndarray:
    """``mean + rows_i + cols_j``, the whole matrix.

    Every effect is the sum of what the others leave over, divided by the number of cells plus the damping:
    the minimiser of the squared misfits plus ``damping * effect**2`` for each effect, by alternation. A line
    without a cell has the effect 0.
    """
    mean = train.values.mean()
    rows, cols = np.zeros(train.n_rows), np.zeros(train.n_cols)
    rest = train.values - mean
    for _ in range(_N_SWEEPS):
        before = cols
        cols = _damped(train.cols, rest - rows[train.rows], train.col_counts, column_damping)
        rows = _damped(train.rows, rest - cols[train.cols], train.row_counts, row_damping)
        if np.abs(cols - before).max() <= 1e-9 * np.abs(rest).max():
            break
    return mean + rows[:, None] + cols


def _damped(lines: np.ndarray, rest: np.ndarray, counts: np.ndarray, damping: float) -> np.ndarray:
    sums = np.bincount(lines, weights=rest, minlength=counts.size)
    return np.divide(sums, counts + damping, out=np.zeros(counts.size), where=counts > 0)
