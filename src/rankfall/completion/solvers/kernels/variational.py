"""Compiled inner loops of the variational refit; their literal twins are in :mod:`.reference`.

Symmetric matrices are packed: the lower triangle row by row, so that entry (a, b), b <= a, is at
``a (a + 1) / 2 + b``. Entries come in compressed sparse rows, as in :mod:`.least_squares`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ....compute.njit_options import LOOP_WITH_NAN
from ....compute.threads import parallel_for
from ....compute.vector_loops import clear
from . import dense_sums
from .small_systems import factor, invert, padded

# rows that are summed together, and numbers of a strip of their moments
_ROWS, _STRIP = 32, 512


def second_moments(mean: np.ndarray, cov: np.ndarray, free: np.ndarray) -> np.ndarray:
    """``E[v_j v_j^T] = mean_j mean_j^T + cov_j``, packed; only the `free` coordinates have a covariance."""
    n, K = mean.shape
    out = np.empty((n, K * (K + 1) // 2))
    parallel_for(_second_moments, n, mean, cov, free, out)
    return out


@njit(**LOOP_WITH_NAN)
def _second_moments(begin, end, mean, cov, free, out):  # pragma: no cover (compiled)
    K = mean.shape[1]
    for j in range(begin, end):
        for a in range(K):
            for b in range(a + 1):
                out[j, a * (a + 1) // 2 + b] = mean[j, a] * mean[j, b]
        k = 0
        for x in range(free.size):
            a = free[x]
            for y in range(x + 1):
                out[j, a * (a + 1) // 2 + free[y]] += cov[j, k]
                k += 1


@njit(**LOOP_WITH_NAN)
def _update_row(
    start,
    stop,
    indices,
    values,
    weights,
    mean,
    M,
    free,
    fixed,
    prior,
    prior_rhs,
    noise,
    shrinkage,
    n_rounds,
    i,
    out,
    cov,
    row_noise,
    H,
    inverse,
    work,
    order,
):  # pragma: no cover (compiled)
    """One row of :func:`update_rows`, its sum of second moments `M` given.

    The last four are for :mod:`.small_systems`.
    """
    K = mean.shape[1]
    y = np.zeros(K)
    squares = 0.0
    for x in range(start, stop):
        j, wx = indices[x], weights[x] * values[x]
        squares += wx * values[x]
        for a in range(K):
            y[a] += wx * mean[j, a]
    solve_row(
        M, y, squares, stop - start, free, fixed, prior, prior_rhs, noise, shrinkage, n_rounds, i, out, cov,
        row_noise, H, inverse, work, order,
    )  # fmt: skip


@njit(**LOOP_WITH_NAN)
def solve_row(
    M, y, squares, n_cells, free, fixed, prior, prior_rhs, noise, shrinkage, n_rounds, i, out, cov, row_noise,
    H, inverse, work, order,
):  # fmt: skip  # pragma: no cover (compiled)
    """One row of :func:`update_rows` from its sums."""
    K, F = y.size, free.size
    size = padded(F)
    for _ in range(n_rounds):
        s = noise * row_noise[i, 0]
        clear(H, 0, size * size)
        for z in range(F):
            a = free[z]
            for x in range(z + 1):
                H[x * size + z] = M[a * (a + 1) // 2 + free[x]] / s
            H[z * size + z] += prior[z]
        factor(H, work, order, F, size)
        invert(H, work, order, inverse, F, size)
        for x in range(F):
            out[i, free[x]] = 0.0
        for z in range(F):
            a = free[z]
            right = y[a] / s + prior_rhs[z]
            if fixed >= 0:
                hi, lo = max(a, fixed), min(a, fixed)
                right -= M[hi * (hi + 1) // 2 + lo] * out[i, fixed] / s
            for x in range(F):
                out[i, free[x]] += inverse[min(x, z) * size + max(x, z)] * right
        misfit = squares
        for a in range(K):
            misfit -= 2 * out[i, a] * y[a]
            for b in range(a):
                misfit += 2 * out[i, a] * out[i, b] * M[a * (a + 1) // 2 + b]
            misfit += out[i, a] * out[i, a] * M[a * (a + 1) // 2 + a]
        for z in range(F):
            a = free[z]
            for x in range(z):
                misfit += 2 * inverse[x * size + z] * M[a * (a + 1) // 2 + free[x]]
            misfit += inverse[z * size + z] * M[a * (a + 1) // 2 + a]
        row_noise[i, 1] = max(misfit, 0.0)
        if shrinkage < np.inf:
            row_noise[i, 0] = (row_noise[i, 1] / noise + shrinkage) / (n_cells + shrinkage)
    k = 0
    for z in range(F):
        for x in range(z + 1):
            cov[i, k] = inverse[x * size + z]
            k += 1


def update_rows(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    mean: np.ndarray,
    second: np.ndarray,
    free: np.ndarray,
    fixed: int,
    prior: np.ndarray,
    prior_rhs: np.ndarray,
    noise: float,
    shrinkage: float,
    n_rounds: int,
    out: np.ndarray,
    cov: np.ndarray,
    row_noise: np.ndarray,
) -> None:
    """Posterior of the factors of every row, given those of the columns.

    Rows and columns are those of the entries handed in: columns are updated from the transposed entries.
    For row i, with ``M = sum_j w_ij E[v_j v_j^T]``, ``y = sum_j w_ij x_ij E[v_j]`` and noise variance
    ``s_i = noise row_noise_i``, the free coordinates have precision ``M_ff / s_i + diag(prior)`` and mean
    ``cov ((y_f - M_f,fixed u_fixed) / s_i + prior_rhs)``; the coordinate `fixed` (-1: none) is known. The
    row's noise scale is then ``row_noise_i = (misfit_i / noise + shrinkage) / (n_i + shrinkage)`` with the
    expected misfit ``sum_j w_ij E[(x_ij - u_i . v_j)^2]`` (1 if `shrinkage` is infinite); both are repeated
    `n_rounds` times.

    Parameters
    ----------
    mean, second : ndarray, shapes (n, K), (n, K (K + 1) / 2)
        First and second moments of the columns' factors.
    prior, prior_rhs : ndarray, shape (F,)
        Precisions of the prior, and these times its mean.
    out : ndarray, shape (m, K)
        Filled with the means; its column `fixed` is read.
    cov : ndarray, shape (m, F (F + 1) / 2)
        Filled with the covariances of the F free coordinates.
    row_noise : ndarray, shape (m, 2)
        Noise scales, read and replaced; and the expected misfits.
    """
    m, n = indptr.size - 1, mean.shape[0]
    arguments = (
        indptr, indices, values, weights, mean, second, free, fixed, prior, prior_rhs, noise, shrinkage,
        n_rounds, out, cov, row_noise,
    )  # fmt: skip
    if dense_sums.pays(indices.size, m, n):
        parallel_for(_update_blocks, dense_sums.n_blocks(m, second.shape[1]), *arguments)
    else:
        parallel_for(_update_rows, m, *arguments)


def _update_blocks(begin: int, end: int, *arguments: Any) -> None:
    """Rows of some blocks, their sums of second moments made by matrix products."""
    indptr, indices, _, weights, mean, second = arguments[:6]
    m, step = indptr.size - 1, dense_sums.rows_at_once(second.shape[1])
    for first in range(begin * step, min(end * step, m), step):
        last = min(first + step, m)
        sums = dense_sums.dense_rows(indptr, indices, weights, first, last, mean.shape[0]) @ second
        _update_given(first, last, sums, *arguments)
    if begin == end:  # to compile it
        _update_given(0, 0, np.empty((0, second.shape[1])), *arguments)


@njit(**LOOP_WITH_NAN)
def _update_given(
    first, last, sums, indptr, indices, values, weights, mean, second, free, fixed, prior, prior_rhs, noise,
    shrinkage, n_rounds, out, cov, row_noise,
):  # fmt: skip  # pragma: no cover (compiled)
    size = padded(free.size)
    order = np.arange(size)
    H, inverse, work = np.empty(size * size), np.empty(size * size), np.empty(size * size)
    for i in range(first, last):
        _update_row(
            indptr[i], indptr[i + 1], indices, values, weights, mean, sums[i - first], free, fixed,
            prior, prior_rhs,
            noise, shrinkage, n_rounds, i, out, cov, row_noise, H, inverse, work, order,
        )  # fmt: skip


@njit(**LOOP_WITH_NAN)
def _update_rows(
    begin, end, indptr, indices, values, weights, mean, second, free, fixed, prior, prior_rhs, noise,
    shrinkage, n_rounds, out, cov, row_noise,
):  # fmt: skip  # pragma: no cover (compiled)
    packed = second.shape[1]
    for first in range(begin, end, _ROWS):
        last = min(first + _ROWS, end)
        sums = np.zeros((last - first, packed))
        # moments are streamed from memory once for a block of rows, in strips that stay in the cache
        for left in range(0, packed, _STRIP):
            right = min(left + _STRIP, packed)
            for i in range(first, last):
                total = sums[i - first, left:right]
                for x in range(indptr[i], indptr[i + 1]):
                    w, moments = weights[x], second[indices[x], left:right]
                    for k in range(right - left):
                        total[k] += w * moments[k]
        _update_given(
            first, last, sums, indptr, indices, values, weights, mean, second, free, fixed, prior, prior_rhs,
            noise, shrinkage, n_rounds, out, cov, row_noise,
        )  # fmt: skip


def cell_products(rows: np.ndarray, cols: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``u_i . v_j`` at some cells."""
    out = np.empty(rows.size)
    parallel_for(_cell_products, rows.size, rows, cols, left, right, out)
    return out


