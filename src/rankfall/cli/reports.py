"""``rankfall report``: the HTML page of a saved completion or trace, or of the folder of a study or sweep."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..files import archive_kind, atomic_path
from ..report import render
from .outputs import check_outputs
from .show import Printer

if TYPE_CHECKING:
    from ..completion import Completion


def run(result: Path, page: Path, as_json: bool = False) -> None:
    """Write the page of a saved result."""
    check_outputs({"RESULT": result}, {"PAGE": page})
    kind = _write(result, page)
    if as_json:
        Printer(sys.stdout).json({"input": str(result), "kind": kind, "report": str(page)})
    else:
        Printer(sys.stdout).text(f"Wrote {page}. Next: open it in a browser; it needs no network.")


def _write(result: Path, page: Path) -> str:
    """Write the page; what kind of result it shows."""
    if result.is_dir():
        write_study_report(result, page)
        return "sweep"
    kind = archive_kind(result)
    if kind == "completion":
        from ..completion import load

        completion = load(result)
        write_report(getattr(completion, "latent", completion), page)
    elif kind == "rankfall trace":
        from ..dynamics import Trace
        from ..report.adapters.trace import trace_tables

        write_page(render(trace_tables(Trace.load(result), title=result.name)), page)
        return "trace"
    else:
        raise InputError(f"{result} holds a {kind}; there are reports of completions and of traces.")
    return kind


def write_report(completion: Completion, page: Path) -> None:
    """Write the page of a completion, whole or not at all."""
    from ..report.adapters.completion import report_tables

    error = "root mean square error"
    tables = report_tables(
        completion,
        title=str(completion.settings.get("source", "Completed matrix")),
        error_label=error if completion.scale == "linear" else f"{error} of the logarithms",
    )
    write_page(render(tables), page)


def write_study_report(folder: Path, page: Path, command: str | None = None) -> None:
    """Write the page of a study's or a sweep's folder, whole or not at all."""
    from ..report.adapters.study import study_tables

    write_page(render(study_tables(folder, command)), page)


def write_page(text: str, page: Path) -> None:
    """Write a page, whole or not at all."""
    with atomic_path(page) as temporary:
        # names of files need not be text
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
