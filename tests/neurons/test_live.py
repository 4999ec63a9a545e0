"""Live neurons, rays, and merging: the same function everywhere, at no larger norm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurons.attack import ACTIVATIONS, BIASES, network
from rankfall.errors import InputError
from rankfall.neurons import HomogeneousNetwork, live_neurons, merge_rays, rays


def test_live_neurons() -> None:
    W = np.array([[1.0, 0], [0, 0], [0.001, 0], [-1, -1]])
    V = np.array([[1.0, 0, 0.001, 1]])
    assert live_neurons([W, V])[0].tolist() == [True, False, False, True]
    assert live_neurons([W, V], threshold=0)[0].tolist() == [True, False, True, True]
    assert live_neurons([W, V], X=[[1.0, 2.0]])[0].tolist() == [True, False, False, False]
    assert live_neurons([W, V], X=[[1.0, 2.0]], activation="absolute")[0].tolist() == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("unit", [1e-300, 1e-170, 1e170])
def test_units_do_not_matter(unit: float) -> None:
    """Lengths whose squares are out of the range of float64."""
    W, V = np.array([[1.0, 2], [2, 4], [-1, -2], [0, 0]]), np.array([[1.0, 2, 0, 0]])
    assert live_neurons([W * unit, V * unit], threshold=0)[0].tolist() == [True, True, True, False]
    assert rays([W * unit, V * unit])[0].labels.tolist() == [0, 0, 1, -1]
    merged = merge_rays([W * unit, V * unit])
    np.testing.assert_allclose(merged[1] @ (merged[0] / unit), (V @ np.maximum(W, 0)) * unit, rtol=1e-12)


def test_rays() -> None:
    W = np.array([[1.0, 2], [2, 4], [-1, -2], [0, 0], [3, 6.00001], [1, 0]])
    V = np.array([[1.0, 2, -1, 0, 3, 5]])
    (found,) = rays([W, V])
    assert found.labels.tolist() == [0, 0, 1, -1, 0, 2]
    assert found.representatives.tolist() == [4, 2, 5] and len(found) == 3
    assert rays([W, V], tol=1e-8)[0].labels.tolist() == [0, 0, 1, -1, 2, 3]
    assert rays([W, V], opposite=True)[0].labels.tolist() == [0, 0, 0, -1, 0, 1]
    assert rays([W, 0 * V], of="input")[0].n_rays == 3
    assert rays([W, V], threshold=6.0)[0].labels.tolist() == [-1, 0, -1, -1, 0, 1]
    with pytest.raises(InputError, match='of must be "neuron" or "input"'):
        rays([W, V], of="output")


@given(st.integers(0, 10**6))
def test_merging_keeps_the_function_everywhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = network(rng, [3, 9, 8, 2], ACTIVATIONS[seed % 6], BIASES[seed // 6 % 3])
    found = merge_rays(net)
    X = 10 * rng.standard_normal((50, 3))
    np.testing.assert_allclose(found(X), net(X), atol=1e-12 * np.abs(net(X)).max() + 1e-300)
    assert found.squared_norm <= net.squared_norm * (1 + 1e-14)
    opposite = ACTIVATIONS[seed % 6].sign_of_opposite != 0
    assert [r.n_rays for r in rays(found, of="input", tol=1e-9, opposite=opposite)] == [*found.widths[1:-1]]


@given(st.integers(0, 10**6), st.permutations(range(7)))
def test_the_number_of_rays_does_not_depend_on_order_or_scale(seed: int, order: list[int]) -> None:
    rng = np.random.default_rng(seed)
    net = network(rng, [3, 7, 2], "relu", "penalised")
    scale = np.exp(rng.normal(size=7))[order]
    other = HomogeneousNetwork(
        (net.weights[0][order] * scale[:, None], net.weights[1][:, order] / scale),
        (net.biases[0][order] * scale, net.biases[1]),
    )
    X = rng.standard_normal((9, 3))
    np.testing.assert_allclose(other(X), net(X), atol=1e-10)
    assert rays(other, of="input")[0].n_rays == rays(net, of="input")[0].n_rays
    assert merge_rays(other).widths == merge_rays(net).widths


def test_opposite_neurons_of_even_and_odd_functions() -> None:
    W, V = np.array([[1.0, 2], [-2, -4]]), np.array([[3.0, 1]])
    left = {name: len(merge_rays([W, V], activation=name)[0]) for name in ("relu", "absolute", "identity")}
    assert left == {"relu": 2, "absolute": 1, "identity": 1}
    first, second = merge_rays([W, V], activation="identity")
    np.testing.assert_allclose(second @ first, V @ W, atol=1e-15)


def test_cancelling_neurons_go() -> None:
    W, V = np.array([[1.0, 2], [2, 4]]), np.array([[2.0, -1]])
    first, second = merge_rays([W, V])
    assert first.shape == (0, 2) and second.shape == (1, 0)
