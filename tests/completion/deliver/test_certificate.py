"""Which completions are certified, what the certificate is about, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.descent import certificate_anchors as anchoring
from rankfall.completion.descent import watched_run
from rankfall.report import render
from rankfall.report.adapters.completion import report_tables


@pytest.fixture(scope="module")
def exact() -> rf.Completion:
    problem, _ = rf.datasets.low_rank((40, 35), rank=2, observed=0.5, seed=0)
    return rf.complete(problem, seed=0)


def test_an_exact_completion_is_certified_at_its_rank(exact):
    found = exact.certificate
    assert found is not None and found.holds and found.rank == exact.rank == 2
    assert found.theorem == "Theorem 6, rolling" and found.p_fail == 1e-3
    assert "not about the refit or the least-squares fit" in found.assumptions[0]
    assert found.values["step"] < found.values["last_step"] and 0 < found.values["spent"] <= 1e-3
    sentence = "trusted to stay at rank 2 from step"
    assert sum(sentence in line for line in exact.summary(certificate=True).splitlines()) == 1
    assert "ertif" not in exact.summary()


def test_the_certificate_survives_the_disk_and_is_reported(tmp_path, exact):
    exact.save(tmp_path / "c.npz")
    again = rf.load(tmp_path / "c.npz")
    assert again.certificate == exact.certificate and again.summary() == exact.summary()
    page = render(report_tables(again))
    assert "Whether the rank stays" in page and "sum of the trusted charges &lt;= budget" in page


def test_where_no_proof_reaches_the_end_the_evidence_of_the_monitor_counts(monkeypatch, exact, tmp_path):
    monkeypatch.setattr(watched_run, "_FURTHER", -1.0)
    problem, _ = rf.datasets.low_rank((40, 35), rank=2, observed=0.5, seed=0)
    result = rf.complete(problem, seed=0)
    found = result.certificate
    assert found is not None and found.holds and found.rank == 2 and found.theorem == "Theorem 3, monitored"
    assert found.values["visits"] >= 1 and found.values["violations"] == 0
    assert "its hidden layers do not exceed rank 2 (" in result.summary(certificate=True)
    result.save(tmp_path / "c.npz")
    assert rf.load(tmp_path / "c.npz").certificate == found


@pytest.mark.slow
def test_a_noisy_completion_is_certified_by_the_chain_that_met_its_rank():
    problem, _ = rf.datasets.low_rank((60, 50), rank=3, observed=0.4, noise=0.1, seed=1)
    result = rf.complete(problem, seed=0)
    assert result.outcome is rf.Outcome.CHOSEN and result.rank == 3
    assert result.certificate is not None and result.certificate.rank == 3 and result.certificate.holds


def test_weights_are_not_used_and_the_certificate_says_so():
    problem, _ = rf.datasets.low_rank((40, 35), rank=2, observed=0.5, seed=0)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, problem.n_observed)
    found = rf.complete(problem.with_weights(weights), seed=0).certificate
    assert found is not None and found.holds and found.rank == 2
    assert "weights of the cells are not used" in found.assumptions[1]


def test_without_a_chain_at_the_rank_there_is_none():
    assert rf.complete(np.zeros((5, 6)), seed=0).certificate is None
    rng = np.random.default_rng(0)
    one = rf.complete(np.outer(rng.standard_normal(3), rng.standard_normal(3)), seed=0, max_time=1e-6)
    assert one.certificate is None and "ertif" not in one.summary(certificate=True)


def test_a_rank_that_cannot_be_certified_says_why(monkeypatch):
    monkeypatch.setattr(watched_run, "_ALWAYS", 0)
    monkeypatch.setattr(watched_run, "_PER_AXIS", 0)
    monkeypatch.setattr(watched_run, "_FRACTION", 0.0)
    problem, _ = rf.datasets.low_rank((40, 35), rank=2, observed=0.5, seed=0)
    result = rf.complete(problem, seed=0)
    assert result.certificate is not None and not result.certificate.holds
    assert "Rank not certified (which refutes nothing): the SGD run would need" in result.summary(
        certificate=True
    )


def test_a_run_that_falls_further_does_not_certify_the_delivered_rank(monkeypatch):
    """With a ridge that kills the weakest direction the chain stays at a smaller rank than was delivered."""
    monkeypatch.setattr(watched_run, "_SHRINKAGE", 4.0)
    monkeypatch.setattr(watched_run, "_ALWAYS", 10**7)
    problem, _ = rf.datasets.low_rank((40, 35), rank=2, observed=0.6, condition=4.0, seed=0)
    result = rf.complete(problem, seed=0)
    assert result.rank == 2 and result.certificate is not None
    assert not result.certificate.holds and result.certificate.rank is None


def test_few_numbers_are_kept(monkeypatch):
    problem, _ = rf.datasets.low_rank((40, 35), rank=2, observed=0.5, seed=0)

    network = rf.Network.gaussian((35, 20, 20, 40), scale=1.0, seed=0, chains=1)

    def met(rank):
        errors = np.array([0.1])
        return anchoring.Chains(problem, network, np.ones((1, 20)), np.array([rank]), errors, 0.1, 0.1)

    anchors = anchoring.Anchors(20)
    for rank in range(19, 0, -1):
        anchors = anchors.with_chains(met(rank))
    assert sorted(anchors.by_rank) == list(range(1, 20))
    assert anchors.of(20) is None

    def kept():
        return sum(anchor.network.n_parameters for anchor in anchors.by_rank.values())

    whole = network.n_parameters
    assert kept() == 19 * whole
    monkeypatch.setattr(anchoring, "_MAX_NUMBERS", 18 * whole)  # room enough once they are cut
    anchors = anchors.with_chains(met(1))
    assert sorted(anchors.by_rank) == list(range(1, 20))
    assert kept() < 18 * whole
    assert max(anchors.by_rank[2].network.widths[1:-1]) < 20
    monkeypatch.setattr(anchoring, "_MAX_NUMBERS", 2 * whole)
    anchors = anchors.with_chains(met(1))
    assert 1 in anchors.by_rank and max(anchors.by_rank) < 19
    assert kept() <= 2 * whole
