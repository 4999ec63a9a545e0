"""The exact steps of jumps, by replaying the stretches around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..dynamics import Trace, replay
from .lasting_changes import lasting_changes
from .rank_series import RankRule, trace_bounds


@dataclass(frozen=True, eq=False)
class Dated:
    """Jumps with exact steps.

    Attributes
    ----------
    rows : ndarray of int64, shape (5, n_jumps)
        chain, after, step, rank_from, rank_to.
    exposure, last_rank : ndarray of int64, shape (n_chains,)
    """

    rows: np.ndarray
    exposure: np.ndarray
    last_rank: np.ndarray


def date_jumps(trace: Trace, rule: RankRule, begin: int, dwell: int, n_threads: int | None) -> Dated:
    """Find the jumps of a trace as if every step had been recorded.

    A jump from rank r at step t needs `dwell` steps without r, and so disagrees with every record among them.
    Only stretches between two records that pass this test are replayed.
    """
    fewest, most = (bound[:, trace.steps >= begin] for bound in trace_bounds(trace, rule))
    steps = trace.steps[trace.steps >= begin]
    seen = np.minimum.accumulate(most >= 0, axis=1).sum(axis=1)
    end = steps[np.maximum(seen - 1, 0)]
    rank, rows = most[:, 0].astype(np.int64), []
    for chain in range(trace.n_chains):
        for record in range(1, seen[chain]):
            low, high = fewest[chain, record], most[chain, record]
            if low <= rank[chain] <= high:
                continue
            # every window that begins in this stretch holds these records
            last = np.searchsorted(steps, steps[record - 1] + 1 + dwell, side="right")
            window = slice(record, min(max(last, record + 1), seen[chain]))
            if fewest[chain, window].min() <= rank[chain] <= most[chain, window].max():
                continue
            stop = min(steps[record] + dwell, end[chain])
            fine = replay(
                trace, chain=chain, start=int(steps[record - 1]), stop=int(stop), n_threads=n_threads,
                record=rule.record(1, trace.rank_tol),
            )  # fmt: skip
            found = lasting_changes(fine.steps, *trace_bounds(fine, rule), dwell, rank[[chain]])
            at = fine.steps[found.record]
            mine = at <= steps[record]
            before, after = found.rank_from[mine], found.rank_to[mine]
            rows.append(np.stack([np.full(before.size, chain), at[mine] - 1, at[mine], before, after]))
            if before.size:
                rank[chain] = after[-1]
    exposure = np.maximum(end - dwell - steps[0], 0)
    return Dated(np.concatenate([np.zeros((5, 0), np.int64), *rows], axis=1), exposure, rank)
