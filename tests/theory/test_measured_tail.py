"""Theorem 3(a) and the absorbing sets of Theorem 1 for rank-one measurements."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

import rankfall as rf
from rankfall.dynamics.kernels import reference


def sensed(shape: tuple[int, int], n: int, seed: int = 0) -> rf.Measurements:
    """Random vectors, neither of unit length nor alike, and random values."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.3, 1.5, (n, 1))
    U, V = rng.standard_normal((n, shape[0])), rng.standard_normal((n, shape[1]))
    return rf.Measurements(scale * U, V, rng.standard_normal(n))


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize(("batch", "sampling"), [(1, "replacement"), (3, "replacement"), (3, "distinct")])
def test_entries_have_the_factors_of_the_problem(depth, batch, sampling):
    problem, _ = rf.datasets.low_rank((8, 7), rank=2, observed=0.6, seed=1)
    network = rf.Network.gaussian((7, *(6, 5, 4)[: depth - 1], 8), seed=2)
    settings = {"ridge": 1e-2, "lr": 0.1, "batch_size": batch, "sampling": sampling}
    one = rf.theory.tail_factors(problem, network, 2, **settings)
    measured = rf.Measurements.from_problem(problem)
    other = rf.theory.measured_tail_factors(measured, network, 2, **settings)
    for name in ("phi", "mean_factor", "max_factor"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-10)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize(("batch", "sampling"), [(1, "replacement"), (2, "replacement"), (2, "distinct")])
def test_no_step_grows_a_tail_by_more(depth, batch, sampling):
    """Against all batches: the mean of the new tails, and the largest of them."""
    data = sensed((5, 6), 7)
    network = rf.Network.gaussian((6, *(5, 4, 5)[: depth - 1], 5), scale=0.8, seed=1)
    lr, ridge = 0.05, 0.02
    batches = product(range(7), repeat=batch) if sampling == "replacement" else combinations(range(7), batch)
    grown = []
    for picked in map(list, batches):
        U, V, values = data.U[picked], data.V[picked], data.values[picked]
        G = reference.measured_gradients(list(network), U, V, values)
        moved = rf.Network(tuple((1 - 2 * lr * ridge) * W - lr * g for W, g in zip(network, G, strict=True)))
        grown.append(rf.measures.hidden_singular_values(moved) ** 2)
    grown = np.array(grown)
    for rank in range(4):
        factors = rf.theory.measured_tail_factors(
            data, network, rank, ridge=ridge, lr=lr, batch_size=batch, sampling=sampling
        )
        tails = grown[..., rank:].sum(axis=-1)
        assert np.all(tails.mean(axis=0) <= factors.mean_factor * factors.phi * (1 + 1e-9))
        assert np.all(tails.max(axis=0) <= factors.max_factor * factors.phi * (1 + 1e-9))
        if rank == 0:  # nothing is removed, so that (3.1) is an equality
            np.testing.assert_allclose(tails.mean(axis=0), factors.mean_factor * factors.phi, rtol=1e-9)


def test_no_measurement_of_unit_size_leaves_an_absorbing_set():
    """Theorem 1 with nu = 1: random and adversarial vectors of length 1 at points on the boundary of B_1."""
    constants = rf.theory.solve(3, 0.1, 1.0)
    inside = rf.theory.AbsorbingSet(1, constants)
    rng = np.random.default_rng(0)
    q, tried = 1 - 2 * constants.lr * constants.ridge, 0
    for trial in range(400):
        network = rf.Network.gaussian((4, 3, 3, 4), scale=1.0, seed=trial)
        U, s, Vt = np.linalg.svd(network.product())
        s[1:] *= 10.0 ** -rng.uniform(1, 4)
        network = rf.Network.lift((U * s) @ Vt, depth=3, width=3)
        norms = max(np.sum(W**2) for W in network.weights)
        factor = np.sqrt(constants.C / norms * rng.uniform(0.5, 1))
        network = rf.Network(tuple(factor * W for W in network))
        if not inside.contains(network):
            continue
        tried += 1
        left, _, right = np.linalg.svd(network.product())
        for k in range(6):
            u, v = (left[:, k], right[k]) if k < 4 else rng.standard_normal((2, 4))
            u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
            for y in (-1.0, 0.0, 1.0):
                G = reference.measured_gradients(list(network), u[None], v[None], np.array([y]))
                moved = [q * W - constants.lr * g for W, g in zip(network, G, strict=True)]
                assert inside.contains(rf.Network(tuple(moved)))
    assert tried > 100


def test_bad_arguments():
    data, network = sensed((5, 6), 7), rf.Network.gaussian((6, 4, 5), seed=0)
    settings = {"ridge": 1e-2, "lr": 0.1}
    with pytest.raises(rf.InputError, match="measurements must be a Measurements"):
        rf.theory.measured_tail_factors(network, data, 1, **settings)
    with pytest.raises(rf.InputError, match="shape"):
        rf.theory.measured_tail_factors(data, rf.Network.gaussian((5, 4, 6)), 1, **settings)
    with pytest.raises(rf.InputError, match="epochs"):
        rf.theory.measured_tail_factors(data, network, 1, **settings, sampling="epochs")
    with pytest.raises(rf.InputError, match="rank must be"):
        rf.theory.measured_tail_factors(data, network, -1, **settings)
