"""Theory against dynamics: docs/theory.md, section 3.6, `lock` in real runs of SGD, and the ledger along a path."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from crosscheck.falls import FURTHER, LARGE, SMALL, exceedances, watch
from dynamics.problems import holed


@pytest.mark.parametrize("setting", SMALL, ids=lambda setting: setting.name)
def test_lock_fires_soon_and_the_rank_stays(setting):
    check(setting)


@pytest.mark.slow
@pytest.mark.parametrize("setting", LARGE, ids=lambda setting: setting.name)
def test_lock_fires_soon_and_the_rank_stays_in_larger_runs(setting):
    check(setting)


def check(setting):
    """One trajectory each; the probability that a correct certificate fails is at most 1e-3 (and is near 0)."""
    seen = watch(setting)
    assert seen.fires <= 5 * max(seen.fall, 1)
    assert seen.checks == FURTHER + 1
    assert seen.later_hidden <= seen.certified and seen.later_product <= seen.certified
    # whatever rank was certified at any epoch, that of every Z_l and that of A stayed within it for 50 more
    assert seen.exceeded == 0
    # E[Phi'] <= Lambda Phi; a tail near the end of float64 is known to fewer digits
    assert seen.enumerated <= 1 + 1e-9


def test_a_rank_that_rises_after_it_was_certified_is_seen():
    assert exceedances([5, 3, 3, 3], [None, 3, 3, 3]) == 0
    assert exceedances([5, 3, 4, 3], [None, 3, 3, 3]) == 2
    assert exceedances([3] + FURTHER * [3] + [4], [3] + (FURTHER + 1) * [None]) == 0


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_ledger_bounds_every_tail_along_the_path(depth, batch):
    """``sigma_{r+1}(Z_l(s)) <= sigma_{r+1}(Z_l(t)) exp(ledger)`` for every r, on the whole way (Theorem 3(c))."""
    problem = holed((8, 9), seed=4)
    net = rf.Network.gaussian((9, *range(6, 5 + depth), 8), 0.9, 1)
    record = rf.Record(25, ("weights", "ledger"))
    trace = rf.train(problem, net, rf.SGD(0.05, 0.05, 500, batch), record=record)
    for k in range(1, trace.steps.size):
        pairs = zip(trace.weights(0, k - 1).hidden_spaces(), trace.weights(0, k).hidden_spaces(), strict=True)
        for l, (before, after) in enumerate(pairs):
            total, peak = trace.ledger[0, k, :, l]
            s, t = (np.linalg.svd(Z, compute_uv=False) for Z in (before, after))
            assert np.all(t <= s * np.exp(total) * (1 + 1e-9)) and peak >= max(total, 0)


def test_the_ledger_peak_bounds_what_happened_in_between():
    problem = holed((8, 9), seed=4)
    net = rf.Network.gaussian((9, 6, 7, 8), 0.9, 1)
    optimiser = rf.SGD(0.08, 0.3, 200)
    fine = rf.train(problem, net, optimiser, record=rf.Record(1, ("weights",)))
    coarse = rf.train(problem, net, optimiser, record=rf.Record(200, ("ledger", "train_loss")))
    for l in range(2):
        sigma = np.array(
            [np.linalg.svd(fine.weights(0, k).hidden_spaces()[l], compute_uv=False) for k in range(201)]
        )
        assert np.all(sigma.max(axis=0) <= sigma[0] * np.exp(coarse.ledger[0, 1, 1, l]) * (1 + 1e-9))
