"""``rankfall demo``: run it and print what it found."""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import Outcome
from ..lab.demo import run_demo
from .progress import live_progress
from .show import Printer


def run(folder: Path, seed: int, quiet: bool) -> Outcome:
    """Run the demonstration; how its completion ended."""
    with live_progress(quiet) as callback:
        result = run_demo(folder, seed, callback)
    printer = Printer(sys.stdout)
    m, n = result.completion.shape
    printer.text(
        f"Beijing, PM2.5: {m:,} days x {n:,} station hours. {result.n_hidden:,} known cells (a fifth) were hidden;\n"
        "every method filled them in, in the logarithm.\n"
    )
    printer.table(result.comparison)
    if result.path is not None:
        printer.text("\nThe ranks that rankfall visited (errors of log PM2.5):\n")
        printer.table(result.path, note="chosen")
    printer.text(f"\n{result.completion.summary()}")
    written = [path for path in (result.csv, result.page, result.picture) if path is not None]
    printer.text(f"Wrote {', '.join(map(str, written))}.")
    return result.completion.outcome
