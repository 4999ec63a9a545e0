"""Compiled inner loops of rows whose factors follow a first-order process; their literal twins are in
:mod:`.reference`.

Symmetric matrices are packed as in :mod:`.variational`. The precision of all rows together is block
tridiagonal, with diagonal blocks ``H_i = M_i / s_i + diag(d_i)`` and diagonal off-diagonal blocks
``-diag(o_i)`` between a row and the one before it. With the corrections that a filter forwards and a filter
backwards leave, a row's posterior precision is ``H_i - A_i - B_i``: the filters run beside each other, and
the rows are then independent. So nothing depends on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ....compute.njit_options import LOOP_WITH_NAN
from ....compute.threads import parallel_for
from ....compute.vector_loops import clear
from . import dense_sums
from .small_systems import factor, invert, padded

# rows that are summed together, and numbers of a strip of their moments
_ROWS, _STRIP = 32, 512


def row_sums(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    by_gaps: np.ndarray,
    gap_indptr: np.ndarray,
    gap_indices: np.ndarray,
    other_weights: np.ndarray,
    mean: np.ndarray,
    second: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``M_i = sum_j w_ij q_j E[v_j v_j^T]``, ``y_i = sum_j w_ij q_j x_ij E[v_j]`` and
    ``sum_j w_ij q_j x_ij^2``.

    Where most cells of a row are observed, M_i is the sum over all columns less that over the missing ones.

    Parameters
    ----------
    indptr, indices, values, weights : ndarray
        Entries in compressed sparse rows.
    by_gaps : ndarray of bool, shape (m,)
        Rows whose M_i is made from their missing cells; the weights of their entries are 1.
    gap_indptr, gap_indices : ndarray
        Missing cells of these rows, compressed likewise.
    other_weights : ndarray, shape (n,)
        The q_j: by what the cells of the columns have less noise.
    mean, second : ndarray, shapes (n, K), (n, K (K + 1) / 2)
        First and second moments of the columns' factors.

    Returns
    -------
    M, y, squares : ndarray, shapes (m, K (K + 1) / 2), (m, K), (m,)
    """
    m, K = indptr.size - 1, mean.shape[1]
    M, y, squares = np.zeros((m, K * (K + 1) // 2)), np.zeros((m, K)), np.zeros(m)
    summed = gap_indices.size + int(np.diff(indptr)[~by_gaps].sum())
    if dense_sums.pays(summed, m, mean.shape[0]):
        cells = indptr, indices, weights * other_weights[indices]
        parallel_for(dense_sums.sum_blocks, dense_sums.n_blocks(m, M.shape[1]), *cells, second, M)
    else:
        total = other_weights @ second if by_gaps.any() else np.zeros(M.shape[1])
        gaps = by_gaps, gap_indptr, gap_indices
        parallel_for(_second_sums, m, indptr, indices, weights, *gaps, total, other_weights, second, M)
    parallel_for(_first_sums, m, indptr, indices, values, weights, other_weights, mean, y, squares)
    return M, y, squares


@njit(**LOOP_WITH_NAN)
def _second_sums(
    begin, end, indptr, indices, weights, by_gaps, gap_indptr, gap_indices, total, other_weights, second, M
):  # pragma: no cover (compiled)
    packed = second.shape[1]
    # moments are streamed from memory once for a block of rows, in strips that stay in the cache
    for first in range(begin, end, _ROWS):
        last = min(first + _ROWS, end)
        for left in range(0, packed, _STRIP):
            right = min(left + _STRIP, packed)
            for i in range(first, last):
                sums = M[i, left:right]
                if by_gaps[i]:
                    for k in range(right - left):
                        sums[k] = total[left + k]
                    for x in range(gap_indptr[i], gap_indptr[i + 1]):
                        q, moments = other_weights[gap_indices[x]], second[gap_indices[x], left:right]
                        for k in range(right - left):
                            sums[k] -= q * moments[k]
                else:
                    for x in range(indptr[i], indptr[i + 1]):
                        j = indices[x]
                        w, moments = weights[x] * other_weights[j], second[j, left:right]
                        for k in range(right - left):
                            sums[k] += w * moments[k]


@njit(**LOOP_WITH_NAN)
def _first_sums(
    begin, end, indptr, indices, values, weights, other_weights, mean, y, squares
):  # pragma: no cover (compiled)
    for i in range(begin, end):
        for x in range(indptr[i], indptr[i + 1]):
            j = indices[x]
            wx = weights[x] * other_weights[j] * values[x]
            squares[i] += wx * values[x]
            for a in range(mean.shape[1]):
                y[i, a] += wx * mean[j, a]


def smooth(
    order: np.ndarray,
    M: np.ndarray,
    y: np.ndarray,
    squares: np.ndarray,
    free: np.ndarray,
    fixed: int,
    diagonal: np.ndarray,
    link: np.ndarray,
    noise: np.ndarray,
    out: np.ndarray,
    cov: np.ndarray,
    misfit: np.ndarray,
) -> np.ndarray:
    """Posterior of the factors of all rows, of which each follows the one before it.

    Parameters
    ----------
    order : ndarray of int64, shape (m,)
        Row numbers in the order of the chain.
    M, y, squares : ndarray
        As from :func:`row_sums`.
    free, fixed : ndarray of int64 (F,), int
        Coordinates that are fitted, and the known one (-1: none).
    diagonal : ndarray, shape (m, F)
        ``d_t``: what the process adds to the precision of the t-th row of the chain.
    link : ndarray, shape (m, F)
        ``o_t``: with sign reversed, the precision between the t-th row and the one before it; 0 at t = 0,
        and everywhere if the rows are independent.
    noise : ndarray, shape (m,)
        Noise variance ``s_i`` of the rows.
    out, cov : ndarray, shapes (m, K), (m, F (F + 1) / 2)
        Filled with means and covariances; the column `fixed` of `out` is read.
    misfit : ndarray, shape (m,)
        Filled with the expected misfits ``sum_j w_ij E[(x_ij - u_i . v_j)^2]``.

    Returns
    -------
    ndarray, shape (m, F)
        Covariance of every coordinate with that of the row before it in the chain; 0 at t = 0.
    """
    m, F = diagonal.shape
    # corrections, of which the forward ones become the covariances
    ahead, behind = np.zeros((m, F * (F + 1) // 2)), np.zeros((m, F * (F + 1) // 2))
    rhs = np.zeros((2, m, F))
    parallel_for(
        _filter, 2, order, M, y, free, fixed, diagonal, link, noise, out, ahead, behind, rhs
    )  # fmt: skip
    cross = np.zeros((m, F))
    parallel_for(
        _combine, m, order, M, y, squares, free, fixed, diagonal, link, noise, ahead, behind, rhs, out, cov,
        misfit, cross,
    )  # fmt: skip
    return cross


@njit(**LOOP_WITH_NAN)
def _precision(H, rhs, t, i, M, y, free, fixed, diagonal, noise, out, size):  # pragma: no cover (compiled)
    """The t-th row's precision (upper triangle) and right-hand side, without the neighbours' corrections."""
    F = free.size
    clear(H, 0, size * size)
    for z in range(F):
        a = free[z]
        right = y[i, a]
        if fixed >= 0:
            hi, lo = max(a, fixed), min(a, fixed)
            right -= M[i, hi * (hi + 1) // 2 + lo] * out[i, fixed]
        rhs[z] = right / noise[i]
        for x in range(z + 1):
            H[x * size + z] = M[i, a * (a + 1) // 2 + free[x]] / noise[i]
        H[z * size + z] += diagonal[t, z]


@njit(**LOOP_WITH_NAN)
def _solve(H, right, work, order_of_rows, inverse, mean, F, size):  # pragma: no cover (compiled)
    """``H^-1`` and ``H^-1 right``; H is overwritten."""
    factor(H, work, order_of_rows, F, size)
    invert(H, work, order_of_rows, inverse, F, size)
    for z in range(F):
        mean[z] = 0.0
        for x in range(F):
            mean[z] += inverse[min(x, z) * size + max(x, z)] * right[x]


@njit(**LOOP_WITH_NAN)
def _filter(
    begin, end, order, M, y, free, fixed, diagonal, link, noise, out, ahead, behind, rhs
):  # pragma: no cover (compiled)
    """Forwards (number 0) or backwards (number 1): what earlier, or later, rows leave of a row's precision.

    The correction of a row is ``diag(o) S^-1 diag(o)`` with the filtered precision S of its neighbour.
    """
    m, F = diagonal.shape
    size = padded(F)
    H, inverse, work = np.empty(size * size), np.empty(size * size), np.empty(size * size)
    order_of_rows, right, mean = np.arange(size), np.zeros(F), np.zeros(F)
    for number in range(begin, end):
        corrections = ahead if number == 0 else behind
        for step in range(m - 1):
            t = step if number == 0 else m - 1 - step
            to = t + 1 if number == 0 else t - 1
            at = to if number == 0 else t  # link[t] lies between t - 1 and t
            linked = False
            for z in range(F):
                linked = linked or link[at, z] != 0
            if not linked:
                continue
            i = order[t]
            _precision(H, right, t, i, M, y, free, fixed, diagonal, noise, out, size)
            k = 0
            for z in range(F):
                right[z] += rhs[number, t, z]
                for x in range(z + 1):
                    H[x * size + z] -= corrections[t, k]
                    k += 1
            _solve(H, right, work, order_of_rows, inverse, mean, F, size)
            k = 0
            for z in range(F):
                rhs[number, to, z] = link[at, z] * mean[z]
                for x in range(z + 1):
                    corrections[to, k] = link[at, x] * inverse[x * size + z] * link[at, z]
                    k += 1


@njit(**LOOP_WITH_NAN)
def _combine(
    begin, end, order, M, y, squares, free, fixed, diagonal, link, noise, ahead, behind, rhs, out, cov,
    misfit, cross,
):  # fmt: skip  # pragma: no cover (compiled)
    F, K = free.size, y.shape[1]
    size = padded(F)
    H, inverse, work = np.empty(size * size), np.empty(size * size), np.empty(size * size)
    order_of_rows, right, mean = np.arange(size), np.zeros(F), np.zeros(F)
    for t in range(begin, end):
        i = order[t]
        _precision(H, right, t, i, M, y, free, fixed, diagonal, noise, out, size)
        k = 0
        for z in range(F):
            right[z] += rhs[0, t, z] + rhs[1, t, z]
            for x in range(z + 1):
                H[x * size + z] -= ahead[t, k] + behind[t, k]
                k += 1
        _solve(H, right, work, order_of_rows, inverse, mean, F, size)
        k = 0
        for z in range(F):
            out[i, free[z]] = mean[z]
            for x in range(z + 1):
                cov[i, k] = inverse[x * size + z]
                k += 1
        for z in range(F):
            # ahead = diag(o) S^-1 diag(o) of the row before: its covariance with this row is S^-1 diag(o) C
            if link[t, z] != 0:
                total = 0.0
                for x in range(F):
                    hi, lo = max(x, z), min(x, z)
                    total += ahead[t, hi * (hi + 1) // 2 + lo] * inverse[lo * size + hi]
                cross[t, z] = total / link[t, z]
        total = squares[i]
        for a in range(K):
            total -= 2 * out[i, a] * y[i, a]
            for b in range(a):
                total += 2 * out[i, a] * out[i, b] * M[i, a * (a + 1) // 2 + b]
            total += out[i, a] * out[i, a] * M[i, a * (a + 1) // 2 + a]
        for z in range(F):
            a = free[z]
            for x in range(z):
                total += 2 * inverse[x * size + z] * M[i, a * (a + 1) // 2 + free[x]]
            total += inverse[z * size + z] * M[i, a * (a + 1) // 2 + a]
        misfit[i] = max(total, 0.0)
