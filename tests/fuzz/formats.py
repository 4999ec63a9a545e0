"""Every format that rankfall reads: a sound file of it, and a reader that uses all that it holds."""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

import rankfall as rf
from rankfall.cli.reports import run as report
from rankfall.files import read_cells, read_table
from rankfall.lab import open_sweep
from rankfall.lab.sweep.config import read_study
from rankfall.lab.sweep.status import sweep_status
from rankfall.report import render
from rankfall.report.adapters.study import study_tables

SAVED = Path(__file__).parents[1] / "saved" / "0.1.0"
# limits of a run that reads one file
SECONDS, MEGABYTES = 20, 2000


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    make : function
        The bytes of a sound file.
    use : function of a path
        Reads the file and uses what it holds; may raise nothing but InputError.
    suffix : str
    inside : str
        "zip", "json", "toml", "text" or "bytes": how its structure is damaged.
    """

    make: Callable[[], bytes]
    use: Callable[[Path], object]
    suffix: str
    inside: str = "bytes"


# -- tables -----------------------------------------------------------------------------------------------


@cache
def frame() -> pd.DataFrame:
    """A table with names and holes."""
    rng = np.random.default_rng(0)
    values = np.outer(rng.uniform(1, 3, 12), rng.uniform(1, 3, 6)).round(3)
    values[rng.random(values.shape) < 0.3] = np.nan
    return pd.DataFrame(values, [f"r{i}" for i in range(12)], [f"c{j}" for j in range(6)])


def triplets() -> pd.DataFrame:
    """The same table as a list of its cells."""
    cells = frame().stack().rename_axis(["row", "column"])
    return cells.to_frame("value").reset_index()  # type: ignore[union-attr]


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def use_table(path: Path, triplets: bool = False) -> None:
    """What the command line does before it completes a table."""
    table = read_table(path, triplets=triplets, duplicates="mean" if triplets else "error")
    problem = rf.Problem.from_triplets(table.rows, table.cols, table.entries, table.shape)
    problem.with_labels(table.row_names, table.col_names)
    repr(problem)


def use_cells(path: Path) -> None:
    """Cells asked for, of a table that is sound."""
    table = path.with_name("asked.csv")
    frame().to_csv(table)
    read_cells(path, read_table(table))


# -- results ----------------------------------------------------------------------------------------------


def use_result(path: Path) -> None:
    """Everything that a saved completion is asked."""
    result = rf.load(path)
    result.summary()
    result.to_dense()
    result.errors  # noqa: B018
    m, n = result.shape
    result.predict([0, m - 1], [n - 1, 0])
    result.interval([0, m - 1], [n - 1, 0], 0.8)
    result.transform(result.to_dense("fitted")[:1])
    result.certificate  # noqa: B018
    report(path, path.with_suffix(".html"))


def use_trace(path: Path) -> None:
    """What a trace is asked."""
    trace = rf.Trace.load(path)
    repr(trace)
    if "rank" in trace.measured:
        rf.find_jumps(trace)
    if trace.n_chains and not trace.diverged[0]:
        trace.final(0)
    report(path, path.with_suffix(".html"))


def _run(checkpoint: Path, stop_at: int | None = None) -> rf.Trace:
    problem, _ = rf.datasets.low_rank((6, 5), rank=1, observed=0.8, seed=0)
    network = rf.Network.gaussian((5, 4, 4, 6), seed=0)

    def enough(progress: object) -> bool:
        return stop_at is not None and progress.step >= stop_at  # type: ignore[attr-defined]

    record = rf.Record(every=20, what=("weights", "rank", "train_loss"))
    sgd = rf.SGD(lr=0.02, ridge=1e-3, n_steps=100)
    kept = {"record": record, "checkpoint": checkpoint, "callback": enough}
    return rf.train(problem, network, sgd, chains=2, seed=0, n_threads=1, **kept)  # type: ignore[arg-type]


@cache
def _uninterrupted() -> bytes:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        return _run(Path(folder) / "whole.npz").final(0).weights[0].tobytes()


def half_done() -> bytes:
    """The checkpoint of a run that was stopped."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "it.npz"
        _run(path, stop_at=40)
        return path.read_bytes()


class SilentDifference(Exception):
    """A damaged checkpoint went on, and ended elsewhere."""


def use_checkpoint(path: Path) -> None:
    """Go on from a checkpoint; what goes on ends with the bits of a run that was never stopped."""
    if _run(path).final(0).weights[0].tobytes() != _uninterrupted():
        raise SilentDifference(path.name)


# -- folders ----------------------------------------------------------------------------------------------


