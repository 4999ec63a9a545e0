"""What only some systems have is missed without harm; each is taken away here."""

from __future__ import annotations

import os
import sys
from concurrent.futures import Executor
from pathlib import Path

import pytest

from lab.toys import files, write_study
from rankfall.lab import read_study, run_sweep
from rankfall.lab.sweep import pools
from rankfall.lab.sweep.run import processors
from rankfall.lab.sweep.worker import _peak_mb


def test_processors_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and Windows bind no process to processors."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert processors() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors() == 1


def test_memory_is_unknown_without_getrusage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert _peak_mb() is None


def test_as_many_processes_as_the_system_can_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of Windows waits for at most 61 others; a computer with more processors uses so many."""
    asked: list[int] = []
    make = pools.ProcessPoolExecutor

    def count(n: int, *args: object, **options: object) -> Executor:
        asked.append(n)
        return make(n, *args, **options)  # pyright: ignore

    monkeypatch.setattr(pools, "ProcessPoolExecutor", count)
    monkeypatch.setattr(pools, "_MOST_PROCESSES", 1)
    study = read_study(write_study(tmp_path / "toy.toml"))
    assert run_sweep(study, tmp_path / "out", n_workers=3).done == 6
    assert asked == [1]
    assert len(files(tmp_path / "out")) == 6
