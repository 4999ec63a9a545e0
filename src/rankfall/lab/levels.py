"""When a rank that was recorded now and then has changed for good: falls and rises that last."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Change(NamedTuple):
    """A change of level: at which record, from which rank to which."""

    record: int
    rank_from: int
    rank_to: int


def changes(ranks: np.ndarray, dwell: int, level: int | None = None) -> list[Change]:
    """Falls and rises that last.

    The level falls at a record if this and the following ``dwell - 1`` records all lie below it, to the largest of
    them; it rises if they all lie above it, to the smallest. Anything shorter is a flicker and does not count.
    Negative numbers (a chain that diverged) end the record.

    Parameters
    ----------
    ranks : ndarray of int, shape (n_records,)
    dwell : int
        Records that a change must last.
    level : int, optional
        Level before the first record; by default the first record's.

    Returns
    -------
    list of Change
    """
    ranks = np.asarray(ranks)
    gone = np.flatnonzero(ranks < 0)
    if gone.size:
        ranks = ranks[: gone[0]]
    found: list[Change] = []
    if ranks.size < dwell:
        return found
    windows = np.lib.stride_tricks.sliding_window_view(ranks, dwell)
    highest, lowest = windows.max(axis=1), windows.min(axis=1)
    current = int(ranks[0]) if level is None else level
    start = 0
    while True:
        away = (highest[start:] < current) | (lowest[start:] > current)
        if not away.any():
            return found
        at = start + int(np.argmax(away))
        new = int(highest[at]) if highest[at] < current else int(lowest[at])
        found.append(Change(at, current, new))
        current, start = new, at + 1
        if start >= highest.size:
            return found
