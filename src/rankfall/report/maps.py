"""Heat maps that zoom together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .tables import HeatMaps
from .theme import add_hover, color, new_figure, ticks

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure

# the pixel under the pointer; when names are known it is called by its name, otherwise by its number, counted
# from zero
_PIXEL = """
const at = Math.floor({axis} / size * count);
if (at < 0 || at >= count) return "";
return names.length ? names[at] : String(numbers[at]);
"""


def heat_maps(maps: HeatMaps) -> dict[str, Figure]:
    """The matrix before and after, and the half-widths of its intervals; empty if nothing is observed."""
    from bokeh.models import Range1d

    shades = maps.shade(maps.before)
    known = shades[np.isfinite(shades)]
    if not known.size:
        return {}
    n_rows, n_cols = maps.shape
    ranges = {
        "x_range": Range1d(start=0, end=n_cols, bounds=(0, n_cols)),
        "y_range": Range1d(start=n_rows, end=0, bounds=(0, n_rows)),
    }
    # a few extreme cells must not use up the colours
    values = _limits(np.quantile(known, [0.01, 0.99]))
    out = {
        "observed": _map(maps, maps.before, shades, values, "Viridis256", ranges),
        "completed": _map(maps, maps.after, maps.shade(maps.after), values, "Viridis256", ranges),
    }
    if maps.half_width is not None and np.isfinite(maps.half_width).any():
        widths = maps.shade(maps.half_width, width=True)
        limits = _limits((0.0, np.quantile(widths[np.isfinite(widths)], 0.99)))
        out["uncertainty"] = _map(maps, maps.half_width, widths, limits, "Cividis256", ranges)
    return out


def _limits(ends: Any) -> tuple[float, float]:
    low, high = (float(end) for end in ends)
    # equal ends have no colours between them
    return (low, high) if high > low else (low - (abs(low) or 1.0), high + (abs(high) or 1.0))


def _map(
    maps: HeatMaps,
    pixels: np.ndarray,
    shades: np.ndarray,
    limits: tuple[float, float],
    palette: str,
    ranges: dict[str, Any],
) -> Figure:
    from bokeh.models import BasicTicker, ColorBar, ColumnDataSource, LinearColorMapper

    n_rows, n_cols = maps.shape
    fig = new_figure(390, maps.col_label, maps.row_label, **ranges)
    fig.grid.grid_line_color = None
    for axis in (fig.xaxis[0], fig.yaxis[0]):
        ticks(axis, 4, whole=True)
    mapper = LinearColorMapper(palette=palette, low=limits[0], high=limits[1], nan_color=color("missing"))
    options: dict[str, Any] = {"color_mapper": mapper, "name": "cells"}
    layers: dict[str, Any] = {"image": [shades.astype(np.float32)]}
    if shades is not pixels:
        layers["value"] = [pixels.astype(np.float32)]
    source = ColumnDataSource(layers)
    image = fig.image("image", source=source, x=0, y=0, dw=n_cols, dh=n_rows, **options)
    bar = ColorBar(
        color_mapper=mapper,
        height=9,
        padding=4,
        margin=0,
        location="center",
        orientation="horizontal",
        ticker=BasicTicker(desired_num_ticks=4),
        major_label_text_color=color("soft"),
        major_label_text_font_size="12px",
        background_fill_color=None,
        major_tick_line_color=None,
    )
    fig.add_layout(bar, "below")
    _name_pixels(fig, image, maps)
    return fig


def _name_pixels(fig: Figure, image: Any, maps: HeatMaps) -> None:
    from bokeh.models import CustomJSHover

    height, width = maps.before.shape
    formatters = {}
    for axis, size, count, names in (
        ("y", maps.shape[0], height, maps.row_names),
        ("x", maps.shape[1], width, maps.col_names),
    ):
        numbers = np.linspace(0, size - 1, count).round().astype(np.int64).tolist()
        formatters[f"${axis}"] = CustomJSHover(
            args={"size": size, "count": count, "names": list(names), "numbers": numbers},
            code=_PIXEL.format(axis=f"special_vars.{axis}"),
        )
    field = "value" if "value" in image.data_source.data else "image"
    lines = [("row", "$y{custom}"), ("column", "$x{custom}"), ("value", f"@{field}{{0.[0000]a}}")]
    add_hover(fig, [image], lines, formatters=formatters)
