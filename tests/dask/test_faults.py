"""What goes wrong is one sentence that names the place; nothing is half-written, and the call goes on."""

from __future__ import annotations

import builtins
import errno
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rankfall as rf
from dask_tables import NAMES, Table, bits, write
from rankfall.dask import work
from rankfall.dask.blocks import Layout
from rankfall.dask.sample import choose_axes

FEW = pd.DataFrame({"user": ["a", "b", "a"], "item": [1, 1, 2], "rating": [1.0, 2.0, 3.0]})


def test_an_unreadable_part(table: Table, tmp_path: Path) -> None:
    folder = write(tmp_path / "t", table.cells, 2)
    (folder / "part-9.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(rf.InputError, match=r"part-9.parquet cannot be read as Parquet \("):
        rf.dask.complete(folder, **NAMES, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_part_with_pages_that_are_damaged(table: Table, tmp_path: Path) -> None:
    """The footer is sound; the fault shows when the cells are read. Repaired, the call goes on."""
    folder = write(tmp_path / "t", table.cells, 2, compression="zstd")
    path = folder / "part-1.parquet"
    sound, stamp = path.read_bytes(), path.stat()
    path.write_bytes(sound[:40] + bytes(200) + sound[240:])
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(rf.InputError, match=r"part-1.parquet cannot be read as Parquet"):
        rf.dask.complete(folder, **NAMES, out=tmp_path / "out")
    path.write_bytes(sound)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert rf.dask.complete(folder, **NAMES, out=tmp_path / "out").rank == 2


def test_parts_that_do_not_agree(table: Table, tmp_path: Path) -> None:
    folder = write(tmp_path / "t", table.cells, 2)
    pq.write_table(pa.table({"user": ["a"], "thing": [1], "rating": [1.0]}), folder / "z.parquet")
    with pytest.raises(
        rf.InputError, match=r"z.parquet has no column 'item'; its columns are 'user', 'thing'"
    ):
        rf.dask.complete(folder, **NAMES)
    pq.write_table(pa.table({"user": [7], "item": [1], "rating": [1.0]}), folder / "z.parquet")
    with pytest.raises(
        rf.InputError, match=r"Column 'user' holds .*string in .*part-0.* and int64 in .*z.parquet"
    ):
        rf.dask.complete(folder, **NAMES)
    csv = tmp_path / "csv"
    csv.mkdir()
    FEW.to_csv(csv / "a.csv", index=False)
    FEW.assign(user=[1, 2, 3]).to_csv(csv / "b.csv", index=False)
    with pytest.raises(rf.InputError, match=r"Column 'user' holds .*string in .*a.csv and int64 in .*b.csv"):
        rf.dask.complete(csv, **NAMES)
    (csv / "c.csv").write_text("user,rating\n1,2\n")
    (csv / "b.csv").unlink()
    with pytest.raises(rf.InputError, match=r"c.csv has no column 'item'"):
        rf.dask.complete(csv, **NAMES)
    pq.write_table(pa.Table.from_pandas(FEW), csv / "d.parquet")
    with pytest.raises(rf.InputError, match="holds Parquet and CSV"):
        rf.dask.complete(csv, **NAMES)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"user": ["a", None, "b"]}, "'user' is empty in entry 2"),
        ({"item": [1.5, 2.0, 3.0]}, "'item' holds double"),
        ({"rating": ["x", "y", "z"]}, "'rating' holds .*string, not numbers"),
        ({"rating": [1.0, np.inf, 2.0]}, "'rating' is infinite in entry 2"),
        ({"rating": [np.nan] * 3}, "no observed entry"),
        ({}, "too few cells"),
    ],
)
def test_cells_that_cannot_be_used(change: dict[str, Any], match: str) -> None:
    with pytest.raises(rf.InputError, match=match):
        rf.dask.complete(FEW.assign(**change), **NAMES)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"row": "item"}, "must name different columns"),
        ({"row": 3}, "row must be a text"),
        ({"scale": "sqrt"}, "scale must be"),
        ({"effects": "some"}, "effects must be"),
        ({"ordered": "rows"}, "not used beyond memory"),
        ({"bounds": "observed"}, "bounds must be one pair"),
        ({"bounds": (3, 1)}, "bounds must be one pair"),
        ({"memory": "much"}, "memory must be"),
        ({"memory": "1MB"}, "A thread needs about"),
        ({"weight": "w"}, "has no column 'w'"),
        ({"max_rank": -1}, "max_rank must be"),
        ({"duplicates": "first"}, "duplicates must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_arguments_are_checked(table: Table, options: dict[str, Any], match: str) -> None:
    with pytest.raises(rf.InputError, match=match):
        rf.dask.complete(table.cells, **{**NAMES, **options})


def test_values_without_a_logarithm_are_named(table: Table) -> None:
    cells = table.cells.assign(rating=table.cells["rating"].abs() + 0.1)
    cells.iloc[17, 2] = -4.0
    match = rf"row '{cells.iloc[17, 0]}', column {cells.iloc[17, 1]} holds -4"
    with pytest.raises(rf.InputError, match=match):
        rf.dask.complete(cells, **NAMES, scale="log")


def test_sources_that_are_none(tmp_path: Path) -> None:
    for source, match in [
        (tmp_path / "nowhere", "There is no folder"),
        (tmp_path, "holds no file that ends in"),
        (np.zeros((3, 3)), "source must be a folder"),
    ]:
        with pytest.raises(rf.InputError, match=match):
            rf.dask.complete(source, **NAMES)


def test_folders_that_hold_something_else(
    table: Table, folder: Path, completed: rf.dask.DistributedCompletion, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(rf.InputError, match="choose another folder"):
        rf.dask.complete(folder, **NAMES, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    for inside in (folder, folder / "out"):
        with pytest.raises(rf.InputError, match="lies inside the source"):
            rf.dask.complete(folder, **NAMES, out=inside)
    with pytest.raises(rf.InputError, match="begun with other seed"):
        rf.dask.complete(folder, **NAMES, out=completed.folder, seed=3)
    with pytest.raises(rf.InputError, match="begun with other data"):
        rf.dask.complete(folder / "part-0.parquet", **NAMES, out=completed.folder)
    with pytest.raises(rf.InputError, match="table in memory cannot be gone on with"):
        rf.dask.complete(table.cells, **NAMES, out=completed.folder)
    with pytest.raises(rf.InputError, match="cannot be made"):
        rf.dask.complete(folder, **NAMES, out=tmp_path / "mine.txt" / "out")


def test_a_full_disk(
    folder: Path, completed: rf.dask.DistributedCompletion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing fails in the middle; what was written whole stays, and with room the call goes on."""
    from rankfall.files import atomic

    out, replaced = tmp_path / "out", atomic._replace
    written: list[Path] = []

    def full_after_six(temporary: Path, target: Path) -> None:
        if len(written) >= 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        written.append(target)
        replaced(temporary, target)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_replace", full_after_six)
        with pytest.raises(rf.InputError, match=r"Cannot write .*No space left on device"):
            rf.dask.complete(folder, **NAMES, out=out)
    assert not list(out.rglob(".*tmp*"))
    assert bits(rf.dask.complete(folder, **NAMES, out=out)) == bits(completed)
    with monkeypatch.context() as patch:
        patch.setattr(work, "_BYTES", 10**15)
        with pytest.raises(rf.InputError, match=r"take about .* GB of disk"):
            rf.dask.complete(folder, **NAMES, out=tmp_path / "other")


def test_without_dask(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_dask(name: str, *rest: Any) -> Any:
        if name == "dask" or name.startswith("dask."):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    for name in [name for name in sys.modules if name == "dask"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", no_dask)
    with pytest.raises(rf.InputError, match=r"pip install 'rankfall\[cluster\]'"):
        rf.dask.complete(folder, **NAMES)


def test_workers_that_die_again_and_again_are_a_sentence() -> None:
    from rankfall.dask.scheduler import Scheduler

    class KilledWorker(Exception):
        pass

    class Client:
        def compute(self, tasks: list[Any]) -> list[Any]:
            return tasks

        def gather(self, futures: list[Any]) -> list[Any]:
            raise KilledWorker

    with pytest.raises(rf.InputError, match="Workers died several times"):
        Scheduler(Client()).map(len, ["a"])


def test_workers_that_do_not_see_the_folder_are_named() -> None:
    from rankfall.dask.scheduler import Scheduler

    class Client:
        def run(self, function: Any, folder: str) -> dict[str, bool]:
            return {"tcp://1": function(folder), "tcp://2": False}

    with pytest.raises(rf.InputError, match="tcp://2 does not see the folder"):
        Scheduler(Client()).require_folder(os.getcwd())


def test_rows_of_very_many_cells() -> None:
    """A row is never split, and never shares a block that is full."""
    counts = np.array([10, 5_000_000, 3, 2, 1_000_000, 7])
    layout = Layout.of(counts, np.full(5, 1_200_000))
    assert layout.edges[-1] == 6
    assert not layout.swapped
    sizes = np.add.reduceat(counts, layout.edges[:-1])
    assert sizes.max() <= 5_000_010
    assert layout.block_of(np.array([0, 1, 5])).tolist()[0] == 0
    wide = Layout.of(np.full(5, 1_200_000), counts)
    assert wide.swapped
    np.testing.assert_array_equal(wide.edges, layout.edges)


def test_the_sample_holds_about_as_many_cells_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    rows, cols = rng.pareto(1.3, 5000) + 1, rng.pareto(1.3, 800) + 1
    share = np.minimum(rows[:, None] * cols / np.sqrt(rows.mean() * cols.mean()) * 0.004, 1.0)
    mask = rng.random(share.shape) < share
    i, j = choose_axes(mask.sum(axis=1), mask.sum(axis=0), 20_000)
    assert 12_000 < mask[np.ix_(i, j)].sum() < 40_000
    i, j = choose_axes(mask.sum(axis=1), mask.sum(axis=0), 10**9)
    assert (i.size, j.size) == mask.shape
