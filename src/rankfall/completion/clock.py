"""The clock of a running completion: what it reports, and how it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from math import inf


@dataclass(frozen=True)
class Progress:
    """What a ``callback`` of :func:`rankfall.complete` is told.

    Attributes
    ----------
    phase : str
        What is being done, in a few words.
    rank : int or None
        Numerical rank now.
    ridge : float or None
        Ridge now, in the units of the standardised data.
    train_rmse, validation_rmse : float or None
        Errors now, in the units of the data as they were given.
    steps_per_second : float or None
        SGD steps per second, all chains together.
    fraction : float or None
        Part of the present phase that is done, 0 to 1.
    seconds : float
        Since the start.
    time_left : float or None
        Estimated seconds to the end of the present phase (or to ``max_time``, if that is sooner).
    """

    phase: str
    rank: int | None = None
    ridge: float | None = None
    train_rmse: float | None = None
    validation_rmse: float | None = None
    steps_per_second: float | None = None
    fraction: float | None = None
    seconds: float = 0.0
    time_left: float | None = None


class OutOfTime(Exception):
    """Raised between two pieces of work when ``max_time`` has passed."""


class Ending(Enum):
    """How a question ended."""

    COMPLETE = "complete"
    OUT_OF_TIME = "out of time"
    INTERRUPTED = "interrupted"


@dataclass
class Clock:
    """Time and reports of one call of :func:`rankfall.complete`: the only thing handed down that changes.

    Parameters
    ----------
    max_time : float or None
        Seconds from the start after which :meth:`check` stops the run.
    callback : callable or None
        Told a :class:`Progress` now and then.
    unit : float
        What the errors that the search reports are multiples of.
    started : float
        Of ``time.perf_counter``.
    """

    max_time: float | None = None
    callback: Callable[[Progress], None] | None = None
    unit: float = 1.0
    started: float = field(default_factory=time.perf_counter)
    _phase: tuple[str, float] = ("", 0.0)
    _deadline: float = inf

    def __post_init__(self) -> None:
        if self.max_time is not None:
            self._deadline = self.max_time

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def check(self) -> None:
        """Stop here if the time is over."""
        if self.seconds > self._deadline:
            raise OutOfTime

    @contextmanager
    def part(self, fraction: float) -> Iterator[None]:
        """Inside, the time is over when this fraction of what is left has been used up."""
        whole = self._deadline
        if whole < inf:
            self._deadline = self.seconds + fraction * (whole - self.seconds)
        try:
            yield
        finally:
            self._deadline = whole

    def report(self, phase: str, fraction: float | None = None, **facts: float | None) -> None:
        """Tell the callback, then stop here if the time is over."""
        self.tell(phase, fraction, **facts)
        self.check()

    def tell(self, phase: str, fraction: float | None = None, **facts: float | None) -> None:
        """Tell the callback, if there is one."""
        if self.callback is not None:
            now = self.seconds
            if self._phase[0] != phase:
                self._phase = (phase, now)
            left = None
            if fraction and now - self._phase[1] > 0.1:
                left = (now - self._phase[1]) * (1 - fraction) / fraction
            if self.max_time is not None:
                rest = max(self.max_time - now, 0.0)
                left = rest if left is None else min(left, rest)
            for name in ("train_rmse", "validation_rmse"):
                if facts.get(name) is not None:
                    facts[name] = float(facts[name]) * self.unit  # type: ignore[arg-type]
            self.callback(
                Progress(phase=phase, fraction=fraction, seconds=now, time_left=left, **facts)  # type: ignore[arg-type]
            )
