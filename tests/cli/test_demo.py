"""``rankfall demo`` on a corner of its table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rankfall.lab import demo


def test_demo(tmp_path: Path, rankfall: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    corner = demo.beijing("PM2.5").iloc[:24, :12]
    monkeypatch.setattr(demo, "beijing", lambda _quantity: corner)
    ran = rankfall("demo", "-o", tmp_path / "out")
    assert (ran.code, ran.err) == (0, "")
    for part in (
        "24 days x 12 station hours",
        "10 nearest neighbours",
        "rankfall",
        "oversampling",
        "Wrote",
        "Next: open",
    ):
        assert part in ran.out
    assert {"completed.csv", "report.html"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_demo_needs_a_folder(tmp_path: Path, rankfall: Callable) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    ran = rankfall("demo", "-o", tmp_path / "file")
    assert ran.code == 2
    assert "Cannot make the folder" in ran.err
