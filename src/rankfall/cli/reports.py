"""``rankfall report``: the HTML page of a saved completion or trace, or of the folder of a study or sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..files import archive_kind, atomic_path
from ..report import render
from .outputs import check_outputs

if TYPE_CHECKING:
    from ..completion import Completion


def run(result: Path, page: Path) -> None:
    """Write the page of a saved result."""
    check_outputs({"RESULT": result}, {"PAGE": page})
    if result.is_dir():
        write_study_report(result, page)
        print(f"Wrote {page}.")
        return
    kind = archive_kind(result)
    if kind == "completion":
        from ..completion import load

        write_report(load(result), page)
    elif kind == "rankfall trace":
        from ..dynamics import Trace
        from ..lab.trace_report import trace_tables

        write_page(render(trace_tables(Trace.load(result), title=result.name)), page)
    else:
        raise InputError(f"{result} holds a {kind}; there are reports of completions and of traces.")
    print(f"Wrote {page}.")


def write_report(completion: Completion, page: Path) -> None:
    """Write the page of a completion, whole or not at all."""
    from ..completion.report_tables import report_tables

    error = "root mean square error"
    tables = report_tables(
        completion,
        title=str(completion.settings.get("source", "Completed matrix")),
        error_label=error if completion.scale == "linear" else f"{error} of the logarithms",
    )
    write_page(render(tables), page)


def write_study_report(folder: Path, page: Path, command: str | None = None) -> None:
    """Write the page of a study's or a sweep's folder, whole or not at all."""
    from ..lab.study_report import study_tables

    write_page(render(study_tables(folder, command)), page)


def write_page(text: str, page: Path) -> None:
    """Write a page, whole or not at all."""
    with atomic_path(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
