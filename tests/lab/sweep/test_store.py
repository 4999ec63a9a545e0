"""Resuming, damage, foreign folders, full disks: what the folder of a sweep must stand."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.toys import files, write_study
from rankfall.errors import InputError
from rankfall.lab import Cell, Study, open_sweep, read_study, run_sweep, sweep_status
from rankfall.lab.sweep.cell_file import decode, encode
from rankfall.lab.sweep.run import Sweep
from rankfall.lab.sweep.store import Store
from rankfall.lab.sweep.worker import versions


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return read_study(write_study(tmp_path / "toy.toml"))


def in_threads(study: Study, out: Path) -> Sweep:
    with ThreadPoolExecutor(2) as executor:
        return run_sweep(study, out, executor)


def test_one_data_frame(tmp_path: Path, study: Study) -> None:
    sweep = in_threads(study, tmp_path / "out")
    assert (sweep.n_cells, sweep.found, sweep.done, sweep.failed, sweep.left) == (6, 0, 6, 0, 0)
    frame = open_sweep(tmp_path / "out")
    assert list(frame.columns) == ["repeat", "lr", "step", "value", "word"]
    assert frame[["repeat", "lr"]].drop_duplicates().to_numpy().tolist() == [
        [repeat, lr] for repeat in range(3) for lr in (0.1, 0.2)
    ]
    # cells that differ only in lr share their noise; those of other repeats do not
    values = frame.pivot(index=["repeat", "step"], columns="lr", values="value")
    assert values[0.2].to_numpy() == pytest.approx(2 * values[0.1].to_numpy())
    assert frame["value"].nunique() == len(frame)
    assert set(frame["word"]) == {"a", "b", "ü"}


def test_what_is_there_is_not_computed_again(tmp_path: Path, study: Study) -> None:
    in_threads(replace(study, grid={"repeat": [0], "lr": [0.1, 0.2]}), tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").iterdir()}
    assert len(before) == 2
    sweep = in_threads(study, tmp_path / "out")
    assert (sweep.found, sweep.done) == (2, 6)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert in_threads(study, tmp_path / "out").found == 6
    # and a shorter grid shows its own cells only
    in_threads(replace(study, grid={"repeat": [2]}), tmp_path / "out")
    assert len(open_sweep(tmp_path / "out")) == 3


@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_damaged_byte_is_noticed_or_harmless(where: float, flip: int) -> None:
    whole, cell = _cell_file()
    broken = bytearray(whole)
    broken[int(where * len(whole))] ^= flip
    frame, provenance = decode(whole)
    try:
        again, known = decode(bytes(broken))
    except ValueError:
        return
    # a byte that says nothing about rows or provenance, such as a statistic
    assert again.equals(frame)
    assert known == provenance
    assert known["key"] == cell.key


def _cell_file(cache: list = []) -> tuple[bytes, Cell]:  # noqa: B006
    if not cache:
        from lab.toys import run

        cell = Cell("toy", "lab.toys:run", {"lr": 0.1}, {"lr": 0.1})
        cache.append((encode(run(cell), cell, versions()), cell))
    return cache[0]


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "text"])
def test_a_damaged_file_is_made_again(tmp_path: Path, study: Study, damage: str) -> None:
    out = tmp_path / "out"
    in_threads(study, out)
    whole = files(out)
    victim, other, *_ = sorted((out / "cells").iterdir())
    content = victim.read_bytes()
    victim.write_bytes(
        {"cut": content[:-9], "empty": b"", "other": other.read_bytes(), "text": b"x" * 100}[damage]
    )
    with pytest.raises(InputError, match=f"{victim.name} is damaged"):
        open_sweep(out)
    assert in_threads(study, out).found == 5
    assert files(out) == whole


def test_provenance_names_no_time_and_no_place(tmp_path: Path, study: Study) -> None:
    out = tmp_path / "out"
    in_threads(study, out)
    store = Store(out)
    _, provenance = store.read(study.cells[0])
    assert provenance["settings"] == study.cells[0].settings
    assert provenance["root_seed"] == 5
    assert provenance["seed_axes"] == ["repeat"]
    assert set(provenance) == {"key", "runner", "settings", "root_seed", "seed_axes", "versions"}
    assert set(provenance["versions"]) == {
        "rankfall",
        "python",
        "numpy",
        "scipy",
        "numba",
        "pandas",
        "pyarrow",
    }
    for content in files(out).values():
        assert str(tmp_path).encode() not in content
        assert os.uname().nodename.encode() not in content
    # that is what the log is for
    log = store.log()
    assert {line["key"] for line in log} == {cell.key for cell in study.cells}
    assert all(line["seconds"] >= 0 and line["ended"] for line in log)


def test_a_torn_line_of_the_log_costs_only_itself(tmp_path: Path, study: Study) -> None:
    out = tmp_path / "out"
    in_threads(replace(study, grid={"repeat": [0]}), out)
    with open(out / "log.jsonl", "ab") as log:
        log.write(b'{"key": "torn')
    in_threads(study, out)
    assert {line["key"] for line in Store(out).log()} >= {cell.key for cell in study.cells}


def test_a_failure_is_tried_again(tmp_path: Path) -> None:
    settings = {"mode": "good", "only_if": "there"}
    study = Study("s", "lab.toys:misbehave", settings, {"mode": ["raise", "good"]})
    assert in_threads(study, tmp_path).failed == 1
    assert sweep_status(tmp_path).failed == 1
    # once its cause has gone the failure is forgotten
    failed = next(cell for cell in study.cells if cell.get("mode") == "raise")
    import pandas as pd

    from rankfall.lab.sweep.worker import Result

    Store(tmp_path).keep(failed, Result(failed.key, encode(pd.DataFrame({"x": [2]}), failed, versions())))
    assert sweep_status(tmp_path).failed == 0
    assert not list((tmp_path / "failures").iterdir())


def test_two_sweeps_at_once(tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path / "toy.toml", repeats=10, seconds=0.01))
    in_threads(study, tmp_path / "alone")
    ended: list[Sweep] = []
    threads = [
        threading.Thread(target=lambda: ended.append(in_threads(study, tmp_path / "out"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sweep.done for sweep in ended] == [20, 20, 20]
    assert files(tmp_path / "out") == files(tmp_path / "alone")


def test_leftovers_of_a_killed_sweep_are_cleared(tmp_path: Path, study: Study) -> None:
    out = tmp_path / "out"
    in_threads(study, out)
    (out / "cells" / ".rankfall-0123456789ab.tmp.parquet").write_bytes(b"half")
    (out / ".rankfall-0123456789ab.tmp.json").write_bytes(b"half")
    with Store(out).in_use():
        (out / "cells" / ".rankfall-ba9876543210.tmp.parquet").write_bytes(b"somebody is writing this")
        in_threads(study, out)
        assert (out / "cells" / ".rankfall-ba9876543210.tmp.parquet").exists()
    in_threads(study, out)
    assert not list(out.rglob(".*.tmp*"))


def test_leftovers_are_cleared_where_files_cannot_be_locked(
    tmp_path: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows: what nobody has touched for an hour belongs to nobody, and no other file goes."""
    monkeypatch.setattr("rankfall.lab.sweep.store.fcntl", None)
    out = tmp_path / "out"
    in_threads(study, out)
    before = files(out)
    old, new = (
        out / "cells" / ".rankfall-0123456789ab.tmp.parquet",
        out / "cells" / ".rankfall-ba9876543210.tmp.parquet",
    )
    for path, age in ((old, 3700), (new, 3500)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    in_threads(study, out)
    assert new.exists() and not old.exists()
    new.unlink()
    assert files(out) == before


def test_a_leftover_that_is_held_open_stays(
    tmp_path: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows does not remove a file that another program has open."""
    monkeypatch.setattr("rankfall.lab.sweep.store.fcntl", None)
    out = tmp_path / "out"
    in_threads(study, out)
    held = out / "cells" / ".rankfall-0123456789ab.tmp.parquet"
    held.write_bytes(b"half")
    os.utime(held, (0, 0))

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "The process cannot access the file", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with Store(out).in_use():
            pass
    assert held.exists()


def test_another_study_is_refused(tmp_path: Path, study: Study) -> None:
    in_threads(study, tmp_path / "out")
    with pytest.raises(InputError, match="holds the study 'toy'; choose another folder for 'other'"):
        in_threads(replace(study, name="other"), tmp_path / "out")


def test_cells_of_another_version_are_told(tmp_path: Path, study: Study) -> None:
    store = Store.create(tmp_path)
    cell = study.cells[0]
    from lab.toys import run
    from rankfall.lab.sweep.worker import Result

    old = {**versions(), "rankfall": "0.0.9"}
    store.keep(cell, Result(cell.key, encode(run(cell), cell, old)))
    assert in_threads(study, tmp_path).other_versions == ("0.0.9",)


def test_a_folder_that_cannot_be(tmp_path: Path, study: Study) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"Cannot write into .*file/below: Not a directory\."):
        in_threads(study, tmp_path / "file" / "below")


def test_full_disk(tmp_path: Path, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    write_bytes = Path.write_bytes

    def until_full(path: Path, content: bytes) -> int:
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", until_full)
    with pytest.raises(InputError, match=r"Cannot write .*\.parquet: No space left on device\."):
        in_threads(study, tmp_path / "out")
    monkeypatch.undo()
    assert len(files(tmp_path / "out")) == 3
    assert in_threads(study, tmp_path / "out").found == 3


def test_a_folder_without_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not the folder of a sweep: it has no study\.json"):
        open_sweep(tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        sweep_status(tmp_path)
    (tmp_path / "study.json").write_text(json.dumps({"data": {}, "quick": False}))
    with pytest.raises(InputError, match=r"\[study\] is missing"):
        sweep_status(tmp_path)


class Elsewhere(Executor):
    """A cluster on which every cell ends in the same way."""

    def __init__(self, end: Callable[[Future], object]) -> None:
        self.end = end

    def submit(self, fn, /, *args, **kwargs) -> Future:
        future: Future = Future()
        self.end(future)
        return future


def test_what_a_cluster_says_of_a_lost_cell_is_a_failure(tmp_path: Path, study: Study) -> None:
    lost = Elsewhere(lambda future: future.set_exception(RuntimeError("all my workers\ndied")))
    sweep = run_sweep(study, tmp_path / "out", lost)
    assert {sentence for _, sentence in sweep.failures} == {"RuntimeError: all my workers died"}
    assert sweep.failed == 6


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (lambda future: future.cancel() and future.set_running_or_notify_cancel(), "took back a cell"),
        (lambda future: future.set_exception(BrokenExecutor()), "executor is broken"),
    ],
)
def test_a_cluster_that_is_gone(
    tmp_path: Path, study: Study, end: Callable[[Future], object], sentence: str
) -> None:
    with pytest.raises(InputError, match=f"{sentence}.* the cells finished so far are kept"):
        run_sweep(study, tmp_path / "out", Elsewhere(end))
    assert in_threads(study, tmp_path / "out").found == 0


def test_a_damaged_cell_is_not_done(tmp_path: Path, study: Study) -> None:
    in_threads(study, tmp_path / "out")
    Store(tmp_path / "out").path(study.cells[2]).write_bytes(b"xx")
    status = sweep_status(tmp_path / "out")
    assert (status.done, status.open) == (5, 1)
    assert in_threads(study, tmp_path / "out").found == 5


def test_a_damaged_record_of_a_failure_is_still_one(tmp_path: Path, study: Study) -> None:
    in_threads(study, tmp_path / "out")
    store, cell = Store(tmp_path / "out"), study.cells[0]
    store.path(cell).unlink()
    (tmp_path / "out" / "failures" / f"{cell.key}.json").write_text("{")
    status = sweep_status(tmp_path / "out")
    assert (status.done, status.failed, status.open) == (5, 1, 0)
    assert "damaged" in status.failures[0][1]


def test_the_quick_version_does_not_replace_the_full_one(tmp_path: Path, study: Study) -> None:
    in_threads(study, tmp_path / "out")
    with pytest.raises(InputError, match=r"holds the full study .* choose another folder for the quick one"):
        in_threads(replace(study, quick=True), tmp_path / "out")
    in_threads(replace(study, quick=True), tmp_path / "other")
    assert in_threads(study, tmp_path / "other").found == 6
