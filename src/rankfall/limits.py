"""Limits of detection: cells that are known only to lie below or above a number."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from .argument_checks import shown
from .bounds import Bounds, column_ranges, sides_at
from .entries import as_numbers
from .errors import InputError
from .files.limit_cells import Limits
from .frames import is_frame, read_frame
from .problem import Problem

_WANTED = "a pair (lower, upper) of arrays or frames of the table's shape, one of which may be None"


def read_limits(
    censored: object,
    problem: Problem,
    col_names: Sequence[str] | None = None,
    row_names: Sequence[str] | None = None,
) -> Limits | None:
    """What is known of missing cells.

    Parameters
    ----------
    censored : None, Limits, or pair
        (lower, upper): numbers below and above which a cell does not lie, of the table's shape, NaN (or
        infinite) where nothing is known. Either may be None.
    problem : Problem
        The observed cells.
    col_names, row_names : sequence of str, optional
        Labels.

    Raises
    ------
    InputError
        If it is none of these, a cell with a limit is observed, a lower limit is not below the upper one, or
        a column with limits has fewer than two different values.
    """
    if censored is None:
        return None
    found = censored if isinstance(censored, Limits) else _of_pair(censored, problem)
    if not len(found):
        return None
    n = problem.n_cols

    def cell(k: int) -> str:
        i, j = int(found.rows[k]), int(found.cols[k])
        row, col = (str(at) if names is None else names[at] for at, names in ((i, row_names), (j, col_names)))
        return f"row {row}, column {col}"

    wrong = np.flatnonzero(~(found.lower < found.upper))
    if wrong.size:
        k = int(wrong[0])
        raise InputError(
            f"The limits of {cell(k)} contradict each other: nothing lies above {found.lower[k]:g} and below "
            f"{found.upper[k]:g}; give a lower limit that is smaller than the upper one."
        )
    both = np.flatnonzero(np.isin(found.rows * n + found.cols, problem.rows * n + problem.cols))
    if both.size:
        raise InputError(
            f"The cell in {cell(int(both[0]))} has a value and a limit; leave it empty (NaN) where only the "
            "limit is known."
        )
    low, high = column_ranges(problem)
    for col in np.unique(found.cols).tolist():
        if not low[col] < high[col] < inf:
            name = str(col) if col_names is None else col_names[col]
            raise InputError(
                f"Column {name} holds limits and fewer than two different values, so that nothing says how "
                "far beyond its limits the cells lie; leave the column out, or treat its limits as missing."
            )
    return found


def require_within(limits: Limits, bounds: Bounds | None, col_names: Sequence[str] | None = None) -> None:
    """Refuse limits that leave nothing within the bounds of their column."""
    if bounds is None:
        return
    low, high = sides_at(bounds, limits.cols)
    wrong = np.flatnonzero((limits.upper <= low) | (limits.lower >= high))
    if wrong.size:
        k = int(wrong[0])
        col = int(limits.cols[k])
        name = str(col) if col_names is None else col_names[col]
        said = f"below {limits.upper[k]:g}" if limits.upper[k] < inf else f"above {limits.lower[k]:g}"
        raise InputError(
            f"A cell of column {name} is known to lie {said}, where its bounds leave nothing; mend the limit "
            "or the bounds."
        )


def _of_pair(censored: object, problem: Problem) -> Limits:
    try:
        lower, upper = censored  # type: ignore[misc]
    except (TypeError, ValueError):
        raise InputError(f"censored must be {_WANTED}, not {shown(censored)}.") from None
    if lower is None and upper is None:
        raise InputError(f"censored must be {_WANTED}, not (None, None).")
    low, high = _side(lower, -inf, problem), _side(upper, inf, problem)
    rows, cols = np.nonzero((low > -inf) | (high < inf))
    return Limits(rows, cols, low[rows, cols], high[rows, cols])


def _side(side: object, free: float, problem: Problem) -> np.ndarray:
    """Limits of all cells on one side; `free` where there is none."""
    if side is None:
        return np.full(problem.shape, free)
    if is_frame(side):
        values, layout = read_frame(side)
        given = problem.layout
        if given is not None and given.cols is not None and layout.col_names != given.col_names:
            raise InputError("The limits (censored) must have the table's columns, in the same order.")
    else:
        values = as_numbers(np.asarray(side))
    if values.shape != problem.shape:
        raise InputError(f"The limits (censored) have shape {values.shape}, the table {problem.shape}.")
    return np.where(np.isnan(values), free, values)
