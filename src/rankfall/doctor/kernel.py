"""A kernel like any other, so that numba says where it keeps the compiled ones."""

from __future__ import annotations

from numba import njit

from ..compute.njit_options import IN_ORDER


@njit(**IN_ORDER)
def sum_of_squares(x):
    """``sum_i x_i^2``."""
    total = 0.0
    for value in x:
        total += value * value
    return total
