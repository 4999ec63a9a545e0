"""Every vector loop against one line of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from rankfall.compute import vector_loops as vectors
from rankfall.compute.cache_lines import DEFERRED, lanes
from rankfall.compute.vector_loops import AT_ONCE, BLOCK_ROWS, TILE

DTYPES = [np.float64, np.float32]
# every operand stands this many elements after the start of its array
SHIFT = 3


@njit
def call_dot(x, y, size):
    return vectors.dot(x, SHIFT, y, SHIFT, size)


@njit
def call_add(x, factor, y, size):
    vectors.add(x, SHIFT, x.dtype.type(factor), y, SHIFT, size)


@njit
def call_assign(x, factor, y, size):
    vectors.assign(x, SHIFT, x.dtype.type(factor), y, SHIFT, size)


@njit
def call_clear(x, size):
    vectors.clear(x, SHIFT, size)


@njit
def call_prefetch(x, size):
    vectors.prefetch(x, SHIFT, size)


@njit
def call_minus_low_rank_product(out, Y, X, x, size, x_size, count):
    vectors.minus_low_rank_product(out, SHIFT, Y, SHIFT, size, X, SHIFT, x, SHIFT, x_size, count)


@njit
def call_add_product(W, x, out, size):
    vectors.add_product(W, SHIFT, x, SHIFT, out, SHIFT, size)


@njit
def call_add_product_transposed(W, y, out, size):
    vectors.add_product_transposed(W, SHIFT, y, SHIFT, out, SHIFT, size)


@njit
def call_add_both_products(W, x, forth, y, back, size):
    vectors.add_both_products(W, SHIFT, x, SHIFT, forth, SHIFT, y, SHIFT, back, SHIFT, size)


@njit
def call_add_both_products_2x2(W, V, places, forth, height, back, size):
    x0, x1, y0, y1 = places
    vectors.add_both_products_2x2(W, SHIFT, V, x0, x1, forth, SHIFT, height, y0, y1, back, SHIFT, size)


@njit
def call_subtract_outer(W, B, F, n_rows, size):
    vectors.subtract_outer(W, SHIFT, B, SHIFT, F, SHIFT, n_rows, size)


@njit
def call_add_outer(W, B, F, indices, size, count):
    vectors.add_outer(W, SHIFT, B, SHIFT, F, SHIFT, indices, 2, size, count)


class Arrays:
    """Random arrays with a margin around them, which must stay as it is."""

    def __init__(self, dtype, size):
        self.rng = np.random.default_rng(0)
        self.dtype, self.size = np.dtype(dtype), size * lanes(dtype)
        self.close = {"rtol": 0, "atol": 100 * np.finfo(dtype).eps * size}
        self.made = []

    def __call__(self, *shape):
        whole = self.rng.standard_normal(int(np.prod(shape)) + 2 * SHIFT).astype(self.dtype)
        self.made.append((whole, whole.copy()))
        return whole, whole[SHIFT:-SHIFT].reshape(shape).copy()

    def check(self, whole, expected):
        np.testing.assert_allclose(whole[SHIFT:-SHIFT].reshape(np.shape(expected)), expected, **self.close)

    def margins_are_untouched(self):
        for whole, before in self.made:
            np.testing.assert_array_equal(whole[:SHIFT], before[:SHIFT])
            np.testing.assert_array_equal(whole[-SHIFT:], before[-SHIFT:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_lines", [1, 2, 13])
def test_vectors(dtype, n_lines):
    arrays = Arrays(dtype, n_lines)
    size = arrays.size
    (x, x0), (y, y0) = arrays(size), arrays(size)
    np.testing.assert_allclose(call_dot(x, y, size), x0 @ y0, **arrays.close)
    call_prefetch(x, size)
    call_add(x, 0.7, y, size)
    arrays.check(x, x0 + dtype(0.7) * y0)
    call_assign(x, -0.3, y, size)
    arrays.check(x, dtype(-0.3) * y0)
    call_clear(x, size)
    arrays.check(x, np.zeros(size))
    arrays.margins_are_untouched()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", range(1, DEFERRED + 1))
def test_products_with_deferred_updates(dtype, count):
    arrays = Arrays(dtype, 2)
    size, other = arrays.size, 3 * lanes(dtype)
    (out, _), (Y, Y0), (X, X0), (x, x0) = (
        arrays(size),
        arrays(DEFERRED, size),
        arrays(DEFERRED, other),
        arrays(other),
    )
    call_minus_low_rank_product(out, Y, X, x, size, other, count)
    arrays.check(out, -Y0[:count].T @ (X0[:count] @ x0))
    arrays.margins_are_untouched()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_lines", [1, 3])
def test_rows(dtype, n_lines):
    arrays = Arrays(dtype, n_lines)
    size = arrays.size
    (W, W0), (x, x0), (y, y0) = arrays(BLOCK_ROWS, size), arrays(size), arrays(BLOCK_ROWS)
    (forth, forth0), (back, back0) = arrays(BLOCK_ROWS), arrays(size)
    call_add_both_products(W, x, forth, y, back, size)
    arrays.check(forth, forth0 + W0 @ x0)
    arrays.check(back, back0 + W0.T @ y0)
    call_add_product(W, x, forth, size)
    arrays.check(forth, forth0 + 2 * W0 @ x0)
    call_add_product_transposed(W, y, back, size)
    arrays.check(back, back0 + 2 * W0.T @ y0)
    (B, B0), (F, F0) = arrays(DEFERRED, BLOCK_ROWS), arrays(DEFERRED, size)
    call_subtract_outer(W, B, F, BLOCK_ROWS, size)
    arrays.check(W, W0 - B0.T @ F0)
    arrays.margins_are_untouched()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_lines", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_sums_of_outer_products(dtype, n_lines, count):
    arrays = Arrays(dtype, n_lines)
    size, line = arrays.size, lanes(dtype)
    (W, W0), (B, B0), (F, F0) = arrays(AT_ONCE, size), arrays(5, size), arrays(4, size)
    indices = np.array([9, 9, 3, 0, 3, 1, 2])
    call_add_outer(W, B, F, indices, size, count)
    expected = W0.copy()
    expected[:, :line] += B0[:count, :AT_ONCE].T @ F0[indices[2 : 2 + count], :line]
    arrays.check(W, expected)
    arrays.margins_are_untouched()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_lines", [1, 3])
def test_two_vectors_at_a_time_have_the_bits_of_one(dtype, n_lines):
    arrays = Arrays(dtype, n_lines)
    size = arrays.size
    (W, W0), (V, V0) = arrays(BLOCK_ROWS, size), arrays(3, size)
    (forth, forth0), (back, back0) = arrays(TILE, BLOCK_ROWS), arrays(TILE, size)
    xs, ys = (0, 2), (1, 2)
    alone = [
        (forth[SHIFT:][s * BLOCK_ROWS :][:BLOCK_ROWS].copy(), back[SHIFT:][s * size :][:size].copy())
        for s in (0, 1)
    ]
    places = tuple(SHIFT + k * size for k in xs + ys)
    for k in range(0, BLOCK_ROWS, TILE):
        starts = (places[0], places[1], places[2] + k, places[3] + k)
        call_add_both_products_2x2(W[k * size :], V, starts, forth[k:], BLOCK_ROWS, back, size)
    arrays.check(forth, forth0 + V0[list(xs)] @ W0.T)
    arrays.check(back, back0 + V0[list(ys), :BLOCK_ROWS] @ W0)
    for s, (one, other) in enumerate(alone):
        margin = np.zeros(SHIFT, dtype)
        x, y = V0[xs[s]], V0[ys[s], :BLOCK_ROWS]
        forth_s, back_s = (np.concatenate([margin, part]) for part in (one, other))
        call_add_both_products(
            W, np.concatenate([margin, x]), forth_s, np.concatenate([margin, y]), back_s, size
        )
        np.testing.assert_array_equal(forth[SHIFT:][s * BLOCK_ROWS :][:BLOCK_ROWS], forth_s[SHIFT:])
        np.testing.assert_array_equal(back[SHIFT:][s * size :][:size], back_s[SHIFT:])
    arrays.margins_are_untouched()
