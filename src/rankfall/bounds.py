"""The range in which predictions are kept: one for all columns, or one for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isnan
from typing import Any, Literal

import numpy as np

from .argument_checks import shown
from .errors import InputError
from .files.columns_in_words import columns_in_words as names_in_words
from .problem import Problem

Side = float | None | Sequence[float | None] | np.ndarray
BoundsLike = (
    Literal["observed"]
    | tuple[Side, Side]
    | Mapping[Any, Literal["observed"] | tuple[float | None, float | None]]
)
# two numbers for all columns, or two arrays of shape (n,); infinite where there is no bound
Bounds = tuple[float, float] | tuple[np.ndarray, np.ndarray]

_WANTED = (
    'None, "observed", a pair (low, high) of numbers or of sequences with one entry for each column, or a '
    "mapping of columns to pairs"
)


def read_bounds(bounds: object, problem: Problem, col_names: Sequence[str] | None = None) -> Bounds | None:
    """The range of predictions, in the units of the data.

    Parameters
    ----------
    bounds : None, "observed", pair, or mapping
        "observed" is each column's own range. A pair is (low, high), None for no bound; its sides may also be
        sequences with one entry for each column. A mapping gives columns their pair (or "observed"), by
        label, or by position where there are no labels.
    problem : Problem
        The observed cells, in the units of the data.
    col_names : sequence of str, optional
        Labels of the columns.

    Raises
    ------
    InputError
        If it is none of these, leaves nothing between, names a column that is not there, or if no observed
        value of some column lies within.
    """
    if bounds is None:
        return None
    if isinstance(bounds, str):
        if bounds != "observed":
            raise _refusal(bounds)
        return _frozen(*column_ranges(problem))
    found = _of_mapping(bounds, problem, col_names) if isinstance(bounds, Mapping) else None
    if found is None:
        found = _of_pair(bounds, problem.n_cols, col_names)
    _refuse_outside(found, problem, col_names)
    return found


def column_ranges(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest observed value of every column; infinite for columns without any."""
    lows, highs = np.full(problem.n_cols, inf), np.full(problem.n_cols, -inf)
    np.minimum.at(lows, problem.cols, problem.values)
    np.maximum.at(highs, problem.cols, problem.values)
    empty = problem.col_counts == 0
    lows[empty], highs[empty] = -inf, inf
    return lows, highs


def clip(values: np.ndarray, bounds: Bounds | None, cols: np.ndarray | None = None) -> np.ndarray:
    """Values within the bounds; NaN stays NaN.

    Parameters
    ----------
    values : ndarray
    bounds : Bounds or None
    cols : ndarray of int, optional
        Column of each value, -1 for one that the table does not have: bounds of single columns do not hold
        there. By default the last axis of `values` runs over all columns.
    """
    if bounds is None:
        return values
    return np.clip(values, *sides_at(bounds, cols))


def sides_at(bounds: Bounds, cols: np.ndarray | None) -> Bounds:
    """Lower and upper bounds of some columns; those of all if `cols` is None."""
    low, high = bounds
    if cols is None or np.ndim(low) == 0:
        return bounds
    # position -1 is the one that is appended
    return np.append(low, -inf)[cols], np.append(high, inf)[cols]


def outside(bounds: Bounds, problem: Problem) -> np.ndarray:
    """Which observed cells lie outside the bounds: a mask of shape (n_observed,)."""
    low, high = sides_at(bounds, problem.cols)
    return (problem.values < low) | (problem.values > high)


def kept_columns(bounds: object, kept: np.ndarray, col_names: Sequence[str] | None = None) -> object:
    """What was asked for, without some columns; `kept` is a mask of all that the user knows."""
    if bounds is None or isinstance(bounds, str) or kept.all():
        return bounds
    if isinstance(bounds, Mapping):
        at = {key: _positions(key, kept.size, col_names) for key in bounds}
        new = np.cumsum(kept) - 1
        # labels stay what they are, positions change
        names = {key: key if col_names is not None else int(new[cols[0]]) for key, cols in at.items()}
        return {names[key]: bounds[key] for key, cols in at.items() if kept[cols].any()}
    low, high = _of_pair(bounds, kept.size, col_names)
    return (low, high) if np.ndim(low) == 0 else (np.asarray(low)[kept], np.asarray(high)[kept])


def plain_bounds(
    asked: object, bounds: Bounds | None, col_names: Sequence[str] | None
) -> str | list[float] | dict[str, list[float]] | None:
    """What was asked for, as JSON can say it: columns that have bounds go by label, or by position."""
    if bounds is None or isinstance(asked, str):
        return None if bounds is None else str(asked)
    low, high = bounds
    if np.ndim(low) == 0:
        return [float(low), float(high)]
    labels = col_names if col_names is not None and len(set(col_names)) == len(col_names) else None
    pairs = zip(np.asarray(low).tolist(), np.asarray(high).tolist(), strict=True)
    return {
        (str(col) if labels is None else labels[col]): [*pair]
        for col, pair in enumerate(pairs)
        if pair != (-inf, inf)
    }


def columns_in_words(cols: Sequence[int] | np.ndarray, col_names: Sequence[str] | None) -> str:
    """``column rain``, ``columns rain, sun and 3 more``."""
    return names_in_words([_label(int(col), col_names) for col in cols])


def example(col: int, col_names: Sequence[str] | None, low: str, high: str) -> str:
    """Bounds of one column, as the caller of Python and of the command line says them."""
    label = _label(col, col_names)
    key = label if col_names is None else repr(label)
    sides = ("" if side == "None" else side for side in (low, high))
    option = f"{label}={','.join(sides)}"
    option = option if option.isascii() and " " not in option else f'"{option}"'
    return f"bounds={{{key}: ({low}, {high})}} (--bounds {option})"


