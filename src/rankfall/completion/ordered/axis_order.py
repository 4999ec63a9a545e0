"""How rows, or columns, follow each other: their positions and the series they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ..solvers.chain import Chain

if TYPE_CHECKING:
    import pandas as pd

# how an ISO date begins
_DATE = re.compile(r"\d{4}-\d\d(-\d\d)?")
# units of time of pandas
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


@dataclass(frozen=True, eq=False)
class AxisOrder:
    """The order of one axis.

    Attributes
    ----------
    order : ndarray of int64, shape (k,)
        Rows (or columns) by series and position.
    steps : ndarray, shape (k,)
        Distance of each, in this order, to the one before it, in units of the median distance; infinite where
        a series begins.
    step : float
        That median distance: in seconds where positions are times, else in positions.
    is_time : bool
    """

    order: np.ndarray
    steps: np.ndarray
    step: float = 1.0
    is_time: bool = False

    @classmethod
    def plain(cls, size: int) -> AxisOrder:
        """One series, every row one step after the one before."""
        return cls.of(np.arange(size, dtype=float))

    @classmethod
    def of(cls, positions: np.ndarray, groups: np.ndarray | None = None, is_time: bool = False) -> AxisOrder:
        """From a position for each row and, where there are several series, the number of its series."""
        groups = np.zeros(positions.size, np.int64) if groups is None else groups
        order = np.lexsort((np.arange(positions.size), positions, groups))
        steps = np.full(positions.size, np.inf)
        same = groups[order[1:]] == groups[order[:-1]]
        steps[1:][same] = np.diff(positions[order])[same]
        known = steps[np.isfinite(steps) & (steps > 0)]
        step = float(np.median(known)) if known.size else 1.0
        return cls(order, steps / step, step, is_time)

    @classmethod
    def of_index(cls, index: pd.Index | None, size: int) -> AxisOrder:
        """From labels: times and numbers are positions; where they do not rise (or fall, if most do), a new
        series begins.
        """
        found = None if index is None else _numbers(index)
        if found is None or not np.all(np.isfinite(found[0])):
            return cls.plain(size)
        positions, is_time = found
        rises = np.diff(positions)
        if np.count_nonzero(rises < 0) > np.count_nonzero(rises > 0):
            rises = -rises
        groups = np.concatenate([[0], np.cumsum(rises <= 0)])
        if groups[-1] > size // 4:  # labels, not positions
            return cls.plain(size)
        return cls.of(positions, groups, is_time)

    def chain(self) -> Chain:
        """For a fit."""
        return Chain(self.order, self.steps, np.zeros(0), self.step, self.is_time)

    def some(self, kept: np.ndarray) -> AxisOrder:
        """Of some rows alone, ascending, numbered anew; the distance over those left out is the sum."""
        place = np.full(self.order.size, -1)
        place[kept] = np.arange(kept.size)
        left = place[self.order] >= 0
        starts = np.isinf(self.steps)
        series = np.cumsum(starts)
        at = np.cumsum(np.where(starts, 0.0, self.steps))
        order, series, at = place[self.order][left], series[left], at[left]
        steps = np.full(order.size, np.inf)
        same = series[1:] == series[:-1]
        steps[1:][same] = np.diff(at)[same]
        return AxisOrder(order, steps, self.step, self.is_time)


def read_positions(name: str, given: object, size: int) -> tuple[np.ndarray, bool]:
    """Positions that were given: numbers or times, one for each row (or column).

    Raises
    ------
    InputError
        If they are something else, or some are missing.
    """
    import pandas as pd

    try:
        index = pd.Index(given)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be a sequence of numbers or times ({error}).") from error
    if isinstance(index, pd.MultiIndex):
        raise InputError(f"{name} must hold numbers or times, not tuples.")
    if index.size != size:
        raise InputError(f"{name} must have {size} entries, one for each, not {index.size}.")
    if index.hasnans:
        raise InputError(f"{name} has no position for entry {_first(np.asarray(index.isna()))}.")
    if _is_text(index):
        index = _parsed(name, index)
    found = _numbers(index)
    if found is None:
        raise InputError(f"{name} must hold numbers or times, not {index.dtype}.")
    bad = ~np.isfinite(found[0])
    if bad.any():
        raise InputError(
            f"{name} must hold finite numbers or times; entry {_first(bad)} is {index[_first(bad)]}."
        )
    return found


def read_groups(name: str, given: object, size: int) -> np.ndarray:
    """Numbers of the series that rows belong to, from labels of any kind."""
    import pandas as pd

    try:
        given = given.to_flat_index() if isinstance(given, pd.MultiIndex) else given
        labels = pd.Series(given, dtype=object).to_numpy()  # type: ignore[call-overload]
        codes, _ = pd.factorize(labels)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be a sequence with a label for each row ({error}).") from error
    if codes.size != size:
        raise InputError(f"{name} must have {size} entries, one for each row, not {codes.size}.")
    if np.any(codes < 0):
        raise InputError(f"{name} says nothing about row {int(np.flatnonzero(codes < 0)[0])}.")
    return codes.astype(np.int64)


def _first(bad: np.ndarray) -> int:
    return int(np.flatnonzero(bad)[0])


def _is_text(index: pd.Index) -> bool:
    """Whether the entries are text, or objects of any kind."""
    return index.dtype == object or str(index.dtype) in ("str", "string")


def _parsed(name: str, index: pd.Index) -> pd.Index:
    """Text as numbers, or else as ISO dates. (What else dates are written like is for others to guess.)"""
    import pandas as pd

    try:
        numbers = pd.Index(pd.to_numeric(index.to_series(), errors="coerce"))
        if not numbers.hasnans:
            return numbers
        times = pd.Index(pd.to_datetime(index, format="ISO8601", utc=True, errors="coerce"))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must hold numbers or times ({error}).") from error
    found = max(numbers, times, key=lambda each: int(np.count_nonzero(each.notna())))
    if found.hasnans:
        entry = _first(np.asarray(found.isna()))
        raise InputError(
            f"{name} must hold numbers or times (2024-01-31 or 2024-01-31 14:00); entry {entry}, "
            f"{str(index[entry])!r}, is neither."
        )
    return found


def _from_text(index: pd.Index) -> pd.Index:
    """Labels that are all numbers, or all ISO dates, as such."""
    import pandas as pd

    first = str(index[0]) if index.size else ""
    try:
        if _DATE.match(first):
            return pd.DatetimeIndex(pd.to_datetime(index, format="ISO8601", utc=True))
        return pd.Index(pd.to_numeric(index.to_series()))
    except (TypeError, ValueError):
        return index


def _numbers(index: pd.Index) -> tuple[np.ndarray, bool] | None:
    """Positions of an index as numbers, seconds for times; None for other labels."""
    import pandas as pd

    if _is_text(index):
        index = _from_text(index)
    try:
        if isinstance(index, pd.PeriodIndex):
            index = index.to_timestamp()
        elif index.dtype.kind == "M" and not isinstance(index, pd.DatetimeIndex):  # of Arrow
            index = pd.DatetimeIndex(index)
    except ValueError:  # outside of the range that early versions of pandas know
        return None
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        return np.where(index.isna(), np.nan, index.asi8 / _PER_SECOND[index.unit]), True
    if isinstance(index, (pd.MultiIndex, pd.CategoricalIndex)) or index.dtype.kind not in "iuf":
        return None
    return index.to_numpy(dtype=float), False
