"""``rankfall sweep`` and ``rankfall status``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..lab.reading import read_study
from ..lab.results import sweep_status
from ..lab.sweep import Sweep, run_sweep
from .failures import INTERRUPTED, NOT_CONVERGED
from .progress import duration
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
        from ..lab.clusters import cluster

        with cluster(self.scheduler) as executor:
            yield executor, None


def run(path: Path, out: Path, quick: bool, where: Where) -> int:
    """Run a sweep and say how it ended; the exit code."""
    study = read_study(path, quick)
    try:
        with where.executor() as (executor, workers), sweep_progress(study.name, where.quiet) as progress:
            sweep = run_sweep(study, out, executor, workers, progress)
    except KeyboardInterrupt:
        return interrupted(out)
    printer = Printer(sys.stdout)
    found = f", {sweep.found:,} of them before" if sweep.found else ""
    printer.text(
        f"{study.name}: {sweep.done:,} of {plural(sweep.n_cells, 'cell')} done{found}; "
        f"{duration(sweep.seconds)}. They are in {out}."
    )
    tell_troubles(sweep, out)
    return NOT_CONVERGED if sweep.failed else 0


def interrupted(out: Path) -> int:
    """Say what Ctrl-C left; the exit code."""
    if not (out / "study.json").exists():
        raise KeyboardInterrupt
    status = sweep_status(out)
    print(
        f"rankfall: Interrupted; {status.done:,} of {plural(status.n_cells, 'cell')} are done and kept in {out}, "
        "and the same command goes on from there.",
        file=sys.stderr,
    )
    return INTERRUPTED


def tell_troubles(sweep: Sweep, out: Path) -> None:
    """What failed, and what was found from other versions, on stderr."""
    if sweep.other_versions:
        print(
            f"rankfall: Some of the cells were made by version {', '.join(sweep.other_versions)}; "
            "choose another folder to make them all again.",
            file=sys.stderr,
        )
    for axes, sentence in sweep.failures[:_SHOWN]:
        print(f"rankfall: failed: {cell_name(axes)}: {sentence}", file=sys.stderr)
    if sweep.failed:
        print(
            f"rankfall: {plural(sweep.failed, 'cell')} failed and will be tried again by the same command; "
            f"see rankfall status {out}, and {out / 'failures'} for tracebacks.",
            file=sys.stderr,
        )


def show_status(folder: Path, as_json: bool) -> None:
    """Print what the folder of a sweep holds."""
    status = sweep_status(folder)
    printer = Printer(sys.stdout, as_json)
    failures = [{"axes": axes, "failure": sentence} for axes, sentence in status.failures]
    if as_json:
        printer.json(
            {
                "study": status.study,
                "cells": status.n_cells,
                "done": status.done,
                "failed": status.failed,
                "open": status.open,
                "seconds": status.seconds,
                "failures": failures,
            }
        )
        return
    printer.text(
        f"{status.study}: {plural(status.n_cells, 'cell')}: {status.done:,} done, {status.failed:,} failed, "
        f"{status.open:,} open; {duration(status.seconds)} of computing so far."
    )
    for axes, sentence in status.failures:
        printer.text(f"failed: {cell_name(axes)}: {sentence}")


def cell_name(axes: dict) -> str:
    """``optimiser.lr = 0.1, network.depth = 3``."""
    return ", ".join(f"{name} = {json.dumps(value)}" for name, value in axes.items()) or "the only cell"
