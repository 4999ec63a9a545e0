"""The page and the picture of the demonstration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...files import atomic_path
from ...lab.demo import DemoResult
from ..page import render
from ..tables import ReportTables, TextTable
from .completion import report_tables

_UNIT = "log µg/m³"


@dataclass(frozen=True)
class DemoPage:
    """What was written about a demonstration.

    Attributes
    ----------
    comparison : TextTable
        The scores of all methods, ready to print.
    path : TextTable or None
        The ranks tried, ready to print.
    page : Path
        The report.
    picture : Path or None
        The report's figures as one picture; None if the run was stopped before there was anything to draw.
    """

    comparison: TextTable
    path: TextTable | None
    page: Path
    picture: Path | None


def write_demo_page(result: DemoResult) -> DemoPage:
    """Write ``report.html`` and ``demo.png`` beside the completed table."""
    scores, folder = result.scores, result.csv.parent
    comparison = TextTable(
        ("method", "RMSE on hidden cells", "seconds"),
        tuple((s.method, f"{s.rmse:.3f}", f"{s.seconds:.1f}") for s in scores),
        marked=len(scores) - 1,
    )
    tables = report_tables(
        result.completion,
        title="Beijing air quality, PM2.5",
        value_label=f"log PM2.5 ({_UNIT})",
        error_label=f"RMSE ({_UNIT})",
        row_label="days",
        col_label="station hours",
        comparison=comparison,
    )
    page = folder / "report.html"
    with atomic_path(page) as temporary:
        Path(temporary).write_text(render(tables), encoding="utf-8")
    return DemoPage(comparison, tables.path, page, _write_picture(folder / "demo.png", tables))


def _write_picture(path: Path, tables: ReportTables) -> Path | None:
    from ...plot import overview

    history, errors, maps = tables.history, tables.errors, tables.heat_maps
    if history is None or errors is None or errors.chosen is None or maps is None:
        return None
    figure = overview(
        history.steps,
        history.singular_values,
        errors.rank,
        errors.train,
        errors.validation,
        errors.chosen,
        maps.before,
        maps.after,
        maps.shape,
        maps.label,
        "day",
        "station and hour",
        errors.label,
    )
    with atomic_path(path) as temporary:
        # matplotlib leaves the types of the options open
        figure.savefig(temporary, format="png")  # pyright: ignore[reportUnknownMemberType]
    return path
