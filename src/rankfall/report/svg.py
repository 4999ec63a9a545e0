"""Just enough SVG for a line chart: scales, ticks, axes, lines.

Colours are CSS classes, not attributes, so that one drawing serves light, dark and paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np


@dataclass(frozen=True)
class Scale:
    """Maps data from [low, high] to pixels [start, stop], linearly or by logarithm."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, values: np.ndarray | float) -> np.ndarray:
        values = np.asarray(values, dtype=np.float64)
        low, high = self.low, self.high
        if self.log:
            # a zero or negative value has no place on the scale: it goes to -infinity and is clipped later
            with np.errstate(divide="ignore", invalid="ignore"):
                values, low, high = np.log10(values), np.log10(low), np.log10(high)
        return self.start + (values - low) / (high - low) * (self.stop - self.start)

    def ticks(self, at_most: int) -> list[float]:
        """Round numbers inside the scale, about `at_most` of them."""
        if not self.log:
            return linear_ticks(self.low, self.high, at_most)
        first, last = np.ceil(np.log10(self.low) - 1e-9), np.floor(np.log10(self.high) + 1e-9)
        decades = np.arange(first, last + 1)
        if decades.size >= 3 or at_most < 3:
            return [float(10.0**d) for d in decades[:: max(1, -(-decades.size // at_most))]]
        within = (m * 10.0**d for d in np.arange(first - 1, last + 1) for m in (1, 2, 5))
        return [float(t) for t in within if self.low * (1 - 1e-9) <= t <= self.high * (1 + 1e-9)]


def linear_ticks(low: float, high: float, at_most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between `low` and `high`."""
    raw = (high - low) / max(at_most, 1)
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * (1 - 1e-9))
    multiples = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
    return [float(t) for t in multiples * step]


def nice_number(value: float, as_power: bool = False) -> str:
    """Short text for a tick: 0.05, 12, 20k, 1.5M, 10⁻⁸; with `as_power`, 10² and 10⁻² too."""
    if value == 0:
        return "0"
    size = abs(value)
    if as_power or size >= 1e9 or size < 1e-3:
        digits, exponent = f"{value:e}".split("e")
        power = f"10{_superscript(int(exponent))}"
        return power if float(digits) == 1 else f"{float(digits):g}·{power}"
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{value / unit:.4g}{name}"
    return f"{value:.4g}"


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def polylines(x: np.ndarray, y: np.ndarray, kind: str, lowest: float, highest: float) -> str:
    """A line through the points, interrupted where y is not finite.

    `y` grows downward; values outside [lowest, highest] are held a little beyond it, for the clip path.
    """
    y = np.where(np.isnan(y), np.nan, np.clip(y, lowest - 20, highest + 20))
    # a stretch that lies wholly below the frame is invisible: leave it out, it can be most of the file
    visible = ~np.isnan(y) & (y < highest + 20)
    near = visible.copy()
    near[1:] |= visible[:-1] & ~np.isnan(y[1:])
    near[:-1] |= visible[1:] & ~np.isnan(y[:-1])
    out = []
    for start, stop in _runs(near):
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[start:stop], y[start:stop], strict=True))
        out.append(f'<polyline class="{kind}" points="{points}"/>')
    return "".join(out)


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def text(x: float, y: float, content: str, kind: str, anchor: str = "middle", extra: str = "") -> str:
    """Escaped text; `kind` is the CSS class."""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(content)}</text>'
    )


def frame(x: Scale, y: Scale, x_ticks: list[float], y_ticks: list[float], x_label: str, y_label: str) -> str:
    """Grid lines, tick labels and axis titles. An empty `x_label` leaves the x axis unlabelled."""
    out = []
    powers = y.log and any(not 1e-3 <= t <= 1e3 for t in y_ticks)
    for tick in y_ticks:
        at = float(y(tick))
        out.append(f'<line class="grid" x1="{x.start}" x2="{x.stop}" y1="{at:.1f}" y2="{at:.1f}"/>')
        out.append(text(x.start - 8, at + 4, nice_number(tick, powers), "tick", "end"))
    out.append(f'<line class="axis" x1="{x.start}" x2="{x.stop}" y1="{y.start}" y2="{y.start}"/>')
    if x_label:
        for tick in x_ticks:
            at = float(x(tick))
            out.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{y.start}" y2="{y.start + 5}"/>')
            out.append(text(at, y.start + 20, nice_number(tick), "tick"))
        out.append(text((x.start + x.stop) / 2, y.start + 42, x_label, "label"))
    middle = (y.start + y.stop) / 2
    left = x.start - 56
    out.append(
        text(left, middle, y_label, "label", extra=f' transform="rotate(-90 {left:.1f} {middle:.1f})"')
    )
    return "".join(out)


def drawing(width: int, height: int, title: str, body: str) -> str:
    """An SVG element that scales with the page; `title` is what a screen reader says."""
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{body}</svg>'
    )
