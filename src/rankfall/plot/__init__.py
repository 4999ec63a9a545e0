"""Matplotlib figures as pure functions of arrays: nothing is computed, read or shown here.

Every function draws on the axes it is given and returns nothing; :func:`overview` makes a whole figure.
"""

from __future__ import annotations

from .completion import before_after, error_per_rank, falling_singular_values, overview
from .jumps import rank_over_time, survival_curves
from .style import STYLE

__all__ = [
    "STYLE",
    "before_after",
    "error_per_rank",
    "falling_singular_values",
    "overview",
    "rank_over_time",
    "survival_curves",
]
