"""Colours and settings shared by all figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Okabe and Ito's palette keeps its contrasts under every common form of colour-vision deficiency; darkened
# here until every line has a contrast of 3:1 with white paper.
KEPT = "#0072B2"
FALLEN = "#B4BCC4"
VALIDATION = "#C44E00"
TRAIN = "#6B7680"
MISSING = "#E3E7EA"
INK = "#1B1F24"
GREEN = "#007A5A"

SERIES = (KEPT, VALIDATION, GREEN, "#9B4D80", "#8F6A00", "#1B86A6", "#5B6570", "#5A3FA0")
"""Colours of several curves, in this order; dashes tell them apart where there are no colours."""
DASHES = ("-", "--", ":", "-.")

STYLE: dict[RcKeyType, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FALLEN,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E9ECEF",
    "xtick.color": "#5B6570",
    "ytick.color": "#5B6570",
    "legend.frameon": False,
    "image.cmap": "viridis",
    "figure.facecolor": "white",
    "savefig.dpi": 160,
    # text stays text, and files do not differ by random names
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "rankfall",
}
"""Matplotlib settings of the package; use with ``matplotlib.rc_context(STYLE)``."""
