"""Colours for light and dark, and the look that all figures of the page share.

A figure is drawn in the light colours; the page's script swaps every one of them for its dark partner when
the reader's screen is dark. The colours of a theme therefore all differ.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure

# Okabe and Ito's palette, darkened or lightened until it has contrast enough (3:1 for lines, 4.5:1 for text).
LIGHT = {
    "paper": "#ffffff", "panel": "#f6f7f8", "ink": "#1b1f24", "soft": "#57606a", "rule": "#d0d6dc",
    "grid": "#e9ecef",
    "kept": "#0072b2", "fallen": "#8d98a3", "validation": "#c04a00", "train": "#66717c", "missing": "#e0e4e8",
    "good": "#007a5a", "violet": "#9b4d80", "amber": "#8f6a00",
    "warn": "#fff6e0", "warn-edge": "#e69f00",
}  # fmt: skip
DARK = {
    "paper": "#14181c", "panel": "#1d2329", "ink": "#e6e9ec", "soft": "#a3aeb9", "rule": "#414b55",
    "grid": "#262d34",
    "kept": "#56b4e9", "fallen": "#74808c", "validation": "#f0a35e", "train": "#9aa5b1", "missing": "#39424b",
    "good": "#35c49a", "violet": "#d993bd", "amber": "#e3c04f",
    "warn": "#332a14", "warn-edge": "#e6a000",
}  # fmt: skip

SERIES = ("kept", "validation", "good", "violet", "amber", "soft")
"""Roles of colours for several curves, in this order."""

TOOLS = "zoom_in,zoom_out,box_zoom,pan,wheel_zoom,reset,save"
# over Bokeh's own white; narrow enough to stay on a phone on either side of a mark
_TIP = (
    "box-sizing: border-box; width: max-content; max-width: min(20rem, 42vw); margin: -6px; padding: 6px "
    "9px; white-space: normal; overflow-wrap: anywhere; font-size: 13px; line-height: 1.4; color: "
    "var(--ink); background: var(--panel)"
)
# letters in a line of a label
_LABEL = 32
_FONT = "system-ui, -apple-system, Segoe UI, Helvetica Neue, Arial, sans-serif"


def color(role: str) -> str:
    """The light colour of a role."""
    return LIGHT[role]


def new_figure(height: int, x_label: str, y_label: str, **options: Any) -> Figure:
    """An empty figure as wide as its place on the page.

    Labels are plain text: Bokeh would read mathematics out of dollar signs and load a library for it.
    """
    from bokeh.models import PlainText
    from bokeh.plotting import figure

    # no tool is active from the beginning: a finger that scrolls the page must not drag the picture
    fig = figure(
        height=height,
        sizing_mode="stretch_width",
        tools=TOOLS,
        toolbar_location="above",
        active_drag=None,
        active_scroll=None,
        **options,
    )
    fig.toolbar.logo = None  # type: ignore[assignment]
    # the page shines through: a canvas that is painted over in another colour keeps a hair of the first at
    # its edge
    fig.background_fill_color = fig.border_fill_color = None  # type: ignore[assignment]
    fig.outline_line_color = fig.border_line_color = None  # type: ignore[assignment]
    # figures below one another begin at the same place
    fig.min_border_left = 62
    fig.min_border_right = 16
    for axis, label in ((fig.xaxis, x_label), (fig.yaxis, y_label)):
        axis.axis_label = PlainText(text=_broken(label))
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_color = color("ink")
        axis.axis_label_text_font_size = "13px"
        axis.major_label_text_color = color("soft")
        axis.major_label_text_font_size = "12px"
        axis.axis_label_text_font = axis.major_label_text_font = _FONT
        axis.axis_line_color = axis.major_tick_line_color = color("rule")
        axis.minor_tick_line_color = None
    fig.xgrid.grid_line_color = None
    fig.ygrid.grid_line_color = color("grid")
    return fig


def _broken(label: str) -> str:
    """A label in lines that fit beside a low figure and below a narrow one."""
    return "\n".join(wrap(label, _LABEL)) if len(label) > _LABEL else label


def add_hover(fig: Figure, renderers: list[Any], lines: list[tuple[str, str]], **options: Any) -> None:
    """A tooltip with one line per (label, field) for some renderers, for the mark under the pointer alone.

    Bokeh's own look has too little contrast and does not break long lines. What fields hold is escaped by
    Bokeh.
    """
    from html import escape

    from bokeh.models import HoverTool

    rows = "".join(
        f'<div><span style="color: var(--soft)">{escape(label)}</span>&ensp;{field}</div>'
        for label, field in lines
    )
    text = f'<div style="{_TIP}">{rows}</div>'
    fig.add_tools(HoverTool(renderers=renderers, tooltips=text, visible=False, limit=1, **options))


def ticks(axis: Any, number: int, whole: bool = False) -> None:
    """About so many ticks, none between them, and with `whole` only at whole numbers."""
    axis.ticker.desired_num_ticks = number
    axis.ticker.num_minor_ticks = 0
    if whole:
        axis.ticker.min_interval = 1


def counted(axis: Any) -> None:
    """Ticks like 20k and 1.5m on an axis of steps."""
    from bokeh.models import NumeralTickFormatter

    axis.formatter = NumeralTickFormatter(format="0.[00]a")
    ticks(axis, 5)
