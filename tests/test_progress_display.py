"""What people see of a running completion in Python: in a log, and in a notebook."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import rankfall as rf
from rankfall import progress_display
from rankfall.completion import Progress
from rankfall.estimator import LowRankImputer, LowRankRegressor

# noise: exact data are done before there is anything to say
CELLS = np.outer(np.arange(1.0, 13), np.arange(1.0, 10)) + np.random.default_rng(0).standard_normal((12, 9))
CELLS[::3, ::2] = np.nan


def test_a_log_gets_the_phases(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[Progress] = []
    shown = rf.complete(CELLS, progress=True, callback=told.append)
    lines = [line for line in capsys.readouterr().err.splitlines() if "compiling" not in line]
    phases = list(dict.fromkeys(progress.phase for progress in told))
    assert [line.split(": ", 1)[1].rsplit(" (", 1)[0] for line in lines] == phases[-len(lines) :]
    assert lines[0].endswith("since the start)")
    np.testing.assert_array_equal(shown.to_dense(), rf.complete(CELLS).to_dense())


def test_silent_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    rf.complete(CELLS)
    assert capsys.readouterr().err == ""
    with pytest.raises(rf.InputError, match="progress must be"):
        rf.complete(CELLS, progress="bar")  # type: ignore[arg-type]


def test_estimators_are_verbose_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    i, j = np.nonzero(~np.isnan(CELLS))
    for verbose in (0, 1):
        LowRankImputer(verbose=verbose).fit(CELLS)
        assert ("since the start" in capsys.readouterr().err) == bool(verbose)
        LowRankRegressor(verbose=verbose).fit(np.column_stack([i, j]), CELLS[i, j])
        assert ("since the start" in capsys.readouterr().err) == bool(verbose)


class ZMQInteractiveShell:
    """What a notebook's kernel has."""


def test_a_notebook_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pictures: list[dict[str, str]] = []

    def display(picture: dict[str, str], **settings: Any) -> SimpleNamespace:
        assert settings == {"raw": True, "display_id": True}
        pictures.append(picture)
        return SimpleNamespace(update=lambda picture, raw: pictures.append(picture))

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=ZMQInteractiveShell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setattr(progress_display, "_PAUSE", 0.0)
    with progress_display.shown_progress(True, None) as tell:
        assert tell is not None
        tell(Progress("falling <fast>", fraction=0.25))
    assert '<progress max="1" value="0.250"></progress> falling &lt;fast&gt;' in pictures[1]["text/html"]
    assert pictures[-1]["text/plain"].startswith("done")
    assert capsys.readouterr().err == ""
