"""Theorem 4 with training: the bound on trained networks, and both networks under the same samples."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall import theory

DEPTH, SIZE, RANK, RIDGE = 3, 30, 3, 3e-3


@pytest.fixture(scope="module")
def problem():
    """Section 6.8: 30 x 30, rank 3, entries of variance about one."""
    problem, _ = rf.datasets.low_rank((SIZE, SIZE), rank=RANK, oversampling=3.3, seed=0)
    return problem.with_values(problem.values / np.sqrt(RANK))


def trained(problem, lr, tau):
    """Train in full width until the tail of the hidden spaces above rank 3 is at most tau."""
    network = rf.Network.gaussian((SIZE,) * (DEPTH + 1), scale=1.0, seed=0)
    for epoch in range(5000):
        network = rf.train(
            problem, network, rf.SGD(lr=lr, ridge=RIDGE, n_steps=problem.n_observed), seed=epoch
        ).final(0)
        if tail(network) <= tau:
            return network
    raise AssertionError("the tail did not shrink")


def tail(network):
    return max(np.linalg.svd(Z, compute_uv=False)[RANK] for Z in network.hidden_spaces())


def gaps_of(problem, network, small, lr, seed, epochs=20):
    """Largest entry of the difference of the products after each epoch with the same samples."""
    sgd = rf.SGD(lr=lr, ridge=RIDGE, n_steps=epochs * problem.n_observed)
    record = rf.Record(every=problem.n_observed, what=("weights",))
    runs = [rf.train(problem, start, sgd, seed=seed, record=record) for start in (network, small)]
    products = [[run.weights(0, k).product() for k in range(epochs + 1)] for run in runs]
    return [np.abs(A - B).max() for A, B in zip(*products, strict=True)]


def check(problem, lr, tau):
    network = trained(problem, lr, tau)
    tau = tail(network)
    d = theory.deflate(network, rank=RANK)
    assert d.network.n_parameters == 2 * SIZE * RANK + RANK**2
    error = np.linalg.norm(network.product() - d.network.product(), 2)
    assert error <= d.bound
    gaps = gaps_of(problem, network, d.network, lr, seed=1)
    print(
        f"{lr}, tau {tau:.1e}: error {error:.1e}, bound {d.bound:.1e}, gap {max(gaps):.1e} -> {gaps[-1]:.1e}"
    )
    assert max(gaps) < tau**2
    return gaps


@pytest.mark.parametrize("lr", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("tau", [3e-2, 1e-3, 1e-5])
def test_section_6_8(problem, lr, tau):
    """The runs stay together, and at the larger learning rates they synchronise."""
    gaps = check(problem, lr, tau)
    if lr > 0.01 and gaps[0] > 1e-12:
        assert gaps[-1] < 0.3 * max(gaps)


def test_the_runs_part_where_sgd_is_hardly_stable(problem):
    """A gap below tau^2 is an observation, not Theorem 4.

    Entries of variance three and a large learning rate.
    """
    large = problem.with_values(problem.values * np.sqrt(RANK))
    network = trained(large, 0.03, 5e-3)
    d = theory.deflate(network, rank=RANK)
    assert max(max(gaps_of(large, network, d.network, 0.03, seed)) for seed in range(3)) < tail(network) ** 2
    assert (
        max(max(gaps_of(large, network, d.network, 0.1, seed)) for seed in range(3)) > 3 * tail(network) ** 2
    )


def test_the_small_network_is_the_embedded_one(problem):
    """(ii): two epochs of the same samples on the compressed and on the embedded weights."""
    d = theory.deflate(trained(problem, 0.1, 3e-2), rank=RANK)
    sgd = rf.SGD(lr=0.1, ridge=RIDGE, n_steps=2 * problem.n_observed)
    small, large = (
        rf.train(problem, network, sgd, seed=3).final(0).product() for network in (d.network, d.embed())
    )
    assert np.abs(small - large).max() < 1e-12
