"""``rankfall demo``: run it and print what it found."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from ..errors import Outcome
from ..lab.demo import DemoResult, run_demo
from ..report.adapters.demo import DemoPage, write_demo_page
from .progress import live_progress
from .show import Printer


def run(folder: Path, seed: int, as_json: bool, quiet: bool) -> Outcome:
    """Run the demonstration; how it ended."""
    with live_progress(quiet) as callback:
        result = run_demo(folder, seed, callback)
    written = write_demo_page(result)
    outcome = Outcome.INTERRUPTED if result.interrupted else result.completion.outcome
    printer = Printer(sys.stdout)
    if as_json:
        printer.json({**_facts(result, written), "outcome": outcome.value})
        return outcome
    m, n = result.completion.shape
    printer.text(
        f"Beijing, PM2.5: {m:,} days x {n:,} station hours. {result.n_hidden:,} known cells (a fifth) were "
        "hidden;\nevery method filled them in, in the logarithm.\n"
    )
    printer.table(written.comparison)
    if written.path is not None:
        printer.text("\nThe ranks that rankfall visited (errors of log PM2.5):\n")
        printer.table(written.path, note="chosen")
    printer.text(f"\n{result.completion.summary()}")
    printer.text(f"Wrote {', '.join(_files(result, written))}.")
    if result.interrupted:
        printer.text(
            "Interrupted: methods are missing, or rankfall was not done. The same command starts again."
        )
    else:
        printer.text(f"Next: open {written.page} in a browser, then rankfall complete YOUR.csv -o filled.csv")
    return outcome


def _files(result: DemoResult, written: DemoPage) -> list[str]:
    return [str(path) for path in (result.csv, written.page, written.picture) if path is not None]


def _facts(result: DemoResult, written: DemoPage) -> dict[str, object]:
    return {
        "shape": list(result.completion.shape),
        "hidden": result.n_hidden,
        "scores": [asdict(score) for score in result.scores],
        "rank": result.completion.rank,
        "warnings": list(result.completion.warnings),
        "files": _files(result, written),
        "interrupted": result.interrupted,
    }
