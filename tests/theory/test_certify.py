"""Theorems 1, 1' and 1'' and Lemma 6 at given points."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rankfall as rf


def literal_descent(
    problem: rf.Problem, network: rf.Network, ridge: float, lr: float, n_steps: int
) -> rf.Network:
    """Gradient descent, line by line."""
    weights = list(network.weights)
    for _ in range(n_steps):
        R = np.zeros(problem.shape)
        A = rf.Network(tuple(weights)).product()
        R[problem.rows, problem.cols] = (A[problem.rows, problem.cols] - problem.values) / problem.n_observed
        new = []
        for k, W in enumerate(weights):
            above, below = np.eye(problem.n_rows), np.eye(problem.n_cols)
            for V in weights[:k:-1]:
                above = above @ V
            for V in weights[:k]:
                below = V @ below
            new.append((1 - 2 * lr * ridge) * W - lr * above.T @ R @ below.T)
        weights = new
    return rf.Network(tuple(weights))


def holed(shape=(5, 4), rank=1, seed=0, size=1.0) -> rf.Problem:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    A *= size / np.abs(A).max()
    A[rng.random(shape) < 0.3] = np.nan
    A[0, 0] = size / 2
    return rf.Problem.from_dense(A)


def by_name(verdict: rf.theory.Certificate) -> dict[str, rf.theory.Condition]:
    return {c.name: c for c in verdict.conditions}


# -- Theorem 1 ------------------------------------------------------------------------------------------


def test_small_networks_are_certified_with_rank_zero():
    problem = holed()
    network = rf.Network.gaussian((4, 4, 4, 5), scale=1e-3)
    verdict = rf.theory.certify(problem, network, rank=0, ridge=0.2, lr=0.02)
    assert verdict.holds and verdict.theorem == "Theorem 1" and verdict.rank == 0
    assert verdict.values["bound"] == np.abs(problem.values).max()
    assert "B_0" in str(verdict)


def test_rank_one_is_certified_and_rank_zero_is_not():
    problem = holed()
    network = rf.Network.lift(np.outer(np.ones(5), np.ones(4)) / 12, depth=3, width=3)
    assert rf.theory.certify(problem, network, rank=1, ridge=0.2, lr=0.01).holds
    below = rf.theory.certify(problem, network, rank=0, ridge=0.2, lr=0.01)
    assert not below.holds
    assert {c.name for c in below.conditions if not c.holds} == {"(T)"}


def test_the_set_is_fitted_to_the_network():
    """Norms above the least C, and an imbalance above the least eps, are let in as far as the theorem
    goes.
    """
    problem = holed()
    k = rf.theory.solve(3, 0.2, float(np.abs(problem.values).max()), lr=0.01)
    s = math.sqrt(1.1 * k.C)
    layers = [np.zeros((2, 4)), np.zeros((2, 2)), np.zeros((5, 2))]
    for W in layers:
        W[0, 0] = s
    layers[1][0, 0] = math.sqrt(s**2 - 1.5 * k.eps)
    network = rf.Network(tuple(layers))
    assert not rf.theory.AbsorbingSet(1, k).contains(network)
    verdict = rf.theory.certify(problem, network, rank=1, ridge=0.2, lr=0.01)
    assert verdict.holds
    assert verdict.values["C"] == pytest.approx(1.1 * k.C)
    assert verdict.values["eps"] > 1.5 * k.eps


def test_practical_steps_are_not_certified_but_judged():
    problem = holed()
    network = rf.Network.gaussian((4, 4, 4, 5), scale=0.7)
    for lr in (0.01, 1.0, 100.0):
        verdict = rf.theory.certify(problem, network, rank=3, ridge=1e-3, lr=lr)
        assert not verdict.holds
        assert not verdict.tightest.holds
    zero = rf.Network(tuple(np.zeros_like(W) for W in network))
    assert not rf.theory.certify(problem, zero, rank=0, ridge=1e-3, lr=100.0).holds


def test_larger_distinct_batches_certify_more():
    problem = holed((20, 20), size=1.0)
    network = rf.Network.gaussian((20, 3, 3, 20), scale=1e-3)

    def holds(batch_size: int, sampling: str) -> bool:
        return rf.theory.certify(problem, network, 0, 0.05, 1e-2, batch_size, sampling).holds

    assert not holds(1, "replacement")
    assert not holds(50, "replacement")
    assert holds(50, "distinct")
    n = problem.n_observed
    assert holds(n // 2, "epochs") == (n % 2 == 0)  # otherwise the last batch is a single entry


# -- Theorem 1' -----------------------------------------------------------------------------------------


def test_monitored():
    verdict = rf.theory.check_monitored(3, ridge=0.1, lr=1e-3, eps=1e-3, delta=0.1, rho=1.0, g=0.5, omega=1.0)
    assert verdict.holds
    assert verdict.values["a_L"] == pytest.approx(math.sqrt(0.011 * 0.012))
    conditions = by_name(verdict)
    assert conditions["(D')"].left == pytest.approx(1e-3 * 0.25)
    assert conditions["(S')"].right == pytest.approx(0.02)
    assert not rf.theory.check_monitored(3, 0.1, 1e-3, 1e-3, 0.1, rho=2.0, g=0.5, omega=1.0).holds
    assert not rf.theory.check_monitored(3, 0.1, 1e-3, 1e-3, 0.1, rho=1.0, g=1.0, omega=1.0).holds
    assert not rf.theory.check_monitored(3, 0.1, 6.0, 1e-3, 0.1, rho=0.0, g=0.0, omega=1.0).holds


def test_monitored_set_survives_random_steps():
    """Random residual matrices within the bounds, from the boundary of the set."""
    rng = np.random.default_rng(0)
    ridge, lr, eps, delta = 0.1, 0.02, 0.02, 0.15
    survived = 0
    for _ in range(200):
        s = np.sqrt([[1.0, delta**2 + eps * k] for k in range(3)]) * rng.uniform(0.8, 1, (3, 2))
        weights = [np.diag(row) for row in s]
        for _ in range(5):
            R = rng.standard_normal((2, 2)) * rng.uniform(0, 0.3)
            G = [
                (weights[2] @ weights[1]).T @ R,
                weights[2].T @ R @ weights[0].T,
                R @ (weights[1] @ weights[0]).T,
            ]
            rho, g, omega = (max(np.linalg.norm(M, 2) for M in matrices) for matrices in ([R], G, weights))
            before = rf.measures.imbalance(rf.Network(tuple(weights))).max()
            tail = np.linalg.svd(weights[0], compute_uv=False)[1]
            verdict = rf.theory.check_monitored(
                3, ridge, lr, max(before, eps), max(tail, delta), rho, g, omega
            )
            weights = [(1 - 2 * lr * ridge) * W - lr * M for W, M in zip(weights, G, strict=True)]
            if verdict.holds:
                survived += 1
                assert rf.measures.imbalance(rf.Network(tuple(weights))).max() <= max(before, eps) + 1e-12
                assert np.linalg.svd(weights[0], compute_uv=False)[1] <= max(tail, delta) + 1e-12
    assert survived > 100


@pytest.mark.parametrize("name", ["ridge", "lr", "eps", "delta", "rho", "g", "omega"])
def test_monitored_refuses(name):
    numbers = {"ridge": 0.1, "lr": 1e-3, "eps": 1e-3, "delta": 0.1, "rho": 1.0, "g": 0.5, "omega": 1.0}
    for bad in (-1.0, math.nan, math.inf):
        with pytest.raises(rf.InputError, match=name):
            rf.theory.check_monitored(3, **{**numbers, name: bad})


# -- Theorem 1'' and Lemma 6 ----------------------------------------------------------------------------


def found_by_descent(problem: rf.Problem, ridge: float, lr: float, depth: int, seed: int) -> rf.Network:
    widths = (problem.n_cols, *[4] * (depth - 1), problem.n_rows)
    return literal_descent(problem, rf.Network.gaussian(widths, scale=0.6, seed=seed), ridge, lr, 12_000)


def with_tail(network: rf.Network, tail: float) -> rf.Network:
    """The same network with the second singular value of the first layer raised to `tail`."""
    U, s, Vt = np.linalg.svd(network.weights[0], full_matrices=False)
    s[1] = tail
    return rf.Network(((U * s) @ Vt, *network.weights[1:]))


@pytest.mark.parametrize("depth", [3, 4])
def test_gradient_descent_is_certified_and_keeps_the_promise(depth):
    """From the largest tail, by halves, that is still certified."""
    problem = holed(size=2.0)
    ridge, lr = 0.01, 0.02
    found = found_by_descent(problem, ridge, lr, depth, seed=1)
    assert rf.theory.certify_gd(problem, found, rank=1, ridge=ridge, lr=lr).holds
    tail = 1.0
    while not (verdict := rf.theory.certify_gd(problem, with_tail(found, tail), 1, ridge, lr)).holds:
        tail /= 2
    assert tail > 0.01
    network = with_tail(found, tail)
    for _ in range(20):
        network = literal_descent(problem, network, ridge, lr, 20)
        assert np.linalg.svd(network.weights[0], compute_uv=False)[1] <= verdict.values["delta"]
        assert network.singular_values()[1] <= verdict.values["product_tail"]
    assert 0 < verdict.values["Delta"] < 0.1 and verdict.values["loss_lower_bound"] > 0


def test_full_batches_take_the_theorem_that_holds():
    problem = holed(size=2.0)
    n = problem.n_observed
    network = found_by_descent(problem, 0.01, 0.02, 3, seed=1)
    for sampling in ("distinct", "epochs"):
        verdict = rf.theory.certify(problem, network, 1, 0.01, 0.02, n, sampling)
        assert verdict.holds
    assert rf.theory.certify(problem, network, 1, 0.01, 0.02, n, "replacement").theorem == "Theorem 1"
    start = rf.Network.gaussian((4, 4, 4, 5), scale=1.0)
    worse = rf.theory.certify(problem, start, 1, 0.01, 0.02, n, "distinct")
    assert not worse.holds and worse.theorem == "Theorem 1''"


@pytest.mark.parametrize("seed", range(8))
def test_lemma_6_is_below_everything_descent_finds(seed):
    rng = np.random.default_rng(seed)
    problem = holed(rank=2, seed=seed)
    ridge = float(10 ** rng.uniform(-3, -1))
    depth = int(rng.integers(2, 5))
    widths = (4, *[4] * (depth - 1), 5)
    network = literal_descent(problem, rf.Network.gaussian(widths, scale=0.7, seed=seed), ridge, 0.05, 200)
    lowest = []
    for _ in range(4):
        lowest.append(rf.theory.loss_lower_bound(problem, network, ridge))
        network = literal_descent(problem, network, ridge, 0.05, 2000)
    final = float(rf.measures.regularised_loss(problem, network, ridge=ridge))
    assert max(lowest) <= final * (1 + 1e-12)
    assert lowest[-1] > 0.1 * final  # and not empty


def test_lemma_6_is_tight_at_depth_two():
    """At depth 2 the loss is convex in A, and at its minimum the bound is its value."""
    problem = holed(rank=2, seed=5)
    network = literal_descent(problem, rf.Network.gaussian((4, 4, 5), scale=0.7, seed=1), 0.02, 0.2, 20_000)
    loss = float(rf.measures.regularised_loss(problem, network, ridge=0.02))
    assert rf.theory.loss_lower_bound(problem, network, 0.02) == pytest.approx(loss, rel=1e-6)


def test_lemma_6_where_the_fit_is_perfect():
    A = np.outer([1.0, 2.0], [1.0, 1.0])
    network = rf.Network.lift(np.round(A), depth=2)
    problem = rf.Problem.from_dense(network.product())
    assert rf.theory.loss_lower_bound(problem, network, 0.1) == 0.0


# -- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ridge": 0.0}, "positive ridge"),
        ({"lr": -1.0}, "positive lr"),
        ({"lr": math.nan}, "positive lr"),
        ({"lr": 5.0}, "2 lr ridge < 1"),
        ({"rank": -1}, "rank must be"),
        ({"rank": math.nan}, "rank must be"),
        ({"slack": math.nan}, "slack must be"),
        ({"batch_size": 1000, "sampling": "distinct"}, "cannot be drawn"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"network": rf.Network.gaussian((4, 3, 4), scale=0.1)}, "but the problem is"),
        ({"network": rf.Network.gaussian((4, 3, 5), scale=0.1, chains=2)}, "one network"),
        ({"network": rf.Network((np.full((3, 4), np.nan), np.zeros((5, 3))))}, "not finite"),
        ({"problem": holed().with_weights(np.arange(1, holed().n_observed + 1))}, "weights"),
        ({"problem": holed().with_values(np.zeros(holed().n_observed))}, "All observed entries are zero"),
    ],
)
def test_certify_refuses_in_one_sentence(changes, message):
    arguments = {
        "problem": holed(),
        "network": rf.Network.gaussian((4, 3, 5), scale=0.1),
        "rank": 1,
        "ridge": 0.1,
        "lr": 0.01,
        **changes,
    }
    with pytest.raises(rf.InputError, match=message):
        rf.theory.certify(**arguments)
