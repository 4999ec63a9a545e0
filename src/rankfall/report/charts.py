"""The figures about one completion: pure functions of tables. None where there is nothing to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .tables import AxisCounts, HeldOutCells, History, RankErrors
from .theme import add_hover, color, counted, new_figure, ticks

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure

# Errors that span more than this factor are shown on a logarithmic axis.
_LOG_SPAN = 50.0
# Singular values are drawn down to this fraction of the largest.
DEPTH = 1e-5


def falling(history: History) -> Figure | None:
    """Singular values against steps on a logarithmic axis, every jump marked."""
    from bokeh.models import ColumnDataSource

    s, steps = history.singular_values, history.steps
    top = float(np.nanmax(s, initial=0.0))
    if steps.size < 2 or not top > 0:
        return None
    fig = new_figure(
        380,
        "SGD steps",
        "singular value (standardised)",
        y_axis_type="log",
        # room for a mark at the first record
        x_range=(float(steps[0]) - 0.012 * float(steps[-1] - steps[0]), float(steps[-1])),
        y_range=(DEPTH * top, 1.6 * top),
    )
    counted(fig.xaxis[0])
    drawn = [k for k in range(s.shape[1]) if np.nanmax(s[:, k], initial=0.0) > DEPTH * top]
    # a dead direction has no place on a logarithmic axis
    columns = {f"s{k}": np.where(s[:, k] > 0, s[:, k], np.nan).astype(np.float32) for k in drawn}
    source = ColumnDataSource({"step": steps, **columns})
    # fallen ones first, so that the kept ones are drawn over them
    for k in reversed(drawn):
        kept = k < history.kept
        role, width = ("kept", 2.0) if kept else ("fallen", 1.2)
        fig.line("step", f"s{k}", source=source, line_color=color(role), line_width=width)
    if history.jumps is not None and history.jumps.step.size:
        _mark_jumps(fig, history)
    return fig


def _mark_jumps(fig: Figure, history: History) -> None:
    from bokeh.models import ColumnDataSource

    jumps = history.jumps
    assert jumps is not None
    top = float(np.nanmax(history.singular_values))
    source = ColumnDataSource(
        {
            # a fall is marked where it begins, on the curve of the value that was still alive
            "at": np.where(jumps.falls, jumps.after, jumps.step),
            "step": jumps.step,
            "value": np.clip(np.nan_to_num(jumps.value), 1.3 * DEPTH * top, top),
            "change": [f"{a} to {b}" for a, b in zip(jumps.rank_from, jumps.rank_to, strict=True)],
            "note": list(jumps.note),
            "marker": ["inverted_triangle" if fall else "triangle" for fall in jumps.falls],
        }
    )
    marks = fig.scatter(
        "at", "value", marker="marker", source=source, size=11, name="jumps",
        fill_color=color("validation"), line_color=color("paper"),
    )  # fmt: skip
    add_hover(fig, [marks], [("step", "@step{0,0}"), ("rank", "@change"), ("why", "@note")])


def ridge(history: History, x_range: object) -> Figure | None:
    """The ridge along the same steps, when it changes."""
    values = history.ridge
    if values.size < 2 or not np.ptp(values) > 0 or not np.any(values > 0):
        return None
    fig = new_figure(130, "SGD steps", "ridge", y_axis_type="log", x_range=x_range)
    fig.toolbar_location = None
    counted(fig.xaxis[0])
    ticks(fig.yaxis[0], 3)
    # a schedule of stages: constant between them
    fig.step(
        history.steps,
        np.where(values > 0, values, np.nan),
        mode="before",
        line_color=color("soft"),
        line_width=1.6,
    )
    return fig


def errors(table: RankErrors) -> Figure | None:
    """Training and held-out error of the candidate at each rank, the delivered one marked."""
    both = np.concatenate([table.train, table.validation])
    finite = both[np.isfinite(both)]
    # the error of a single rank is a number, not a curve
    if not finite.size or table.rank.size < 2:
        return None
    positive = finite[finite > 0]
    log = bool(positive.size and positive.max() > _LOG_SPAN * positive.min())
    low, high = _span(positive, finite, log)
    first, last = float(table.rank.min()), float(table.rank.max())
    pad = max((last - first) * 0.03, 0.5)
    fig = new_figure(
        340,
        "rank",
        table.label,
        y_axis_type="log" if log else "linear",
        x_range=(first - pad, last + pad),
        y_range=(low, high),
    )
    ticks(fig.xaxis[0], 8, whole=True)
    if table.chosen is not None:
        _mark_choice(fig, int(table.rank[table.chosen]), last, high)
    order = np.argsort(table.rank, kind="stable")
    for name, values, role in (
        ("training", table.train, "train"),
        ("held-out", table.validation, "validation"),
    ):
        known = order[np.isfinite(values[order])]
        if known.size:
            _error_curve(
                fig,
                table.rank[known],
                values[known],
                np.maximum(values[known], low) if log else values[known],
                name,
                role,
            )
    return fig


def _span(positive: np.ndarray, finite: np.ndarray, log: bool) -> tuple[float, float]:
    if log:
        return float(positive.min()) / 3, float(positive.max()) * 3
    # room above the curves for the words about the choice
    return 0.0, float(finite.max()) * 1.2 or 1.0


def _mark_choice(fig: Figure, rank: int, last: float, high: float) -> None:
    from bokeh.models import Label, Span

    fig.add_layout(
        Span(
            location=rank,
            dimension="height",
            line_color=color("kept"),
            line_dash=[2, 4],
            line_width=1.6,
        )
    )
    right = rank > last / 2
    fig.add_layout(
        Label(
            x=rank,
            y=high,
            x_offset=-6 if right else 6,
            y_offset=-4,
            text_baseline="top",
            text=f"delivered: rank {rank}",
            text_align="right" if right else "left",
            text_color=color("kept"),
            text_font_size="13px",
            text_font_style="bold",
        )
    )


def _error_curve(
    fig: Figure, rank: np.ndarray, error: np.ndarray, shown: np.ndarray, name: str, role: str
) -> None:
    from bokeh.models import ColumnDataSource

    source = ColumnDataSource({"rank": rank, "error": error, "shown": shown})
    dashed, mark = ("dashed", "square") if role == "train" else ("solid", "circle")
    fig.line("rank", "shown", source=source, line_color=color(role), line_width=2, line_dash=dashed)
    points = fig.scatter(
        "rank", "shown", source=source, marker=mark, size=8, name=f"{role} errors",
        fill_color=color(role), line_color=color("paper"),
    )  # fmt: skip
    add_hover(fig, [points], [("rank", "@rank"), (f"{name} error", "@error{0.[0000]e+0}")])


def held_out(cells: HeldOutCells) -> Figure | None:
    """Held-out values against their predictions.

    Those outside their interval have another colour and shape.
    """
    from bokeh.models import ColumnDataSource, Slope

    if not cells.observed.size:
        return None
    ends = np.concatenate([cells.observed, cells.predicted])
    low, high = float(ends.min()), float(ends.max())
    pad = 0.04 * (high - low) or 1.0
    span = (low / 1.15, high * 1.15) if cells.log else (low - pad, high + pad)
    kind = "log" if cells.log else "linear"
    fig = new_figure(
        380, f"predicted {cells.label}", f"held-out {cells.label}",
        x_axis_type=kind, y_axis_type=kind, x_range=span, y_range=span,
    )  # fmt: skip
    fig.xgrid.grid_line_color = color("grid")
    fig.add_layout(Slope(gradient=1, y_intercept=0, line_color=color("soft"), line_width=1.4))
    inside = (cells.low <= cells.observed) & (cells.observed <= cells.high)
    for chosen, role, mark, size in ((inside, "kept", "circle", 6), (~inside, "validation", "diamond", 9)):
        at = np.flatnonzero(chosen)
        source = ColumnDataSource(
            {
                "predicted": cells.predicted[at],
                "observed": cells.observed[at],
                "low": cells.low[at],
                "high": cells.high[at],
                "row": [cells.row[k] for k in at],
                "col": [cells.col[k] for k in at],
            }
        )
        points = fig.scatter(
            "predicted", "observed", source=source, marker=mark, size=size, fill_alpha=0.65,
            fill_color=color(role), line_color=None, name="held-out cells",
        )  # fmt: skip
        number = "{0.[0000]a}"
        lines = [("row", "@row"), ("column", "@col")]
        lines += [(name, f"@{name}{number}") for name in ("observed", "predicted")]
        lines += [(f"{cells.coverage:.0%} interval", f"@low{number} to @high{number}")]
        add_hover(fig, [points], lines)
    return fig


def coverage(cells: HeldOutCells) -> Figure | None:
    """The share of held-out cells inside their intervals against the share asked for."""
    from bokeh.models import ColumnDataSource, NumeralTickFormatter, Slope

    if not cells.nominal.size:
        return None
    fig = new_figure(
        380,
        "coverage asked for",
        "held-out cells covered",
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
    )
    for axis in (fig.xaxis[0], fig.yaxis[0]):
        axis.formatter = NumeralTickFormatter(format="0%")
    fig.xgrid.grid_line_color = color("grid")
    fig.add_layout(Slope(gradient=1, y_intercept=0, line_color=color("soft"), line_width=1.4))
    source = ColumnDataSource({"nominal": cells.nominal, "realised": cells.realised})
    fig.line("nominal", "realised", source=source, line_color=color("kept"), line_width=2)
    points = fig.scatter(
        "nominal", "realised", source=source, size=8, fill_color=color("kept"), line_color=color("paper")
    )
    add_hover(fig, [points], [("asked for", "@nominal{0%}"), ("covered", "@realised{0.0%}")])
    return fig


def axis_counts(counts: AxisCounts) -> Figure | None:
    """Observed cells per row and per column, sorted, against the rank that each must be able to determine."""
    from bokeh.models import ColumnDataSource, NumeralTickFormatter, Span

    if not counts.rows.size or not counts.cols.size:
        return None
    most = float(max(counts.rows.max(), counts.cols.max(), counts.rank, 1))
    fig = new_figure(
        300,
        "share of rows or columns with so few cells",
        "observed cells",
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.08 * most),
    )
    fig.xaxis[0].formatter = NumeralTickFormatter(format="0%")
    for values, total, name, role, dash in (
        (counts.rows, counts.n_rows, "row", "kept", "solid"),
        (counts.cols, counts.n_cols, "column", "validation", "dashed"),
    ):
        share = (np.arange(values.size) + 1) / values.size
        place = np.rint(share * total).astype(np.int64)
        source = ColumnDataSource({"share": share, "cells": values, "place": place})
        curve = fig.line(
            "share", "cells", source=source, line_color=color(role), line_width=2, line_dash=dash
        )
        add_hover(
            fig,
            [curve],
            [(f"{name}s with so few", "@place{0,0}"), ("observed cells", "@cells{0,0}")],
        )
    if counts.rank:
        fig.add_layout(
            Span(location=counts.rank, dimension="width", line_color=color("soft"), line_dash=[2, 4])
        )
    return fig
