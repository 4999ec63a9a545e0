"""What ``rankfall complete`` was asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..completion.options import Options, default_of
from ..errors import InputError
from .bounds_option import AskedBounds
from .reading import Reading


@dataclass(frozen=True)
class Job:
    """What was asked for on the command line.

    Attributes
    ----------
    asked : mapping
        Options of :func:`rankfall.complete` by name, as they stand on the command line.
    """

    source: Path
    out: Path
    asked: Mapping[str, Any]
    report: Path | None = None
    save: Path | None = None
    cells: Path | None = None
    interval: float | None = None
    draws: int | None = None
    certificate: bool = False
    reading: Reading = field(default_factory=Reading)
    positions: str | None = None
    groups: str | None = None
    rounded: bool = True
    log: bool = False
    compare: bool = False
    as_json: bool = False
    quiet: bool = False
    command: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def options(self) -> Options:
        """The options, checked."""
        max_time = self.asked["max_time"]
        if max_time is not None and not max_time > 0:
            raise InputError(f"--max-time must be a positive number of seconds, not {max_time:g}.")
        given = {"scale": _scale(self.asked["scale"], self.log), "bounds": None}
        return Options.of({**self.asked, **given})

    def bounds(self) -> AskedBounds:
        """What ``--bounds`` asked for; the columns that it names are looked up when the table is read."""
        return AskedBounds.read(self.asked["bounds"] or ())


def _scale(scale: str | None, log: bool) -> str:
    """The scale, of which ``--log`` is another spelling."""
    if log and scale not in (None, "log"):
        raise InputError(f"--log is short for --scale log, which contradicts --scale {scale}.")
    return "log" if log else scale or default_of("scale")
