"""Ranks over time without flicker: changes that last, and the records at which they happened.

Two kinds of hysteresis act together. A change counts only if it *lasts*, and with two tolerances a direction
dies at the lower one and lives again at the upper one. Both are the same rule: at every record the rank so
far is moved, no further than needed, into an interval ``[lowest, highest]``. `highest` is the most directions
that were alive (by the lower tolerance) at any record of the time for which a change must last, `lowest` the
fewest (by the upper one).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Changes:
    """Lasting changes of the ranks of many chains.

    Attributes
    ----------
    chain, record : ndarray of int64, shape (n_changes,)
        Whose rank changed, and at which record the new one was first seen. Sorted by chain, then record.
    rank_from, rank_to : ndarray of int64, shape (n_changes,)
    first_rank, last_rank : ndarray of int64, shape (n_chains,)
        Rank before, and after all changes; -1 for a chain without a valid first record.
    judged : ndarray of int64, shape (n_chains,)
        The last record at which a change of this chain could have been confirmed; -1 if at none.
    """

    chain: np.ndarray
    record: np.ndarray
    rank_from: np.ndarray
    rank_to: np.ndarray
    first_rank: np.ndarray
    last_rank: np.ndarray
    judged: np.ndarray


def lasting_changes(
    steps: np.ndarray, fewest: np.ndarray, most: np.ndarray, dwell: int, initial: np.ndarray | None = None
) -> Changes:
    """Find the changes that last for `dwell` steps.

    The rank falls to r at the first record from which on `most` stays at r or below for `dwell` steps, and
    rises to r at the first from which on `fewest` stays at r or above.

    Parameters
    ----------
    steps : ndarray of int64, shape (n_records,)
        Increasing.
    fewest, most : ndarray of int, shape (n_chains, n_records)
        Bounds of the rank at every record, ``fewest <= most``; both negative from where on a chain is not
        observed any more.
    dwell : int
        0 or more.
    initial : ndarray of int, shape (n_chains,), optional
        Ranks before the first record; by default what is alive at the first record.

    Returns
    -------
    Changes
    """
    n_records = steps.size
    seen = np.minimum.accumulate(most >= 0, axis=1).sum(axis=1)
    ends = np.searchsorted(steps, steps + dwell)
    # for each chain the number of records whose whole window it was observed in
    n_judged = np.searchsorted(ends, seen)
    highest = window_extreme(most, np.minimum(ends, n_records - 1), np.maximum)
    lowest = window_extreme(fewest, np.minimum(ends, n_records - 1), np.minimum)
    # what cannot be confirmed moves nothing
    beyond = np.arange(n_records) >= n_judged[:, None]
    highest[beyond] = np.iinfo(highest.dtype).max
    lowest[beyond] = -1
    first = (most[:, 0] if initial is None else initial).astype(np.int64)
    rank = first.copy()
    moves = []
    for record in _moving_records(lowest, highest):
        new = np.clip(rank, lowest[:, record], highest[:, record])
        changed = np.flatnonzero(new != rank)
        moves.append(
            np.stack([changed, np.full(changed.size, record), rank[changed], new[changed]]).astype(np.int64)
        )
        rank = new.astype(np.int64)
    table = np.concatenate([np.zeros((4, 0), np.int64), *moves], axis=1)
    table = table[:, np.lexsort((table[1], table[0]))]
    return Changes(*table, first_rank=first, last_rank=rank, judged=n_judged - 1)


def _moving_records(lowest: np.ndarray, highest: np.ndarray) -> list[int]:
    """Records at which some chain's interval is another than at the record before."""
    other = np.any(lowest[:, 1:] != lowest[:, :-1], axis=0) | np.any(
        highest[:, 1:] != highest[:, :-1], axis=0
    )
    return [0, *(np.flatnonzero(other) + 1).tolist()]


def window_extreme(values: np.ndarray, ends: np.ndarray, extreme: np.ufunc) -> np.ndarray:
    """``extreme`` (np.maximum or np.minimum) of ``values[:, i : ends[i] + 1]`` for all i, in O(n log n).

    Two overlapping blocks, whose lengths are a power of two, cover each window.

    Parameters
    ----------
    values : ndarray, shape (n_chains, n_records)
    ends : ndarray of int, shape (n_records,)
        ``ends[i] >= i``.
    extreme : ufunc

    Returns
    -------
    ndarray, shape (n_chains, n_records)
    """
    n_records = ends.size
    starts = np.arange(n_records)
    lengths = ends - starts + 1
    out = np.empty_like(values)
    blocks, size = values, 1
    while True:
        here = np.flatnonzero((lengths >= size) & (lengths < 2 * size))
        out[:, here] = extreme(blocks[:, here], blocks[:, ends[here] - size + 1])
        if 2 * size > lengths.max():
            return out
        blocks = extreme(blocks[:, : blocks.shape[1] - size], blocks[:, size:])
        size *= 2