def use_folder(path: Path, name: str) -> None:
    """Put the file into the folder of a sweep, and look at all of it."""
    folder = path.with_name("sweep")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SAVED / "sweep", folder)
    for target in sorted(folder.glob(name))[:1]:
        shutil.copy(path, target)
    sweep_status(folder)
    # a damaged cell is refused there
    try:
        open_sweep(folder)
    finally:
        render(study_tables(folder))


def use_study(path: Path) -> None:
    """A study of one's own."""
    read_study(path)


def _saved(name: str) -> bytes:
    return sorted(SAVED.glob(name))[0].read_bytes()


def _results() -> dict[str, Format]:
    def kept(name: str) -> Format:
        return Format(partial(_saved, f"completion-{name}.npz"), use_result, ".npz", "zip")

    return {f"result {name}": kept(name) for name in ("effects", "exact", "options", "units")}


def _sparse(kind: str) -> bytes:
    matrix = sparse.coo_array(frame().fillna(0.0).to_numpy()).asformat(kind)  # type: ignore[arg-type]
    return _written(lambda stream: sparse.save_npz(stream, matrix))


FORMATS: dict[str, Format] = {
    "csv": Format(lambda: frame().to_csv().encode(), use_table, ".csv", "text"),
    "semicolons": Format(
        lambda: frame().to_csv(sep=";", decimal=",").encode("utf-16"), use_table, ".txt", "text"
    ),
    "gz": Format(lambda: _written(lambda s: frame().to_csv(s, compression="gzip")), use_table, ".csv.gz"),
    "triplets": Format(
        lambda: triplets().to_csv(index=False).encode(), partial(use_table, triplets=True), ".tsv", "text"
    ),
    "cells": Format(lambda: b"row,column\nr0,c1\nr3,c2\n", use_cells, ".csv", "text"),
    "npy": Format(lambda: _written(lambda s: np.save(s, frame().to_numpy())), use_table, ".npy"),
    "npz": Format(
        lambda: _written(lambda s: np.savez_compressed(s, a=frame().to_numpy())), use_table, ".npz", "zip"
    ),
    **{
        f"sparse {kind}": Format(partial(_sparse, kind), use_table, ".npz", "zip")
        for kind in ("coo", "csr", "csc")
    },
    "parquet": Format(lambda: _written(lambda s: frame().to_parquet(s)), use_table, ".parquet"),
    "parquet triplets": Format(
        lambda: _written(lambda s: triplets().to_parquet(s)), partial(use_table, triplets=True), ".parquet"
    ),
    "feather": Format(lambda: _written(lambda s: frame().reset_index().to_feather(s)), use_table, ".feather"),
    "excel": Format(lambda: _written(lambda s: frame().to_excel(s)), use_table, ".xlsx", "members"),
    **_results(),
    "trace sgd": Format(partial(_saved, "trace-sgd.npz"), use_trace, ".npz", "zip"),
    "trace gd": Format(partial(_saved, "trace-gd.npz"), use_trace, ".npz", "zip"),
    "checkpoint": Format(half_done, use_checkpoint, ".npz", "sealed zip"),
    "study": Format(partial(_saved, "sweep.toml"), use_study, ".toml", "toml"),
    "sweep log": Format(
        partial(_saved, "sweep/log.jsonl"), partial(use_folder, name="log.jsonl"), ".jsonl", "text"
    ),
    "sweep study": Format(
        partial(_saved, "sweep/study.json"), partial(use_folder, name="study.json"), ".json", "json"
    ),
    "sweep failure": Format(
        partial(_saved, "sweep/failures/*.json"), partial(use_folder, name="failures/*.json"), ".json", "json"
    ),
    "sweep cell": Format(
        partial(_saved, "sweep/cells/*.parquet"), partial(use_folder, name="cells/*.parquet"), ".parquet"
    ),
}


def verdict(use: Callable[[], object]) -> str | None:
    """None if what is used is read or refused in one sentence; otherwise what went wrong."""
    with warnings.catch_warnings():
        # numbers at the ends of the range are sound
        warnings.simplefilter("ignore")
        try:
            use()
        except rf.InputError as error:
            words = str(error)
            if "\n" in words or len(words) > 700 or not words:
                return f"no sentence: {words[:200]!r}"
        except Exception as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())[:160]} at {_place(error)}"
    return None


def _place(error: BaseException) -> str:
    """The last line of rankfall in a traceback."""
    import traceback

    lines = [line for line in traceback.extract_tb(error.__traceback__) if "rankfall" in line.filename]
    return f"{Path(lines[-1].filename).name}:{lines[-1].lineno}" if lines else "nowhere"
