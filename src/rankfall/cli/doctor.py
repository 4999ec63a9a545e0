"""``rankfall doctor``: printing what the checks of :mod:`rankfall.doctor` find."""

from __future__ import annotations

import sys

from rich.console import Console

from ..doctor import Check, examine
from .exit_codes import NOT_CONVERGED
from .show import Printer

_SLOW = " (the first time on a computer, the kernels are compiled: some twenty seconds)"


def run(as_json: bool, quiet: bool) -> int:
    """Make the checks and print them; 0 if all passed, 3 otherwise."""
    printer = Printer(sys.stdout, as_json)
    # a line on a terminal that says what is being checked; it disappears at the end
    line = Console(stderr=True, quiet=quiet or not sys.stderr.isatty()).status("")

    def starting(name: str) -> None:
        line.update(f"checking: {name}{_SLOW if name == 'completion' else ''}")
        line.start()

    def told(check: Check) -> None:
        line.stop()
        if not as_json:
            printer.text(str(check))

    try:
        report = examine(starting, told)
    finally:
        line.stop()
    if as_json:
        printer.json(report.as_dict())
    else:
        printer.text(f"\n{report.verdict} For the report of a bug, copy all of this.")
    return 0 if report.ok else NOT_CONVERGED
