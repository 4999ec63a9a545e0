"""A real Dask scheduler with two workers, one of which is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.toys import files, write_study
from rankfall.errors import InputError
from rankfall.lab import cluster, read_study, run_sweep
from rankfall.lab.sweep.config import make_study

TESTS = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
DEADLINE = 60


def dask(kind: str, *options: str, folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *options]
    with open(folder / f"{kind}.log", "ab") as log:
        return subprocess.Popen(command, env=ENVIRONMENT, cwd=folder, stdout=log, stderr=log)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """The address of a scheduler on this machine, and its two workers."""
    import json

    file = tmp_path / "scheduler.json"
    where = ("--host", "127.0.0.1", "--port", "0")
    scheduler = dask("scheduler", *where, "--scheduler-file", str(file), folder=tmp_path)
    processes = [scheduler]
    try:
        began = time.monotonic()
        while not file.exists():
            assert time.monotonic() < began + DEADLINE
            assert scheduler.poll() is None, (tmp_path / "scheduler.log").read_text()
            time.sleep(0.05)
        found = json.loads(file.read_text())["address"]
        # without a nanny, which would start another worker in place of the one that is killed
        options = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        workers = [dask("worker", found, *options, folder=tmp_path) for _ in range(2)]
        processes += workers
        yield found, workers
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


@pytest.mark.filterwarnings("default")  # what Dask warns of is its own affair
def test_a_worker_dies(tmp_path: Path, address: tuple[str, list[subprocess.Popen]]) -> None:
    scheduler, workers = address
    study = read_study(write_study(tmp_path / "toy.toml", repeats=15, seconds=0.1))
    with ThreadPoolExecutor(30) as executor:
        assert run_sweep(study, tmp_path / "local", executor).done == 30

    seen = []

    def kill_one(progress) -> None:
        seen.append(progress.done)
        if progress.done >= 8:
            workers[0].kill()

    with cluster(scheduler) as executor:
        sweep = run_sweep(study, tmp_path / "out", executor, 30, kill_one)
    assert workers[0].wait() == -9
    assert min(done for done in seen if done >= 8) < 30, "killed in the middle"
    assert (sweep.done, sweep.failed) == (30, 0)
    assert files(tmp_path / "out") == files(tmp_path / "local")

    # in the threads of the other worker the time limit holds too, and it goes on afterwards
    late = make_study(
        {
            "study": {"name": "late", "runner": "lab.toys:misbehave", "time_limit": 0.5},
            "settings": {"mode": "good"},
            "grid": {"mode": ["slow", "good"]},
        },
        "test",
    )
    with cluster(scheduler) as executor:
        sweep = run_sweep(late, tmp_path / "late", executor)
    assert [axes for axes, _ in sweep.failures] == [{"mode": "slow"}]
    assert sweep.failures[0][1].startswith("time limit")


def test_no_scheduler() -> None:
    with (
        pytest.raises(InputError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        cluster("tcp://127.0.0.1:9", timeout=0.5),
    ):
        pass


def test_without_distributed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'rankfall\[cluster\]'"), cluster("tcp://127.0.0.1:9"):
        pass
