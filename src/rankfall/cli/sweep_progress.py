"""How far a sweep is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..errors import visible
from ..lab.sweep.run import SweepProgress
from ..progress_display import duration
from .show import plural

# Seconds between two plain lines: a log of a night stays readable.
_EVERY = 30.0


@contextmanager
def sweep_progress(name: str, quiet: bool) -> Iterator[Callable[[SweepProgress], None] | None]:
    """A callback for :func:`rankfall.lab.run_sweep`; None when `quiet`."""
    if quiet:
        yield None
    elif not sys.stderr.isatty():
        yield PlainLines(name, sys.stderr).update
    else:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(name, total=None, told="starting workers")

            def update(now: SweepProgress) -> None:
                bar.update(task, total=now.n_cells, completed=now.done + now.failed, told=told(now))

            yield update


@dataclass
class PlainLines:
    """A line now and then: at the first cell that ends, every half minute, and for every new failure."""

    name: str
    stream: TextIO
    next: float = 0.0
    failed: int = 0

    def update(self, now: SweepProgress) -> None:
        """Print a line if there is something to say."""
        if now.failed > self.failed:
            print(visible(f"{self.name}: failed: {now.last_failure}"), file=self.stream, flush=True)
            self.failed = now.failed
        if now.seconds >= self.next and (now.left or now.n_cells != now.found):
            print(f"{self.name}: {told(now)}, after {duration(now.seconds)}", file=self.stream, flush=True)
            self.next = now.seconds + _EVERY


def told(now: SweepProgress) -> str:
    """Cells done, failures, and the time left, in words."""
    parts = [f"{now.done:,} of {plural(now.n_cells, 'cell')}"]
    if now.failed:
        parts.append(f"{now.failed:,} failed")
    if now.left and now.time_left is not None:
        parts.append(f"about {duration(now.time_left)} left")
    return ", ".join(parts)
