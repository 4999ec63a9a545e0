"""The rule that chooses the rank of noisy data from errors at held-out cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

# relative difference of held-out errors that is not worth a larger rank, with few held-out cells and with
# many; less than what another seed changes. In panels of two factors (`benchmarks/panels.py --seed 5`;
# 30 x 40, 15 x 80, 15 x 120) rank 2 was found in 85, 83, 75% with 0, in 88, 83, 77% with 0.2%, in 98, 95, 96%
# with 0.5%, and in 100, 100, 98% with 1%, while errors of small real tables were the same with 0.2 and 0.5%
AS_GOOD, AS_GOOD_MANY, MANY_CELLS = 0.005, 0.002, 2000


@dataclass(frozen=True)
class RankChoices:
    """The ranks that other ways to choose would have taken.

    Attributes
    ----------
    one_se : int
        The smallest rank whose held-out error is as good as the smallest.
    smallest_error : int
        The rank of the smallest held-out error.
    by_fold : tuple of int
        What every fold alone would have chosen; empty if there is one.
    """

    one_se: int
    smallest_error: int
    by_fold: tuple[int, ...] = ()


def choose_rank(
    rule: str,
    ranks: Iterable[int],
    best: int,
    held_squares: Callable[[int], Sequence[np.ndarray]],
    takes_long: bool = False,
) -> int:
    """The rank with the smallest held-out error ("min"), or the smallest that is as good ("one-se").

    As good: in squared as in absolute errors within one standard error, or 0.2%; or 0.5% where at most 2,000
    cells are held out, or sweeps of the best rank take long. (A few bad cells make the standard error of
    squared errors so large that it excuses much.) The comparison is paired: the standard error is that of the
    mean difference, cell by cell, between a rank and the best; with several folds, between their sums where
    that is larger, since the cells of one fold are predicted by one fit.

    Parameters
    ----------
    rule : {"one-se", "min"}
    ranks : iterable of int
        Ranks of the candidates, with `best` among them.
    best : int
        The rank with the smallest held-out error.
    held_squares : function
        Rank -> weighted squared errors of every fold, cells in the same order for all ranks.
    takes_long : bool
        Whether sweeps of the best rank do.
    """
    if rule == "min":
        return best
    reference = held_squares(best)
    for rank in sorted(ranks):
        if is_as_good(held_squares(rank), reference, takes_long):
            return rank
    return best


def is_as_good(
    squares: Sequence[np.ndarray], reference: Sequence[np.ndarray], takes_long: bool = False
) -> bool:
    """Whether squared errors at the held-out cells of every fold, and their roots, are as good as others."""
    roots, reference_roots = ([np.sqrt(fold) for fold in folds] for folds in (squares, reference))
    few = sum(fold.size for fold in squares) <= MANY_CELLS
    fraction = AS_GOOD if few or takes_long else AS_GOOD_MANY
    return _as_good(squares, reference, 2 * fraction) and _as_good(roots, reference_roots, fraction)


def _as_good(errors: Sequence[np.ndarray], reference: Sequence[np.ndarray], fraction: float) -> bool:
    """Whether errors are no larger on average, up to a standard error or this fraction of the mean."""
    folds = [ours - theirs for ours, theirs in zip(errors, reference, strict=True)]
    worse = np.concatenate(folds)
    error = worse.std() / np.sqrt(worse.size)
    if len(folds) > 1:
        sums = np.array([fold.sum() - fold.size * worse.mean() for fold in folds])
        error = max(error, np.sqrt(np.sum(sums**2) * len(folds) / (len(folds) - 1)) / worse.size)
    return bool(worse.mean() <= max(error, fraction * np.concatenate(reference).mean()))
