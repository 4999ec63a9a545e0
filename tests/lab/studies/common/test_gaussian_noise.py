"""Covariances of the forms of noise against steps of SGD with every entry, or every batch.

Which of them feed a lost direction.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import rankfall as rf
from rankfall.errors import InputError
from rankfall.lab.studies.common.gaussian_noise import FORMS, NoisyDescent, noise_trace, parts

LR, RIDGE = 0.05, 0.02


def problem_and_net(depth: int = 3, seed: int = 0) -> tuple[rf.Problem, rf.Network]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((4, 3))
    X[0, 1] = X[2, 2] = X[3, 0] = np.nan
    return rf.Problem.from_dense(X), rf.Network.gaussian(
        [3, *[4, 2, 3][: depth - 1], 4], scale=1.0, seed=seed
    )


def steps_of_sgd(problem: rf.Problem, network: rf.Network, batch_size: int) -> np.ndarray:
    """Gradients of all batches of different entries, one row each, by a step of the kernel."""
    rows = []
    for batch in combinations(range(problem.n_observed), batch_size):
        trace = rf.train(problem, network, rf.SGD(lr=LR, ridge=RIDGE, n_steps=1, entries=np.array([batch])))
        moved = [((1 - 2 * LR * RIDGE) * W - V) / LR for W, V in zip(network, trace.final(0), strict=True)]
        rows.append(np.concatenate([G.ravel() for G in moved]))
    return np.array(rows)


class Units:
    """In place of a generator.

    The k-th chain gets the k-th unit vector of all the numbers that it asks for.
    """

    def __init__(self) -> None:
        self.asked = 0

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        chains = shape[1] if len(shape) == 3 and shape[0] < shape[1] else shape[0]
        out = np.zeros(shape)
        per_chain = np.moveaxis(out, shape.index(chains), 0)
        size = per_chain[0].size
        for k in range(size):
            if self.asked + k < chains:
                per_chain[self.asked + k] = np.eye(size)[k].reshape(per_chain[0].shape)
        self.asked += size
        return out


def covariance(descent: NoisyDescent, network: rf.Network, n_numbers: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the step.

    It is linear in its random numbers, so unit vectors give its matrix.
    """
    weights = [np.repeat(W[None], n_numbers + 1, axis=0) for W in network]
    steps = descent.gradient(weights, Units())  # type: ignore[arg-type]
    flat = np.concatenate([G.reshape(len(G), -1) for G in steps], axis=1)
    mean = flat[-1]  # the last chain gets no unit vector
    J = flat[:-1] - mean
    return mean, J.T @ J


def blocks(network: rf.Network) -> np.ndarray:
    """True where two parameters lie in the same layer."""
    layer = np.repeat(np.arange(network.depth), [W.size for W in network])
    return layer[:, None] == layer[None, :]


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize(("batch_size", "distinct"), [(1, False), (2, True), (9, True)])
def test_covariances_are_those_of_sgd(depth, batch_size, distinct):
    problem, network = problem_and_net(depth)
    N = problem.n_observed
    steps = steps_of_sgd(problem, network, batch_size)
    exact = np.cov(steps.T, bias=True) if len(steps) > 1 else np.zeros((network.n_parameters,) * 2)
    wanted = {
        "joint": (exact, N),
        "layers": (np.where(blocks(network), exact, 0.0), N * depth),
        "isotropic": (
            np.trace(exact) / network.n_parameters * np.eye(network.n_parameters),
            network.n_parameters,
        ),
    }
    for form, (expected, n_numbers) in wanted.items():
        descent = NoisyDescent(problem, LR, RIDGE, form, batch_size, distinct)
        mean, found = covariance(descent, network, n_numbers)
        np.testing.assert_allclose(mean, steps.mean(axis=0), atol=1e-11)
        np.testing.assert_allclose(found, expected, atol=1e-11 * (1 + np.abs(exact).max()))


def test_batches_with_replacement_have_the_covariance_of_single_entries_over_b():
    problem, network = problem_and_net()
    one = covariance(NoisyDescent(problem, LR, RIDGE, "joint", 1), network, problem.n_observed)[1]
    four = covariance(NoisyDescent(problem, LR, RIDGE, "joint", 4), network, problem.n_observed)[1]
    np.testing.assert_allclose(four, one / 4, atol=1e-12)


def test_trace():
    problem, network = problem_and_net()
    weights = [np.stack([W, 0.5 * W]) for W in network]
    found = noise_trace(problem, parts(problem, weights), 3)
    half = rf.Network(tuple(0.5 * W for W in network))
    exact = [np.trace(np.cov(steps_of_sgd(problem, one, 1).T, bias=True)) / 3 for one in (network, half)]
    np.testing.assert_allclose(found, exact, rtol=1e-9)


def lost_direction(depth: int, seed: int) -> tuple[rf.Problem, rf.Network, int]:
    """A problem, and a network whose hidden spaces Z_l have rank 1 of 3, in random frames."""
    rng = np.random.default_rng(seed)
    problem = rf.Problem.from_dense(rng.standard_normal((4, 4)))
    small = rf.Network.gaussian([4, *[1] * (depth - 1), 4], scale=1.0, seed=seed)
    frames = [np.linalg.qr(rng.standard_normal((3, 1)))[0] for _ in range(depth - 1)]
    layers = list(small)
    for l, F in enumerate(frames):
        layers[l], layers[l + 1] = F @ layers[l], layers[l + 1] @ F.T
    return problem, rf.Network(tuple(layers)), 1


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("form", FORMS)
def test_only_isotropic_noise_feeds_a_lost_direction(depth, form):
    """Noise with the right covariance in each layer is P_l^T R_l Q_l^T and still has Z_l as a right factor.

    The counterexample to "noise that is independent between the layers feeds every direction".
    """
    problem, network, rank = lost_direction(depth, seed=depth)
    chains = 5
    weights = [np.repeat(W[None], chains, axis=0) for W in network]
    descent = NoisyDescent(problem, LR, RIDGE, form).iterate(weights, 40, 40, np.random.default_rng(1))
    _, end = list(descent)[-1]
    for Z in rf.Network(tuple(end)).hidden_spaces():
        s = np.linalg.svd(Z, compute_uv=False)
        relative = s[:, rank] / s[:, 0]
        assert (relative > 1e-3).all() if form == "isotropic" else (relative < 1e-13).all()


def test_chains_that_explode_become_nan_and_leave_the_others_alone():
    problem, network = problem_and_net()
    alone = [W[None] for W in network]
    both = [np.stack([W, 1e5 * W]) for W in network]
    rng = np.random.default_rng(0)
    _, end = list(NoisyDescent(problem, LR, RIDGE, "joint").iterate(both, 3, 3, rng))[-1]
    assert all(np.isnan(W[1]).all() and np.isfinite(W[0]).all() for W in end)
    steps = [
        s for s, _ in NoisyDescent(problem, LR, RIDGE, "joint").iterate(alone, 7, 2, np.random.default_rng(0))
    ]
    assert steps == [0, 2, 4, 6]


def test_unknown_form():
    problem, _ = problem_and_net()
    with pytest.raises(InputError, match="joint, layers, isotropic"):
        NoisyDescent(problem, LR, RIDGE, "diagonal")
