"""The other half of a variational sweep where rows come a block at a time: sums for the columns, and columns
from these; their literal twins are in :mod:`.reference`.

Sums of blocks add up, so that no column needs to see its entries.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ....compute.njit_options import LOOP_WITH_NAN
from ....compute.threads import parallel_for
from .small_systems import padded
from .variational import solve_row


def update_from_sums(
    second: np.ndarray,
    first: np.ndarray,
    squares: np.ndarray,
    n_cells: np.ndarray,
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
    """What :func:`.variational.update_rows` does, where the sums over a row's entries were made elsewhere.

    Parameters
    ----------
    second, first, squares : ndarray, shapes (m, K (K + 1) / 2), (m, K), (m,)
        ``sum_j w_ij E[v_j v_j^T]`` (packed), ``sum_j w_ij x_ij E[v_j]`` and ``sum_j w_ij x_ij^2``.
    n_cells : ndarray, shape (m,)
        Entries of each row.
    """
    parallel_for(
        _update_from_sums, first.shape[0], second, first, squares, n_cells, free, fixed, prior, prior_rhs,
        noise, shrinkage, n_rounds, out, cov, row_noise,
    )  # fmt: skip


@njit(**LOOP_WITH_NAN)
def _update_from_sums(
    begin, end, second, first, squares, n_cells, free, fixed, prior, prior_rhs, noise, shrinkage, n_rounds,
    out, cov, row_noise,
):  # fmt: skip  # pragma: no cover (compiled)
    size = padded(free.size)
    order = np.arange(size)
    H, inverse, work = np.empty(size * size), np.empty(size * size), np.empty(size * size)
    for i in range(begin, end):
        solve_row(
            second[i], first[i], squares[i], n_cells[i], free, fixed, prior, prior_rhs, noise, shrinkage,
            n_rounds, i, out, cov, row_noise, H, inverse, work, order,
        )  # fmt: skip


def add_sums(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    mean: np.ndarray,
    second: np.ndarray,
    sums: np.ndarray,
    first: np.ndarray,
    squares: np.ndarray,
) -> None:
    """Add to the columns' sums, as :func:`update_from_sums` takes them, what some rows contribute.

    Parameters
    ----------
    mean, second : ndarray, shapes (m, K), (m, K (K + 1) / 2)
        First and second moments of the rows' factors.
    sums, first, squares : ndarray, shapes (n, K (K + 1) / 2), (n, K), (n,)
        Added to, entry by entry in their order, in one thread.
    """
    _add_sums(indptr, indices, values, weights, mean, second, sums, first, squares)


@njit(**LOOP_WITH_NAN)
def _add_sums(
    indptr, indices, values, weights, mean, second, sums, first, squares
):  # pragma: no cover (compiled)
    for i in range(indptr.size - 1):
        moments, factors = second[i], mean[i]
        for x in range(indptr[i], indptr[i + 1]):
            j, w = indices[x], weights[x]
            wx = w * values[x]
            squares[j] += wx * values[x]
            total, right = sums[j], first[j]
            for k in range(total.size):
                total[k] += w * moments[k]
            for a in range(right.size):
                right[a] += wx * factors[a]
