"""Cells that are filled in: rounded like the others of their column, but not beyond a limit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .limit_cells import Limits
from .notation import format_filled


def filled_text(
    value: float,
    digits: int | None,
    decimal: str,
    limit: tuple[float, float] | None,
    levels: Sequence[str] | None,
) -> str:
    """A filled cell as text: its level, or a number that is not rounded if that would take it beyond its
    limit.
    """
    if levels is not None and value == value:
        return levels[int(value)]
    if limit is not None and digits is not None and not limit[0] < round(value, digits) < limit[1]:
        digits = None
    return format_filled(value, digits, decimal)


def rounded_cells(dense: np.ndarray, digits: Sequence[int | None], limits: Limits | None) -> np.ndarray:
    """Columns with so many decimals, but for numbers that this would take beyond their limit."""
    out = dense.copy()
    for col, shown in enumerate(digits):
        if shown is not None:
            out[:, col] = np.round(dense[:, col], shown)
    if limits is not None:
        values = out[limits.rows, limits.cols]
        beyond = ~((limits.lower < values) & (values < limits.upper))
        rows, cols = limits.rows[beyond], limits.cols[beyond]
        out[rows, cols] = dense[rows, cols]
    return out


def columns_of(limits: Limits | None) -> set[int]:
    """Columns with limits: what is filled in there may be no whole number."""
    return set() if limits is None else set(np.unique(limits.cols).tolist())
