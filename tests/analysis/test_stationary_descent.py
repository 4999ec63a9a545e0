"""descend(): gradient descent ends at the minimum whose basin it starts in."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory import closed_form_minima, minima, step_sharpness, weight_gradient

RIDGE = 0.004
PROBLEM, _ = rf.datasets.low_rank((8, 7), rank=2, observed=0.8, noise=0.2, seed=0)


def disturbed(network: rf.Network, by: float, seed: int = 0) -> rf.Network:
    """Every layer moved by a random matrix of `by` times its norm."""
    rng = np.random.default_rng(seed)
    noise = [rng.standard_normal(W.shape) for W in network]
    return rf.Network(
        tuple(W + by * np.linalg.norm(W) * E / np.linalg.norm(E) for W, E in zip(network, noise, strict=True))
    )


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_it_returns_to_every_minimum(rank):
    point = minima(PROBLEM, 3, RIDGE, ranks=[rank], n_starts=5).at(rank)[0]
    start = disturbed(point.network(width=4), 0.02) if rank else rf.Network.gaussian((7, 4, 4, 8), scale=0.05)
    found = rf.descend(PROBLEM, start, ridge=RIDGE)
    assert found.end == "stationary"
    assert found.gradient_norm <= 1e-9
    assert found.gradient_norm == pytest.approx(
        np.sqrt(sum(np.sum(G**2) for G in weight_gradient(PROBLEM, found.network, RIDGE)))
    )
    assert np.linalg.norm(found.network.product() - point.matrix()) <= 1e-6
    assert found.loss == pytest.approx(point.loss, rel=1e-12)
    assert rank == 0 or found.rank() == rank


def test_closed_form_from_a_full_rank_start():
    """From a large start gradient descent on all entries finds one of the closed-form minima."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((5, 2)) @ rng.standard_normal((2, 6))
    found = rf.descend(rf.Problem.from_dense(X), rf.Network.gaussian((6, 5, 5, 5), seed=1), ridge=0.003)
    errors = [np.linalg.norm(found.network.product() - p.matrix()) for p in closed_form_minima(X, 3, 0.003)]
    assert found.end == "stationary"
    assert min(errors) <= 1e-6


def test_the_ends_have_names():
    start = rf.Network.gaussian((7, 4, 4, 8), seed=3)
    short = rf.descend(PROBLEM, start, ridge=RIDGE, max_steps=600)
    assert (short.end, short.n_steps) == ("out of steps", 600)
    wild = rf.descend(PROBLEM, start, ridge=RIDGE, lr=10.0)
    assert wild.end == "diverged" and wild.lr == 10.0


def test_the_first_steps_are_those_of_train():
    start = rf.Network.gaussian((7, 4, 4, 8), seed=3)
    found = rf.descend(PROBLEM, start, ridge=RIDGE, lr=0.01, max_steps=500)
    trained = rf.train(PROBLEM, start, rf.GD(lr=0.01, ridge=RIDGE, n_steps=500)).final(0)
    assert all(np.array_equal(W, V) for W, V in zip(found.network, trained, strict=True))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: rf.descend(PROBLEM, rf.Network.gaussian((3, 2, 3), seed=0), ridge=0.1), "shape"),
        (lambda: rf.descend(PROBLEM, rf.Network.gaussian((7, 2, 8), chains=2), ridge=0.1), "one network"),
        (lambda: rf.descend(PROBLEM, rf.Network.gaussian((7, 2, 8)), ridge=0.0), "ridge"),
        (lambda: rf.descend(PROBLEM, rf.Network.gaussian((7, 2, 8)), ridge=0.1, gradient_norm=0), "gradient"),
        (
            lambda: rf.descend(
                PROBLEM.with_weights(np.linspace(1, 2, PROBLEM.n_observed)),
                rf.Network.gaussian((7, 2, 8)),
                ridge=0.1,
            ),
            "weights",
        ),
    ],
)
def test_bad_input(use, message):
    with pytest.raises(rf.InputError, match=message):
        use()


def test_lr_k_is_the_largest_squared_gradient_of_an_entry():
    """Against central differences of every observed entry in every weight."""
    problem = rf.Problem.from_triplets(np.array([0, 2, 3]), np.array([1, 0, 2]), np.ones(3), shape=(4, 3))
    network = rf.Network.gaussian((3, 2, 3, 4), seed=5)
    h, squares = 1e-6, np.zeros(3)
    for layer, W in enumerate(network.weights):
        for index in np.ndindex(W.shape):
            seen = []
            for step in (h, -h):
                weights = [V.copy() for V in network]
                weights[layer][index] += step
                seen.append(rf.Network(tuple(weights)).predict(problem.rows, problem.cols))
            squares += ((seen[0] - seen[1]) / (2 * h)) ** 2
    assert step_sharpness(problem, network, lr=0.5) == pytest.approx(0.5 * squares.max(), rel=1e-8)


def test_beyond_two_an_entry_met_again_and_again_grows():
    """One entry, balanced scalar weights: the residual grows iff lr K > 2 (near the fit, no ridge)."""
    problem = rf.Problem.from_dense(np.array([[1.0]]))
    start = rf.Network(tuple(np.array([[w]]) for w in (1.001, 1.0, 1.0)))
    for lr_k, grows in ((1.9, False), (2.1, True)):
        lr = lr_k / step_sharpness(problem, start)
        trace = rf.train(problem, start, rf.SGD(lr=lr, ridge=0.0, n_steps=20))
        residual = abs(float(trace.final(0).product()[0, 0]) - 1)
        assert (residual > 0.003) == grows


def test_a_network_that_comes_close_to_zero_has_rank_zero():
    """Its singular values are 1e-150 of the data, and their ratios mean nothing."""
    problem, _ = rf.datasets.low_rank((8, 8), rank=2, observed=0.7, noise=0.5, seed=1)
    ended = rf.descend(problem, rf.Network.gaussian((8, 4, 4, 8), seed=0), ridge=0.3)
    assert ended.end == "stationary" and 0 < ended.network.singular_values()[0] < 1e-20
    assert ended.rank() == 0
