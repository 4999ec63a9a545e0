"""``rankfall report``: the HTML page of a completion."""

from __future__ import annotations

from pathlib import Path

from ..completion import Completion, load
from ..completion.report_tables import report_tables
from ..files import atomic_path
from ..report import render
from .outputs import check_outputs


def run(result: Path, page: Path) -> None:
    """Write the page of a saved result."""
    check_outputs({"RESULT": result}, {"PAGE": page})
    write_report(load(result), page)
    print(f"Wrote {page}.")


def write_report(completion: Completion, page: Path) -> None:
    """Write the page, whole or not at all."""
    error = "root mean square error"
    tables = report_tables(
        completion,
        title=str(completion.settings.get("source", "Completed matrix")),
        error_label=error if completion.scale == "linear" else f"{error} of the logarithms",
    )
    with atomic_path(page) as temporary:
        temporary.write_text(render(tables), encoding="utf-8")
