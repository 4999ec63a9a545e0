"""The slowest mode against closed forms and gradient descent, and what splitting says of short horizons."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.analysis import slowest_mode
from rankfall.analysis.slowest_mode import hessian

PROBLEM = rf.Problem.from_dense(np.array([[1.0, 0.3], [np.nan, 1.0]]))
RIDGE = 0.004


def test_the_hessian_of_two_scalars() -> None:
    # (w v - x)^2 / 2 + ridge (w^2 + v^2)
    x, w, v = 1.5, 0.7, 1.1
    network = rf.Network((np.array([[w]]), np.array([[v]])))
    cross = 2 * w * v - x
    exact = [[v * v + 2 * RIDGE, cross], [cross, w * w + 2 * RIDGE]]
    H = hessian(rf.Problem.from_dense(np.array([[x]])), network, RIDGE)
    np.testing.assert_allclose(H, exact, atol=1e-9)


def test_gradient_descent_forgets_at_this_rate() -> None:
    trap = rf.theory.minima(PROBLEM, depth=4, ridge=RIDGE, ranks=[2]).at(2)[0].network()
    lr = 0.05
    slowest = slowest_mode(PROBLEM, trap, lr, RIDGE)
    noise = rf.Network.gaussian(trap.widths, scale=1e-5, seed=0)
    moved = rf.Network(tuple(W + V for W, V in zip(trap.weights, noise.weights, strict=True)))
    n = round(slowest)
    record = rf.Record(every=n, what=(), extra={"slope": _slope})
    trace = rf.train(PROBLEM, moved, rf.GD(lr=lr, ridge=RIDGE, n_steps=8 * n), record=record)
    slopes = trace.measured["slope"][0]
    # after some e-foldings only the slowest mode is left
    assert slopes[8] / slopes[7] == pytest.approx(np.exp(-1), rel=0.02)


def _slope(network: rf.Network) -> float:
    return float(np.sqrt(sum(np.sum(G**2) for G in rf.theory.weight_gradient(PROBLEM, network, RIDGE))))


def test_lost_directions_and_large_networks_have_the_time_of_weight_decay() -> None:
    trap = rf.theory.minima(PROBLEM, depth=4, ridge=RIDGE, ranks=[1]).at(1)[0]
    wide = trap.network(width=2)
    assert slowest_mode(PROBLEM, wide, 0.1, RIDGE) == pytest.approx(1 / (2 * 0.1 * RIDGE), rel=1e-6)
    problem, _ = rf.datasets.low_rank((30, 30), rank=2, observed=0.5, seed=0)
    network = rf.Network.gaussian((30,) * 4, scale=1.0, seed=0)
    assert slowest_mode(problem, network, 0.1, 1e-3) == pytest.approx(5000)


def test_splitting_refuses_to_call_a_short_horizon_a_zero() -> None:
    trap = rf.theory.minima(PROBLEM, depth=4, ridge=RIDGE, ranks=[2]).at(2)[0].network()
    sgd = rf.SGD(lr=0.01, ridge=RIDGE, n_steps=1)
    slowest = slowest_mode(PROBLEM, trap, 0.01, RIDGE)
    assert slowest > 1000
    with pytest.raises(rf.InputError, match=rf"slowest mode \(about {slowest:,.0f} steps\)"):
        rf.splitting(PROBLEM, trap, sgd, 0, 20, 5, 2, smallest=1e-3)
    # a rise that never happens is an answer, and so is a long horizon
    low = rf.theory.minima(PROBLEM, depth=4, ridge=RIDGE, ranks=[1]).at(1)[0].network(width=2)
    assert rf.splitting(PROBLEM, low, sgd, 2, 20, 5, 2).estimate == 0
    every = int(slowest) // 10
    assert rf.splitting(PROBLEM, trap, sgd, 0, 20 * every, 5, 2, every=every, smallest=0.5).estimate == 0
