"""The layout of a chain's row: alignment, storing and reading networks, and deferred updates."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import gap, holed
from rankfall.compute.cache_lines import DEFERRED, lanes
from rankfall.dynamics.engine.run import Engine
from rankfall.dynamics.engine.state import State, pack, unpack
from rankfall.dynamics.kernels.layout import layout

DTYPES = [np.float64, np.float32]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("widths", [(3, 5, 4), (7, 9, 16, 17, 4), (100, 100, 100, 100)])
def test_everything_in_a_row_begins_on_a_cache_line_and_nothing_overlaps(dtype, widths):
    padded, layers, inputs, outputs, end, top, bottom, row_size = layout(widths, lanes(dtype))
    depth = len(widths) - 1
    parts = [(layers[k], padded[k] * padded[k - 1]) for k in range(1, depth + 1)]
    assert end == sum(size for _, size in parts)
    for k in range(2, depth):
        parts += [(inputs[k], DEFERRED * padded[k - 1]), (outputs[k], DEFERRED * padded[k])]
    parts += [(top, padded[depth - 1]), (bottom, padded[1])]
    places = np.concatenate([np.arange(start, start + size) for start, size in parts])
    assert sorted(places) == list(range(row_size))
    assert all(start % lanes(dtype) == 0 for start, _ in parts)
    assert all(p >= w and p - w < lanes(dtype) for p, w in zip(padded, widths, strict=True))
    assert (padded[0], padded[depth]) == (widths[0], widths[depth])


@pytest.mark.parametrize("dtype", DTYPES)
def test_networks_come_back_from_their_stored_form(dtype):
    networks = [rf.Network.gaussian((6, 3, 9, 5), scale=1.0, seed=seed) for seed in range(3)]
    flat, widths = pack(networks, dtype)
    again = unpack(flat, np.array([1.0, 0.5, 2.0]), widths)
    for k, factor in enumerate((1.0, 0.5, 2.0)):
        for W, V in zip(networks[k].weights, again.chain(k).weights, strict=True):
            np.testing.assert_array_equal(V, (W.astype(dtype) * dtype(factor)))


def test_padding_stays_zero():
    """Whatever moves: single steps, batches, gradient descent."""
    problem, widths = holed((9, 7), rank=2), (7, 5, 3, 9)
    network = rf.Network.gaussian(widths, scale=1.0, seed=0)
    padded, layers, *_ = layout(widths, lanes(np.float64))
    for optimiser in (
        rf.SGD(lr=0.05, ridge=0.01, n_steps=41),
        rf.SGD(lr=0.05, ridge=0.01, n_steps=41, batch_size=3),
        rf.GD(lr=0.05, ridge=0.01, n_steps=41),
    ):
        trace = rf.train(problem, network, optimiser, record=rf.Record(every=41, what=("weights",)))
        assert trace.snapshots is not None
        row = trace.snapshots.buffers[-1, 0]
        for layer in range(1, 4):
            W = row[layers[layer] : layers[layer] + padded[layer] * padded[layer - 1]]
            W = W.reshape(-1, padded[1] if layer == 1 else padded[layer - 1])
            n_rows, n_cols = (widths[0], widths[1]) if layer == 1 else (widths[layer], widths[layer - 1])
            assert not W[n_rows:].any()
            assert not W[:, n_cols:].any()


@pytest.mark.parametrize(
    "optimiser", [rf.GD(lr=0.05, ridge=0.01, n_steps=7), rf.SGD(lr=0.05, ridge=0.01, n_steps=7, batch_size=3)]
)
@pytest.mark.parametrize("steps", range(1, 2 * DEFERRED))
def test_other_steps_may_follow_deferred_updates(optimiser, steps):
    """After any single-entry step, steps of several entries may follow (`splitting` does so)."""
    problem = holed((9, 7), rank=2)
    network = rf.Network.gaussian((7, 5, 3, 4, 9), scale=1.0, seed=0)
    state = State.start([network], np.array([0]), np.dtype(np.float64), np.array([1e6]))
    Engine(problem, rf.SGD(lr=0.05, ridge=0.01, n_steps=steps), state, 3).move(steps)
    between = state.network(0)
    state.clock[:] = 0
    Engine(problem, optimiser, state, 3).move(7)
    expected = rf.train(problem, between, optimiser, seed=3).final()
    assert gap(state.network(0), expected) < 1e-13
