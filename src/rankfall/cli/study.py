"""``rankfall study``: packaged studies, their claims and figures."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from ..errors import InputError
from ..lab.claims import Claim
from ..lab.packaged_study import RESULTS, StudyResult, run_study
from ..lab.studies import study_names, study_path
from ..lab.sweep.config import read_study
from ..progress_display import duration
from ..report import TextTable
from .exit_codes import NOT_CONVERGED
from .show import Printer, plural
from .sweep import PageWanted, Where, interrupted, report_command, sweep_facts, tell_troubles
from .sweep_progress import sweep_progress

_ALL = "all"
_HOME = Path("study-output")


def list_studies(as_json: bool = False) -> None:
    """Print the names of the packaged studies, with their numbers of cells."""
    printer = Printer(sys.stdout)
    counts = {
        name: [len(read_study(study_path(name), quick).cells) for quick in (False, True)]
        for name in study_names()
    }
    if as_json:
        studies = [{"study": name, "cells": full, "quick": quick} for name, (full, quick) in counts.items()]
        printer.json({"studies": studies})
        return
    rows = tuple((name, f"{full:,}", f"{quick:,}") for name, (full, quick) in counts.items())
    printer.table(TextTable(("study", "cells", "cells of --quick"), rows))


def run(
    name: str | None,
    out: Path | None,
    quick: bool,
    where: Where,
    page: PageWanted | None = None,
    as_json: bool = False,
) -> int:
    """Run one study, or all, and print the claims (with `as_json` a line for each study); the exit code."""
    if name is None:
        raise InputError(f"Name a study, or say all; the studies are: {', '.join(study_names())}.")
    if name == _ALL and page is not None:
        raise InputError(
            "--report writes the page of one study; name one, or use rankfall report on each folder."
        )
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
                return interrupted(folder, as_json)
            if page is not None:
                page.write(folder)
            tell = _print_facts if as_json else _tell
            tell(result, None if page is None else page.path)
            failed |= result.sweep.failed > 0
    return NOT_CONVERGED if failed else 0


def _print_facts(result: StudyResult, page: Path | None) -> None:
    judged = not result.sweep.failed
    facts = {
        "claims": [asdict(claim) for claim in result.claims],
        "files": [str(result.folder / file) for file in RESULTS] if judged else [],
        "report": None if page is None else str(page),
    }
    Printer(sys.stdout).json({**sweep_facts(result.name, result.sweep, result.folder), **facts})


def _tell(result: StudyResult, page: Path | None) -> None:
    printer = Printer(sys.stdout)
    sweep = result.sweep
    tell_troubles(sweep, result.folder)
    if sweep.failed:
        printer.text(f"{result.name}: not judged, because cells failed.")
        if page is not None:
            printer.text(f"Wrote {page}.")
        return
    printer.text(f"{result.name}: {plural(sweep.n_cells, 'cell')}, {duration(sweep.seconds)}\n")
    printer.table(_claims(result.claims))
    printer.text(f"\nWrote {', '.join(RESULTS)} into {result.folder}.")
    printer.text(f"Wrote {page}.\n" if page is not None else f"Next: {report_command(result.folder)}\n")


def _claims(claims: tuple[Claim, ...]) -> TextTable:
    rows = tuple(
        (claim.statement, f"{claim.estimate:.4g}", f"{claim.low:.4g} to {claim.high:.4g}", claim.verdict)
        for claim in claims
    )
    return TextTable(("claim", "estimate", "interval", "verdict"), rows)
