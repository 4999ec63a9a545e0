"""Progress as records of the standard logging module."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed, same_bits
from rankfall.completion import Progress


def words(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_run_is_logged_and_not_changed(caplog: pytest.LogCaptureFixture) -> None:
    problem, network = holed((8, 7)), rf.Network.gaussian((7, 6, 8), scale=1.0, seed=0)
    sgd = rf.SGD(lr=0.03, ridge=1e-2, n_steps=300)
    runs = []
    with caplog.at_level(logging.INFO, logger="rankfall"):
        for callback in (rf.LogProgress(every=0), None):
            record = rf.Record(every=100, what=())
            runs.append(rf.train(problem, network, sgd, chains=2, record=record, callback=callback))
    assert [text.rsplit(",", 1)[0] for text in words(caplog)] == [f"step {k}00 of 300" for k in (1, 2, 3)]
    assert {record.name for record in caplog.records} == {"rankfall"}
    assert all(same_bits(*pair) for pair in zip(*(run.finals() for run in runs), strict=True))


def test_reports_wait_and_phases_do_not(caplog: pytest.LogCaptureFixture) -> None:
    log = rf.LogProgress(logging.getLogger("mine"), logging.DEBUG, every=10)
    with caplog.at_level(logging.DEBUG, logger="mine"):
        for phase, seconds in [("a", 0.0), ("a", 9.0), ("a", 10.5), ("b", 11.0), ("b", 12.0), ("b", 1.0)]:
            log(Progress(phase, rank=2, train_rmse=0.5, fraction=0.25, seconds=seconds))
    # the last report is of another run
    said = [(text[0], text.rsplit(", ", 1)[1]) for text in words(caplog)]
    assert said == [("a", "0.0 s"), ("a", "10.5 s"), ("b", "11.0 s"), ("b", "1.0 s")]
    assert words(caplog)[0] == "a, rank 2, training RMSE 0.5, 25% of this phase, 0.0 s"
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


def test_diverged_chains_and_completions_are_told(caplog: pytest.LogCaptureFixture) -> None:
    problem, _ = rf.datasets.low_rank((8, 8), rank=1, observed=0.7, seed=0)
    with caplog.at_level(logging.INFO, logger="rankfall"):
        network = rf.Network.gaussian((8, 8, 8), scale=1.0, seed=0)
        wild = rf.SGD(lr=1e3, ridge=1e-5, n_steps=50)
        rf.train(problem, network, wild, record=rf.Record(every=50), callback=rf.LogProgress(every=0))
        assert "1 of 1 chains diverged" in words(caplog)[-1]
        rf.complete(problem, seed=0, callback=rf.LogProgress())
    assert not any("step" in text for text in words(caplog)[1:])
    assert len(caplog.records) > 1


@pytest.mark.parametrize("wrong", [{"logger": 3}, {"level": -1}, {"every": -1.0}, {"every": np.nan}])
def test_wrong_arguments(wrong: dict) -> None:
    with pytest.raises(rf.InputError, match=next(iter(wrong))):
        rf.LogProgress(**wrong)
