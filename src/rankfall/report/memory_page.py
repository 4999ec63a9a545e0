"""The sections of the page of a network's rank memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .memory_tables import LayerRanks, MemoryTables
from .parts import Chart, Key, ListPart, Page, Part, Section, TablePart, last_sections
from .theme import add_hover, color, counted, new_figure, ticks

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure

_KEYS = (
    Key("kept", "rank today"),
    Key("train", "bound by Theorem S1", "dashed"),
    Key("validation", "certified by the log", "dotted"),
)


def memory_page(tables: MemoryTables) -> Page:
    """Layers with their ranks, why nothing is certified, and the ranks along the run."""
    parts: list[Part] = [TablePart(tables.layers)]
    if tables.reasons:
        parts.append(ListPart(tables.reasons, "Where nothing is certified, and why"))
    sections = [
        Section(
            "Layers",
            tuple(parts),
            "A certified rank is proved from the log of the run; it is no estimate, and may lie far above "
            "the rank of today. Vacuous: the log proves nothing below the size of the matrix.",
        )
    ]
    charts = tuple(_chart(k, curve) for k, curve in enumerate(tables.curves) if curve.steps.size > 1)
    if charts:
        sections.append(Section("Ranks along the run", charts))
    sections += last_sections((), tables.settings, ())
    return Page(tables.title, tables.subtitle, tables.found, tables.headline, tuple(sections))


def _chart(number: int, curve: LayerRanks) -> Chart:
    last = curve.certified[-1]
    words = f"at the end {last:.0f} are certified" if np.isfinite(last) else "at the end none is certified"
    described = (
        f"Line chart of the rank of {curve.name} against steps; it ends at {curve.today[-1]:.0f} of "
        f"{curve.limit}, and {words}."
    )
    return Chart(f"memory-{number}", (_ranks(curve),), described, title=curve.name, keys=_KEYS)


def _ranks(curve: LayerRanks) -> Figure:
    from bokeh.models import ColumnDataSource

    fig = new_figure(
        260,
        "steps",
        "rank",
        x_range=(float(curve.steps[0]), float(curve.steps[-1])),
        y_range=(0.0, 1.08 * curve.limit),
    )
    counted(fig.xaxis[0])
    ticks(fig.yaxis[0], 6, whole=True)
    for name, values, role, dash in (
        ("certified", curve.certified, "validation", "dotted"),
        ("Theorem S1", curve.bound, "train", "dashed"),
        ("today", curve.today, "kept", "solid"),
    ):
        if np.isfinite(values).any():
            source = ColumnDataSource({"step": curve.steps, "rank": values})
            line = fig.line(
                "step", "rank", source=source, line_color=color(role), line_dash=dash, line_width=2
            )
            add_hover(fig, [line], [("step", "@step{0,0}"), (name, "@rank{0,0}")])
    return fig
