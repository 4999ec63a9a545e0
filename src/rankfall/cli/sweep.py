"""``rankfall sweep`` and ``rankfall status``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..lab.sweep.config import read_study
from ..lab.sweep.run import Sweep, run_sweep
from ..lab.sweep.status import SweepStatus, sweep_status
from ..progress_display import duration
from .exit_codes import INTERRUPTED, NOT_CONVERGED, say
from .outputs import check_outputs
from .show import Printer, plural
from .sweep_progress import sweep_progress

# As many failures as fit on a screen; the rest is in DIR/failures.
_SHOWN = 20


@dataclass(frozen=True)
class Where:
    """Where cells are computed, and whether their progress is shown."""

    jobs: int | None = None
    scheduler: str | None = None
    quiet: bool = False

    @contextmanager
    def executor(self) -> Iterator[tuple[Executor | None, int | None]]:
        """An executor, None for processes of our own, and how many cells may be under way."""
        if self.scheduler is None:
            yield None, self.jobs
            return
        if self.jobs is not None:
            raise InputError("--jobs is about processes on this machine; a cluster has its own workers.")
        from ..lab.sweep.clusters import cluster

        with cluster(self.scheduler) as executor:
            yield executor, None


@dataclass(frozen=True)
class PageWanted:
    """Where the report goes, and the command that it will repeat."""

    path: Path
    command: str | None

    def write(self, folder: Path) -> None:
        """Write the page of a finished folder."""
        from .reports import write_study_report

        write_study_report(folder, self.path, self.command)


def page_of(path: Path | None, words: Sequence[str] | None, study: Path | None = None) -> PageWanted | None:
    """The report that was asked for; refused before anything runs if it cannot be written."""
    if path is None:
        return None
    check_outputs({"STUDY": study}, {"PAGE": path})
    return PageWanted(path, shlex.join(words) if words else None)


def run(
    path: Path, out: Path, quick: bool, where: Where, page: PageWanted | None = None, as_json: bool = False
) -> int:
    """Run a sweep and say how it ended; the exit code."""
    study, printer = read_study(path, quick), Printer(sys.stdout)
    try:
        with where.executor() as (executor, workers), sweep_progress(study.name, where.quiet) as progress:
            sweep = run_sweep(study, out, executor, workers, progress)
    except KeyboardInterrupt:
        return interrupted(out, as_json)
    if page is not None:
        page.write(out)
    if as_json:
        printer.json(
            {**sweep_facts(study.name, sweep, out), "report": None if page is None else str(page.path)}
        )
        return NOT_CONVERGED if sweep.failed else 0
    found = f", {sweep.found:,} of them before" if sweep.found else ""
    printer.text(
        f"{study.name}: {sweep.done:,} of {plural(sweep.n_cells, 'cell')} done{found}; "
        f"{duration(sweep.seconds)}. They are in {out}."
    )
    tell_troubles(sweep, out)
    if page is not None:
        printer.text(f"Wrote {page.path}.")
    elif sweep.done:
        printer.text(f"Next: {report_command(out)}, or rankfall.lab.open_sweep in Python.")
    return NOT_CONVERGED if sweep.failed else 0


def report_command(folder: Path) -> str:
    """The command that draws what a folder holds."""
    return shlex.join(["rankfall", "report", str(folder), "-o", f"{folder.name or 'page'}.html"])


def sweep_facts(name: str, sweep: Sweep, out: Path) -> dict[str, object]:
    """How a sweep ended, as plain values."""
    return {
        "study": name,
        "folder": str(out),
        "cells": sweep.n_cells,
        "done": sweep.done,
        "found": sweep.found,
        "failed": sweep.failed,
        "seconds": sweep.seconds,
        "failures": _failures(sweep.failures),
        "other_versions": list(sweep.other_versions),
    }


def _failures(failures: Sequence[tuple[dict, str]]) -> list[dict[str, object]]:
    return [{"axes": axes, "failure": sentence} for axes, sentence in failures]


def interrupted(out: Path, as_json: bool = False) -> int:
    """Say what Ctrl-C left; the exit code."""
    if not (out / "study.json").exists():
        raise KeyboardInterrupt
    status = sweep_status(out)
    if as_json:
        Printer(sys.stdout).json({**_status_facts(status), "folder": str(out), "interrupted": True})
    say(
        f"Interrupted; {status.done:,} of {plural(status.n_cells, 'cell')} are done and kept in {out}, and "
        "the same command goes on from there."
    )
    return INTERRUPTED


def tell_troubles(sweep: Sweep, out: Path) -> None:
    """What failed, and what was found from other versions, on stderr."""
    if sweep.other_versions:
        say(
            f"Some of the cells were made by version {', '.join(sweep.other_versions)}; choose another "
            "folder to make them all again."
        )
    for axes, sentence in sweep.failures[:_SHOWN]:
        say(f"failed: {cell_name(axes)}: {sentence}")
    if sweep.failed:
        say(
            f"{plural(sweep.failed, 'cell')} failed and will be tried again by the same command; see "
            f"rankfall status {out}, and {out / 'failures'} for tracebacks."
        )


def show_status(folder: Path, as_json: bool) -> None:
    """Print what the folder of a sweep holds."""
    status = sweep_status(folder)
    printer = Printer(sys.stdout, as_json)
    if as_json:
        printer.json(_status_facts(status))
        return
    printer.text(
        f"{status.study}: {plural(status.n_cells, 'cell')}: {status.done:,} done, {status.failed:,} failed, "
        f"{status.open:,} open; {duration(status.seconds)} of computing so far."
    )
    for axes, sentence in status.failures:
        printer.text(f"failed: {cell_name(axes)}: {sentence}")
    if status.open or status.failed:
        printer.text(
            "Next: the command that began it goes on with what is open, and tries what failed again."
        )
    else:
        printer.text(f"Next: {report_command(folder)}, or rankfall.lab.open_sweep in Python.")


def _status_facts(status: SweepStatus) -> dict[str, object]:
    return {
        "study": status.study,
        "cells": status.n_cells,
        "done": status.done,
        "failed": status.failed,
        "open": status.open,
        "seconds": status.seconds,
        "failures": _failures(status.failures),
    }


def cell_name(axes: dict) -> str:
    """``optimiser.lr = 0.1, network.depth = 3``."""
    return ", ".join(f"{name} = {json.dumps(value)}" for name, value in axes.items()) or "the only cell"
