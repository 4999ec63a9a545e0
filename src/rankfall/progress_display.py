"""A running completion as people watch it: a line on a terminal or in a log, a bar in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.table import Table


class Progress(Protocol):
    """What is read of a :class:`rankfall.completion.Progress`."""

    phase: str
    fraction: float | None
    seconds: float
    time_left: float | None


Tell = Callable[[Any], None]

_FACTS = ("rank", "train_rmse", "validation_rmse", "steps_per_second")
# seconds between two pictures in a notebook, each of which goes through the browser
_PAUSE = 0.25


@dataclass
class ProgressLine:
    """What is known now; facts that a report leaves out stay as they were within a phase."""

    started: float = field(default_factory=perf_counter)
    phase: str = "starting (the first time on a computer, compiling takes a while)"
    facts: dict[str, float] = field(default_factory=dict)
    fraction: float | None = None
    time_left: float | None = None
    told: float = 0.0

    def update(self, progress: Progress) -> None:
        """Take note of a report."""
        if progress.phase != self.phase:
            self.phase = progress.phase
            self.facts, self.fraction = {}, None
        for name in _FACTS:
            value = getattr(progress, name)
            if value is not None:
                self.facts[name] = value
        if progress.fraction is not None:
            self.fraction = progress.fraction
        # the end of a stage says how long the phase will take; reports between say nothing
        if progress.time_left is not None or not self.facts:
            self.time_left, self.told = progress.time_left, perf_counter()

    def text(self, now: float) -> str:
        """The line as it looks now."""
        parts = [self.phase]
        facts = self.facts
        if "rank" in facts:
            parts.append(f"rank {facts['rank']}")
        if "train_rmse" in facts:
            parts.append(f"training RMSE {facts['train_rmse']:.3g}")
        if "validation_rmse" in facts:
            parts.append(f"held-out RMSE {facts['validation_rmse']:.3g}")
        if "steps_per_second" in facts:
            parts.append(f"{facts['steps_per_second']:,.0f} steps/s")
        parts.append(duration(now - self.started))
        if self.time_left is not None:
            parts.append(f"this phase: about {duration(max(self.time_left - (now - self.told), 0.0))} left")
        return " · ".join(parts)


def duration(seconds: float) -> str:
    """Seconds in the way people say them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


@contextmanager
def shown_progress(shown: bool, callback: Tell | None) -> Iterator[Tell | None]:
    """The callback; if `shown`, one that also shows what it is told, where people see it."""
    if not shown:
        yield callback
        return
    place = _in_notebook if _notebook() else on_terminal if sys.stderr.isatty() else _in_log
    with place() as show:

        def tell(progress: Progress) -> None:
            show(progress)
            if callback is not None:
                callback(progress)

        yield tell


@contextmanager
def on_terminal() -> Iterator[Tell]:
    """A line on stderr, with a bar for the present phase; it disappears at the end."""
    from rich.console import Console
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

    line, spinner = ProgressLine(), Spinner("dots")

    def draw() -> Table:
        row = Table.grid(padding=(0, 1))
        words = Text(line.text(perf_counter()), no_wrap=True, overflow="ellipsis")
        if line.fraction is None:
            row.add_row(spinner, words)
        else:
            row.add_row(spinner, ProgressBar(total=1.0, completed=line.fraction, width=16), words)
        return row

    with Live(get_renderable=draw, console=Console(stderr=True), transient=True, refresh_per_second=8):
        yield line.update


@contextmanager
def _in_log() -> Iterator[Tell]:
    """Each phase on stderr when it begins."""
    line = ProgressLine()

    def tell(progress: Progress) -> None:
        begins = progress.phase != line.phase
        line.update(progress)
        if begins:
            seconds = duration(progress.seconds)
            print(f"rankfall: {progress.phase} ({seconds} since the start)", file=sys.stderr, flush=True)

    yield tell


@contextmanager
def _in_notebook() -> Iterator[Tell]:
    """A bar in the cell's output."""
    from IPython.display import display  # type: ignore[import-not-found]

    line, drawn = ProgressLine(), perf_counter()
    handle: Any = display(_bar(line), raw=True, display_id=True)

    def tell(progress: Progress) -> None:
        nonlocal drawn
        line.update(progress)
        if perf_counter() - drawn >= _PAUSE:
            drawn = perf_counter()
            handle.update(_bar(line), raw=True)

    try:
        yield tell
    finally:
        line.fraction, line.time_left, line.phase = 1.0, None, "done"
        handle.update(_bar(line), raw=True)


def _bar(line: ProgressLine) -> dict[str, str]:
    words = line.text(perf_counter())
    value = "" if line.fraction is None else f' value="{line.fraction:.3f}"'
    return {"text/plain": words, "text/html": f'<progress max="1"{value}></progress> {escape(words)}'}


def _notebook() -> bool:
    """Whether a notebook shows what is displayed."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"
