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


def mean_squares_of_measurements(
    left: np.ndarray, right: np.ndarray, U: np.ndarray, V: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Mean of ``((left^T u_k) . (right^T v_k) - y_k)^2``; left (c, m, k), right (c, n, k)."""
    out = np.empty(left.shape[0])
    parallel_for(_mean_squares_of_measurements, out.size, left, right, U, V, values, out)
    return out


@njit(**LOOP)
def _mean_squares_of_measurements(begin, end, left, right, U, V, values, out):
    up, down = np.zeros(left.shape[2], left.dtype), np.zeros(left.shape[2], left.dtype)
    for c in range(begin, end):
        total = 0.0
        for k in range(values.size):
            _combine(up, left[c], U[k])
            _combine(down, right[c], V[k])
            residual = np.float64(dot(up, down, up.size)) - values[k]
            total += residual * residual
        out[c] = total / values.size


@njit(**LOOP)
def _combine(out, rows, vector):
    """``out = sum_i vector_i rows_i``"""
    out[:] = 0
    for i in range(vector.size):
        for k in range(out.size):
            out[k] += vector[i] * rows[i, k]


@njit(**LOOP)
def _mean_squares(begin, end, left, right, rows, cols, values, out):
    for c in range(begin, end):
        total = 0.0
        for e in range(values.size):
            residual = np.float64(dot(left[c, rows[e]], right[c, cols[e]], left.shape[2])) - values[e]
            total += residual * residual
        out[c] = total / values.size
