"""Ledgers in files: those of a run come back, and numbers that do not fit together are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory import RollingCertificate

LAST = 12_000


def run(**settings) -> rf.Trace:
    problem, _ = rf.datasets.low_rank((12, 11), rank=2, observed=0.8, seed=1)
    network = rf.Network.gaussian((11, 8, 8, 12), scale=1.0, seed=0)
    sgd = rf.SGD(lr=0.05, ridge=1e-2, n_steps=LAST)
    record = rf.Record(every=LAST)
    return rf.train(
        problem, network, sgd, chains=2, seed=3, record=record, certificate=RollingCertificate(**settings)
    )


@pytest.fixture(scope="module")
def watched() -> rf.Trace:
    return run()


@pytest.fixture(scope="module")
def deflated() -> rf.Trace:
    return run(deflate=True)


def refusal(trace: rf.Trace, path) -> str:
    trace.save(path)
    with pytest.raises(rf.InputError) as refused:
        rf.Trace.load(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def changed(table, column: str, at: int, value: float):
    """A table of a ledger with one number changed."""
    out = dict(table)
    out[column] = out[column].astype(np.float64)
    out[column][at] = value
    return out


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        ("charge", 0.0, "charge"),
        ("phi", 0.0, "charge"),
        ("growth", 0.5, "charge"),
        ("growth", -1.0, "holds -1"),
        ("phi", np.nan, "holds nan"),
        ("radius", np.inf, "infinite"),
        ("rank", 8, "layers or ranks"),
        ("rank", 1.5, "whole numbers"),
        ("layer", 3, "layers or ranks"),
        ("layer", 0, "layers or ranks"),
        ("start", np.inf, "whole numbers"),
        ("start", 0, "order"),
        ("stop", LAST, "order"),
        ("planned", 1, "beyond its plan"),
        ("left", 0.5, "neither 0 nor 1"),
    ],
)
def test_looks_that_do_not_fit_together_are_refused(watched, tmp_path, column, value, match):
    ledger = watched.certificates[0]
    first = int(np.flatnonzero(ledger.looks["trusted"])[0])
    forged = replace(ledger, looks=changed(ledger.looks, column, first, value))
    told = refusal(replace(watched, certificates=(forged, watched.certificates[1])), tmp_path / "run.npz")
    assert match in told and "rolling_looks" in told


def test_looks_that_were_not_trusted_cannot_be_said_to_be(watched, tmp_path):
    ledger = watched.certificates[0]
    assert not ledger.looks["trusted"][0]
    forged = replace(ledger, looks=changed(ledger.looks, "trusted", 0, 1))
    assert "rolling" in refusal(replace(watched, certificates=(forged,) * 2), tmp_path / "run.npz")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"budget": 1.0}, "probability below 1"),
        ({"budget": 1e-9}, "more than the budget"),
        ({"phi_threshold": 1e3}, "charge"),
        ({"n_steps": 100}, "order"),
        ({"n_steps": LAST + 1}, "rolling_last"),
    ],
)
def test_budgets_thresholds_and_ends_are_those_of_the_run(watched, tmp_path, change, match):
    forged = tuple(replace(ledger, **change) for ledger in watched.certificates)
    assert match in refusal(replace(watched, certificates=forged), tmp_path / "run.npz")


def test_runs_that_the_theorem_does_not_cover_have_no_ledgers(watched, tmp_path):
    settings = {"lr": 0.05, "ridge": 1e-2, "n_steps": LAST}
    for change, match in (
        ({"optimiser": rf.GD(**settings)}, "does not cover"),
        ({"optimiser": rf.SGD(**settings, sampling="epochs")}, "does not cover"),
        ({"optimiser": rf.SGD(**settings | {"lr": np.full(LAST, 0.05)})}, "does not cover"),
        ({"deflate": 0.1}, "does not cover"),
        ({"optimiser": rf.SGD(**settings | {"ridge": 2e-2})}, "Phi_thr"),
    ):
        assert match in refusal(replace(watched, **change), tmp_path / "run.npz")


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        ("step", 7, "no look"),
        ("step", np.inf, "holds inf"),
        ("rank", 1, "below the widths"),
        ("rank", 1.5, "whole numbers"),
        ("rank", 0, "falling ranks"),
        ("bound", 0.0, "deflation_bound"),
    ],
)
def test_deflations_that_did_not_happen_are_refused(deflated, tmp_path, column, value, match):
    ledger = deflated.certificates[0]
    assert ledger.sure_rank == 2
    forged = replace(ledger, deflations=changed(ledger.deflations, column, 0, value))
    told = refusal(replace(deflated, certificates=(forged, deflated.certificates[1])), tmp_path / "run.npz")
    assert match in told and "rolling_deflations" in told


def test_what_runs_left_behind_is_read_again(watched, deflated, tmp_path):
    for trace in (watched, deflated):
        trace.save(tmp_path / "run.npz")
        again = rf.Trace.load(tmp_path / "run.npz")
        assert [str(ledger) for ledger in again.certificates] == [str(each) for each in trace.certificates]


def test_data_of_zeros_have_an_infinite_threshold(tmp_path):
    problem = rf.Problem.from_dense(np.zeros((4, 5)))
    network = rf.Network.gaussian((5, 3, 3, 4), scale=0.5, seed=0)
    sgd = rf.SGD(lr=0.1, ridge=0.1, n_steps=50)
    trace = rf.train(problem, network, sgd, certificate=RollingCertificate())
    trace.save(tmp_path / "run.npz")
    again = rf.Trace.load(tmp_path / "run.npz").certificates[0]
    assert again.phi_threshold == np.inf and again.certificate().rank == 0


def test_tails_of_zero_are_charged_for_a_tail_that_has_a_logarithm(tmp_path):
    problem, _ = rf.datasets.low_rank((12, 11), rank=2, observed=0.8, seed=1)
    start = rf.Network.gaussian((11, 8, 8, 12), scale=1.0, seed=0)
    zero = rf.Network(tuple(0 * W for W in start.weights))
    sgd = rf.SGD(lr=0.05, ridge=1e-8, n_steps=500)
    trace = rf.train(problem, zero, sgd, certificate=RollingCertificate())
    ledger = trace.certificates[0]
    assert ledger.looks["trusted"].all() and ledger.looks["phi"][0] == 0
    assert 1e-290 < ledger.looks["charge"][0] < 1e-280
    trace.save(tmp_path / "run.npz")
    assert str(rf.Trace.load(tmp_path / "run.npz").certificates[0]) == str(ledger)
