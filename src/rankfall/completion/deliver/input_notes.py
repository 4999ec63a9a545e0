"""What looks like a slip in the data: said, never mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...files.bad_cells import shell_word
from ...problem import Problem
from .absurd_cells import absurd_cells, absurd_notes
from .totals_note import totals_note
from .triplets_note import triplets_note

# -- numbers that stand for missing values -----------------------------------------------------------------
# With the thresholds below, 2 of 2400 tables of six kinds (normal, rounded, lognormal, ratings, counts, whole
# numbers near 100), 8 to 80 rows and columns, give a false alarm, and none of the bundled and scikit-learn's
# data does; 300 such tables are in the tests.
# what programs and people write where nothing was measured
_NINES = (99.9, 999.0, 999.9, 9999.0, 9999.9, 99999.0, 99999.9, 999999.0)
_LONG_CODES = (*_NINES, *(-code for code in _NINES), -32768.0, 32767.0, 65535.0, 1e20, -1e20, 1e30, -1e30)
# shorter ones are numbers like any others: they have to come again
_SHORT_CODES = (-1.0, -8.0, -9.0, -88.0, -99.0, 9.0, 88.0, 99.0)
# values of a column without the code, and different ones among them, from which "far" can be judged
_ENOUGH, _DIFFERENT = 5, 4
# a code lies as far from the rest as that is wide; any other value three times as far, and comes again
_FAR, _VERY_FAR = 1.0, 3.0
_AGAIN, _AGAIN_ANY = 2, 3
# counts have long tails: a short positive code fills this share of its column
_SHARE = 0.01
# zero and the smallest other value lie so many times as far apart as any two neighbours below the median
# and a fifth of the median at least
_ZERO_GAP, _OF_MEDIAN, _ENOUGH_FOR_ZERO = 3.0, 0.2, 10
# in a table without a missing cell, zeros of this share may stand for them
_MANY_ZEROS = 0.2

# -- other slips -------------------------------------------------------------------------------------------
# a column whose positive values leave out two powers of ten may well hold two units
_GAP, _FEWEST = 100.0, 3
# so many numbers in even steps are hardly measurements; where most columns rise evenly, the table was made
_EVEN = 8
# columns that one sentence names
_NAMED = 3

Namer = Callable[[int], str]


def input_notes(
    problem: Problem, col_names: Sequence[str] | None = None, row_names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """One sentence for everything in the observed cells that was probably meant otherwise.

    Parameters
    ----------
    problem : Problem
        The observed cells, as given.
    col_names, row_names : sequence of str, optional
        What columns and rows are called; else their positions, counted from zero.

    Returns
    -------
    tuple of str
        Lists of triplets read as a matrix; absurd cells; numbers that stand for missing values; columns of
        labels; columns that seem to hold two units; rows of totals.
    """

    def name(col: int) -> str:
        return str(col) if col_names is None else str(col_names[col])

    triplets = triplets_note(problem, name)
    if triplets:
        return tuple(triplets)  # its columns are none
    columns = _Columns(problem)
    coded = _sentinels(columns)
    said = [*_coded_sentences(coded, name), *_zeros(problem), *_even_steps(columns, name)]
    known = {col for cols in coded.values() for col in cols}
    absurd = absurd_cells(problem) & ~np.isin(problem.values, list(coded))
    slips = absurd_notes(problem, absurd, col_names, row_names)
    return (*slips, *said, *_two_units(columns, name, known), *totals_note(problem, row_names))


class _Columns:
    """The observed values column by column: in the order of the rows, and in ascending order."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        by_column = np.argsort(problem.cols, kind="stable")
        self.rows, self.cols, self.values = (
            part[by_column] for part in (problem.rows, problem.cols, problem.values)
        )
        self.counts = problem.col_counts
        self.starts = np.concatenate([[0], np.cumsum(self.counts)])
        self.ascending = self.values[np.lexsort((self.values, self.cols))]

    def ordered(self, col: int) -> np.ndarray:
        """The values of a column in ascending order."""
        return self.ascending[self.starts[col] : self.starts[col + 1]]

    def suspects(self) -> np.ndarray:
        """Columns that hold a code, a zero below everything else, or an end that comes again far away."""
        values, cols, n = self.values, self.cols, self.problem.n_cols
        enough = np.flatnonzero(self.counts > _ENOUGH)
        low, high = np.zeros(n), np.zeros(n)
        low[enough] = self.ascending[self.starts[enough]]
        high[enough] = self.ascending[self.starts[enough + 1] - 1]
        at_low, at_high = values == low[cols], values == high[cols]
        # the smallest and the largest number beside these
        second, last_but_one = high.copy(), low.copy()
        np.minimum.at(second, cols[~at_low], values[~at_low])
        np.maximum.at(last_but_one, cols[~at_high], values[~at_high])
        with np.errstate(over="ignore"):
            alone = (second - low >= _VERY_FAR * (high - second)) & (
                np.bincount(cols, at_low, n) >= _AGAIN_ANY
            )
            alone |= (high - last_but_one >= _VERY_FAR * (last_but_one - low)) & (
                np.bincount(cols, at_high, n) >= _AGAIN_ANY
            )
        codes = np.bincount(cols, np.isin(values, (*_LONG_CODES, *_SHORT_CODES)), n) > 0
        zero = (low == 0) & (high > 0)
        return enough[(codes | zero | alone)[enough]]


