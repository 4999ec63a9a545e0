"""Frames: the cheapest weights against least squares, with the constant and without."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankfall.neurons.spaces import Frame, rank, row_space


@given(st.integers(0, 10**6))
def test_the_cheapest_weights_are_those_of_least_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, samples, m = rng.integers(1, 7), rng.integers(1, 6), rng.integers(1, 4)
    H = rng.standard_normal((n, samples))
    if seed % 3 == 0 and n > 1:
        H[0] = 2.0  # a constant neuron
    if seed % 3 == 1:
        H = H[:, rng.integers(0, samples, samples)]
    W, b = rng.standard_normal((m, n)), rng.standard_normal(m)
    Z = W @ H + b[:, None]
    frame = Frame.of(H)
    np.testing.assert_allclose(frame.Q.T @ frame.Q, np.eye(frame.Q.shape[1]), atol=1e-12)

    found, bias = frame.cheapest(W, b, penalised=True)
    least = Z @ np.linalg.pinv(np.vstack([H, np.ones(samples)]), rcond=1e-11)
    np.testing.assert_allclose(np.column_stack([found, bias]), least, atol=1e-6)

    found, bias = frame.cheapest(W, b, penalised=False)
    centred = H - H.mean(axis=1, keepdims=True)
    centred[np.abs(centred) < 1e-13] = 0  # rounding of what is constant
    least = (Z - Z.mean(axis=1, keepdims=True)) @ np.linalg.pinv(centred, rcond=1e-11)
    np.testing.assert_allclose(found, least, atol=1e-6)
    np.testing.assert_allclose(found @ H + bias[:, None], Z, atol=1e-9)

    found, bias = frame.cheapest(W, None, penalised=True)
    assert bias is None
    np.testing.assert_allclose(found, W @ H @ np.linalg.pinv(H, rcond=1e-11), atol=1e-6)


def test_the_constant_is_found_where_it_is() -> None:
    assert Frame.of(np.array([[1.0, 2.0, 3.0]])).constant is None
    t = Frame.of(np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 2.0]])).constant
    assert t is not None and t.shape == (2,)
    alone = Frame.of(np.full((1, 4), 3.0)).constant
    assert alone is not None and abs(alone[0]) == pytest.approx(1 / 3, rel=1e-14)


def test_weak_rows_count() -> None:
    rows = np.array([[1.0, 0, 0], [1e-20, 1e-20, 0], [0, 0, 0]])
    assert rank(rows) == 2
    assert row_space(np.zeros((2, 3))).shape == (3, 0)
