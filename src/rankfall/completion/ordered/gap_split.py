"""Cells held out in the pattern in which cells are missing: in runs, in blocks, in whole rows.

The mask is known. Where cells are missing at random, single held-out cells are like them. Where they come in
runs (a sensor that was down for days), a cell inside is farther from anything observed than a single
held-out one, and errors and intervals must be learned from gaps of the same kind.
"""

from __future__ import annotations

import numpy as np

from ...problem import Problem
from ..seeds import Stream, generator

# share of missing cells whose neighbour is missing, or that lie in rows of which hardly anything is observed,
# beyond what chance makes, from which cells are held out in the pattern of the missing ones
_STRUCTURED = 0.15
# share of the cells of a row without which it counts as missing
_WHOLE = 0.9
# cells of the table up to which its mask is looked at
_LARGEST = 1 << 28
# share of the observed cells that is held out, and their largest number
_HELD, _MOST_HELD = 0.1, 50_000
# share of a gap's cells that must be observed where it is put, and places that are tried for each gap
_FREE, _PLACES = 0.8, 20
# share of a gap's rows in which another column is missing for it to belong to the gap
_WITH = 0.5
# smallest number of missing cells that is a pattern, and standard errors by which it must exceed chance
_FEWEST, _SURE = 30, 3.0
# gaps in a row for which there is no place after which no more are tried, and share of the cells that were to
# be held out without which the split is none
_HOPELESS, _ENOUGH = 100, 0.5
# columns up to which the chance that a row is missing is computed exactly
_EXACTLY = 2000


def is_structured(observed: np.ndarray) -> bool:
    """Whether missing cells come in runs, or in whole rows, more than chance makes them.

    Parameters
    ----------
    observed : ndarray of bool, shape (m, n)
        Rows in their order.
    """
    missing = ~observed
    total = int(missing[1:].sum())
    if total < _FEWEST:
        return False
    rates = missing.mean(axis=0)
    after = np.count_nonzero(missing[1:] & missing[:-1]) / total
    expected = float(np.sum(rates**2) / np.sum(rates))
    if after - expected > max(_STRUCTURED, _SURE * float(np.sqrt(expected * (1 - expected) / total))):
        return True
    in_whole_rows = missing.mean(axis=1) >= _WHOLE
    n_whole, n_by_chance = np.count_nonzero(in_whole_rows), in_whole_rows.size * _chance_of_whole(rates)
    whole = np.count_nonzero(missing[in_whole_rows]) / np.count_nonzero(missing)
    by_more_than_luck = n_whole > n_by_chance + _SURE * float(np.sqrt(n_by_chance))
    return by_more_than_luck and whole * (1 - n_by_chance / n_whole) > _STRUCTURED


def _chance_of_whole(rates: np.ndarray) -> float:
    """Probability that a row counts as missing if each column is, independently, with its own rate."""
    n = rates.size
    least = int(np.ceil(_WHOLE * n - 1e-9))
    if n > _EXACTLY:
        from scipy.stats import norm

        deviation = np.sqrt(np.sum(rates * (1 - rates)))
        return float(norm.sf(least - 0.5, np.sum(rates), max(deviation, 1e-9)))
    counts = np.ones(1)
    for rate in rates:
        counts = np.convolve(counts, [1 - rate, rate])
    return float(counts[least:].sum())