def _sentinels(columns: _Columns) -> dict[float, dict[int, tuple[int, float, float]]]:
    """Numbers that seem to stand for missing values.

    For each its columns, with the count and the range of their other values.
    """
    found: dict[float, dict[int, tuple[int, float, float]]] = {}
    natural = columns.values[~np.isin(columns.values, (*_LONG_CODES, *_SHORT_CODES))]
    signed = bool(natural.size and natural.min() < 0)
    for col in columns.suspects().tolist():
        ordered = columns.ordered(col)
        for value in _codes_of(ordered, signed):
            rest = ordered[ordered != value]
            found.setdefault(value, {})[col] = (ordered.size - rest.size, float(rest[0]), float(rest[-1]))
    if not found and columns.values.size > _ENOUGH:
        # few cells in each of many columns that share a unit, as in ratings
        ordered = np.sort(columns.values)
        for value in _codes_of(ordered, signed, only_known=True):
            rest = ordered[ordered != value]
            found[value] = {-1: (ordered.size - rest.size, float(rest[0]), float(rest[-1]))}
    return found


def _codes_of(ordered: np.ndarray, signed: bool, only_known: bool = False) -> list[float]:
    """The numbers in a column that stand for missing values; its values in ascending order.

    `signed` says whether the table holds negative numbers that are no codes.
    """
    present, counts = np.unique(ordered, return_counts=True)
    coded = np.isin(present, (*_LONG_CODES, *_SHORT_CODES))
    others = present[~coded]
    found = [float(x) for x in present[coded] if _stands_out(float(x), present, counts, others, signed)]
    if found or only_known:
        return found
    if present.size > _DIFFERENT:
        for end, rest in ((present[0], present[1:]), (present[-1], present[:-1])):
            again = counts[present == end][0] >= _AGAIN_ANY
            if again and _distance(float(end), rest) >= _VERY_FAR * float(rest[-1] - rest[0]):
                found.append(float(end))
    if not found and present[0] == 0 and _zero_stands_out(present, int(ordered.size - counts[0])):
        found.append(0.0)
    return found


def _stands_out(
    value: float, present: np.ndarray, counts: np.ndarray, others: np.ndarray, signed: bool
) -> bool:
    """Whether a code lies outside the other values, and far enough."""
    if others.size < _DIFFERENT or counts[~np.isin(present, value)].sum() < _ENOUGH:
        return False
    count = int(counts[present == value][0])
    below, away = value < others[0], _distance(value, others)
    if away <= 0:
        return False
    if value in _SHORT_CODES and value < 0:
        # -1 beside zero may be one more step down
        positive = others[0] > 0 or (others[0] == 0 and value < -1)
        apart = away >= _ZERO_GAP * _widest_gap(others)
        alone = np.count_nonzero(present < 0) == 1
        return positive and (alone or not signed) and (apart + (not signed) + (count >= _AGAIN)) >= 2
    if value in _SHORT_CODES and (below or count < max(_AGAIN_ANY, _SHARE * counts.sum())):
        return False
    return away >= _FAR * float(others[-1] - others[0])


def _distance(value: float, others: np.ndarray) -> float:
    """How far a number lies outside others that ascend; not above 0 inside."""
    return float(max(others[0] - value, value - others[-1]))


