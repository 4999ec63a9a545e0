"""Compiled inner loop of the Gibbs sampler; its literal twin is in :mod:`.reference`."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .parallel import LOOPS, SERIAL
from .posterior_kernels import factor


@njit(**SERIAL)
def _back(L, y):  # pragma: no cover (compiled)
    """``y <- L^-T y``, along the rows of L."""
    for a in range(y.size - 1, -1, -1):
        y[a] /= L[a, a]
        for b in range(a):
            y[b] -= y[a] * L[a, b]


@njit(**LOOPS)
def draw_lines(
    indptr, indices, values, weights, crossing, free, fixed, noise, center, precision, normals, mean, draw
):  # pragma: no cover (compiled)
    """Draw the factors of every line from their conditional distribution, given those of the crossing lines.

    The free coordinates of line i have the precision ``H_i = precision + sum_j w_ij v_j v_j^T / noise_i`` and
    the mean ``H_i^-1 (precision center + sum_j w_ij v_j (x_ij - known part) / noise_i)``; with the
    Cholesky factor ``H_i = L L^T`` the draw is mean + ``L^-T normals_i``.

    Parameters
    ----------
    indptr, indices, values, weights : ndarray
        Entries in compressed sparse rows.
    crossing : ndarray, shape (n, K)
        Factors of the crossing lines.
    free, fixed : ndarray of int64 (F,), int
        Coordinates that are drawn, and the known one (-1: none), as in ``fold_lines``.
    noise : ndarray, shape (m,)
        Noise variance of a cell of weight 1 in line i, but for what is in `weights`.
    center, precision : ndarray, shapes (F,), (F, F)
        Mean and inverse covariance of the lines' prior.
    normals : ndarray, shape (m, F)
        Standard normal numbers.
    mean, draw : ndarray, shape (m, K)
        Free coordinates are filled; the column `fixed` of `mean` is read.
    """
    F = free.size
    pull = np.zeros(F)
    for a in range(F):
        for b in range(F):
            pull[a] += precision[a, b] * center[b]
    for i in prange(indptr.size - 1):
        start, count = indptr[i], indptr[i + 1] - indptr[i]
        design, target = np.empty((count, F)), np.empty(count)
        for x in range(count):
            j = indices[start + x]
            size = np.sqrt(weights[start + x] / noise[i])
            known = mean[i, fixed] * crossing[j, fixed] if fixed >= 0 else 0.0
            target[x] = (values[start + x] - known) * size
            for k in range(F):
                design[x, k] = crossing[j, free[k]] * size
        L = design.T @ design
        y, other = np.empty(F), np.empty(F)
        for k in range(F):
            y[k] = pull[k]
        for x in range(count):
            for k in range(F):
                y[k] += design[x, k] * target[x]
        for a in range(F):
            for b in range(a + 1):
                L[a, b] += precision[a, b]
        factor(L)
        for a in range(F):
            total = y[a]
            for b in range(a):
                total -= L[a, b] * y[b]
            y[a] = total / L[a, a]
        for k in range(F):
            other[k] = y[k] + normals[i, k]
        _back(L, y)
        _back(L, other)
        for k in range(F):
            mean[i, free[k]] = y[k]
            draw[i, free[k]] = other[k]
