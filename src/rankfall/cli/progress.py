"""The live line on the terminal while a completion runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

if TYPE_CHECKING:
    from ..completion import Progress

_FACTS = ("rank", "train_rmse", "validation_rmse", "steps_per_second")


@contextmanager
def live_progress(quiet: bool = False) -> Iterator[Callable[[Progress], None] | None]:
    """A callback for :func:`rankfall.complete` that keeps a line on stderr up to date.

    None when stderr is not a terminal, and one that does nothing when `quiet`. The line disappears at the
    end.
    """
    if quiet:
        yield lambda _: None
        return
    if not sys.stderr.isatty():
        yield None
        return
    line = ProgressLine()
    spinner = Spinner("dots")

    def draw() -> Spinner:
        spinner.update(text=line.text(perf_counter()))
        return spinner

    with Live(get_renderable=draw, console=Console(stderr=True), transient=True, refresh_per_second=8):
        yield line.update


@dataclass
class ProgressLine:
    """What is known now; facts that a report leaves out stay as they were within a phase."""

    started: float = field(default_factory=perf_counter)
    phase: str = "starting (the first time on a computer, compiling takes a while)"
    facts: dict[str, float] = field(default_factory=dict)
    time_left: float | None = None
    told: float = 0.0

    def update(self, progress: Progress) -> None:
        """Take note of a report."""
        if progress.phase != self.phase:
            self.phase = progress.phase
            self.facts = {}
        for name in _FACTS:
            value = getattr(progress, name)
            if value is not None:
                self.facts[name] = value
        # the end of a stage says how long the phase will take; reports between say nothing
        if progress.time_left is not None or not self.facts:
            self.time_left, self.told = progress.time_left, perf_counter()

    def text(self, now: float) -> Text:
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
        return Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")


def duration(seconds: float) -> str:
    """Seconds in the way people say them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
