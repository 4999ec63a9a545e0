"""The kernels against their literal twin, the gradients against differences, identities of docs/theory.md."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import rankfall as rf
from dynamics.problems import gap, holed
from rankfall.dynamics.kernels import reference

STEPS = 25


@st.composite
def runs(draw: st.DrawFn) -> tuple[rf.Problem, rf.Network, rf.SGD | rf.GD, int, int]:
    depth = draw(st.integers(2, 6))
    widths = draw(st.lists(st.integers(1, 9), min_size=depth + 1, max_size=depth + 1))
    wide = depth == 3 and draw(st.booleans())
    if wide:  # enough to be asked for several steps at once, and kept from diverging
        widths[1:3] = draw(st.integers(65, 75)), draw(st.integers(65, 75))
    problem = holed((widths[-1], widths[0]), seed=draw(st.integers(0, 99)))
    network = rf.Network.gaussian(
        widths, scale=draw(st.sampled_from([0.3, 0.7])), seed=draw(st.integers(0, 99))
    )
    lr, ridge = draw(st.sampled_from([(0.01, 0.0), (0.01, 5.0), (np.linspace(0.005, 0.02, STEPS), 0.1)]))
    lr = lr / 10 if wide else lr
    if draw(st.integers(0, 5)) == 0:
        return problem, network, rf.GD(lr=lr, ridge=ridge, n_steps=STEPS), 0, 0
    n = problem.n_observed
    batch = draw(st.sampled_from([1, min(7, n), n]))
    sampling = draw(st.sampled_from(["replacement", "distinct", "epochs"]))
    settings = {
        "momentum": draw(st.sampled_from([0.0, 0.0, 0.5, 0.9])),
        "label_noise": draw(st.sampled_from([0.0, 0.0, 0.5])),
    }
    return (
        problem,
        network,
        rf.SGD(lr=lr, ridge=ridge, n_steps=STEPS, batch_size=batch, sampling=sampling, **settings),
        draw(st.integers(0, 5)),
        draw(st.integers(0, 9)),
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_kernel_agrees_with_its_twin(run):
    problem, network, optimiser, chain, seed = run
    expected = reference.train(problem, network, optimiser, chain, seed)
    # a run on its way to divergence amplifies rounding without bound
    assume(max(np.abs(W).max() for W in expected.weights) < 4)
    trace = rf.train(problem, network, optimiser, chains=[chain], seed=seed)
    assert gap(trace.final(0), expected) < 1e-12


@pytest.mark.parametrize("widths", [(30, 20, 25, 40), (33, 17, 9, 21, 28), (12, 40, 10), (12, 70, 90, 10)])
def test_kernel_agrees_with_its_twin_at_vector_lengths(widths):
    """Widths beyond one vector register, odd and even, over a fold of the decay scalar."""
    problem = holed((widths[-1], widths[0]), rank=3)
    network = rf.Network.gaussian(widths, scale=1.0, seed=3)
    optimiser = rf.SGD(lr=0.01, ridge=4.0, n_steps=300)
    assert 0.92**300 < 1e-3  # so that the scalar is folded on the way
    assert (
        gap(rf.train(problem, network, optimiser).final(), reference.train(problem, network, optimiser))
        < 1e-12
    )


def test_prescribed_entries_are_used():
    problem = holed((6, 5))
    network = rf.Network.gaussian((5, 4, 4, 6), scale=0.8, seed=1)
    for entries in (np.arange(20) % problem.n_observed, np.arange(40).reshape(20, 2) % problem.n_observed):
        optimiser = rf.SGD(lr=0.05, ridge=0.01, n_steps=20, entries=entries)
        trace = rf.train(problem, network, optimiser, chains=2)
        assert gap(trace.final(1), reference.train(problem, network, optimiser)) < 1e-12


@pytest.mark.parametrize("sampling", ["distinct", "epochs"])
def test_all_entries_at_once_is_gradient_descent(sampling):
    problem = holed((7, 9), rank=3)
    network = rf.Network.gaussian((9, 5, 6, 7), scale=1.0, seed=0)
    sgd = rf.train(
        problem,
        network,
        rf.SGD(lr=0.05, ridge=1e-2, n_steps=200, batch_size=problem.n_observed, sampling=sampling),
    )
    gd = rf.train(problem, network, rf.GD(lr=0.05, ridge=1e-2, n_steps=200))
    assert gap(sgd.final(), gd.final()) < 1e-11


def test_single_precision_follows_double():
    problem = holed((20, 20))
    network = rf.Network.gaussian((20, 20, 20, 20), scale=0.5, seed=0)
    for optimiser in (
        rf.SGD(lr=0.02, ridge=1e-2, n_steps=300),
        rf.SGD(lr=0.02, ridge=1e-2, n_steps=300, batch_size=5),
        rf.GD(lr=0.02, ridge=1e-2, n_steps=300),
    ):
        single = rf.train(problem, network, optimiser, dtype=np.float32).final()
        assert single.weights[0].dtype == np.float32
        assert gap(single, rf.train(problem, network, optimiser).final()) < 1e-3


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
def test_gradients_agree_with_differences(depth):
    """Central differences of (1/2b) sum rho^2; their error is O(h^2) = 1e-10."""
    rng = np.random.default_rng(depth)
    widths = rng.integers(2, 6, depth + 1)
    weights = [rng.standard_normal((up, low)) for low, up in pairwise(widths)]
    rows, cols = rng.integers(0, widths[-1], 4), rng.integers(0, widths[0], 4)
    values = rng.standard_normal(4)

    def loss(weights):
        A = rf.Network(tuple(weights)).product()
        return 0.5 * np.mean((A[rows, cols] - values) ** 2)

    G = reference.gradients(weights, rows, cols, values)
    for layer, W in enumerate(weights):
        for cell in np.ndindex(*W.shape):
            moved = [[V.copy() for V in weights] for _ in range(2)]
            moved[0][layer][cell] += 1e-5
            moved[1][layer][cell] -= 1e-5
            slope = (loss(moved[0]) - loss(moved[1])) / 2e-5
            assert G[layer][cell] == pytest.approx(slope, abs=1e-7, rel=1e-6)


@pytest.mark.parametrize("batch", [1, 4])
def test_identities_of_balance_and_of_the_hidden_spaces(batch):
    """docs/theory.md, section 0: (I1) D_l' = q^2 D_l + lr^2 (G_l^T G_l - G_{l-1} G_{l-1}^T) and
    (I2) Z_l' = Z_l K_l."""
    problem = holed((6, 7), rank=3)
    network = rf.Network.gaussian((7, 5, 4, 5, 6), scale=1.0, seed=2)
    lr, ridge, n_steps = 0.05, 0.02, 60
    q = 1 - 2 * lr * ridge
    optimiser = rf.SGD(lr=lr, ridge=ridge, n_steps=n_steps, batch_size=batch)
    trace = rf.train(problem, network, optimiser, seed=4, record=rf.Record(every=1, what=("weights",)))
    for step in range(n_steps):
        old, new = trace.weights(0, step), trace.weights(0, step + 1)
        picked = reference.batch(optimiser, problem.n_observed, 4, 0, step)
        entries = problem.rows[picked], problem.cols[picked], problem.values[picked]
        W, V = list(old.weights), list(new.weights)
        G = reference.gradients(W, *entries)
        A = old.product()
        R = np.zeros_like(A)
        np.add.at(R, entries[:2], (A[entries[:2]] - entries[2]) / batch)
        for k in range(1, 4):
            before = W[k].T @ W[k] - W[k - 1] @ W[k - 1].T
            after = V[k].T @ V[k] - V[k - 1] @ V[k - 1].T
            expected = q**2 * before + lr**2 * (G[k].T @ G[k] - G[k - 1] @ G[k - 1].T)
            np.testing.assert_allclose(after, expected, atol=1e-13)
            P = reduce(np.matmul, W[:k:-1], np.eye(6))
            Q = reduce(np.matmul, W[k - 2 :: -1] if k > 1 else [], np.eye(W[k - 1].shape[1]))
            B = P.T @ R @ Q.T
            zero = np.zeros
            K = q * np.eye(sum(B.shape)) - lr * np.block(
                [[zero((B.shape[1],) * 2), B.T], [B, zero((B.shape[0],) * 2)]]
            )
            np.testing.assert_allclose(new.hidden_spaces()[k - 1], old.hidden_spaces()[k - 1] @ K, atol=1e-13)
