"""Every vector loop against one line of NumPy, and the places of a chain's row."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

import rankfall as rf
from dynamics.problems import gap, holed
from rankfall.compute import vector_loops as vectors
from rankfall.compute.cache_lines import DELAY, lanes
from rankfall.compute.vector_loops import AT_ONCE, ROWS, TWO
from rankfall.dynamics.engine.run import Engine
from rankfall.dynamics.engine.state import State, pack, unpack
from rankfall.dynamics.kernels.layout import layout

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
def call_fetch(x, size):
    vectors.fetch(x, SHIFT, size)


@njit
def call_through(out, Y, X, x, size, x_size, count):
    vectors.through(out, SHIFT, Y, SHIFT, size, X, SHIFT, x, SHIFT, x_size, count)


@njit
def call_rows_forward(W, x, out, size):
    vectors.rows_forward(W, SHIFT, x, SHIFT, out, SHIFT, size)


@njit
def call_rows_backward(W, y, out, size):
    vectors.rows_backward(W, SHIFT, y, SHIFT, out, SHIFT, size)


@njit
def call_rows_both(W, x, forth, y, back, size):
    vectors.rows_both(W, SHIFT, x, SHIFT, forth, SHIFT, y, SHIFT, back, SHIFT, size)


@njit
def call_two_rows_both(W, V, places, forth, height, back, size):
    x0, x1, y0, y1 = places
    vectors.two_rows_both(W, SHIFT, V, x0, x1, forth, SHIFT, height, y0, y1, back, SHIFT, size)


@njit
def call_rows_update(W, B, F, n_rows, size):
    vectors.rows_update(W, SHIFT, B, SHIFT, F, SHIFT, n_rows, size)


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
    call_fetch(x, size)
    call_add(x, 0.7, y, size)
    arrays.check(x, x0 + dtype(0.7) * y0)
    call_assign(x, -0.3, y, size)
    arrays.check(x, dtype(-0.3) * y0)
    call_clear(x, size)
    arrays.check(x, np.zeros(size))
    arrays.margins_are_untouched()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", range(1, DELAY + 1))
def test_products_through_waiting_pairs(dtype, count):
    arrays = Arrays(dtype, 2)
    size, other = arrays.size, 3 * lanes(dtype)
    (out, _), (Y, Y0), (X, X0), (x, x0) = (
        arrays(size),
        arrays(DELAY, size),
        arrays(DELAY, other),
        arrays(other),
    )
    call_through(out, Y, X, x, size, other, count)
    arrays.check(out, -Y0[:count].T @ (X0[:count] @ x0))
    arrays.margins_are_untouched()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_lines", [1, 3])
def test_rows(dtype, n_lines):
    arrays = Arrays(dtype, n_lines)
    size = arrays.size
    (W, W0), (x, x0), (y, y0) = arrays(ROWS, size), arrays(size), arrays(ROWS)
    (forth, forth0), (back, back0) = arrays(ROWS), arrays(size)
    call_rows_both(W, x, forth, y, back, size)
    arrays.check(forth, forth0 + W0 @ x0)
    arrays.check(back, back0 + W0.T @ y0)
    call_rows_forward(W, x, forth, size)
    arrays.check(forth, forth0 + 2 * W0 @ x0)
    call_rows_backward(W, y, back, size)
    arrays.check(back, back0 + 2 * W0.T @ y0)
    (B, B0), (F, F0) = arrays(DELAY, ROWS), arrays(DELAY, size)
    call_rows_update(W, B, F, ROWS, size)
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
def test_two_rows_for_two_vectors_are_those_of_one(dtype, n_lines):
    arrays = Arrays(dtype, n_lines)
    size = arrays.size
    (W, W0), (V, V0) = arrays(ROWS, size), arrays(3, size)
    (forth, forth0), (back, back0) = arrays(TWO, ROWS), arrays(TWO, size)
    xs, ys = (0, 2), (1, 2)
    alone = [
        (forth[SHIFT:][s * ROWS :][:ROWS].copy(), back[SHIFT:][s * size :][:size].copy()) for s in (0, 1)
    ]
    places = tuple(SHIFT + k * size for k in xs + ys)
    for k in range(0, ROWS, TWO):
        starts = (places[0], places[1], places[2] + k, places[3] + k)
        call_two_rows_both(W[k * size :], V, starts, forth[k:], ROWS, back, size)
    arrays.check(forth, forth0 + V0[list(xs)] @ W0.T)
    arrays.check(back, back0 + V0[list(ys), :ROWS] @ W0)
    for s, (one, other) in enumerate(alone):
        margin = np.zeros(SHIFT, dtype)
        x, y = V0[xs[s]], V0[ys[s], :ROWS]
        forth_s, back_s = (np.concatenate([margin, part]) for part in (one, other))
        call_rows_both(W, np.concatenate([margin, x]), forth_s, np.concatenate([margin, y]), back_s, size)
        np.testing.assert_array_equal(forth[SHIFT:][s * ROWS :][:ROWS], forth_s[SHIFT:])
        np.testing.assert_array_equal(back[SHIFT:][s * size :][:size], back_s[SHIFT:])
    arrays.margins_are_untouched()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("widths", [(3, 5, 4), (7, 9, 16, 17, 4), (100, 100, 100, 100)])
def test_everything_in_a_row_begins_on_a_cache_line_and_nothing_overlaps(dtype, widths):
    padded, layers, inputs, outputs, end, top, bottom, room = layout(widths, lanes(dtype))
    depth = len(widths) - 1
    stretches = [(layers[k], padded[k] * padded[k - 1]) for k in range(1, depth + 1)]
    assert end == sum(size for _, size in stretches)
    for k in range(2, depth):
        stretches += [(inputs[k], DELAY * padded[k - 1]), (outputs[k], DELAY * padded[k])]
    stretches += [(top, padded[depth - 1]), (bottom, padded[1])]
    places = np.concatenate([np.arange(start, start + size) for start, size in stretches])
    assert sorted(places) == list(range(room))
    assert all(start % lanes(dtype) == 0 for start, _ in stretches)
    assert all(p >= w and p - w < lanes(dtype) for p, w in zip(padded, widths, strict=True))
    assert (padded[0], padded[depth]) == (widths[0], widths[depth])


@pytest.mark.parametrize("dtype", DTYPES)
def test_networks_come_back_from_their_stored_form(dtype):
    nets = [rf.Network.gaussian((6, 3, 9, 5), 1.0, seed) for seed in range(3)]
    flat, widths = pack(nets, dtype)
    again = unpack(flat, np.array([1.0, 0.5, 2.0]), widths)
    for k, factor in enumerate((1.0, 0.5, 2.0)):
        for W, V in zip(nets[k].weights, again.chain(k).weights, strict=True):
            np.testing.assert_array_equal(V, (W.astype(dtype) * dtype(factor)))


def test_padding_stays_zero():
    """Whatever moves: single steps, batches, gradient descent."""
    problem, widths = holed((9, 7), rank=2), (7, 5, 3, 9)
    net = rf.Network.gaussian(widths, 1.0, 0)
    padded, layers, *_ = layout(widths, lanes(np.float64))
    for optimiser in (rf.SGD(0.05, 0.01, 41), rf.SGD(0.05, 0.01, 41, 3), rf.GD(0.05, 0.01, 41)):
        trace = rf.train(problem, net, optimiser, record=rf.Record(41, ("weights",)))
        assert trace.snapshots is not None
        row = trace.snapshots.buffers[-1, 0]
        for layer in range(1, 4):
            W = row[layers[layer] : layers[layer] + padded[layer] * padded[layer - 1]]
            W = W.reshape(-1, padded[1] if layer == 1 else padded[layer - 1])
            n_rows, n_cols = (widths[0], widths[1]) if layer == 1 else (widths[layer], widths[layer - 1])
            assert not W[n_rows:].any()
            assert not W[:, n_cols:].any()


@pytest.mark.parametrize("optimiser", [rf.GD(0.05, 0.01, 7), rf.SGD(0.05, 0.01, 7, 3)])
@pytest.mark.parametrize("steps", range(1, 2 * DELAY))
def test_other_steps_may_follow_while_updates_wait(optimiser, steps):
    """A row is handed from steps of one entry to steps of several at any moment (`splitting` does so)."""
    problem = holed((9, 7), rank=2)
    net = rf.Network.gaussian((7, 5, 3, 4, 9), 1.0, 0)
    state = State.start([net], np.array([0]), np.dtype(np.float64), np.array([1e6]))
    Engine(problem, rf.SGD(0.05, 0.01, steps), state, 3).move(steps)
    between = state.network(0)
    state.clock[:] = 0
    Engine(problem, optimiser, state, 3).move(7)
    expected = rf.train(problem, between, optimiser, seed=3).final()
    assert gap(state.network(0), expected) < 1e-13
