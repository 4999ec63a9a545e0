"""Which rows, columns and records of a large result are drawn."""

from __future__ import annotations

import numpy as np

from ..problem import Problem

# pixels a side of a heat map; a narrow one may be longer
_SIDE, _PIXELS, _LONGEST = 240, 240 * 240, 600


def evenly(size: int, at_most: int) -> np.ndarray:
    """At most `at_most` of the positions 0, ..., size - 1, evenly spaced, first and last among them."""
    return np.unique(np.linspace(0, size - 1, min(size, at_most)).round().astype(np.int64))


def map_positions(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of a heat map: all if they are few, else evenly spaced ones."""
    m, n = shape
    high = min(max(_SIDE, _PIXELS // min(n, _SIDE)), _LONGEST)
    wide = min(max(_SIDE, _PIXELS // min(m, _SIDE)), _LONGEST)
    return evenly(m, high), evenly(n, wide)


def cells_at(problem: Problem, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """The observed entries in some rows and columns, NaN elsewhere, without the whole matrix in memory."""
    row_at, col_at = np.full(problem.n_rows, -1), np.full(problem.n_cols, -1)
    row_at[rows], col_at[cols] = np.arange(rows.size), np.arange(cols.size)
    i, j = row_at[problem.rows], col_at[problem.cols]
    inside = (i >= 0) & (j >= 0)
    out = np.full((rows.size, cols.size), np.nan)
    out[i[inside], j[inside]] = problem.values[inside]
    return out
