"""Positive definite systems of a few unknowns, one for every row or column of the table.

Compiled loops that go along whole rows of the system.

A matrix of F unknowns is a flat array of `size` rows of `size` numbers, where `size` is F rounded up to whole
cache lines. Its upper triangle holds it; what stands left of the diagonal is never read, and beyond F stand
zeros. Vectors have `size` numbers too, the last ones zero. Their literal twins are NumPy's ``linalg``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ....compute.cache_lines import lanes
from ....compute.njit_options import LOOP_WITH_NAN
from ....compute.vector_loops import AT_ONCE, add, add_outer, assign, clear, dot

# float64 numbers of a cache line
_LANES = lanes(np.float64)


@njit(**LOOP_WITH_NAN)
def padded(F):  # pragma: no cover (compiled)
    """F rounded up to whole cache lines."""
    return (F + _LANES - 1) // _LANES * _LANES


@njit(**LOOP_WITH_NAN)
def add_products(H, B, V, indices, first, count, F, size):  # pragma: no cover (compiled)
    """``H += sum_x b_x v_x^T``, a symmetric sum over `count` vectors.

    Row x of B, and row ``indices[first + x]`` of V.
    """
    for a in range(0, F, AT_ONCE):
        for b in range(a - a % _LANES, size, _LANES):
            add_outer(H, a * size + b, B, a, V, b, indices, first, size, count)


@njit(**LOOP_WITH_NAN)
def factor(H, work, order, F, size):  # pragma: no cover (compiled)
    """The upper Cholesky factor, ``H = R^T R``, in place.

    `work` holds one row, `order` is 0, 1, 2, ...
    """
    for begin in range(0, F, _LANES):
        end = min(begin + _LANES, F)
        for c in range(begin, end):
            row = c * size
            assign(H, row + begin, 1 / np.sqrt(H[row + c]), H, row + begin, size - begin)
            for b in range(begin, c):
                H[row + b] = 0.0
            for a in range(c + 1, end):
                add(H, a * size + begin, -H[row + a], H, row + begin, size - begin)
        if end == F:
            return
        # the rows below take these all at once
        for c in range(begin, end):
            assign(work, (c - begin) * size, -1, H, c * size, size)
        for a in range(end, F, AT_ONCE):
            for b in range(a - a % _LANES, size, _LANES):
                add_outer(H, a * size + b, work, a, H, b, order, begin, size, end - begin)


@njit(**LOOP_WITH_NAN)
def solve_transposed(R, y, x, F, size):  # pragma: no cover (compiled)
    """``x = R^-T y``; y is overwritten."""
    for a in range(F):
        at = a - a % _LANES
        x[a] = y[a] / R[a * size + a]
        add(y, at, -x[a], R, a * size + at, size - at)


@njit(**LOOP_WITH_NAN)
def solve(R, y, x, F, size):  # pragma: no cover (compiled)
    """``x = R^-1 y``"""
    clear(x, 0, size)
    for a in range(F - 1, -1, -1):
        at = a - a % _LANES
        x[a] = (y[a] - dot(R, a * size + at, x, at, size - at)) / R[a * size + a]


@njit(**LOOP_WITH_NAN)
def invert(R, W, order, out, F, size):  # pragma: no cover (compiled)
    """``out = (R^T R)^-1``, upper triangle; W of the same shape is for its work, `order` as above.

    R is overwritten.
    """
    clear(W, 0, size * size)
    clear(out, 0, size * size)
    for a in range(F):
        assign(R, a * size, -1, R, a * size, size)
    for begin in range(0, F, _LANES):  # W = R^-T, a block of rows after the other; W is lower triangular
        for c in range(0, begin, _LANES):
            for a in range(begin, begin + _LANES, AT_ONCE):
                add_outer(W, a * size + c, R, c * size + a, W, c, order, c, size, begin - c)
        for a in range(begin, min(begin + _LANES, F)):
            W[a * size + a] = 1.0
            for b in range(begin, a):
                add(W, a * size, R[b * size + a], W, b * size, begin + _LANES)
            assign(W, a * size, -1 / R[a * size + a], W, a * size, begin + _LANES)
    for b in range(0, F, _LANES):  # out = W^T W, without the zeros of W
        for a in range(0, min(b + _LANES, F), AT_ONCE):
            add_outer(out, a * size + b, W, b * size + a, W, b, order, b, size, F - b)
