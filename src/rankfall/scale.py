"""The scale on which a model is fitted."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .errors import InputError
from .problem import Problem

Scale = Literal["linear", "log", "log1p"]
SCALES = ("linear", "log", "log1p")


def forward(values: np.ndarray, scale: str) -> np.ndarray:
    """From the data's units to the scale of the fit; NaN stays NaN."""
    if scale == "log":
        return np.log(values)
    return np.log1p(values) if scale == "log1p" else values


def inverse(values: np.ndarray, scale: str) -> np.ndarray:
    """From the scale of the fit back to the data's units; what overflows is infinite."""
    with np.errstate(over="ignore"):
        if scale == "log":
            return np.exp(values)
        return np.expm1(values) if scale == "log1p" else values


def check_scale(values: np.ndarray, scale: str) -> np.ndarray | None:
    """Positions of the values that the scale cannot take; None if there is no such one.

    Raises
    ------
    InputError
        If there is no scale of this name.
    """
    if scale not in SCALES:
        raise InputError(f'scale must be "linear", "log" or "log1p", not {scale!r}.')
    if scale == "linear":
        return None
    bad = np.flatnonzero(values <= (0.0 if scale == "log" else -1.0))
    return bad if bad.size else None


def scaled(problem: Problem, scale: str) -> Problem:
    """The problem on the scale of the fit.

    Raises
    ------
    InputError
        If a value has no logarithm; the first such cell is named.
    """
    require_scale(problem.rows, problem.cols, problem.values, scale)
    return problem if scale == "linear" else problem.with_values(forward(problem.values, scale))


def require_scale(rows: np.ndarray, cols: np.ndarray, values: np.ndarray, scale: str) -> None:
    """Refuse cells that have no logarithm; the first one is named."""
    bad = check_scale(values, scale)
    if bad is not None:
        i, j, x = rows[bad[0]], cols[bad[0]], values[bad[0]]
        need = "positive numbers" if scale == "log" else "numbers above -1"
        raise InputError(f'scale="{scale}" needs {need}, but row {i}, column {j} holds {x:g}.')
