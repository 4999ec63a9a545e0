"""The rule that chooses the rank of noisy data from errors at held-out cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

# relative difference of held-out errors that is not worth a larger rank: less than what another seed changes
AS_GOOD = 0.005


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
    rule: str, ranks: Iterable[int], best: int, held_squares: Callable[[int], Sequence[np.ndarray]]
) -> int:
    """The rank with the smallest held-out error ("min"), or the smallest that is as good ("one-se").

    As good: in squared as in absolute errors within one standard error, or half a percent. (A few bad
    cells make the standard error of squared errors so large that it excuses much.) The comparison is
    paired: the standard error is that of the mean difference, cell by cell, between a rank and the best; with
    several folds, between their sums where that is larger, since the cells of one fold are predicted by one
    fit.

    Parameters
    ----------
    rule : {"one-se", "min"}
    ranks : iterable of int
        Ranks of the candidates, with `best` among them.
    best : int
        The rank with the smallest held-out error.
    held_squares : function
        Rank -> weighted squared errors of every fold, cells in the same order for all ranks.
    """
    if rule == "min":
        return best
    reference = held_squares(best)
    for rank in sorted(ranks):
        if is_as_good(held_squares(rank), reference):
            return rank
    return best


def is_as_good(squares: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> bool:
    """Whether squared errors at the held-out cells of every fold, and their roots, are as good as others."""
    roots, reference_roots = ([np.sqrt(fold) for fold in folds] for folds in (squares, reference))
    return _as_good(squares, reference, 2 * AS_GOOD) and _as_good(roots, reference_roots, AS_GOOD)


def _as_good(errors: Sequence[np.ndarray], reference: Sequence[np.ndarray], fraction: float) -> bool:
    """Whether errors are no larger on average, up to a standard error or this fraction of the mean."""
    folds = [ours - theirs for ours, theirs in zip(errors, reference, strict=True)]
    worse = np.concatenate(folds)
    error = worse.std() / np.sqrt(worse.size)
    if len(folds) > 1:
        sums = np.array([fold.sum() - fold.size * worse.mean() for fold in folds])
        error = max(error, np.sqrt(np.sum(sums**2) * len(folds) / (len(folds) - 1)) / worse.size)
    return bool(worse.mean() <= max(error, fraction * np.concatenate(reference).mean()))
