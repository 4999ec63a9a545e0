"""The same bits from threads, from workers, from other partitions, and after a run that was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

import rankfall as rf
from dask_tables import NAMES, Table, bits, write

DEADLINE = 60


def start(kind: str, *options: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *options]
    with open(folder / f"{kind}.log", "ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, Callable[[], subprocess.Popen[bytes]]]]:
    """The address of a scheduler on this machine, and what starts a worker."""
    import json

    file = tmp_path / "scheduler.json"
    where = ("--host", "127.0.0.1", "--port", "0")
    processes = [start("scheduler", *where, "--scheduler-file", str(file), folder=tmp_path)]

    def worker() -> subprocess.Popen[bytes]:
        # without a nanny, which would start another one in place of the one that is killed
        options = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        processes.append(start("worker", address, *options, folder=tmp_path))
        return processes[-1]

    try:
        began = time.monotonic()
        while not file.exists():
            assert time.monotonic() < began + DEADLINE
            assert processes[0].poll() is None, (tmp_path / "scheduler.log").read_text()
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        yield address, worker
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


@pytest.mark.filterwarnings("default")  # what Dask warns of is its own affair
def test_one_worker_three_workers_and_one_that_dies(
    folder: Path,
    completed: rf.dask.DistributedCompletion,
    cluster: tuple[str, Callable[[], subprocess.Popen[bytes]]],
    tmp_path: Path,
) -> None:
    from distributed import Client

    address, worker = cluster
    expected = bits(completed)
    first = worker()
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=DEADLINE)
        one = rf.dask.complete(folder, **NAMES, client=client, out=tmp_path / "one")
        assert bits(one) == expected
        worker()
        worker()
        client.wait_for_workers(3, timeout=DEADLINE)
        told: list[Any] = []

        def kill_in_the_middle(progress: Any) -> None:
            told.append(progress)
            if "sweep" in progress.phase and first.poll() is None and len(told) > 8:
                first.kill()

        three = rf.dask.complete(
            folder, **NAMES, client=client, out=tmp_path / "three", callback=kill_in_the_middle
        )
    assert first.wait() != 0
    assert bits(three) == expected


def sources(table: Table, folder: Path, tmp_path: Path) -> dict[str, Any]:
    import dask.dataframe as dd

    shuffled = table.cells.sample(frac=1.0, random_state=1)
    categories = shuffled.astype({"user": "category", "item": "int32"})
    csv = tmp_path / "csv"
    csv.mkdir()
    shuffled[:1000].to_csv(csv / "a.csv", index=False)
    shuffled[1000:].to_csv(csv / "b.csv.gz", index=False)
    return {
        "other files and row groups": write(tmp_path / "other", shuffled, 2, row_group_size=500),
        "pandas": categories,
        "pyarrow": pa.Table.from_pandas(shuffled),
        "dataset": ds.dataset(folder),
        "dask": dd.from_pandas(shuffled, npartitions=5),
        "csv": csv,
    }


@pytest.mark.filterwarnings("default")
def test_partitions_and_kinds_of_sources_do_not_matter(
    table: Table, folder: Path, completed: rf.dask.DistributedCompletion, tmp_path: Path
) -> None:
    expected = bits(completed)
    for kind, source in sources(table, folder, tmp_path).items():
        result = rf.dask.complete(source, **NAMES, n_jobs=2)
        assert bits(result) == expected, kind


def test_a_run_that_is_killed_goes_on(
    folder: Path, completed: rf.dask.DistributedCompletion, tmp_path: Path
) -> None:
    """The process ends at once, in the middle of a sweep of each phase, without any cleaning up."""
    out = tmp_path / "out"
    phases: list[str] = []

    class Killed(BaseException):
        pass

    def run(stop: Callable[[Any], bool]) -> Any:
        def callback(progress: Any) -> None:
            phases.append(progress.phase)
            if stop(progress):
                raise Killed

        return rf.dask.complete(folder, **NAMES, out=out, callback=callback)

    for stop in (
        lambda p: p.phase == "completing a sample",
        lambda p: p.rank == 3 and p.fraction > 1.5 / 40,
        lambda p: "all cells" in p.phase,
        lambda p: p.phase == "writing the factors",
    ):
        with pytest.raises(Killed):
            run(stop)
        assert (out / "work").is_dir()
        with pytest.raises(rf.InputError, match="not finished"):
            rf.dask.load(out)
        phases.clear()
    result = run(lambda _: False)
    assert bits(result) == bits(completed)
    assert not any("rank" in phase for phase in phases)
    assert not (out / "work").exists()
    # a finished one is loaded
    phases.clear()
    assert bits(run(lambda _: False)) == bits(completed)
    assert not phases


def test_a_process_that_is_killed_leaves_a_beginning(
    folder: Path, completed: rf.dask.DistributedCompletion, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code = f"""
import os, sys
sys.path.insert(0, {os.fspath(Path(__file__).parent)!r})
import rankfall as rf
from rankfall.dask import blocks, sample
blocks._LEAST = 700
def no_sample(*_, **__):
    os._exit(9)
sample.complete = no_sample
names = {{"row": "user", "column": "item", "value": "rating", "effects": "both"}}
rf.dask.complete({os.fspath(folder)!r}, **names, out={os.fspath(out)!r})
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=DEADLINE, check=False)
    assert done.returncode == 9
    assert len(list((out / "cells").glob("*.arrow"))) > 3
    assert bits(rf.dask.complete(folder, **NAMES, out=out)) == bits(completed)


def test_another_seed_holds_out_other_cells(folder: Path, completed: rf.dask.DistributedCompletion) -> None:
    other = rf.dask.complete(folder, **NAMES, seed=1)
    assert bits(other) != bits(completed)
    assert other.rank == completed.rank


def test_duplicates_are_merged_as_in_memory(
    table: Table, completed: rf.dask.DistributedCompletion, tmp_path: Path
) -> None:
    """Means of repeated cells do not depend on where they are; equal ones are the cell itself."""
    twice = pd.concat([table.cells, table.cells[:50]])
    # more cells before they are merged are other blocks
    np.testing.assert_allclose(
        rf.dask.complete(twice, **NAMES).predict(table.hidden), completed.predict(table.hidden), rtol=1e-9
    )
    other = table.cells[:50].assign(rating=lambda f: f["rating"] + 1.0)
    frames = [pd.concat([table.cells, other]), pd.concat([other, table.cells]).iloc[::-1]]
    one, two = (bits(rf.dask.complete(frame, **NAMES, duplicates="mean")) for frame in frames)
    assert one == two
    with pytest.raises(rf.InputError, match=r"Row 'u\d{4}', column \d+ is given twice with different"):
        rf.dask.complete(frames[0], **NAMES)