# -- inside ----------------------------------------------------------------------------------------------


def _of_mapping(bounds: Mapping, problem: Problem, col_names: Sequence[str] | None) -> Bounds:
    lows, highs = np.full(problem.n_cols, -inf), np.full(problem.n_cols, inf)
    observed = column_ranges(problem)
    for key, pair in bounds.items():
        cols = _positions(key, problem.n_cols, col_names)
        if isinstance(pair, str) and pair == "observed":
            lows[cols], highs[cols] = observed[0][cols], observed[1][cols]
            continue
        try:
            low, high = pair
            low, high = _number(low, -inf), _number(high, inf)
        except (TypeError, ValueError):
            raise InputError(
                f'The bounds of column {key} must be "observed" or a pair (low, high), not {shown(pair)}.'
            ) from None
        if not low < high:
            raise _empty(low, high, f" of column {key}")
        lows[cols], highs[cols] = low, high
    return _frozen(lows, highs)


def _of_pair(bounds: object, n_cols: int, col_names: Sequence[str] | None) -> Bounds:
    try:
        low, high = bounds  # type: ignore[misc]
        low, high = _side(low, -inf, n_cols, col_names), _side(high, inf, n_cols, col_names)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise _refusal(bounds) from None
    if isinstance(low, float) and isinstance(high, float):
        if not low < high:
            raise _empty(low, high, "")
        return low, high
    lows, highs = np.full(n_cols, low), np.full(n_cols, high)
    for col in np.flatnonzero(~(lows < highs)).tolist():
        raise _empty(lows[col].item(), highs[col].item(), f" of column {_label(col, col_names)}")
    return _frozen(lows, highs)


def _side(side: Any, free: float, n_cols: int, col_names: Sequence[str] | None) -> float | np.ndarray:
    """A number, or one for each column."""
    if side is None or np.ndim(side) == 0:
        return _number(side, free)
    if hasattr(side, "index") and hasattr(side, "reindex") and col_names is not None:
        side = _by_label(side, col_names)
    found = np.array([_number(each, free) for each in side])
    if found.shape != (n_cols,):
        raise InputError(
            f"bounds holds a sequence of {found.size} numbers, but the table has {n_cols} columns."
        )
    return found


def _by_label(series: Any, col_names: Sequence[str]) -> list[float]:
    """The entries of a pandas Series in the order of the columns."""
    labels = [str(label) for label in series.index]
    if sorted(labels) != sorted(col_names):
        raise InputError("bounds holds a Series whose labels are not those of the table's columns.")
    values = list(series)
    if len(set(labels)) < len(labels):
        return values
    by_label = dict(zip(labels, values, strict=True))
    return [by_label[name] for name in col_names]


def _number(value: Any, free: float) -> float:
    """A bound; None is `free`."""
    if value is None:
        return free
    if isinstance(value, str) or isnan(float(value)):
        raise ValueError
    return float(value)


def _positions(key: object, n_cols: int, col_names: Sequence[str] | None) -> list[int]:
    """Positions of the columns with this label; of one only, if labels differ."""
    if col_names is not None:
        found = [col for col, name in enumerate(col_names) if name == str(key)]
    else:
        whole = isinstance(key, (int, np.integer)) and not isinstance(key, bool)
        found = [int(key)] if whole and 0 <= int(key) < n_cols else []  # type: ignore[call-overload]
    if not found:
        names = f"it has {columns_in_words(range(n_cols), col_names)}"
        names = names if col_names is not None else f"positions go from 0 to {n_cols - 1}"
        raise InputError(f"bounds names column {shown(key)}, which the table does not have; {names}.")
    return found


def _refuse_outside(bounds: Bounds, problem: Problem, col_names: Sequence[str] | None) -> None:
    """Refuse bounds that no observed value of some column meets: all of it would be filled with them."""
    inside = np.bincount(problem.cols[~outside(bounds, problem)], minlength=problem.n_cols)
    lost = np.flatnonzero((inside == 0) & (problem.col_counts > 0))
    if not lost.size:
        return
    col = int(lost[0])
    low, high = sides_at(bounds, np.array([col]))
    low, high = float(np.ravel(low)[0]), float(np.ravel(high)[0])
    least, most = (side[col] for side in column_ranges(problem))
    held = f"{least:g}" if least == most else f"{least:g} to {most:g}"
    more = f", nor of {lost.size - 1:,} more columns," if lost.size > 1 else ""
    raise InputError(
        f"No observed value of column {_label(col, col_names)} ({held}){more} lies {_between(low, high)}: "
        f"give each column bounds of its own, as in {example(col, col_names, f'{least:g}', f'{most:g}')}."
    )


def _between(low: float, high: float) -> str:
    if high == inf:
        return f"above the lower bound {low:g}"
    return f"below the upper bound {high:g}" if low == -inf else f"within the bounds {low:g} and {high:g}"


def _label(col: int, col_names: Sequence[str] | None) -> str:
    return str(col) if col_names is None else col_names[col]


def _empty(low: float, high: float, which: str) -> InputError:
    return InputError(f"The lower bound{which} must be below the upper one, not {low:g} and {high:g}.")


def _refusal(bounds: object) -> InputError:
    return InputError(f"bounds must be {_WANTED}, not {shown(bounds)}.")


def _frozen(lows: np.ndarray, highs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lows.flags.writeable = highs.flags.writeable = False
    return lows, highs
