"""Compiled inner loops of the fixed-rank fits; their literal twins are in :mod:`.reference`.

Entries come in compressed sparse rows: ``indptr`` (m+1,), ``indices`` (N,).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ....compute.njit_options import LOOP_WITH_NAN
from ....compute.threads import parallel_for


def gram_blocks(indptr: np.ndarray, indices: np.ndarray, V: np.ndarray) -> np.ndarray:
    """``H_i = sum_{j in row i} v_j v_j^T``, shape (m, r, r)."""
    m, r = indptr.size - 1, V.shape[1]
    out = np.zeros((m, r, r))
    parallel_for(_gram_blocks, m, indptr, indices, V, out)
    return out


@njit(**LOOP_WITH_NAN)
def _gram_blocks(begin, end, indptr, indices, V, out):  # pragma: no cover (compiled)
    r = V.shape[1]
    for i in range(begin, end):
        for x in range(indptr[i], indptr[i + 1]):
            j = indices[x]
            for a in range(r):
                va = V[j, a]
                for b in range(r):
                    out[i, a, b] += va * V[j, b]


def jacobian_transpose(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    V: np.ndarray,
) -> np.ndarray:
    """``sum_{j in row i} (x_ij - left_i . right_j) v_j``, shape (m, r): a Jacobian, transposed, times a
    misfit.

    No `values` at all stand for zeros. The misfit is never stored.
    """
    out = np.zeros((indptr.size - 1, V.shape[1]))
    parallel_for(_jacobian_transpose, indptr.size - 1, indptr, indices, values, left, right, V, out)
    return out


@njit(**LOOP_WITH_NAN)
def _jacobian_transpose(
    begin, end, indptr, indices, values, left, right, V, out
):  # pragma: no cover (compiled)
    r = V.shape[1]
    known = values.size > 0
    for i in range(begin, end):
        for x in range(indptr[i], indptr[i + 1]):
            j = indices[x]
            total = values[x] if known else 0.0
            for a in range(r):
                total -= left[i, a] * right[j, a]
            for a in range(r):
                out[i, a] += total * V[j, a]


@njit(**LOOP_WITH_NAN)
def schur_complement(indptr, indices, U, V, H_inverse, damping):  # pragma: no cover (compiled)
    """Normal matrix of the column step with the row step eliminated; lower triangle, (n r, n r).

    The block of columns j, k is ``sum_i (delta_jk - v_j^T H_i^-1 v_k) u_i u_i^T`` over the rows i that
    hold both cells, plus ``damping`` on the diagonal.
    """
    m, r, n = indptr.size - 1, U.shape[1], V.shape[0]
    blocks = np.zeros((n, n, r * r))  # each in one piece: long loops become vectors
    square = np.empty(r * r)
    longest = 0
    for i in range(m):
        longest = max(longest, indptr[i + 1] - indptr[i])
    HV = np.empty((longest, r))
    for i in range(m):
        start, n_cells = indptr[i], indptr[i + 1] - indptr[i]
        for a in range(r):
            for b in range(r):
                square[a * r + b] = U[i, a] * U[i, b]
        for x in range(n_cells):
            j = indices[start + x]
            for a in range(r):
                total = 0.0
                for b in range(r):
                    total += H_inverse[i, a, b] * V[j, b]
                HV[x, a] = total
        for x in range(n_cells):
            j = indices[start + x]
            for y in range(x + 1):  # indices are sorted: k <= j
                k = indices[start + y]
                weight = 1.0 if x == y else 0.0
                for a in range(r):
                    weight -= HV[x, a] * V[k, a]
                block = blocks[j, k]
                for c in range(r * r):
                    block[c] += weight * square[c]
    S = np.zeros((n * r, n * r))
    for j in range(n):
        for k in range(j + 1):
            for a in range(r):
                for b in range(r):
                    S[j * r + a, k * r + b] = blocks[j, k, a * r + b]
    for d in range(n * r):
        S[d, d] += damping
    return S
