"""The figures about many chains: overlaid, their jumps, and how long they stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .charts import DEPTH
from .lab_tables import Chains, Raster, SurvivalCurve
from .theme import SERIES, add_hover, color, counted, new_figure, ticks

if TYPE_CHECKING:
    from bokeh.models import Renderer
    from bokeh.plotting import figure as Figure


def overlaid(chains: Chains) -> Figure | None:
    """Singular values of every chain on one logarithmic axis; a colour for each place in the spectrum."""
    from bokeh.models import ColumnDataSource

    s = chains.singular_values
    top = float(np.nanmax(s, initial=0.0))
    if chains.steps.size < 2 or not top > 0:
        return None
    fig = new_figure(
        380,
        "steps",
        "singular value",
        y_axis_type="log",
        x_range=(float(chains.steps[0]), float(chains.steps[-1])),
        y_range=(DEPTH * top, 1.6 * top),
    )
    counted(fig.xaxis[0])
    drawn = [k for k in range(s.shape[2]) if np.nanmax(s[:, :, k], initial=0.0) > DEPTH * top]
    alpha = float(np.clip(4 / max(len(s), 1), 0.3, 0.9))
    lines: list[Renderer] = []
    for chain, values in zip(chains.number, s, strict=True):
        columns = {
            f"s{k}": np.where(values[:, k] > 0, values[:, k], np.nan).astype(np.float32) for k in drawn
        }
        source = ColumnDataSource({"step": chains.steps, **columns})
        for k in reversed(drawn):
            line = fig.line(
                "step", f"s{k}", source=source, name=f"{chain}",
                line_color=color(SERIES[k % len(SERIES)]), line_alpha=alpha, line_width=1.4,
            )  # fmt: skip
            lines.append(line)
    add_hover(
        fig, lines, [("chain", "$name"), ("step", "@step{0,0}"), ("singular value", "$snap_y{0.[000]a}")]
    )
    return fig


def raster(table: Raster) -> Figure | None:
    """One line of marks for each chain: where its rank fell (▼) or rose (▲)."""
    from bokeh.models import ColumnDataSource

    if not table.chains:
        return None
    n = len(table.chains)
    fig = new_figure(
        int(np.clip(150 + 14 * n, 200, 460)),
        "steps",
        "chain",
        x_range=(float(table.begin), float(max(table.end, table.begin + 1))),
        y_range=(-0.8, n - 0.2),
    )
    counted(fig.xaxis[0])
    ticks(fig.yaxis[0], 6, whole=True)
    jumps = table.jumps
    place = {chain: k for k, chain in enumerate(table.chains)}
    for falls, role, mark in ((True, "kept", "inverted_triangle"), (False, "validation", "triangle")):
        at = np.flatnonzero(jumps.falls == falls)
        source = ColumnDataSource(
            {
                "step": jumps.step[at],
                "place": [place[int(chain)] for chain in jumps.chain[at]],
                "chain": jumps.chain[at],
                "change": [f"{jumps.rank_from[k]} to {jumps.rank_to[k]}" for k in at],
                "note": [jumps.note[k] for k in at],
            }
        )
        marks = fig.scatter(
            "step", "place", source=source, marker=mark, size=9 if n <= 40 else 6, fill_alpha=0.85,
            fill_color=color(role), line_color=color("paper"), name="falls" if falls else "rises",
        )  # fmt: skip
        lines = [("step", "@step{0,0}"), ("chain", "@chain"), ("rank", "@change"), ("when", "@note")]
        add_hover(fig, [marks], lines)
    return fig


def survival(curves: tuple[SurvivalCurve, ...]) -> Figure | None:
    """Share of chains that have not fallen so far, with intervals."""
    from bokeh.models import NumeralTickFormatter

    curves = tuple(curve for curve in curves if curve.step.size)
    if not curves:
        return None
    begin = min(curve.begin for curve in curves)
    end = max(float(curve.step[-1]) for curve in curves)
    fig = new_figure(
        320,
        "steps",
        "share not yet fallen",
        x_range=(float(begin), max(end, begin + 1.0)),
        y_range=(0.0, 1.03),
    )
    counted(fig.xaxis[0])
    fig.yaxis[0].formatter = NumeralTickFormatter(format="0%")
    for k, curve in enumerate(curves):
        _survival_curve(fig, curve, SERIES[k % len(SERIES)], _DASHES[k % len(_DASHES)])
    return fig


_DASHES = ("solid", "dashed", "dotted", "dotdash")


def _survival_curve(fig: Figure, curve: SurvivalCurve, role: str, dash: str) -> None:
    from bokeh.models import ColumnDataSource

    # corners of the step function: the old level up to each step, the new one from there
    step = np.concatenate([[curve.begin], np.repeat(curve.step, 2)])
    corners = {
        name: np.repeat(np.concatenate([[1.0], getattr(curve, name)]), 2)[:-1]
        for name in ("survival", "low", "high")
    }
    fig.varea(x=step, y1=corners["low"], y2=corners["high"], fill_color=color(role), fill_alpha=0.13)
    fig.line(step, corners["survival"], line_color=color(role), line_width=2, line_dash=dash)
    source = ColumnDataSource(
        {
            "step": curve.step,
            "survival": curve.survival,
            "low": curve.low,
            "high": curve.high,
            "at_risk": curve.at_risk,
        }
    )
    points = fig.scatter(
        "step", "survival", source=source, size=5, fill_color=color(role), line_color=None, name="survival"
    )
    lines = [("step", "@step{0,0}"), (f"not yet at rank {curve.rank}", "@survival{0.0%}")]
    lines += [("interval", "@low{0.0%} to @high{0.0%}"), ("chains at risk", "@at_risk{0,0}")]
    add_hover(fig, [points], lines)
