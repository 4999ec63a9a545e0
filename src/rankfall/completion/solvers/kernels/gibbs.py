"""Compiled inner loops of the Gibbs sampler; their literal twins are in :mod:`.reference`."""

from __future__ import annotations

import numpy as np
from numba import njit

from ....compute.njit_options import LOOP_WITH_NAN
from ....compute.threads import parallel_for
from ....compute.vector_loops import add, assign, clear
from .small_systems import add_products, factor, padded, solve, solve_transposed

# entries whose weighted vectors are kept at a time: they fit the smallest cache
_ENTRIES = 32


def draw_rows(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    by_gaps: np.ndarray,
    gap_indptr: np.ndarray,
    gap_indices: np.ndarray,
    other: np.ndarray,
    other_weights: np.ndarray,
    free: np.ndarray,
    fixed: int,
    noise: np.ndarray,
    center: np.ndarray,
    precision: np.ndarray,
    normals: np.ndarray,
    mean: np.ndarray,
    draw: np.ndarray,
) -> None:
    """Draw the factors of every row from their conditional distribution, given those of the columns.

    The free coordinates of row i have the precision ``H_i = precision + sum_j w_ij q_j v_j v_j^T / noise_i``
    and the mean ``H_i^-1 (precision center + sum_j w_ij q_j v_j (x_ij - known part) / noise_i)``;
    with the Cholesky factor ``H_i = R^T R`` the draw is mean + ``R^-1 normals_i``. Where most cells of a row
    are observed, the sum of products is that over all columns less that over the missing ones.

    Parameters
    ----------
    indptr, indices, values, weights : ndarray
        Entries in compressed sparse rows.
    by_gaps : ndarray of bool, shape (m,)
        Rows whose sums are made from their missing cells; the weights of their entries are 1.
    gap_indptr, gap_indices : ndarray
        Missing cells of these rows, compressed likewise.
    other : ndarray, shape (n, K)
        Factors of the columns.
    other_weights : ndarray, shape (n,)
        The q_j: by what the cells of the columns have less noise.
    free, fixed : ndarray of int64 (F,), int
        Coordinates that are drawn, and the known one (-1: none), as in ``update_rows``.
    noise : ndarray, shape (m,)
        Noise variance of a cell of weight 1 in row i and a column with q = 1.
    center, precision : ndarray, shapes (F,), (F, F)
        Mean and inverse covariance of the rows' prior.
    normals : ndarray, shape (m, F)
        Standard normal numbers.
    mean, draw : ndarray, shape (m, K)
        Free coordinates are filled; the column `fixed` of `mean` is read.
    """
    V, known = _split(other, free, fixed)
    size = padded(free.size)
    shaped = V.reshape(other.shape[0], size)
    total = ((shaped * other_weights[:, None]).T @ shaped if by_gaps.any() else np.zeros(0)).ravel()
    parallel_for(
        _draw_rows, indptr.size - 1, indptr, indices, values, weights, by_gaps, gap_indptr, gap_indices,
        total, V, known, other_weights, free, fixed, noise, precision @ center, precision, normals, mean,
        draw,
    )  # fmt: skip


def _split(other: np.ndarray, free: np.ndarray, fixed: int) -> tuple[np.ndarray, np.ndarray]:
    """The free coordinates of every row, padded with zeros, one row after the other; and the known one."""
    n = other.shape[0]
    V = np.zeros((n, padded(free.size)))
    V[:, : free.size] = other[:, free]
    return V.ravel(), other[:, fixed].copy() if fixed >= 0 else np.zeros(n)


@njit(**LOOP_WITH_NAN)
def _draw_rows(
    begin, end, indptr, indices, values, weights, by_gaps, gap_indptr, gap_indices, total, V, known,
    other_weights, free, fixed, noise, prior_rhs, precision, normals, mean, draw,
):  # fmt: skip  # pragma: no cover (compiled)
    F, size = free.size, padded(free.size)
    weighted, H = np.zeros(_ENTRIES * size), np.empty(size * size)
    sums, half, out, order = np.empty(size), np.zeros(size), np.empty(size), np.arange(size)
    for i in range(begin, end):
        clear(sums, 0, size)
        own = mean[i, fixed] if fixed >= 0 else 0.0
        summed_from = indptr[i]
        if by_gaps[i]:
            assign(H, 0, 1.0, total, 0, size * size)
            for first in range(gap_indptr[i], gap_indptr[i + 1], _ENTRIES):
                count = min(gap_indptr[i + 1] - first, _ENTRIES)
                for x in range(count):
                    j = gap_indices[first + x]
                    assign(weighted, x * size, -other_weights[j], V, j * size, size)
                add_products(H, weighted, V, gap_indices, first, count, F, size)
            for x in range(indptr[i], indptr[i + 1]):
                j = indices[x]
                add(sums, 0, (values[x] - own * known[j]) * other_weights[j], V, j * size, size)
            summed_from = indptr[i + 1]
        else:
            clear(H, 0, size * size)
        for first in range(summed_from, indptr[i + 1], _ENTRIES):
            count = min(indptr[i + 1] - first, _ENTRIES)
            for x in range(count):
                j = indices[first + x]
                assign(weighted, x * size, weights[first + x] * other_weights[j], V, j * size, size)
                add(sums, 0, values[first + x] - own * known[j], weighted, x * size, size)
            add_products(H, weighted, V, indices, first, count, F, size)
        for a in range(F):
            sums[a] = prior_rhs[a] + sums[a] / noise[i]
            for b in range(a, F):
                H[a * size + b] = precision[a, b] + H[a * size + b] / noise[i]
        factor(H, weighted, order, F, size)
        solve_transposed(H, sums, half, F, size)
        solve(H, half, out, F, size)
        for k in range(F):
            mean[i, free[k]] = out[k]
            half[k] += normals[i, k]
        solve(H, half, out, F, size)
        for k in range(F):
            draw[i, free[k]] = out[k]


def row_squares(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    own: np.ndarray,
    other: np.ndarray,
    other_weights: np.ndarray,
) -> np.ndarray:
    """``sum_j w_ij q_j (x_ij - u_i . v_j)^2`` for every row i, arrays as in :func:`draw_rows`."""
    out = np.zeros(indptr.size - 1)
    parallel_for(_row_squares, out.size, indptr, indices, values, weights, own, other, other_weights, out)
    return out


@njit(**LOOP_WITH_NAN)
def _row_squares(
    begin, end, indptr, indices, values, weights, own, other, other_weights, out
):  # pragma: no cover (compiled)
    for i in range(begin, end):
        for x in range(indptr[i], indptr[i + 1]):
            j, misfit = indices[x], values[x]
            for a in range(own.shape[1]):
                misfit -= own[i, a] * other[j, a]
            out[i] += weights[x] * other_weights[j] * misfit**2
