"""The figures of the page, as SVG text."""

from __future__ import annotations

import numpy as np

from .png import colours, heat_map
from .svg import Scale, drawing, frame, nice_number, polylines, text
from .tables import HeatMaps, History, RankErrors

_WIDTH = 920
_LEFT, _RIGHT = 76, 24
# Errors that span more than this factor are shown on a logarithmic axis.
_LOG_SPAN = 50.0
# Singular values are drawn down to this fraction of the largest.
_DEPTH = 1e-5


def falling(history: History) -> str:
    """Singular values against steps on a logarithmic axis, with the ridge below when it changes."""
    s, steps = history.singular_values, history.steps
    top = float(np.nanmax(s, initial=0.0))
    if steps.size < 2 or not top > 0:
        return ""
    with_ridge = bool(np.ptp(history.ridge) > 0)
    height = 470 if with_ridge else 380
    x = Scale(float(steps[0]), float(steps[-1]), _LEFT, _WIDTH - _RIGHT)
    y = Scale(_DEPTH * top, top * 1.6, 310, 16, log=True)
    x_ticks = x.ticks(6)
    parts = [
        frame(x, y, x_ticks, y.ticks(7), "" if with_ridge else "SGD steps", "singular value (standardised)"),
        f'<clipPath id="inside"><rect x="{_LEFT}" y="6" width="{_WIDTH - _LEFT - _RIGHT}" height="304"/>',
        "</clipPath>",
        '<g clip-path="url(#inside)">',
    ]
    # fallen ones first, so that the kept ones are drawn over them
    for k in reversed(range(s.shape[1])):
        kind = "line kept" if k < history.kept else "line fallen"
        parts.append(polylines(x(steps), y(s[:, k]), kind, 16, 310))
    parts.append("</g>")
    if with_ridge:
        parts.append(_ridge_strip(x, x_ticks, history))
    return drawing(_WIDTH, height, "Singular values falling along the run", "".join(parts))


def _ridge_strip(x: Scale, x_ticks: list[float], history: History) -> str:
    ridge = history.ridge
    positive = ridge[ridge > 0]
    y = Scale(float(positive.min()) / 1.5, float(positive.max()) * 1.5, 416, 346, log=True)
    lines = polylines(x(history.steps), y(ridge), "line ridge", 346, 416)
    return frame(x, y, x_ticks, y.ticks(2), "SGD steps", "ridge") + lines


def errors(table: RankErrors) -> str:
    """Training and held-out error of the candidate at each rank, the delivered one marked."""
    both = np.concatenate([table.train, table.validation])
    finite = both[np.isfinite(both)]
    # the error of a single rank is a number, not a curve
    if not finite.size or table.rank.size < 2:
        return ""
    positive = finite[finite > 0]
    log = bool(positive.size and positive.max() > _LOG_SPAN * positive.min())
    if log:
        low, high = float(positive.min()) / 3, float(positive.max()) * 3
    else:
        low, high = 0.0, float(finite.max()) * 1.12 or 1.0
    first, last = float(table.rank.min()), float(table.rank.max())
    pad = max((last - first) * 0.03, 0.5)
    x = Scale(first - pad, last + pad, _LEFT, _WIDTH - _RIGHT)
    y = Scale(low, high, 310, 16, log)
    x_ticks = [t for t in x.ticks(12) if t == round(t) and first <= t <= last]
    parts = [frame(x, y, x_ticks, y.ticks(6), "rank", table.label)]
    if table.chosen is not None:
        at = float(x(float(table.rank[table.chosen])))
        parts.append(f'<line class="chosen" x1="{at:.1f}" x2="{at:.1f}" y1="16" y2="310"/>')
        side, shift = ("end", -8) if at > _WIDTH / 2 else ("start", 8)
        parts.append(text(at + shift, 28, f"delivered: rank {table.rank[table.chosen]}", "note", side))
    for values, kind in ((table.train, "train"), (table.validation, "validation")):
        inside = np.where(values > 0, values, low) if log else values
        order = np.argsort(table.rank, kind="stable")
        known = order[np.isfinite(values[order])]
        parts.append(polylines(x(table.rank[known]), y(inside[known]), f"line {kind}", 16, 310))
        parts += [_dot(float(x(table.rank[k])), float(y(inside[k])), kind, table, k) for k in known]
    return drawing(_WIDTH, 370, "Errors at each rank", "".join(parts))


def _dot(x: float, y: float, kind: str, table: RankErrors, k: int) -> str:
    what, values = ("held-out", table.validation) if kind == "validation" else ("training", table.train)
    tip = f"<title>rank {table.rank[k]}: {what} error {values[k]:.4g}</title>"
    if kind == "train":
        return (
            f'<rect class="dot {kind}" x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7">{tip}</rect>'
        )
    return f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{tip}</circle>'


def heat_maps(maps: HeatMaps) -> str:
    """The matrix before and after, side by side, with one colour bar."""
    known = maps.before[np.isfinite(maps.before)]
    if not known.size:
        return ""
    # a few extreme cells must not use up the colours
    low, high = (float(q) for q in np.quantile(known, [0.01, 0.99]))
    height, width = maps.before.shape
    side, gap = 420, _WIDTH - 2 * 420 - 26
    tall = float(np.clip(side * height / width, 150, 460))
    parts = []
    for k, (title, values) in enumerate((("before", maps.before), ("after", maps.after))):
        left = 26 + k * (side + gap)
        parts.append(text(left, 18, title, "panel", "start"))
        parts.append(f'<rect class="missing" x="{left}" y="28" width="{side}" height="{tall:.1f}"/>')
        parts.append(
            f'<image class="map" x="{left}" y="28" width="{side}" height="{tall:.1f}" '
            f'preserveAspectRatio="none" href="{heat_map(values, low, high)}"/>'
        )
        n_rows, n_cols = maps.shape
        parts.append(text(left + side / 2, tall + 48, f"{n_cols:,} {maps.col_label}", "tick"))
        if k == 0:
            at = 28 + tall / 2
            turned = f' transform="rotate(-90 14 {at:.1f})"'
            parts.append(text(14, at, f"{n_rows:,} {maps.row_label}", "tick", extra=turned))
    parts.append(_colour_bar(maps.label, low, high, tall + 72))
    return drawing(_WIDTH, int(tall + 124), "The matrix before and after completion", "".join(parts))


def _colour_bar(label: str, low: float, high: float, top: float) -> str:
    stops = colours()[:: len(colours()) // 16]
    gradient = "".join(
        f'<stop offset="{k / (len(stops) - 1):.3f}" stop-color="rgb({r},{g},{b})"/>'
        for k, (r, g, b) in enumerate(stops.tolist())
    )
    x = Scale(low, high if high > low else low + 1, 26, 300)
    ticks = "".join(text(float(x(t)), top + 28, nice_number(t), "tick") for t in x.ticks(6))
    return (
        f'<defs><linearGradient id="bar">{gradient}</linearGradient></defs>'
        f'<rect x="26" y="{top}" width="274" height="10" rx="2" fill="url(#bar)"/>{ticks}'
        + text(312, top + 10, label, "tick", "start")
        + f'<rect class="missing" x="{_WIDTH - 150}" y="{top - 1}" width="22" height="12"/>'
        + text(_WIDTH - 120, top + 10, "not observed", "tick", "start")
    )
