"""``rankfall complete`` of a folder of triplets, which need not fit in memory: OUT is a folder, too."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..completion.options import default_of, names
from ..errors import InputError, Outcome
from .outputs import STDOUT
from .progress import live_progress
from .show import Printer

if TYPE_CHECKING:
    from ..dask import DistributedCompletion

# options of complete() that mean the same here
_SHARED = ("seed", "max_rank", "n_jobs", "effects", "rule")
# what the others of the command line are called where their names differ
_CALLED = {"n_jobs": "jobs", "rounded": "no-round", "as_json": "json"}


@dataclass(frozen=True)
class FolderJob:
    """What was asked for.

    Attributes
    ----------
    asked : mapping
        Options of :func:`rankfall.complete` by name, as they stand on the command line.
    others : mapping
        Further options that folders do not have, true if they were given.
    """

    source: Path
    out: Path
    row: str | None
    column: str | None
    value: str | None
    asked: Mapping[str, Any]
    others: Mapping[str, bool]
    scheduler: str | None = None
    memory: str | None = None
    as_json: bool = False
    quiet: bool = False


def run(job: FolderJob) -> Outcome:
    """Do the job; how the completion ended."""
    _check(job)
    scale, bounds = job.asked["scale"] or "linear", _bounds(job.asked["bounds"])
    with _client(job) as client, live_progress(job.quiet) as callback:
        from ..dask import complete

        result = complete(
            job.source,
            row=job.row or "",
            column=job.column or "",
            value=job.value or "",
            client=client,
            out=job.out,
            memory=job.memory,
            scale=scale,
            bounds=bounds,
            callback=callback,
            **{name: job.asked[name] for name in _SHARED},
        )
    _print(job, result)
    return result.outcome


def refuse_cluster_options(scheduler: str | None, memory: str | None) -> None:
    """Of a table in memory."""
    for name, value in (("--scheduler", scheduler), ("--memory", memory)):
        if value is not None:
            raise InputError(f"{name} is for folders of triplets, and IN is none.")


def _check(job: FolderJob) -> None:
    if None in (job.row, job.column, job.value):
        raise InputError(
            f"{job.source} is a folder, of which triplets are read: --row, --column and --value must name "
            "the columns that hold the row, the column and the value of each cell."
        )
    if job.out == STDOUT:
        raise InputError("The completion of a folder is a folder; -o must name one.")
    given = [name for name, value in job.others.items() if value]
    for name in names():
        if name not in (*_SHARED, "scale", "bounds") and job.asked[name] != default_of(name):
            given.append(name)
    for name in given:
        word = _CALLED.get(name, name).replace("_", "-")
        raise InputError(f"--{word} is not for folders of triplets, whose completion need not fit in memory.")


def _bounds(words: list[str] | None) -> tuple[float | None, float | None] | None:
    if not words:
        return None
    if len(words) == 1 and words[0].count(",") == 1 and "=" not in words[0]:
        try:
            low, high = (float(word) if word.strip() else None for word in words[0].split(","))
            return low, high
        except ValueError:
            pass
    raise InputError(f"--bounds of a folder of triplets must be LOW,HIGH, not {' '.join(words)!r}.")


@contextmanager
def _client(job: FolderJob) -> Iterator[Any]:
    if job.scheduler is None:
        yield None
        return
    from ..lab.sweep.clusters import connected

    with connected(job.scheduler) as client:
        if not job.quiet:
            print(f"Dask's dashboard: {client.dashboard_link}", file=sys.stderr)
        yield client


def _print(job: FolderJob, result: DistributedCompletion) -> None:
    printer = Printer(sys.stdout)
    if job.as_json:
        printer.json(
            {
                "input": str(job.source),
                "output": str(job.out),
                "shape": list(result.shape),
                "observed": result.n_observed,
                "rank": result.rank,
                "outcome": result.outcome.value,
                "converged": result.outcome.converged,
                "advice": result.outcome.advice,
                "validation_rmse": result.validation_rmse,
                "validation_standard_error": result.validation_standard_error,
                "noise": result.noise,
                "seconds": result.seconds,
                "path": result.path.to_dict("records"),
                "settings": result.settings,
                "versions": result.versions,
            }
        )
        return
    from ..report import TextTable

    styles = {"rank": "d", "validation": ".4g", "validation_mae": ".4g", "relative": ".4g", "sweeps": "d"}
    titles = ("rank", "held-out RMSE", "held-out MAE", "relative", "sweeps")
    rows = [tuple(format(row[name], style) for name, style in styles.items())
            for row in result.path.to_dict("records")]  # fmt: skip
    printer.table(TextTable(titles, tuple(rows), int(result.path["chosen"].argmax())), note="chosen")
    printer.text("")
    printer.text(result.summary())
    printer.text(f"Wrote {job.out}.")
    printer.text(
        f"Next: in Python, rankfall.dask.load({str(job.out)!r}) predicts and recommends; the factors are in "
        f"{job.out}/row_factors and {job.out}/column_factors (Parquet)."
    )
