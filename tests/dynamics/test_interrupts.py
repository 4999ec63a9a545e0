"""Ctrl-C at the worst moments: what belongs together is done before it takes effect, and nothing is lost."""

from __future__ import annotations

import _thread

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed, same_bits
from rankfall.dynamics import Interrupted
from rankfall.dynamics.engine.recorder import Recorder
from rankfall.dynamics.engine.state import State
from rankfall.theory import RollingCertificate


def interrupting(monkeypatch, owner, name: str, call: int = 1) -> None:
    """Ctrl-C in the middle of one call of a method."""
    method, calls = getattr(owner, name), []

    def interrupted(*arguments, **settings):
        calls.append(name)
        if len(calls) == call:
            _thread.interrupt_main()
        return method(*arguments, **settings)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_ledger_and_its_network_are_dropped_to_a_rank_together(monkeypatch, n_threads):
    problem, _ = rf.datasets.low_rank((12, 11), rank=2, observed=0.8, seed=1)
    network = rf.Network.gaussian((11, 8, 8, 12), scale=1.0, seed=0)
    sgd, kept = rf.SGD(lr=0.05, ridge=1e-2, n_steps=20_000), RollingCertificate(deflate=True)
    whole = rf.train(problem, network, sgd, seed=3, certificate=kept)
    # the first call stores the start
    interrupting(monkeypatch, State, "put", call=2)
    with pytest.raises(Interrupted) as stopped:
        rf.train(problem, network, sgd, seed=3, certificate=kept, n_threads=n_threads)
    trace = stopped.value.trace
    ledger = trace.certificates[0]
    assert ledger.sure_rank == 2 and trace.final().widths == (11, 2, 2, 12)
    assert trace.deflation_bound[0] == ledger.deflations["bound"].sum() == whole.deflation_bound[0]
    assert ledger.n_steps == trace.n_steps[0] < 20_000
    assert np.linalg.norm(trace.final().product()) > 1  # no weights were lost


def test_a_deflation_is_whole(monkeypatch):
    problem, network = holed((8, 9), seed=2), rf.Network.gaussian((9, 5, 6, 8), scale=0.9, seed=1)
    sgd = rf.SGD(lr=0.05, ridge=5e-3, n_steps=10_100)
    whole = rf.train(problem, network, sgd, deflate=0.3)
    assert whole.final().widths != network.widths
    interrupting(monkeypatch, State, "put", call=2)
    with pytest.raises(Interrupted) as stopped:
        rf.train(problem, network, sgd, deflate=0.3, n_threads=1)
    trace = stopped.value.trace
    assert trace.final().widths == whole.final().widths and trace.n_steps[0] == 10_000
    assert trace.deflation_bound[0] == whole.deflation_bound[0]


@pytest.mark.parametrize("what", ["displacement", "ledger"])
def test_a_record_that_begins_anew_is_whole(monkeypatch, tmp_path, what):
    problem, network = holed((8, 9), seed=2), rf.Network.gaussian((9, 5, 6, 8), scale=0.9, seed=1)
    settings = {"record": rf.Record(every=50, what=(what,)), "chains": 3, "n_threads": 1}
    sgd = rf.SGD(lr=0.05, ridge=0.05, n_steps=300)
    plain = rf.train(problem, network, sgd, **settings)
    with monkeypatch.context() as patched:
        interrupting(patched, Recorder, "_column", call=4)
        with pytest.raises(Interrupted):
            rf.train(problem, network, sgd, **settings, checkpoint=tmp_path / "run.npz")
    resumed = rf.train(problem, network, sgd, **settings, checkpoint=tmp_path / "run.npz")
    assert all(same_bits(resumed.final(k), plain.final(k)) for k in range(3))
    np.testing.assert_array_equal(resumed.measured[what], plain.measured[what])
