"""Sums over the observed entries of every chain, without an array of chains x entries x width numbers."""

from __future__ import annotations

import numpy as np
from numba import njit

from ...compute.njit_options import LOOP
from ...compute.threads import parallel_for


@njit(**LOOP)
def dot(x, y, size):
    """Inner product of the first `size` entries."""
    total = x.dtype.type(0)
    for k in range(size):
        total += x[k] * y[k]
    return total


def mean_squares(
    left: np.ndarray, right: np.ndarray, rows: np.ndarray, cols: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Mean of ``(left[i] . right[j] - x_ij)^2`` over the entries; left (c, m, k), right (c, n, k)."""
    out = np.empty(left.shape[0])
    parallel_for(_mean_squares, out.size, left, right, rows, cols, values, out)
    return out


@njit(**LOOP)
def _mean_squares(begin, end, left, right, rows, cols, values, out):
    for c in range(begin, end):
        total = 0.0
        for e in range(values.size):
            residual = np.float64(dot(left[c, rows[e]], right[c, cols[e]], left.shape[2])) - values[e]
            total += residual * residual
        out[c] = total / values.size
