"""Ctrl-C at any line of complete keeps what is done; death at a checkpoint loses no bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from faults import Lines, killed
from rankfall.cli import main
from rankfall.cli.held_interrupts import held_interrupts


@pytest.fixture(autouse=True)
def usual_ctrl_c() -> Generator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(checkpoint: Path | None = None) -> rf.Trace:
    problem, _ = rf.datasets.low_rank((6, 5), rank=1, observed=0.8, seed=0)
    network = rf.Network.gaussian((5, 4, 4, 6), seed=0)
    sgd = rf.SGD(lr=0.02, ridge=1e-3, n_steps=100)
    record = rf.Record(every=20, what=("weights", "rank"))
    return rf.train(
        problem, network, sgd, chains=2, seed=0, n_threads=1, record=record, checkpoint=checkpoint
    )


def test_ctrl_c_at_lines_of_delivery() -> None:
    """sigint_pandas.py: an import that was broken off at delivery cost the result."""
    problem, _ = rf.datasets.low_rank((12, 8), rank=1, observed=0.8, noise=0.1, seed=1)
    whole = rf.complete(problem, seed=0, max_rank=1)
    for at in (1, 40):
        with Lines(at, inside="deliver/assemble") as lines:
            result = rf.complete(problem, seed=0, max_rank=1)
        assert lines.place
        assert result.outcome is rf.Outcome.INTERRUPTED, lines.place
        np.testing.assert_allclose(result.to_dense(), whole.to_dense(), atol=0.5)


def test_pandas_is_there_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("rankfall.completion.complete.import_module", asked.append)
    monkeypatch.setattr("rankfall.completion.complete._ask", lambda *_: asked.append("search") or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rf.complete(np.array([[1.0, 2.0], [2.0, np.nan]]))
    assert asked == ["pandas", "search"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="as on POSIX")
@pytest.mark.parametrize("at", [1, 2])
def test_killed_at_a_checkpoint(tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankfall.dynamics.engine.checkpoints.INTERVAL", 0.0)
    path = tmp_path / "it.npz"
    wanted = run()
    assert killed(lambda: run(path), at) == -9
    assert path.exists()
    resumed = run(path)
    for name, values in wanted.measured.items():
        assert resumed.measured[name].tobytes() == values.tobytes()
    assert [kept.name for kept in tmp_path.iterdir()] == ["it.npz"]


def test_ctrl_c_while_results_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line lost the result in the moment of writing it."""
    from rankfall.cli import complete

    table = tmp_path / "t.csv"
    lines = [f"r{i},{i + 1},{2 * i + 2},{3 * i + 3}\n" for i in range(9)]
    table.write_text("".join(["site,a,b,c\n", *lines]))
    write = complete.write_table

    def pressed(*args: object, **options: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        write(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(complete, "write_table", pressed)
    kept = ["-o", str(tmp_path / "o.csv"), "--save", str(tmp_path / "r.npz")]
    assert main(["complete", str(table), *kept, "-q"]) == 130
    assert rf.load(tmp_path / "r.npz").shape == (9, 3)
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 10


def press_twice() -> int:
    """Ctrl-C, and again; 2 if nobody heard the second."""
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)
    return 2


def test_a_second_ctrl_c_is_heard_at_once() -> None:
    heard = 0
    with pytest.raises(KeyboardInterrupt), held_interrupts():
        heard = press_twice()
    assert heard == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
