"""The test that certifies points which are not local minima, at minima and elsewhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize

from neurons.attack import ACTIVATIONS, BIASES, network
from neurons.examples import bipartite, split
from rankfall.neurons import Activation, HomogeneousNetwork, is_not_local_minimum, prune, sgd_step


def trained(
    seed: int, activation: Activation, ridge: float = 0.02
) -> tuple[HomogeneousNetwork, np.ndarray, float]:
    """A minimum of the squared loss by BFGS, the samples, and the gradient's norm."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    shapes = [(8, 3), (2, 8)]

    def unpacked(x: np.ndarray) -> HomogeneousNetwork:
        return HomogeneousNetwork((x[:24].reshape(8, 3), x[24:].reshape(2, 8)), None, activation)

    def value(x: np.ndarray) -> tuple[float, np.ndarray]:
        net = unpacked(x)
        after = sgd_step(net, X, Y, lr=1.0, ridge=ridge)
        slope = [W - V for W, V in zip(net.weights, after.weights, strict=True)]
        loss = np.sum((net(X) - Y) ** 2) / 12 + ridge * net.squared_norm
        return loss, np.concatenate([G.ravel() for G in slope])

    start = np.concatenate([rng.standard_normal(shape).ravel() for shape in shapes])
    found = minimize(value, start, jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 5000})
    return unpacked(found.x), X, float(np.linalg.norm(value(found.x)[1]))


@pytest.mark.parametrize("size", [4, 6, 8])
def test_no_decrease_at_a_global_minimum(size: int) -> None:
    net, X, _ = bipartite(size, ridge=0.01)
    for point in (net, split(net, seed=1)):
        found = is_not_local_minimum(point, X)
        assert not found and abs(found.decrease) < 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_no_decrease_at_minima_of_bfgs(seed: int) -> None:
    """Of linear networks: minima of the others lie on kinks, where BFGS stalls."""
    net, X, gradient = trained(seed, Activation("identity"))
    found = is_not_local_minimum(net, X)
    assert gradient < 1e-7
    # the loss is flat to second order there, and so is the decrease
    assert not found and abs(found.decrease) < 1e-10


def linear_minimum(
    rng: np.random.Generator, depth: int, condition: float
) -> tuple[HomogeneousNetwork, np.ndarray]:
    """Balanced factors of some A: the least norm with this A, which samples of full rank fix."""
    d, n_out = rng.integers(2, 6, 2)
    n, width = d + rng.integers(0, 8), d + n_out + 1
    X = np.linalg.qr(rng.standard_normal((d, d)))[0] * np.geomspace(1, 1 / condition, d)
    X = X @ np.linalg.qr(rng.standard_normal((n, d)))[0].T
    U, s, Vt = np.linalg.svd(rng.standard_normal((n_out, d)), full_matrices=False)
    frames = [np.linalg.qr(rng.standard_normal((width, s.size)))[0] for _ in range(depth - 1)]
    frames = [Vt.T, *frames, U]
    weights = tuple((up * s ** (1 / depth)) @ low.T for low, up in pairwise(frames))
    return HomogeneousNetwork(weights, None, "identity"), X.T


@pytest.mark.parametrize("depth", [2, 3])
def test_minima_on_ill_conditioned_samples_are_not_certified_away(depth: int) -> None:
    """With samples of condition number 1e10 rounding lets the norm fall by 1e-7 and more, even at minima."""
    rng = np.random.default_rng(depth)
    tests = [is_not_local_minimum(*linear_minimum(rng, depth, 10 ** rng.uniform(6, 11))) for _ in range(100)]
    assert not any(tests) and max(test.decrease for test in tests) > 1e-7
    assert all(test.decrease <= max(test.rounding, 1e-11) for test in tests)


def test_real_decreases_are_certified_on_ill_conditioned_samples() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        net, X = linear_minimum(rng, 2, 10 ** rng.uniform(6, 9))
        W, V = net.weights
        assert is_not_local_minimum([1.2 * W, V / 1.2], X, activation="identity")


@pytest.mark.parametrize("seed", range(36))
def test_random_points_are_no_minima(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = network(rng, [3, 9, 8, 2], ACTIVATIONS[seed % 6], BIASES[seed // 6 % 3])
    found = is_not_local_minimum(net, rng.standard_normal((5, 3)))
    assert found and found.output_error < 1e-10
    assert set(found.steps[0]) == {"balance", "projection", "dropping", "gram", "out"}
    assert found.decrease == pytest.approx(max(sum(s.values()) for s in found.steps))


def test_each_layer_is_treated_from_the_point_itself() -> None:
    """The largest decrease of a layer is that of this layer alone, not of all one after another."""
    rng = np.random.default_rng(0)
    net = network(rng, [3, 9, 8, 2], "relu", "none")
    X = rng.standard_normal((5, 3))
    found = is_not_local_minimum(net, X)
    pruned = prune(net, X, merge=False)
    assert found.decrease < 1 - pruned.norm_after / pruned.norm_before


def test_what_samples_do_not_see_is_no_minimum() -> None:
    net, X, _ = bipartite(4, ridge=0.01)
    W = np.hstack([net.weights[0], np.full((4, 1), 1e-3)])
    X = np.hstack([X, np.zeros((4, 1))])
    found = is_not_local_minimum([W, net.weights[1]], X)
    assert found and found.steps[0]["projection"] == pytest.approx(4e-6 / (16 + 4e-6))
    assert not is_not_local_minimum([W, net.weights[1]], X, tol=1e-3)
