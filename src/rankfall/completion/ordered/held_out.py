"""What is held out where rows follow each other: cells of runs of rows, or gaps like those of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...problem import Problem
from ..clock import Clock
from ..noisy.folds import Fold, split_cells
from ..noisy.refit import refit, with_covariances
from ..noisy.row_sample import RowSample
from ..noisy.search import NoisyAnswer
from ..noisy.starts import grown
from ..options import Options
from ..solvers.posterior import Posterior
from ..standardise import NoisyCells
from .gap_split import gap_numbers, longest_run, split_in_gaps
from .orders import Orders

# splits in gaps of a table that is split several times
_GAP_SPLITS = 3
# for every split, the places of each gap's cells among the held-out ones
Gaps = list[list[np.ndarray]]


def on_runs(answer: NoisyAnswer, orders: Orders, options: Options, clock: Clock) -> NoisyAnswer:
    """The answer of a tall table for another sample of its rows: runs of neighbours."""
    assert orders.rows is not None
    sample = answer.sample
    sample = RowSample.of_runs(sample.whole, orders.rows.order, sample.rows.size)
    splits = split_cells(sample.cells.problem, options.seed, None)[:1]
    return replace(
        answer, sample=sample, counting=_carried_over(answer, sample.cells, splits, options, clock)
    )


def gap_splits(
    answer: NoisyAnswer, orders: Orders, tried: list[Orders], options: Options
) -> tuple[list[tuple[Problem, Problem]], Gaps]:
    """Splits into training and held-out cells, these in gaps like those of the table, and the gaps.

    None if the table has no such gaps. Rows (columns) without entries are gaps if their order is tried: else
    they will not be filled.
    """
    if options.folds is not None:  # every cell is held out once
        return [], []
    cells = answer.sample.cells
    times = 1 if len(answer.counting) == 1 else _GAP_SPLITS
    splits, gaps = [], []
    if orders.rows is not None:
        with_empty = any(each.rows is not None for each in tried)
        splits = split_in_gaps(cells.problem, orders.rows.order, options.seed, times, with_empty)
        gaps = [_parts(gap_numbers(held, orders.rows.order)) for _, held in splits]
    if not splits and orders.cols is not None:
        with_empty = any(each.cols is not None for each in tried)
        sides = split_in_gaps(cells.problem.T, orders.cols.order, options.seed, times, with_empty)
        splits = [(train.T, held.T) for train, held in sides]
        # cells of a problem are sorted by row
        turns = [np.lexsort((held.rows, held.cols)) for _, held in sides]
        numbers = [gap_numbers(held, orders.cols.order) for _, held in sides]
        gaps = [_parts(each[turn]) for each, turn in zip(numbers, turns, strict=True)]
    return splits, gaps


def in_gaps(
    answer: NoisyAnswer, orders: Orders, tried: list[Orders], options: Options, clock: Clock
) -> tuple[NoisyAnswer, Gaps | None]:
    """The answer for cells held out in gaps like those of the table, if it has such, and these gaps."""
    splits, gaps = gap_splits(answer, orders, tried, options)
    if not splits:
        return answer, None
    carried = _carried_over(answer, answer.sample.cells, splits, options, clock)
    return replace(answer, counting=carried, in_gaps=True), gaps


def _parts(numbers: np.ndarray) -> list[np.ndarray]:
    """Places of the cells of each gap."""
    return [np.flatnonzero(numbers == gap) for gap in range(int(numbers.max(initial=-1)) + 1)]


def _carried_over(
    answer: NoisyAnswer,
    cells: NoisyCells,
    splits: Sequence[tuple[Problem, Problem]],
    options: Options,
    clock: Clock,
) -> tuple[tuple[Fold, Posterior], ...]:
    """Other training and held-out cells under the same data model, with means of draws of the chosen rank,
    from starts that have not seen the held-out cells.
    """
    fold, fit = answer.counting[0]
    out = []
    for train, held in splits:
        other = replace(Fold.of(fold.model, train, held, cells), pilot_noise=fold.pilot_noise)
        if not fit.rank:
            out.append((other, other.effects))
            continue
        V = grown(other, other.effects, fit.rank, options.seed)
        start = other.start_fit(V, max(fit.noise, fold.pilot_noise), fit.noise_model)
        drawn = refit(other, start, options.seed, clock)
        out.append((other, with_covariances(other, drawn)))
    return tuple(out)


def gap_rows(answer: NoisyAnswer, orders: Orders) -> tuple[int, int]:
    """Rows of the longest gap in a column, and of the longest that held-out cells imitate; 0 without an
    order.

    Where cells are missing at random, single held-out cells lie in gaps of all lengths that chance makes.
    """
    if answer.order not in ("rows", "both") or orders.rows is None:
        return 0, 0
    order, parts = orders.rows.order, [fold.held for fold, _ in answer.counting]
    longest = longest_run(answer.sample.cells.problem, order, present=False)
    problem = answer.sample.cells.problem
    m, n = problem.shape
    missing = min(max(1 - problem.n_observed / (m * n), 1 / (m * n)), 1 - 1 / (m * n))
    by_chance = int(np.ceil(np.log(m * n) / -np.log(missing)))
    return longest, max(by_chance, *(longest_run(held, order, present=True) for held in parts))
