"""The monitor's bookkeeping: firings, credit, the ledger, and what it says at the end."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed
from rankfall.theory import Monitor, tail_table
from theory.points import critical

RIDGE, LR = 1e-3, 1e-3
SETTINGS = {"ridge": RIDGE, "lr": LR}


@pytest.fixture(scope="module")
def critical_point():
    return critical(3, np.array([4.0, 3.0, 2.0, 1.0, 0.5]), 2, RIDGE)


def with_tail(network: rf.Network, size: float) -> rf.Network:
    rng = np.random.default_rng(1)
    return rf.Network(tuple(W + size * rng.standard_normal(W.shape) for W in network.weights))


def exploding(problem: rf.Problem, network: rf.Network) -> rf.Network:
    """The same leading part, with a first hidden layer that the data pull away: some Lambda_l is above 1."""
    far = rf.Network((3 * network.weights[0], *network.weights[1:]))
    assert np.any(tail_table(problem, far, **SETTINGS).mean_factor[:, 2] > 1)
    return far


def test_it_fires_once_the_tail_is_small(critical_point):
    problem, network = critical_point
    monitor = Monitor(problem, 3, **SETTINGS)
    assert monitor.rank is None and not monitor.certificate().holds
    tails = (1e-2, 1e-3, 1e-5, 1e-6)
    certified = [monitor.update(k, with_tail(network, size)) for k, size in enumerate(tails)]
    assert certified == [None, None, 2, 2]
    log = monitor.log()
    assert log.certified.tolist() == [-1, -1, 2, 2] and log.numerical_rank[-1] == 2
    assert len(log.firings) == 1 and log.firings[0].step == 2 and log.firings[0].share == 5e-4
    found = monitor.certificate()
    assert found.holds and found.rank == 2 and found.p_fail == 1e-3
    assert found.values["visits"] == 1 and found.values["violations"] == 0
    assert any("not checked" in sentence for sentence in found.assumptions)
    assert log.table().shape == (4, 8)


def test_a_smaller_rank_fires_again_with_half_the_share(critical_point):
    problem, network = critical_point
    monitor = Monitor(problem, 3, **SETTINGS)
    monitor.update(0, with_tail(network, 1e-6))
    zeros = rf.Network(tuple(1e-8 * W for W in network.weights))
    assert monitor.update(10, zeros) == 0
    first, second = monitor.log().firings
    assert (first.rank, second.rank) == (2, 0) and second.share == first.share / 2
    assert monitor.log().certified.tolist() == [2, 0]


def test_contraction_earns_credit_and_a_violation_spends_it(critical_point):
    problem, network = critical_point
    small = with_tail(network, 1e-6)
    far = exploding(problem, small)
    factors = tail_table(problem, far, **SETTINGS).mean_factor[:, 2]
    monitor = Monitor(problem, 3, **SETTINGS)
    monitor.update(0, small)
    monitor.update(10**8, small)  # a long time of contraction
    assert monitor.update(10**8 + 1, far) == 2
    log = monitor.log()
    assert log.violated.tolist() == [False, False, True]
    assert monitor.certificate().values["violations"] == 1
    # every step taken as bad as the worse of its two ends, the guarantee ends when the credit is gone
    steps = int(10 * 10**8 / np.log(factors.max()))
    assert monitor.update(10**8 + 2 + steps, far) is None
    ended = monitor.certificate()
    assert not ended.holds and ended.rank is None and "no firing stands" in ended.claim


def test_without_credit_a_violation_ends_the_guarantee_and_a_budget_saves_it(critical_point):
    problem, network = critical_point
    small = with_tail(network, 1e-8)
    for budget, rank in ((1.0, None), (1e3, 2)):
        monitor = Monitor(problem, 3, **SETTINGS, budget=budget)
        assert monitor.update(0, small) == 2
        assert monitor.update(1, exploding(problem, small)) == rank
        assert monitor.log().violated[-1]


def test_the_ledger_says_whether_the_steps_in_between_are_proved(critical_point):
    problem, network = critical_point
    monitor = Monitor(problem, 3, **SETTINGS)
    small = with_tail(network, 1e-6)
    monitor.update(0, small, np.zeros(2))
    monitor.update(10, small, np.array([0.5, -1.0]))
    monitor.update(20, small, np.array([50.0, 0.0]))
    monitor.update(30, small)
    log = monitor.log()
    assert np.isnan(log.ledger[0]).all() and np.isnan(log.ledger[3]).all()
    assert log.proved.tolist() == [False, True, False, False]
    s = [float(np.linalg.svd(Z, compute_uv=False)[2]) for Z in small.hidden_spaces()]
    half = 0.5 * np.log(monitor.phi_threshold)
    np.testing.assert_allclose(log.ledger[1], np.log(s) + np.array([0.5, 0.0]) - half, rtol=1e-6)
    assert monitor.certificate().values["proved_by_ledger"] == 1


def test_no_empty_log():
    monitor = Monitor(holed((5, 6)), 4, **SETTINGS)
    assert monitor.log().phi.shape == (0, 3) and monitor.log().table().empty
    assert monitor.certificate().rank is None and monitor.firing is None


def test_refusals_are_one_sentence(critical_point):
    problem, network = critical_point
    for match, depth, changes in (
        ("depth 3 and more", 2, {}),
        ("not covered", 3, {"sampling": "epochs"}),
        ("ridge must be positive", 3, {"ridge": 0.0}),
        ("lr must be positive", 3, {"lr": 0.0}),
        ("budget", 3, {"budget": 0.5}),
        ("p_fail", 3, {"p_fail": 2.0}),
    ):
        with pytest.raises(rf.InputError, match=match):
            Monitor(problem, depth, **{**SETTINGS, **changes})
    monitor = Monitor(problem, 3, **SETTINGS)
    monitor.update(5, network)
    with pytest.raises(rf.InputError, match="later and later"):
        monitor.update(5, network)
    with pytest.raises(rf.InputError, match="depth 3, not 4"):
        monitor.update(6, rf.Network.gaussian((5, 5, 5, 5, 5), scale=1.0, seed=0))
    with pytest.raises(rf.InputError, match="one number per hidden layer"):
        monitor.update(6, network, np.zeros(3))
