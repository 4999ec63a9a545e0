"""Filled values that are unlike every observed one of their column: negative rain, shares above one, six of
five stars.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...bounds import Bounds, column_ranges, columns_in_words, example, outside, sides_at
from ...problem import Problem

# fewer observed cells say nothing about the range of a column; among many columns it takes more of them (ten
# values of either sign are of one sign once in 512 columns)
_ENOUGH = 10
# cells of the completed matrix that are looked at: more take seconds
_LOOKED_AT = 4_000_000
_AT_A_TIME = 1 << 20
# what is beyond a limit by less than this share of the column's largest number is rounding
_ROUNDING = 1e-9


# highest grade of a scale from 1; share of a column's cells that hold it (counts tail off, scales end), and
# of its filled cells that are beyond by this share of the scale
_GRADES, _AT_THE_END, _OFTEN, _CLEARLY = 10, 0.02, 0.01, 0.05
_FEWEST_GRADES = 3


@dataclass(frozen=True, eq=False)
class _Kind:
    """What all observed cells of some columns have in common, and some filled cells do not.

    Attributes
    ----------
    low, high : float
        The limits that the observed cells keep to.
    slack : float
        How far beyond them a filled cell may be.
    observed, filled : str
        What the columns hold, and what is wrong with a filled cell.
    """

    low: float
    high: float
    observed: str
    filled: str
    slack: float = 0.0


_SHARES = _Kind(0.0, 1.0, "hold only numbers between 0 and 1", "are not")
_SIZES = _Kind(0.0, np.inf, "hold no negative number", "are negative")


class Filled(Protocol):
    """What is asked of a completed table: a :class:`~rankfall.Completion`, or the numbers of a table with
    kinds.
    """

    @property
    def problem(self) -> Problem: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def col_names(self) -> Sequence[str] | None: ...
    @property
    def bounds(self) -> Bounds | None: ...
    @property
    def scale(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, object]: ...
    def predict(self, rows: np.ndarray, cols: np.ndarray, *, labels: bool | None = None) -> np.ndarray: ...


def unlike_observed(result: Filled) -> list[str]:
    """A sentence for each kind of limit that observed cells keep to and filled ones do not.

    Columns whose bounds were given are left alone, and so are those with too few cells to say anything,
    unless the whole table keeps to the limit.
    """
    problem = result.problem
    out = []
    shares, grades = _keeping(result, _SHARES), _highest_grades(result)
    for kind, cols in ((_SHARES, shares), (_SIZES, _keeping(result, _SIZES) & ~shares & (grades == 0))):
        if cols.any():
            beyond, filled, seen = _count(result, kind, cols)
            bad = np.flatnonzero(beyond)
            if bad.size:
                everywhere = bool(np.all((problem.values >= kind.low) & (problem.values <= kind.high)))
                counts = f"{beyond.sum():,} of {filled[bad].sum():,} filled cells there"
                seen = "" if seen == result.shape[0] else f" (in {seen:,} of {result.shape[0]:,} rows)"
                where = columns_in_words(bad, result.col_names)
                out.append(
                    f"{where[0].upper()}{where[1:]} {_verb(kind.observed, bad.size)}, but {counts} "
                    f"{kind.filled}{seen}: {_remedy(result, kind, bad, everywhere)}."
                )
    return out + _beyond_grades(result, grades) + _beyond_bounds(result) + _ranges_of_few(result)


def _beyond_grades(result: Filled, highest: np.ndarray) -> list[str]:
    """A sentence for each scale of whole numbers from 1 that many filled cells of its columns leave."""
    out = []
    for high in np.unique(highest[highest > 0]).tolist():
        scale = _Kind(1.0, high, "", "", _CLEARLY * (high - 1))
        cols = _keeping(result, scale) & (highest == high)
        if not cols.any():
            continue
        beyond, filled, _ = _count(result, scale, cols)
        bad = np.flatnonzero(beyond > _OFTEN * filled)
        if bad.size:
            where = columns_in_words(bad, result.col_names)
            everywhere = bool(cols.all()) and result.bounds is None
            words = f"bounds=(1, {high:g}) (--bounds 1,{high:g}) keeps them within"
            out.append(
                f"{where[0].upper()}{where[1:]} {_verb('hold', bad.size)} only whole numbers from 1 to "
                f"{high:g}, but {beyond[bad].sum():,} of {filled[bad].sum():,} filled cells there are "
                f"clearly outside: {words if everywhere else _remedy(result, scale, bad, False)}."
            )
    return out


def _highest_grades(result: Filled) -> np.ndarray:
    """For each column the end of its scale of whole numbers from 1; 0 if there is none.

    Scales are those of columns that use all their numbers, two columns or more of them unless it is the
    longest; the others belong to the shortest that holds them.
    """
    problem = result.problem
    low, high = column_ranges(problem)
    whole = np.bincount(problem.cols, problem.values % 1 != 0, problem.n_cols) == 0
    some = whole & (low >= 1) & (high <= _GRADES) & (problem.col_counts > 0)
    at = some[problem.cols]
    counts = np.zeros((problem.n_cols, _GRADES + 1), np.int64)
    np.add.at(counts, (problem.cols[at], problem.values[at].astype(np.int64)), 1)
    scales: Counter[float] = Counter()
    for col in np.flatnonzero(some & (high >= _FEWEST_GRADES)).tolist():
        used = counts[col, 1 : int(high[col]) + 1]
        if used.all() and used[-1] >= _AT_THE_END * used.sum():
            scales[float(high[col])] += 1
    out = np.zeros(problem.n_cols)
    for scale in sorted(scales, reverse=True):
        if scales[scale] > 1 or scale == max(scales):
            out[some & (high <= scale)] = scale
    return out


def _keeping(result: Filled, kind: _Kind) -> np.ndarray:
    """Columns without bounds of their own whose observed cells keep to the limits: a mask of shape (n,)."""
    problem = result.problem
    low, high = column_ranges(problem)
    keep = (low >= kind.low) & (high <= kind.high) & (problem.col_counts > 0)
    if not (keep[problem.col_counts > 0].all() and problem.n_observed >= _ENOUGH):
        keep &= problem.col_counts >= _ENOUGH + np.log2(problem.n_cols)
    if result.bounds is not None:
        low, high = sides_at(result.bounds, np.arange(problem.n_cols))
        keep &= ~(np.isfinite(low) & (np.isfinite(high) | np.isinf(kind.high)))
    return keep


def _count(result: Filled, kind: _Kind, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Filled cells beyond the limits and filled cells at all, by column, and how many rows were looked at."""
    problem, (m, n) = result.problem, result.shape
    at = np.flatnonzero(cols)
    slack = _ROUNDING * np.maximum(*np.abs(column_ranges(problem)))[at] + kind.slack
    rows = np.unique(np.linspace(0, m - 1, min(m, max(1, _LOOKED_AT // at.size))).astype(np.int64))
    beyond, filled = np.zeros(n, np.int64), np.zeros(n, np.int64)
    step = max(1, _AT_A_TIME // at.size)
    for start in range(0, rows.size, step):
        part = rows[start : start + step]
        values = result.predict(part[:, None], at[None, :], labels=False)
        empty = ~_observed(problem, part)[:, at] & np.isfinite(values)
        filled[at] += empty.sum(0)
        beyond[at] += (empty & ((values < kind.low - slack) | (values > kind.high + slack))).sum(0)
    return beyond, filled, rows.size


def _observed(problem: Problem, rows: np.ndarray) -> np.ndarray:
    """Which cells of some rows were observed: a mask of shape (rows.size, n)."""
    place = np.full(problem.n_rows, -1)
    place[rows] = np.arange(rows.size)
    here = place[problem.rows] >= 0
    out = np.zeros((rows.size, problem.n_cols), bool)
    out[place[problem.rows[here]], problem.cols[here]] = True
    return out


def _remedy(result: Filled, kind: _Kind, bad: np.ndarray, everywhere: bool) -> str:
    """What to do, in Python and on the command line."""
    high = "None" if np.isinf(kind.high) else f"{kind.high:g}"
    if everywhere and result.bounds is None:
        side = "" if high == "None" else high
        words = f"bounds=({kind.low:g}, {high}) (--bounds {kind.low:g},{side}) keeps them within"
    else:
        one = example(int(bad[0]), result.col_names, f"{kind.low:g}", high)
        words = f"{one} keeps them within" if bad.size == 1 else f"bounds keep them within, as in {one}"
    if kind is _SIZES and everywhere and result.scale == "linear":
        scale = "log" if np.all(result.problem.values > 0) else "log1p"
        words += f', and scale="{scale}" (--scale {scale}) may describe them better'
    return words


def _beyond_bounds(result: Filled) -> list[str]:
    """Whether observed cells lie outside the bounds that were given."""
    if result.bounds is None:
        return []
    problem = result.problem
    count = np.bincount(problem.cols[outside(result.bounds, problem)], minlength=problem.n_cols)
    bad = np.flatnonzero(count)
    if not bad.size:
        return []
    where = columns_in_words(bad, result.col_names)
    return [
        f"{count.sum():,} observed cells lie outside the bounds ({where}): they come back as given, but no "
        "filled cell will be like them."
        if count.sum() > 1
        else f"One observed cell lies outside the bounds ({where}): it comes back as given."
    ]


def _ranges_of_few(result: Filled) -> list[str]:
    """Whether bounds="observed" holds columns within the range of a few cells."""
    counts = result.problem.col_counts
    few = np.flatnonzero((counts > 0) & (counts < _ENOUGH) & (counts < result.shape[0]))
    if result.settings.get("bounds") != "observed" or not few.size:
        return []
    low, high = column_ranges(result.problem)
    pair = f"({low[counts > 0].min():g}, {high[counts > 0].max():g})"
    where = columns_in_words(few, result.col_names)
    return [
        f"{where[0].upper()}{where[1:]} {_verb('have', few.size)} fewer than {_ENOUGH} observed cells, and "
        f'bounds="observed" keeps the filled ones within these: where all columns share a range, say that, '
        f"as in bounds={pair}."
    ]


def _verb(words: str, count: int) -> str:
    """Words that begin with a verb, for one column or several."""
    if count > 1:
        return words
    verb, _, rest = words.partition(" ")
    return " ".join([{"have": "has", "hold": "holds"}[verb], *([rest] if rest else [])])
