"""`lock`: the Rule of section 3 at one point, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed
from rankfall.theory import Certificate, lock, phi_threshold, tail_factors
from theory.points import critical, rotated, transposed

RIDGE, LR = 1e-3, 1e-3


def with_tail(size: float, seed: int = 1) -> tuple[rf.Problem, rf.Network]:
    """A critical point of rank 2 and depth 3 with a small random tail."""
    problem, network = critical(3, np.array([4.0, 3.0, 2.0, 1.0, 0.5]), 2, RIDGE)
    rng = np.random.default_rng(seed)
    return problem, rf.Network(tuple(W + size * rng.standard_normal(W.shape) for W in network.weights))


def test_the_rank_is_certified_with_its_numbers():
    problem, network = with_tail(1e-5)
    found = lock(problem, network, ridge=RIDGE, lr=LR)
    assert found.holds and found.rank == 2 and found.p_fail == 1e-3
    seen = tail_factors(problem, network, 2, ridge=RIDGE, lr=LR)
    threshold = phi_threshold(problem, 3, RIDGE)
    assert found.values["Phi_thr"] == threshold
    assert found.conditions[0].left == pytest.approx(seen.phi.sum() / threshold)
    assert [c.left for c in found.conditions[1:]] == pytest.approx(list(seen.mean_factor))
    assert {c.source for c in found.conditions} == {"Theorem 3(b), Rule", "equation (3.1)"}
    assert Certificate.from_dict(found.as_dict()) == found
    assert "0.999" in found.claim and "more than 2" in found.claim


def test_it_is_the_smallest_rank_of_the_rule():
    problem, network = with_tail(1e-5)
    threshold = phi_threshold(problem, 3, RIDGE)
    found = lock(problem, network, ridge=RIDGE, lr=LR)
    for rank in range(found.rank):
        seen = tail_factors(problem, network, rank, ridge=RIDGE, lr=LR)
        assert seen.phi.sum() > 1e-3 * threshold or np.any(seen.mean_factor >= 1)


def test_a_larger_tail_is_not_certified_until_the_risk_is_allowed():
    problem, network = with_tail(1e-3)
    probability = lock(problem, network, ridge=RIDGE, lr=LR).values["probability"]
    assert 1e-3 < probability < 1
    refused = lock(problem, network, ridge=RIDGE, lr=LR)
    assert refused.rank is None and not refused.holds
    assert lock(problem, network, ridge=RIDGE, lr=LR, p_fail=1.01 * probability).rank == 2


def test_a_full_rank_start_is_not_certified():
    problem = holed((8, 9))
    found = lock(problem, rf.Network.gaussian((9, 7, 7, 8), scale=1.0, seed=0), ridge=RIDGE, lr=LR)
    assert found.rank is None and not found.holds
    assert str(found).startswith("Theorem 3: Not certified")


def test_a_full_spectrum_well_above_the_threshold_is_not_certified_either():
    """At the smallest width the statement would be empty."""
    problem, network = critical(3, np.array([4.0, 3.0, 2.0]), 3, RIDGE)
    found = lock(problem, network, ridge=RIDGE, lr=LR)
    assert found.rank is None and not found.holds and found.tightest.name == "not empty"


def test_the_zero_network_is_certified_at_rank_zero():
    problem = holed((8, 9))
    zeros = rf.Network((np.zeros((7, 9)), np.zeros((6, 7)), np.zeros((8, 6))))
    found = lock(problem, zeros, ridge=RIDGE, lr=LR)
    assert found.rank == 0 and found.holds


@pytest.mark.parametrize("batch", [{}, {"batch_size": 5, "sampling": "distinct"}])
def test_rotating_and_transposing_change_nothing(batch):
    problem, network = with_tail(1e-5)
    options = {"ridge": RIDGE, "lr": LR, **batch}
    here = lock(problem, network, **options)
    for other in (
        lock(problem, rotated(network, 3), **options),
        lock(problem.T, transposed(network), **options),
    ):
        assert other.rank == here.rank
        assert other.values["probability"] == pytest.approx(here.values["probability"], rel=1e-8)


def test_refusals_are_one_sentence():
    problem, network = with_tail(1e-5)
    options = {"ridge": RIDGE, "lr": LR}
    flat = rf.Network.gaussian((5, 4, 5), scale=1.0, seed=0)
    for match, chosen, changes in (
        ("depth 3 and more", flat, {}),
        ("not covered", network, {"sampling": "epochs"}),
        ("ridge must be positive", network, {"ridge": 0.0}),
        ("ridge must be positive", network, {"ridge": -1.0}),
        ("lr must be positive", network, {"lr": 0.0}),
        ("p_fail", network, {"p_fail": 0.0}),
        ("p_fail", network, {"p_fail": 1.0}),
    ):
        with pytest.raises(rf.InputError, match=match) as refusal:
            lock(problem, chosen, **{**options, **changes})
        assert "\n" not in str(refusal.value)
