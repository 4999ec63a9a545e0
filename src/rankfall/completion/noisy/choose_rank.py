"""The rule that chooses the rank of noisy data from errors at held-out cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

# relative difference of held-out errors that is not worth a larger rank: less than what another seed changes
_AS_GOOD = 0.002


def choose_rank(rule: str, ranks: Iterable[int], best: int, held_squares: Callable[[int], np.ndarray]) -> int:
    """The rank with the smallest held-out error ("min"), or the smallest that is as good ("one-se").

    As good: in squared as in absolute errors within one standard error, or a five-hundredth. (A few bad
    cells make the standard error of squared errors so large that it excuses much.) The comparison is
    paired: the standard error is that of the mean difference, cell by cell, between a rank and the best.

    Parameters
    ----------
    rule : {"one-se", "min"}
    ranks : iterable of int
        Ranks of the candidates, with `best` among them.
    best : int
        The rank with the smallest held-out error.
    held_squares : function
        Rank -> weighted squared errors, one per held-out cell, in the same order for all ranks.
    """
    if rule == "min":
        return best
    reference = held_squares(best)
    for rank in sorted(ranks):
        squares = held_squares(rank)
        if _as_good(squares, reference, 2 * _AS_GOOD) and _as_good(
            np.sqrt(squares), np.sqrt(reference), _AS_GOOD
        ):
            return rank
    return best


def _as_good(errors: np.ndarray, reference: np.ndarray, fraction: float) -> bool:
    """Whether errors are no larger on average, up to a standard error or this fraction of the mean."""
    worse = errors - reference
    return bool(worse.mean() <= max(worse.std() / np.sqrt(worse.size), fraction * reference.mean()))
