"""What a sweep is for: it loses nothing when it is killed, and a bad cell harms no other."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from lab.toys import files, write_study
from rankfall.lab import open_sweep, read_study, run_sweep, sweep_status
from rankfall.lab.sweep.config import make_study
from rankfall.lab.sweep.run import SweepProgress

TESTS = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
DEADLINE = 120


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a sweep that nobody disturbed, computed in threads of this process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = read_study(write_study(folder / "toy.toml", repeats=30))
    with ThreadPoolExecutor(4) as executor:
        assert run_sweep(study, folder / "out", executor).done == 60
    return files(folder / "out")


def start(study: Path, out: Path) -> subprocess.Popen:
    """The command, in a process group of its own."""
    command = [sys.executable, "-m", "rankfall", "sweep", str(study), "--out", str(out), "--jobs", "2", "-q"]
    return subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True, stdout=subprocess.DEVNULL)


def alive(group: int) -> list[int]:
    """Processes of a group that have not ended."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, pgrp = status.read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                found.append(int(status.parent.name))
    return found


def n_files(out: Path) -> int:
    return len(list((out / "cells").glob("[!.]*.parquet")))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_killed_ten_times(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    """SIGKILL at ten random moments.

    Of the whole group, or of the sweep alone, whose workers must then end.
    """
    study, out = write_study(tmp_path / "toy.toml", repeats=30), tmp_path / "out"
    rng = np.random.default_rng(2)
    midway = 0
    for round_ in range(10):
        process = start(study, out)
        # while it starts, while it looks for what is there, and while it computes
        wanted = n_files(out) + int(rng.integers(0, 6))
        began = time.monotonic()
        while n_files(out) < wanted and process.poll() is None and time.monotonic() < began + DEADLINE:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))
        with contextlib.suppress(ProcessLookupError):
            if round_ % 2:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        midway += process.wait() == -signal.SIGKILL
        while alive(process.pid):
            assert time.monotonic() < began + DEADLINE, "workers outlive the sweep"
            time.sleep(0.01)
    assert midway >= 5
    process = start(study, out)
    assert process.wait() == 0
    assert files(out) == undisturbed
    assert not list((out / "failures").iterdir())
    # every line of the log that is whole counts; a torn one does no harm
    assert {line["key"] + ".parquet" for line in _log(out)} <= set(undisturbed)


def _log(out: Path) -> list[dict]:
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def test_workers_killed(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    """Workers are killed under a sweep that goes on."""
    study = read_study(write_study(tmp_path / "toy.toml", repeats=30))
    moments = [5, 25]

    def kill_one(progress) -> None:
        if moments and progress.done >= moments[0]:
            moments.pop(0)
            active_children()[0].kill()

    sweep = run_sweep(study, tmp_path / "out", n_workers=2, progress=kill_one)
    assert not moments
    assert (sweep.done, sweep.failed) == (60, 0)
    assert files(tmp_path / "out") == undisturbed


def test_bad_cells_harm_no_other(tmp_path: Path) -> None:
    modes = ["good", "die", "raise", "slow", "stuck", "no frame", "objects", "axis"]
    study = make_study(
        {
            "study": {"name": "bad", "runner": "lab.toys:misbehave", "time_limit": 2.0},
            "settings": {"mode": "good", "repeat": 0},
            "grid": {"mode": modes},
        },
        "test",
    )
    sweep = run_sweep(study, tmp_path, n_workers=2)
    assert (sweep.n_cells, sweep.done, sweep.failed) == (8, 1, 7)
    sentences = {axes["mode"]: sentence for axes, sentence in sweep.failures}
    assert "worker died (3 times)" in sentences["die"]
    assert sentences["raise"] == "RuntimeError: the first line and the second"
    assert sentences["slow"].startswith("time limit: the cell had not ended after 2 s")
    assert sentences["stuck"] == sentences["slow"]
    assert "must return a data frame, not list" in sentences["no frame"]
    assert "neither numbers nor texts" in sentences["objects"]
    assert "is an axis of the study" in sentences["axis"]

    record = [json.loads(path.read_text()) for path in (tmp_path / "failures").iterdir()]
    assert {entry["axes"]["mode"] for entry in record} == set(modes) - {"good"}
    assert any("misbehave" in entry["traceback"] for entry in record)
    assert open_sweep(tmp_path).to_dict("list") == {"mode": ["good"], "x": [1]}
    status = sweep_status(tmp_path)
    assert (status.done, status.failed, status.open) == (1, 7, 0)
    assert dict(sentences) == {axes["mode"]: sentence for axes, sentence in status.failures}


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """Python's own handler; a job in the background of a shell is started with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class _Deaf:
    """Ctrl-C comes while its finaliser runs, whose exceptions Python ignores."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("ctrl_c_is_heard")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_in_a_finaliser_is_not_lost(tmp_path: Path) -> None:
    study, out = read_study(write_study(tmp_path / "toy.toml", repeats=20)), tmp_path / "out"

    def progress(told: SweepProgress) -> None:
        if told.done == 4:
            _Deaf()

    with ThreadPoolExecutor(1) as executor, pytest.raises(KeyboardInterrupt):
        run_sweep(study, out, executor, 1, progress)
    assert 4 <= n_files(out) < 40
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
