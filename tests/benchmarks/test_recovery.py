"""The recovery benchmark's own arithmetic."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def recovery() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "recovery.py"
    spec = importlib.util.spec_from_file_location("recovery", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["recovery"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_wilson_interval(recovery: ModuleType) -> None:
    # Agresti and Coull (1998): zero successes of ten reach up to 0.2775
    assert recovery.wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert recovery.wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert recovery.wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_rows_count_what_they_say(recovery: ModuleType) -> None:
    runs = [
        recovery.Run(0, True, 5, 1e-12, 1e-10, 1.0),
        recovery.Run(1, True, 5, 1e-12, 1e-4, 3.0),
        recovery.Run(2, False, 5, 1e-12, 0.5, 2.0),
        recovery.Run(3, True, 4, 1e-2, float("nan"), 9.0),
    ]
    row = dict(zip(recovery.HEADER, recovery.row(1.1, runs, 5), strict=True))
    assert row["rank found"] == "4 (x1), 5 (x3)"
    assert row["exact fits"] == "3/4"
    assert row["error < 1e-3"].startswith("2/4")
    assert row["error < 1e-6"].startswith("1/4")
    assert row["identifiable"] == "3/4"
    assert row["of those < 1e-6"] == "1/3"
    assert row["median s"] == "2.50"
    hopeless, missed = recovery.notes(1.1, runs)
    assert hopeless.endswith("seeds 2")
    assert "1 (rank 5" in missed
    assert "3 (rank 4" in missed
    assert "2 (rank" not in missed


def test_one_small_run(recovery: ModuleType, capsys, monkeypatch) -> None:
    arguments = ["recovery.py", "--shape", "12", "14", "--rank", "1", "--rho", "3", "--seeds", "2"]
    monkeypatch.setattr(sys, "argv", arguments)
    recovery.main()
    printed = capsys.readouterr().out
    assert "12 x 14, rank 1" in printed
    assert "1 (x2)" in printed
    assert "2/2 [0.34, 1.00]" in printed