def _zero_stands_out(present: np.ndarray, n_others: int) -> bool:
    """Whether zero lies apart from a column of positive numbers; different values in ascending order."""
    others = present[1:]
    if n_others < _ENOUGH_FOR_ZERO or others.size < _DIFFERENT:
        return False
    return bool(others[0] >= max(_ZERO_GAP * _widest_gap(others), _OF_MEDIAN * others[others.size // 2]))


def _widest_gap(others: np.ndarray) -> float:
    """The largest step between neighbours up to the median."""
    return float(np.diff(others[: others.size // 2 + 1]).max())


def _coded_sentences(coded: dict[float, dict[int, tuple[int, float, float]]], name: Namer) -> Iterator[str]:
    for value, where in coded.items():
        text, parts = plain(value), []
        for col, (count, low, high) in sorted(where.items(), key=lambda item: -item[1][0])[:_NAMED]:
            cells = f"{count:,} cell{'s' if count > 1 else ''}" + (
                f" of column {name(col)}" if col >= 0 else ""
            )
            parts.append(f"{cells} (the others: {low:g} to {high:g})")
        more = len(where) - len(parts)
        parts += [f"{more:,} more column{'s' if more > 1 else ''}"] if more else []
        listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
        yield (
            f"{text} in {listed} lies far from the other values: if it stands for a missing value, use "
            f"--missing {text} (in Python: missing_values={text})."
        )


def _zeros(problem: Problem) -> Iterator[str]:
    """Zeros in a table without a missing cell."""
    if problem.n_observed < problem.shape[0] * problem.shape[1] or problem.values.min() < 0:
        return
    share = float(np.mean(problem.values == 0))
    if not _MANY_ZEROS <= share < 1 or np.unique(problem.values).size <= _DIFFERENT:
        return
    yield (
        f"No cell is missing, but {share:.0%} of the cells hold 0: if it stands for a missing value, use "
        "--missing 0 (in Python: missing_values=0)."
    )


def _even_steps(columns: _Columns, name: Namer) -> Iterator[str]:
    """Columns that count the rows, forwards or backwards, or hold each of some consecutive numbers once."""
    several = np.flatnonzero(columns.counts >= _EVEN).tolist()
    found = [(col, step) for col in several if (step := _step(columns, col))]
    if 2 * len(found) > np.count_nonzero(columns.counts):
        return
    for col, how in found:
        low, high = columns.ordered(col)[[0, -1]]
        yield (
            f"Column {name(col)} {how} ({plain(low)} to {plain(high)}), as labels and dates do: if it is no "
            f"measurement, leave it out (on the command line: --aside {shell_word(name(col))})."
        )


def _step(columns: _Columns, col: int) -> str:
    """How a column runs through evenly spaced numbers; empty if it does not."""
    here = slice(columns.starts[col], columns.starts[col + 1])
    rows, values, ordered = columns.rows[here], columns.values[here], columns.ascending[here]
    # a quick no for nearly all columns
    if ordered[0] == ordered[1] or abs(ordered[-1]) > 2.0**53 or np.any(ordered[:2] % 1):
        return ""
    step = (values[-1] - values[0]) / (rows[-1] - rows[0])
    if step and step % 1 == 0 and np.array_equal(values, values[0] + step * (rows - rows[0])):
        return "rises in even steps" if step > 0 else "falls in even steps"
    if np.all(np.diff(ordered) == ordered[1] - ordered[0]):
        return "holds evenly spaced whole numbers, each once"
    return ""


def _two_units(columns: _Columns, name: Namer, known: set[int]) -> Iterator[str]:
    """Columns whose positive values fall into two groups with a factor of a hundred between them.

    Three values at least in each: grams among milligrams, shares among percentages. Columns with a sentence
    of their own, `known`, are left out.
    """
    for col in np.flatnonzero(columns.counts >= 2 * _FEWEST).tolist():
        ordered = columns.ordered(col)
        if col in known or ordered[0] <= 0 or ordered[-1] < _GAP * ordered[0]:
            continue
        ratio = ordered[1:] / ordered[:-1]
        place = _FEWEST - 1 + int(np.argmax(ratio[_FEWEST - 1 : ordered.size - _FEWEST]))
        if ratio[place] >= _GAP:
            yield (
                f"Column {name(col)} seems to hold two units: {place + 1:,} of its values are at most "
                f"{ordered[place]:g}, the others at least {ordered[place + 1]:g}."
            )


def plain(value: float) -> str:
    """A number as somebody would type it, without loss."""
    return str(int(value)) if value % 1 == 0 and abs(value) < 1e16 else repr(float(value))
