"""Runs under a rolling certificate: the same bits, looks of every chain, what the trace keeps, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed, same_bits
from rankfall.theory import RollingCertificate
from rankfall.theory.rolling.ledger import COLUMNS, DEFLATION_COLUMNS


@pytest.fixture(scope="module")
def small() -> tuple[rf.Problem, rf.Network]:
    problem, _ = rf.datasets.low_rank((12, 11), rank=2, observed=0.8, seed=1)
    return problem, rf.Network.gaussian((11, 8, 8, 12), scale=1.0, seed=0)


def sgd(n_steps: int, **settings) -> rf.SGD:
    return rf.SGD(lr=0.05, ridge=1e-2, n_steps=n_steps, **settings)


@pytest.fixture(scope="module")
def watched(small) -> rf.Trace:
    problem, network = small
    record = rf.Record(every=5000, what=("weights",))
    return rf.train(
        problem, network, sgd(20_000), chains=2, seed=3, record=record, certificate=RollingCertificate()
    )


def test_no_bit_changes_and_the_rank_stays(small, watched):
    problem, network = small
    plain = rf.train(problem, network, sgd(20_000), chains=2, seed=3, record=rf.Record(every=700))
    assert all(same_bits(watched.final(k), plain.final(k)) for k in range(2))
    assert len(watched.certificates) == 2
    for ledger in watched.certificates:
        assert ledger.n_steps == 20_000 and ledger.looks["start"][0] == 0
        assert ledger.certificate().holds and ledger.certificate().rank == 2
        assert 0 < ledger.spent <= 1e-3 and not ledger.looks["missed"].any()
        assert np.all(ledger.promised(np.arange(ledger.unbroken_from, 20_001)) == 2)
        # intervals follow each other, and the next look is where one ends
        np.testing.assert_array_equal(ledger.looks["start"][1:], ledger.looks["stop"][:-1])
    alone = rf.train(problem, network, sgd(20_000), chains=[1], seed=3, certificate=RollingCertificate())
    for name in COLUMNS:
        np.testing.assert_array_equal(alone.certificates[0].looks[name], watched.certificates[1].looks[name])


def test_promises_hold_at_every_step(small):
    """Weights at every step: inside the balls until the exit, and no tail above the threshold."""
    problem, network = small
    certificate = RollingCertificate(radius=0.08, max_steps=200)
    record = rf.Record(every=1, what=("weights",))
    start = rf.train(problem, network, sgd(15_000), seed=5).final()
    trace = rf.train(problem, start, sgd(600, batch_size=2), seed=6, record=record, certificate=certificate)
    ledger = trace.certificates[0]
    weights = [trace.weights(0, k) for k in range(601)]
    looks = ledger.looks
    assert looks["trusted"].all() and looks["left"].any() and looks["radius"][0] == 0.08
    for k in range(ledger.n_looks):
        begin, end = int(looks["start"][k]), int(looks["stop"][k])
        distance = [
            np.sqrt(sum(np.sum((W - V) ** 2) for W, V in zip(weights[s], weights[begin], strict=True)))
            for s in range(begin, end + 1)
        ]
        assert np.all(np.array(distance[:-1]) <= 0.08)
        assert (distance[-1] > 0.08) == looks["left"][k]
        assert looks["left"][k] or end - begin == 200 or end == 600
        for s in range(begin, end + 1):
            sigma = np.linalg.svd(weights[s].hidden_spaces()[int(looks["layer"][k]) - 1], compute_uv=False)
            assert np.count_nonzero(sigma**2 >= ledger.phi_threshold) <= looks["rank"][k]
            if s < end:
                rank = int(looks["rank"][k])
                assert weights[s].singular_values()[rank] <= ledger.product_bounds()[k]


def test_traces_keep_their_ledgers(watched, tmp_path):
    watched.save(tmp_path / "trace.npz")
    again = rf.Trace.load(tmp_path / "trace.npz")
    for one, other in zip(watched.certificates, again.certificates, strict=True):
        for name in COLUMNS:
            np.testing.assert_array_equal(one.looks[name], other.looks[name])
        for name in DEFLATION_COLUMNS:
            np.testing.assert_array_equal(one.deflations[name], other.deflations[name])
        assert str(one) == str(other) and one.certificate() == other.certificate()
    broken = replace(watched, certificates=watched.certificates[:1])
    broken.save(tmp_path / "broken.npz")
    with pytest.raises(rf.InputError, match="rolling"):
        rf.Trace.load(tmp_path / "broken.npz")
    plain = replace(watched, certificates=())
    plain.save(tmp_path / "plain.npz")
    assert rf.Trace.load(tmp_path / "plain.npz").certificates == ()


def test_a_deflated_run_goes_on_with_the_smaller_network(small, tmp_path):
    problem, network = small
    trace = rf.train(problem, network, sgd(20_000), seed=3, certificate=RollingCertificate(deflate=True))
    ledger = trace.certificates[0]
    assert trace.final().widths == (11, 2, 2, 12) and ledger.sure_rank == 2
    assert trace.deflation_bound[0] == ledger.deflations["bound"].sum() > 0
    assert ledger.certificate().holds and ledger.certificate().p_fail is None
    step = int(ledger.deflations["step"][0])
    before = rf.train(problem, network, sgd(step), seed=3).final()
    after = rf.train(problem, network, sgd(step), seed=3, certificate=RollingCertificate(deflate=True))
    if after.certificates[0].deflations["step"].size:
        moved = np.linalg.norm(after.final().product() - before.product(), 2)
        assert moved <= ledger.deflations["bound"][0] + 1e-13
    trace.save(tmp_path / "trace.npz")
    assert rf.Trace.load(tmp_path / "trace.npz").certificates[0].sure_rank == 2
    with pytest.raises(rf.InputError, match="cannot be replayed"):
        rf.replay(trace, chain=0, start=0, stop=3)


def test_a_watched_run_replays(watched):
    again = rf.replay(watched, chain=1, start=10_000, stop=20_000)
    assert same_bits(again.final(), watched.final(1)) and again.certificates == ()


def test_one_or_two_looks_per_epoch_at_a_practical_learning_rate():
    """Section 7, item 8: lr 1e-2, ridge 3e-3, radius .1, T of one epoch, from a network that has settled."""
    problem, _ = rf.datasets.low_rank((30, 30), rank=3, observed=560 / 900, seed=0)
    problem = problem.with_values(problem.values / problem.values.std())
    n = problem.n_observed
    network = rf.Network.gaussian((30,) * 4, scale=1.0, seed=0)
    settled = rf.train(problem, network, rf.SGD(lr=1e-2, ridge=3e-3, n_steps=450 * n)).final()
    certificate = RollingCertificate(radius=0.1, max_steps=n)
    trace = rf.train(
        problem, settled, rf.SGD(lr=1e-2, ridge=3e-3, n_steps=12 * n), seed=1, certificate=certificate
    )
    ledger = trace.certificates[0]
    assert 12 <= ledger.n_looks <= 24 and ledger.looks["trusted"].all()
    assert np.all(ledger.looks["growth"] * n < 0.2) and ledger.spent < 1e-6
    assert ledger.unbroken_from == 0 and np.all(ledger.looks["rank"] == 3)


def test_a_chain_that_diverges_promises_nothing_more(small):
    problem, network = small
    trace = rf.train(
        problem, network, rf.SGD(lr=2.0, ridge=1e-2, n_steps=5000), certificate=RollingCertificate()
    )
    assert trace.diverged.all()
    ledger = trace.certificates[0]
    assert ledger.n_steps <= trace.n_steps[0] and not ledger.certificate().holds


def test_refusals_are_one_sentence(small, tmp_path):
    problem, network = small
    certificate = RollingCertificate()

    def run(optimiser=None, **settings):
        settings = {"certificate": certificate, **settings}
        return rf.train(problem, network, optimiser or sgd(10), **settings)

    for match, refused in (
        ("about SGD", lambda: run(rf.GD(lr=0.1, ridge=0.1, n_steps=3))),
        ("not prescribed", lambda: run(sgd(3, entries=np.zeros(3, int)))),
        ("not covered", lambda: run(sgd(3, sampling="epochs"))),
        ("constant lr", lambda: run(rf.SGD(lr=np.linspace(0.1, 0.2, 3), ridge=0.1, n_steps=3))),
        ("constant ridge", lambda: run(rf.SGD(lr=0.1, ridge=np.linspace(0.1, 0.2, 3), n_steps=3))),
        ("float64", lambda: run(dtype=np.float32)),
        ("leave out deflate", lambda: run(deflate=0.1)),
        ("leave out checkpoint", lambda: run(checkpoint=tmp_path / "run.npz")),
        ("displacement", lambda: run(record=rf.Record(what="displacement"))),
        ("certificate", lambda: run(certificate=1e-3)),
    ):
        with pytest.raises(rf.InputError, match=match) as refusal:
            refused()
        assert "\n" not in str(refusal.value)
    with pytest.raises(rf.InputError, match="depth 3 and more"):
        rf.train(
            holed((4, 5)), rf.Network.gaussian((5, 3, 4), scale=1.0, seed=0), sgd(3), certificate=certificate
        )
