"""Columns of numbers that look like grades or counts: a kind is proposed, and never guessed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import Outcome
from ...files.bad_cells import shell_word
from ...problem import Problem
from ..result.completion import Completion

# With the thresholds below none of 2400 tables of six kinds (normal, rounded, lognormal, ages, whole numbers
# near 100, yes or no), 8 columns and 60 to 400 rows, gives a sentence; of 400 tables with grades and counts
# 371 give both sentences for the right columns. Smaller samples are in the tests.
# observed cells of a column, and of each of its levels, without which it tells nothing
_CELLS, _EACH = 60, 5
# levels of grades, which follow each other from 0 or 1
_FEWEST_LEVELS, _MOST_LEVELS = 3, 7
# counts have more different values, some zeros, a small median, and a tail to the right
_ZEROS, _MEDIAN, _SKEWNESS = 0.02, 20.0, 1.0
# columns that the sentence names
_NAMED = 3


def kinds_note(result: Completion) -> list[str]:
    """One sentence if columns with missing cells seem to hold grades, and one if they seem to hold counts."""
    free = result.settings["ordered"] == "none" and result.problem.weights is None
    if result.outcome not in (Outcome.CHOSEN, Outcome.EFFECTS_ONLY) or not free:
        return []  # where kinds could not be said, or nothing is wrong
    found = proposals(result.exactly_observed, result.scale)
    words = {"ordinal": "few whole numbers, as grades do", "count": "whole numbers from 0, as counts do"}
    return [_sentence(cols, words[kind], kind, result.col_names) for kind, cols in found.items() if cols]


def proposals(problem: Problem, scale: str) -> dict[str, list[int]]:
    """Columns with missing cells that seem to hold grades ("ordinal"), and counts ("count")."""
    found: dict[str, list[int]] = {"ordinal": [], "count": []}
    by_column = np.lexsort((problem.values, problem.cols))
    ends = np.concatenate([[0], np.cumsum(problem.col_counts)])
    values = problem.values[by_column]
    for j in np.flatnonzero((problem.col_counts >= _CELLS) & (problem.col_counts < problem.n_rows)).tolist():
        column = values[ends[j] : ends[j + 1]]
        if column[0] not in (0.0, 1.0) or np.any(column % 1):
            continue
        if _are_grades(column):
            found["ordinal"].append(j)
        elif scale == "linear" and _are_counts(column):
            found["count"].append(j)
    return found


def _are_grades(column: np.ndarray) -> bool:
    """Consecutive levels, each several times; the values in ascending order."""
    if column[-1] - column[0] >= _MOST_LEVELS:
        return False
    counts = np.bincount((column - column[0]).astype(np.int64))
    return counts.size >= _FEWEST_LEVELS and bool(counts.min() >= _EACH)


def _are_counts(column: np.ndarray) -> bool:
    """Small numbers, some of them zero, with a tail to the right that has no gap; in ascending order."""
    different = np.unique(column)
    if np.mean(column == 0) < _ZEROS or np.median(column) > _MEDIAN or different.size <= _MOST_LEVELS:
        return False
    spread = column.std()
    gap = float(np.diff(different).max())
    skewness = float(np.mean(((column - column.mean()) / spread) ** 3))
    # a number far from the others may stand for a missing value
    return skewness >= _SKEWNESS and gap <= max(different[-1] / 2, 2.0) and different[1] == 1


def _sentence(cols: Sequence[int], what: str, kind: str, names: Sequence[str] | None) -> str:
    called = [str(j) if names is None else str(names[j]) for j in cols]
    listed, more = ", ".join(called[:_NAMED]), len(called) - _NAMED
    listed += f" and {more:,} more" if more > 0 else ""
    first = called[0]
    in_python = repr(first if names is not None else cols[0])
    several = len(cols) > 1
    outcome = "levels are filled in, with probabilities" if kind == "ordinal" else "counts are filled in"
    return (
        f"Column{'s' if several else ''} {listed} hold{'' if several else 's'} {what}: if that is what "
        f"{'they are' if several else 'it is'}, say --kinds {shell_word(first)}={kind} (in Python: "
        f'kinds={{{in_python}: "{kind}"}}), and {outcome}.'
    )