def split_in_gaps(
    problem: Problem, order: np.ndarray, seed: int, times: int, with_empty: bool = True
) -> list[tuple[Problem, Problem]]:
    """(training, held-out) cells, the latter in copies of the table's own gaps; none if cells are missing at
    random, or if there is no place for such copies.

    A missing cell is drawn, with the run of missing cells in its column that it lies in and the other columns
    that are missing for most of that run. The same columns are hidden at another place where most of these
    cells are observed, until a tenth of the observed cells are.

    Parameters
    ----------
    problem : Problem
    order : ndarray of int, shape (m,)
        The rows in their order.
    seed : int
    times : int
        Number of splits.
    with_empty : bool
        Whether rows without any entry are to be filled, from their neighbours. (Columns without entries are
        not: they are no gaps.)
    """
    m, n = problem.shape
    if m * n > _LARGEST:
        return []
    observed = np.zeros((m, n), bool)
    observed[problem.rows, problem.cols] = True
    observed = observed[order]
    rows_filled = np.ones(m, bool) if with_empty else observed.any(axis=1)
    filled = np.outer(rows_filled, observed.any(axis=0))
    if not is_structured(observed[filled.any(axis=1)][:, filled.any(axis=0)]):
        return []
    rng = generator(seed, Stream.HELD_OUT)
    place = np.empty(m, np.int64)
    place[order] = np.arange(m)
    splits = []
    for _ in range(times):
        held = _hidden(observed, filled, rng)[place[problem.rows], problem.cols]
        if np.count_nonzero(held) >= _ENOUGH * _wanted(observed):
            splits.append((problem.subset(~held), problem.subset(held)))
    return splits


def _hidden(observed: np.ndarray, filled: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Observed cells to be hidden, rows in their order, in gaps like those that are to be filled."""
    m, n = observed.shape
    rows, cols = np.nonzero(~observed & filled)
    hidden = np.zeros((m, n), bool)
    left, failed, counts = _wanted(observed), 0, observed.sum(axis=0)
    remaining = counts.copy()
    for cell in rng.integers(rows.size, size=4 * rows.size).tolist():
        if left <= 0 or failed == _HOPELESS:
            break
        failed += 1
        first, last = _run(observed[:, cols[cell]], int(rows[cell]))
        length = last - first
        block = np.mean(~observed[first:last], axis=0) >= _WITH
        for start in rng.integers(m - length + 1, size=_PLACES):
            there = observed[start : start + length, block]
            there = there & ~hidden[start : start + length, block]
            rest = remaining[block] - np.count_nonzero(there, axis=0)
            if there.mean() >= _FREE and np.all(rest >= 0.5 * counts[block]):
                hidden[start : start + length, block] |= there
                remaining[block] = rest
                left -= np.count_nonzero(there)
                failed = 0
                break
    return hidden


def _wanted(observed: np.ndarray) -> float:
    """Number of cells to be held out."""
    return min(_HELD * np.count_nonzero(observed), _MOST_HELD)


def _run(column: np.ndarray, row: int) -> tuple[int, int]:
    """First row of a run of missing cells, and the one after its last."""
    before, after = np.flatnonzero(column[:row]), np.flatnonzero(column[row:])
    return int(before[-1]) + 1 if before.size else 0, row + int(after[0]) if after.size else column.size


def gap_numbers(held: Problem, order: np.ndarray) -> np.ndarray:
    """Which gap every held-out cell lies in: runs in several columns that begin and end together are one."""
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    at = place[held.rows]
    sort = np.lexsort((at, held.cols))
    at, cols = at[sort], held.cols[sort]
    begins = np.ones(at.size, bool)
    begins[1:] = (np.diff(cols) != 0) | (np.diff(at) != 1)
    first = np.flatnonzero(begins)
    run = np.cumsum(begins) - 1
    ends = np.column_stack([at[first], at[np.append(first[1:], at.size) - 1]])
    numbers = np.unique(ends, axis=0, return_inverse=True)[1].ravel()
    out = np.empty(at.size, np.int64)
    out[sort] = numbers[run]
    return out


def longest_run(cells: Problem, order: np.ndarray, present: bool) -> int:
    """Rows of the longest run of cells that are present, or missing, in a column that has some; 0 for a table
    too large to look at.
    """
    m, n = cells.shape
    if m * n > _LARGEST:
        return 0
    there = np.zeros((m + 2, n), bool)
    place = np.empty(m, np.int64)
    place[order] = np.arange(1, m + 1)
    there[place[cells.rows], cells.cols] = True
    there = there[:, cells.col_counts > 0] if not present else ~there
    if not present:
        there[[0, -1]] = True
    cols, rows = np.nonzero(there.T)
    steps = np.diff(rows)[np.diff(cols) == 0]
    return int(steps.max(initial=1)) - 1
