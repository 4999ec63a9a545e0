"""Matplotlib figures as pure functions of arrays: nothing is computed, read or shown here.

Every function draws on the axes it is given and returns nothing; :func:`overview` and :func:`ladder` make a
whole figure.
"""

from __future__ import annotations

from .completion import before_after, error_per_rank, falling_singular_values, overview
from .ladder import draw_ladder, ladder
from .style import STYLE

__all__ = [
    "STYLE",
    "before_after",
    "draw_ladder",
    "error_per_rank",
    "falling_singular_values",
    "ladder",
    "overview",
]
