"""Sums over the cells of rows as matrix products, where enough cells are observed.

BLAS multiplies some ten times as fast as a loop over cells can: the products with zeros, where nothing is
observed, cost less than they save. It works on blocks of rows whose size depends on nothing but the length of
a vector, and with one thread for each of them, so no bit depends on the number of threads.
"""

from __future__ import annotations

import numpy as np

# multiplications of a product in the time of one of a loop (measured: 25 to 43 against 7 a nanosecond, with
# 288 columns and 40 to 103 factors), at least
_QUICKER = 3
# numbers of a block of sums, and rows of one at least
_NUMBERS, _FEWEST = 1 << 18, 64


def pays(summed: int, m: int, n: int) -> bool:
    """Whether products are quicker than loops over so many cells."""
    return m * n <= _QUICKER * summed


def rows_at_once(numbers: int) -> int:
    """Rows of a block whose sums are so many numbers each."""
    return max(_FEWEST, _NUMBERS // max(numbers, 1))


def n_blocks(m: int, numbers: int) -> int:
    """Blocks of m rows."""
    return -(-m // rows_at_once(numbers))


def dense_rows(
    indptr: np.ndarray, indices: np.ndarray, weights: np.ndarray, first: int, last: int, n: int
) -> np.ndarray:
    """The weights of some rows, 0 where nothing is observed, shape (last - first, n)."""
    out = np.zeros((last - first, n))
    here = slice(indptr[first], indptr[last])
    out[np.repeat(np.arange(last - first), np.diff(indptr[first : last + 1])), indices[here]] = weights[here]
    return out


def sum_blocks(
    begin: int,
    end: int,
    indptr: np.ndarray,
    indices: np.ndarray,
    weights: np.ndarray,
    vectors: np.ndarray,
    out: np.ndarray,
) -> None:
    """``out_i = sum_j w_ij vectors_j`` for the rows of some blocks."""
    m, step = out.shape[0], rows_at_once(vectors.shape[1])
    for first in range(begin * step, min(end * step, m), step):
        last = min(first + step, m)
        dense = dense_rows(indptr, indices, weights, first, last, vectors.shape[0])
        np.matmul(dense, vectors, out=out[first:last])


def products_at(
    begin: int, end: int, starts: np.ndarray, rows: np.ndarray, cols: np.ndarray,
    left: np.ndarray, right: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """``left_i . right_j`` at cells that are sorted by row.

    Parameters
    ----------
    starts : ndarray, shape (blocks + 1,)
        The first cell of every block of rows.
    rows, cols : ndarray, shape (cells,)
    """
    step = rows_at_once(right.shape[0])
    for block in range(begin, end):
        here = slice(starts[block], starts[block + 1])
        first = block * step
        dense = left[first : first + step] @ right.T
        out[here] = dense[rows[here] - first, cols[here]]
