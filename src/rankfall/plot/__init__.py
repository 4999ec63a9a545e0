"""Matplotlib figures for papers, as pure functions of tables: nothing is trained, fitted or shown here.

``rankfall.plot.path(result)`` and its like make a whole figure of one result, or draw on the axes they are
given; :func:`save` writes it as a vector graphic; :func:`animate` makes a moving one of a trace. The
functions of arrays below them draw on axes and return nothing.
"""

from __future__ import annotations

from .animation import animate
from .completion import before_after, error_per_rank, falling_singular_values, overview
from .ensembles import overlaid, phase_diagram
from .jumps import rank_over_time, survival_curves
from .ladder import draw_ladder, ladder
from .memory import layer_ranks, rank_memory
from .style import STYLE
from .wrappers import heatmap, path, phase, save, singular_values, survival

__all__ = [
    "STYLE",
    "animate",
    "before_after",
    "draw_ladder",
    "error_per_rank",
    "falling_singular_values",
    "heatmap",
    "ladder",
    "layer_ranks",
    "overlaid",
    "overview",
    "path",
    "phase",
    "phase_diagram",
    "rank_memory",
    "rank_over_time",
    "save",
    "singular_values",
    "survival",
    "survival_curves",
]
