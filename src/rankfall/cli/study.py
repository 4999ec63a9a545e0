"""``rankfall study``: packaged studies, their claims and figures."""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import InputError
from ..lab.claims import Claim
from ..lab.packaged import RESULTS, StudyResult, run_study
from ..lab.reading import read_study
from ..lab.studies import study_names, study_path
from ..report import TextTable
from .failures import NOT_CONVERGED
from .progress import duration
from .show import Printer, plural
from .sweep import Where, interrupted, tell_troubles
from .sweep_progress import sweep_progress

_ALL = "all"
_HOME = Path("study-output")


def list_studies() -> None:
    """Print the names of the packaged studies, with their numbers of cells."""
    rows = []
    for name in study_names():
        full, quick = (len(read_study(study_path(name), quick).cells) for quick in (False, True))
        rows.append((name, f"{full:,}", f"{quick:,}"))
    Printer(sys.stdout).table(TextTable(("study", "cells", "cells of --quick"), tuple(rows)))


def run(name: str | None, out: Path | None, quick: bool, where: Where) -> int:
    """Run one study, or all, and print the claims; the exit code."""
    if name is None:
        raise InputError(f"Name a study, or say all; the studies are: {', '.join(study_names())}.")
    names = study_names() if name == _ALL else (name,)
    folders: dict[str, Path] = {}
    for each in names:
        study_path(each)
        folders[each] = (out or _HOME) / each if name == _ALL or out is None else out
    failed = False
    with where.executor() as (executor, workers):
        for each, folder in folders.items():
            try:
                with sweep_progress(each, where.quiet) as progress:
                    result = run_study(each, folder, quick, executor, workers, progress)
            except KeyboardInterrupt:
                return interrupted(folder)
            _tell(result)
            failed |= result.sweep.failed > 0
    return NOT_CONVERGED if failed else 0


def _tell(result: StudyResult) -> None:
    printer = Printer(sys.stdout)
    sweep = result.sweep
    tell_troubles(sweep, result.folder)
    if sweep.failed:
        printer.text(f"{result.name}: not judged, because cells failed.")
        return
    printer.text(f"{result.name}: {plural(sweep.n_cells, 'cell')}, {duration(sweep.seconds)}\n")
    printer.table(_claims(result.claims))
    printer.text(f"\nWrote {', '.join(RESULTS)} into {result.folder}.\n")


def _claims(claims: tuple[Claim, ...]) -> TextTable:
    rows = tuple(
        (claim.statement, f"{claim.estimate:.4g}", f"{claim.low:.4g} to {claim.high:.4g}", claim.verdict)
        for claim in claims
    )
    return TextTable(("claim", "estimate", "interval", "verdict"), rows)
