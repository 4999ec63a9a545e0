"""The demonstration on a corner of its table; `make demo` runs the whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from rankfall.lab import demo
from rankfall.report.adapters.demo import write_demo_page


def test_demo_on_a_corner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corner = demo.beijing("PM2.5").iloc[:80, :48]
    monkeypatch.setattr(demo, "beijing", lambda _quantity: corner)
    # a low cap keeps the search short; what is tested is what surrounds it
    monkeypatch.setattr(demo, "complete", partial(demo.complete, max_rank=3))
    phases: list[str] = []
    result = demo.run_demo(tmp_path / "out", seed=1, callback=lambda progress: phases.append(progress.phase))

    scores = {score.method: score.rmse for score in result.scores}
    assert scores["rankfall"] < 0.7 * scores["column mean"]
    assert result.scores[-1].method == "rankfall"
    assert result.n_hidden == round(0.2 * int(corner.notna().sum().sum()))
    assert any("neighbours" in phase for phase in phases)

    written = pd.read_csv(result.csv, index_col=0, parse_dates=True)
    assert list(written.columns) == list(corner.columns)
    assert written.notna().all(axis=None)
    assert (written > 0).all(axis=None)
    # the cells that were left visible come back as they were
    visible = ~np.isnan(result.completion.problem.to_dense())
    np.testing.assert_array_equal(written.to_numpy()[visible], corner.to_numpy()[visible])
    shown = write_demo_page(result)
    assert len(shown.comparison.rows) == 4
    assert "Beijing" in shown.page.read_text(encoding="utf-8")
    assert shown.picture is not None
    assert shown.picture.stat().st_size > 10_000
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "completed.csv",
        "report.html",
        "demo.png",
    }


def test_hidden_cells_are_known_ones_and_seeded() -> None:
    values = np.where(np.arange(40).reshape(5, 8) % 3 == 0, np.nan, 1.0)
    hidden = demo._hide(values, 0)
    assert hidden.sum() == round(0.2 * np.count_nonzero(~np.isnan(values)))
    assert not np.isnan(values[hidden]).any()
    np.testing.assert_array_equal(hidden, demo._hide(values, 0))
    assert (hidden != demo._hide(values, 1)).any()


def test_demo_needs_a_folder_it_can_make(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(rf.InputError, match="Cannot make the folder"):
        demo.run_demo(tmp_path / "file")
