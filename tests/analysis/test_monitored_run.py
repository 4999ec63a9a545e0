"""Watched runs of SGD."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed, same_bits


@pytest.fixture(scope="module")
def small() -> tuple[rf.Problem, rf.Network]:
    problem, _ = rf.datasets.low_rank((14, 13), rank=2, observed=0.7, seed=1)
    return problem, rf.Network.gaussian((13, 12, 11, 14), scale=1.0, seed=0)


def test_a_watched_run_is_the_run_and_its_rank_is_certified(small):
    problem, network = small
    optimiser = rf.SGD(lr=0.05, ridge=1e-2, n_steps=100 * problem.n_observed)
    seen = rf.analysis.monitor(problem, network, optimiser, seed=3, chains=2)
    plain = rf.train(problem, network, optimiser, seed=3, chains=2)
    assert all(same_bits(seen.trace.final(k), plain.final(k)) for k in range(2))
    assert seen.every == problem.n_observed and len(seen.logs) == 2
    for log, found in zip(seen.logs, seen.certificates, strict=True):
        assert log.steps.size == 101
        assert found.holds and found.rank == log.certified[-1] == log.numerical_rank[-1]
        after = log.steps > log.firings[-1].step
        assert np.all(log.numerical_rank[after] <= found.rank)
        assert found.values["proved_by_ledger"] > 0.5 * np.count_nonzero(after)
        assert sum(firing.share for firing in log.firings) <= 1e-3
    assert seen.certificate is seen.certificates[0] and seen.log is seen.logs[0]


def test_a_rolling_certificate_rides_along(small):
    problem, network = small
    optimiser = rf.SGD(lr=0.05, ridge=1e-2, n_steps=150 * problem.n_observed)
    certificate = rf.theory.RollingCertificate(budget=2e-3)
    seen = rf.analysis.monitor(problem, network, optimiser, seed=3, chains=2, certificate=certificate)
    plain = rf.analysis.monitor(problem, network, optimiser, seed=3, chains=2)
    assert all(same_bits(seen.trace.final(k), plain.trace.final(k)) for k in range(2))
    assert plain.ledgers == () and seen.certificate == plain.certificate
    for ledger, found in zip(seen.ledgers, seen.certificates, strict=True):
        assert ledger.certificate().rank == found.rank and 0 < ledger.spent <= 2e-3
        # a proof between looks costs more than evidence at looks
        assert ledger.fired >= found.values["step"]
    with pytest.raises(rf.InputError, match="leave out deflate"):
        rf.analysis.monitor(
            problem, network, optimiser, certificate=rf.theory.RollingCertificate(deflate=True)
        )


def test_batches_and_other_intervals(small):
    problem, network = small
    optimiser = rf.SGD(lr=0.1, ridge=1e-2, n_steps=6000, batch_size=4, sampling="distinct")
    seen = rf.analysis.monitor(problem, network, optimiser, every=500)
    assert seen.log.steps.tolist() == list(range(0, 6001, 500))
    assert seen.certificate.rank is not None
    assert rf.analysis.monitor(problem, network, optimiser).every == -(-problem.n_observed // 4)


def test_a_chain_that_diverges_is_watched_until_then(small):
    problem, network = small
    seen = rf.analysis.monitor(problem, network, rf.SGD(lr=5.0, ridge=1e-3, n_steps=2000))
    assert seen.trace.diverged.all() and seen.log.steps.size < seen.trace.steps.size
    assert not seen.certificate.holds


def test_refusals_are_one_sentence(small):
    problem, network = small
    for match, optimiser in (
        ("watches SGD", rf.GD(lr=0.1, ridge=0.01, n_steps=10)),
        ("not prescribed", rf.SGD(lr=0.1, ridge=0.01, n_steps=3, entries=np.zeros(3, int))),
        ("not covered", rf.SGD(lr=0.1, ridge=0.01, n_steps=10, sampling="epochs")),
        ("constant lr", rf.SGD(lr=np.linspace(0.1, 0.2, 10), ridge=0.01, n_steps=10)),
        ("constant ridge", rf.SGD(lr=0.1, ridge=np.linspace(0.1, 0.2, 10), n_steps=10)),
        ("ridge must be positive", rf.SGD(lr=0.1, ridge=0.0, n_steps=10)),
    ):
        with pytest.raises(rf.InputError, match=match):
            rf.analysis.monitor(problem, network, optimiser)
    with pytest.raises(rf.InputError, match="depth 3 and more"):
        rf.analysis.monitor(
            holed((4, 5)),
            rf.Network.gaussian((5, 3, 4), scale=1.0, seed=0),
            rf.SGD(lr=0.1, ridge=0.01, n_steps=10),
        )
