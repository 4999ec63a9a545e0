r"""Alternating least squares of known rank: every row of U, then every row of V, by its own normal equations.

    u_i = (sum_j v_j v_j^T)^{-1} sum_j x_ij v_j     over the observed j of row i, and the same for columns.

From the truncated singular value decomposition of the observed entries (zero elsewhere). Compiled, rows in
parallel. A line with fewer entries than the rank gets a ridge of 1e-14 of its trace, as every line does:
the systems stay solvable.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numba import njit, prange
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

import rankfall as rf


@njit(parallel=True, cache=True, nogil=True)
def half_step(starts, others, values, V, U):
    """Fit every row of U to its observed entries, given V. Entries by rows: `starts` as in a CSR matrix."""
    rank = V.shape[1]
    for i in prange(U.shape[0]):
        gram = np.zeros((rank, rank))
        right = np.zeros(rank)
        for e in range(starts[i], starts[i + 1]):
            v = V[others[e]]
            for a in range(rank):
                right[a] += values[e] * v[a]
                for b in range(a + 1):
                    gram[a, b] += v[a] * v[b]
        trace = 0.0
        for a in range(rank):
            trace += gram[a, a]
        for a in range(rank):
            gram[a, a] += 1e-14 * trace + 1e-300
        _solve(gram, right)
        U[i] = right


@njit(cache=True, nogil=True)
def _solve(gram, right):
    """Cholesky in place (lower triangle), then both substitutions in `right`."""
    rank = right.size
    for a in range(rank):
        for b in range(a + 1):
            total = gram[a, b]
            for c in range(b):
                total -= gram[a, c] * gram[b, c]
            gram[a, b] = np.sqrt(max(total, 1e-300)) if a == b else total / gram[b, b]
    for a in range(rank):
        for c in range(a):
            right[a] -= gram[a, c] * right[c]
        right[a] /= gram[a, a]
    for a in range(rank - 1, -1, -1):
        for c in range(a + 1, rank):
            right[a] -= gram[c, a] * right[c]
        right[a] /= gram[a, a]


def als(
    problem: rf.Problem, rank: int, keep_on: Callable[[int, np.ndarray, np.ndarray, float], bool]
) -> tuple[np.ndarray, np.ndarray]:
    """Factors U (m x rank) and V (n x rank) with U V^T near the data.

    Parameters
    ----------
    problem : Problem
    rank : int
    keep_on : callable
        Asked after every round with its number, U, V and the seconds so far, those in `keep_on` left out.
    """
    began, paused = time.perf_counter(), 0.0
    by_rows = csr_matrix((problem.values, (problem.rows, problem.cols)), shape=problem.shape)
    by_cols = by_rows.T.tocsr()
    noise = np.random.default_rng(0).standard_normal(min(problem.shape))
    _, s, vt = svds(by_rows, k=rank, v0=noise)
    V = np.ascontiguousarray(np.asarray(vt).T * np.sqrt(s))
    U = np.zeros((problem.shape[0], rank))
    rounds = 0
    while True:
        half_step(by_rows.indptr, by_rows.indices, by_rows.data, V, U)
        half_step(by_cols.indptr, by_cols.indices, by_cols.data, U, V)
        rounds += 1
        now = time.perf_counter()
        if not keep_on(rounds, U, V, now - began - paused):
            return U, V
        paused += time.perf_counter() - now