@njit(**LOOP_WITH_NAN)
def _cell_products(begin, end, rows, cols, left, right, out):  # pragma: no cover (compiled)
    for x in range(begin, end):
        i, j = rows[x], cols[x]
        total = 0.0
        for a in range(left.shape[1]):
            total += left[i, a] * right[j, a]
        out[x] = total


def cell_variances(
    rows: np.ndarray,
    cols: np.ndarray,
    left: np.ndarray,
    left_second: np.ndarray,
    right: np.ndarray,
    right_second: np.ndarray,
) -> np.ndarray:
    """``Var[u_i . v_j] = sum_ab E[u_a u_b] E[v_a v_b] - (u_i . v_j)^2`` at some cells.

    The bits of a cell do not depend on which others are asked for.
    """
    out = np.empty(rows.size)
    right_second = _counted_twice(right_second, right.shape[1])
    parallel_for(_cell_variances, rows.size, rows, cols, left, left_second, right, right_second, out)
    return out


def entry_variances(
    rows: np.ndarray,
    cols: np.ndarray,
    left: np.ndarray,
    left_second: np.ndarray,
    right: np.ndarray,
    right_second: np.ndarray,
) -> np.ndarray:
    """As :func:`cell_variances`, for cells sorted by row: by matrix products where these are many."""
    m, n = left.shape[0], right.shape[0]
    if not dense_sums.pays(rows.size, m, n):
        return cell_variances(rows, cols, left, left_second, right, right_second)
    right_second, out = _counted_twice(right_second, right.shape[1]), np.empty(rows.size)
    blocks = dense_sums.n_blocks(m, n)
    starts = np.searchsorted(rows, np.arange(blocks + 1) * dense_sums.rows_at_once(n))
    parallel_for(dense_sums.products_at, blocks, starts, rows, cols, left_second, right_second, out)
    return np.maximum(out - cell_products(rows, cols, left, right) ** 2, 0.0)


def _counted_twice(second: np.ndarray, K: int) -> np.ndarray:
    """Packed moments, those off the diagonal doubled: what stands for both halves in a sum."""
    places = np.arange(K)
    twice = np.full(second.shape[1], 2.0)
    twice[places * (places + 3) // 2] = 1.0
    return twice * second


@njit(**LOOP_WITH_NAN)
def _cell_variances(
    begin, end, rows, cols, left, left_second, right, right_second, out
):  # pragma: no cover (compiled)
    for x in range(begin, end):
        i, j = rows[x], cols[x]
        total, dot = 0.0, 0.0
        for k in range(left_second.shape[1]):
            total += left_second[i, k] * right_second[j, k]
        for a in range(left.shape[1]):
            dot += left[i, a] * right[j, a]
        out[x] = max(total - dot * dot, 0.0)
