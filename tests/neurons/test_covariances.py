"""Costs from covariances: least squares, the weights of minima, and no lower cost by other weights."""

from __future__ import annotations

import numpy as np
import pytest

from neurons.attack import ACTIVATIONS, BIASES, network
from neurons.examples import bipartite
from rankfall.errors import InputError
from rankfall.neurons import covariance_cost, layer_cost


def test_the_cost_of_a_layer_is_that_of_its_least_weights() -> None:
    rng = np.random.default_rng(0)
    H, W = rng.standard_normal((4, 7)), rng.standard_normal((3, 4))
    Z = W @ H
    assert layer_cost(Z.T @ Z, H.T @ H) == pytest.approx(np.sum((Z @ np.linalg.pinv(H)) ** 2), rel=1e-9)
    assert layer_cost(np.eye(7), H.T @ H) == np.inf
    assert layer_cost(np.zeros((7, 7)), np.zeros((7, 7))) == 0
    with pytest.raises(InputError, match="K must have shape"):
        layer_cost(np.eye(6), H.T @ H)


@pytest.mark.parametrize("seed", range(18))
def test_the_cost_of_a_network(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = network(rng, [3, 6, 5, 2], ACTIVATIONS[seed % 6], BIASES[seed // 6])
    X = rng.standard_normal((8, 3))
    found = covariance_cost(net, X)
    Z, H = net.preactivations(X.T), net.activities(X.T)
    for l in range(3):
        below, above = H[l], Z[l]
        if net.bias(l + 1) is not None and not net.penalise_biases:
            below, above = (M - M.mean(axis=1, keepdims=True) for M in (below, above))
        elif net.bias(l + 1) is not None:
            below = np.vstack([below, np.ones(8)])
        least = above @ np.linalg.pinv(below, rcond=1e-12)
        # neurons of size 1e-10 leave the pseudo-inverse six digits
        assert found.least[l] == pytest.approx(np.sum(least**2), rel=1e-5)
    assert found.actual.sum() == pytest.approx(net.squared_norm, rel=1e-14)
    assert np.all(found.least <= found.actual * (1 + 1e-12))


def test_no_excess_at_a_minimum() -> None:
    net, X, _ = bipartite(6, ridge=0.01)
    found = covariance_cost(net, X)
    assert abs(found.excess) < 1e-12
    # attraction and repulsion: K of the outputs against K of the hidden layer
    H = net.activities(X.T)[1]
    outputs = net(X).T
    assert found.least[1] == pytest.approx(layer_cost(outputs.T @ outputs, H.T @ H), rel=1e-9)
