"""Theorem 3-NL against enumeration of all samples and all batches."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from neurons.attack import ACTIVATIONS, network
from rankfall.errors import InputError
from rankfall.neurons import HomogeneousNetwork, certify_dead, neuron_factors, sgd_step

LR, RIDGE = 0.08, 0.04


def setting(seed: int):
    rng = np.random.default_rng(seed)
    net = network(rng, [3, 6, 5, 2], ACTIVATIONS[seed % 6], ("none", "penalised")[seed % 2])
    return net, rng.standard_normal((7, 3)), rng.standard_normal((7, 2)), rng


@pytest.mark.parametrize("seed", range(12))
def test_the_mean_over_all_samples_is_exact(seed: int) -> None:
    net, X, Y, rng = setting(seed)
    for l in net.hidden:
        S = rng.permutation(net.widths[l])[: 1 + seed % 4]
        found = neuron_factors(net, X, Y, layer=l, neurons=S, lr=LR, ridge=RIDGE)

        def after(batch: list[int], l=l, S=S) -> np.ndarray:
            moved = sgd_step(net, X[batch], Y[batch], lr=LR, ridge=RIDGE)
            return np.sum(moved.neurons(l)[S] ** 2, axis=1)

        before = np.sum(net.neurons(l)[S] ** 2, axis=1)
        assert found.phi == pytest.approx(before.sum(), rel=1e-14)
        single = np.array([after([k]) for k in range(7)])
        assert single.sum(axis=1).mean() == pytest.approx(found.mean_factor * found.phi, rel=1e-12)
        assert single.sum(axis=1).max() == pytest.approx(found.max_factor * found.phi, rel=1e-12)
        assert np.all(np.sqrt(single) <= np.sqrt(before) * found.stretch * (1 + 1e-12))
        pairs = np.array([after([*pair]) for pair in combinations(range(7), 2)])
        assert pairs.sum(axis=1).mean() <= found.mean_factor * found.phi * (1 + 1e-12)
        assert np.all(np.sqrt(pairs) <= np.sqrt(before) * found.stretch * (1 + 1e-12))


def test_nothing_dies_beside_a_live_neuron_of_its_direction() -> None:
    """There is no gap: half a neuron of a minimum, however small, has the factor of the whole, about 1."""
    net = HomogeneousNetwork(([[1.0]], [[1.0]]))
    lr, ridge = 1e-4, 0.1
    Y = [[1 + 2 * ridge]]  # f = 1 is the minimum of (f - y)^2 / 2 + ridge (w^2 + v^2)
    for share in (1.0, 1e-3, 1e-9):
        split = HomogeneousNetwork(
            ([[np.sqrt(1 - share)], [np.sqrt(share)]], [[np.sqrt(1 - share), np.sqrt(share)]])
        )
        found = neuron_factors(split, [[1.0]], Y, layer=1, neurons=[1], lr=lr, ridge=ridge)
        assert found.mean_factor == pytest.approx(1, abs=1e-8)
    whole = neuron_factors(net, [[1.0]], Y, layer=1, lr=lr, ridge=ridge)
    assert whole.neurons.tolist() == [0]


def test_zero_neurons_have_the_factor_of_decay() -> None:
    net = HomogeneousNetwork((np.zeros((2, 3)), np.zeros((1, 2))))
    found = neuron_factors(net, np.eye(3), np.ones((3, 1)), layer=1, lr=0.1, ridge=0.1)
    assert found.phi == 0 and found.mean_factor == found.max_factor == (1 - 0.02) ** 2


def test_certificate() -> None:
    net, X, Y, _ = setting(1)
    weights = [W.copy() for W in net.weights]
    weights[0][:2] *= 1e-4
    weights[1][:, :2] *= 1e-4
    biases = [b.copy() for b in net.biases]
    biases[0][:2] *= 1e-4
    net = HomogeneousNetwork(tuple(weights), tuple(biases))
    mask = np.arange(6) < 2
    given = {"layer": 1, "neurons": mask, "lr": 1e-3, "ridge": RIDGE, "budget": 2.0}
    found = certify_dead(net, X, Y, threshold=1e-2, **given)
    assert found.holds
    assert found.p_fail == pytest.approx(2 * found.values["Phi_S"] / 1e-2)
    assert not certify_dead(net, X, Y, threshold=1e-9, **given).holds


def test_refusals() -> None:
    net, X, Y, _ = setting(0)
    for neurons in ([0, 0], [6], [-1], [0.5], [[1]], np.ones(5, bool)):
        with pytest.raises(InputError, match="neurons must be different positions from 0 to 5"):
            neuron_factors(net, X, Y, layer=1, neurons=neurons, lr=LR, ridge=RIDGE)
    assert neuron_factors(net, X, Y, layer=1, neurons=[], lr=LR, ridge=RIDGE).phi == 0
    with pytest.raises(InputError, match="budget"):
        certify_dead(net, X, Y, layer=1, neurons=[0], lr=LR, ridge=RIDGE, threshold=1.0, budget=0.5)
    other = HomogeneousNetwork(tuple(W * 1e110 for W in net.weights))
    with pytest.raises(InputError, match="too large for float64; scale"):
        neuron_factors(other, X, Y, layer=1, lr=LR, ridge=RIDGE)


def test_factors_do_not_depend_on_the_size_of_the_neurons() -> None:
    """A dead neuron may shrink until its squares are zero in float64; its factor stays what it is."""
    rng = np.random.default_rng(0)
    W, V = rng.standard_normal((5, 3)), rng.standard_normal((2, 5))
    X, Y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    V[:, 0] *= 1e-20
    W[0] *= 1e-20
    wanted = neuron_factors([W, V], X, Y, layer=1, neurons=[0], lr=LR, ridge=RIDGE)
    W[0] *= 1e-180
    V[:, 0] *= 1e-180
    found = neuron_factors([W, V], X, Y, layer=1, neurons=[0], lr=LR, ridge=RIDGE)
    assert found.phi == 0 and abs(found.mean_factor - (1 - 2 * LR * RIDGE) ** 2) > 1e-3
    assert found.mean_factor == pytest.approx(wanted.mean_factor, rel=1e-12)
    assert found.max_factor == pytest.approx(wanted.max_factor, rel=1e-12)
