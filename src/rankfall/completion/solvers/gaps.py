"""Missing cells of rows that have few: sums over a row's observed cells are cheaper made from them.

``sum_observed v_j v_j^T = sum_all v_j v_j^T - sum_missing v_j v_j^T``, and the first sum is the same for all
rows whose cells have equal weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...problem import Problem

# relative rounding error of a sum of products, and fraction of a precision that is nothing
_ROUNDING, _NOTHING = 1e-14, 1e-3
# cells that are looked at together when the missing ones are listed
_BLOCK = 2**22


@dataclass(frozen=True, eq=False)
class Gaps:
    """Missing cells of those rows whose sums over cells are cheaper made from them than from the others.

    Attributes
    ----------
    by_gaps : ndarray of bool, shape (m,)
        These rows: all weights are 1 and more than half of the cells are observed.
    indptr, indices : ndarray
        Their missing cells in compressed sparse rows; the other rows are empty.
    summed : int
        Cells of all sums: observed ones, or missing ones where these are fewer.
    """

    by_gaps: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    summed: int

    @classmethod
    def none(cls, n_rows: int) -> Gaps:
        """No row's sums are made from missing cells."""
        return cls(np.zeros(n_rows, bool), np.zeros(n_rows + 1, np.int64), np.zeros(0, np.int64), 0)


def gaps(problem: Problem) -> Gaps:
    """The missing cells that sums are made from."""
    m, n = problem.shape
    by_gaps = 2 * problem.row_counts > n
    if problem.weights is not None or not by_gaps.any():
        return replace(Gaps.none(m), summed=problem.n_observed)
    counts = np.where(by_gaps, n - problem.row_counts, 0)
    many = by_gaps[problem.rows]
    rows, cols = (np.cumsum(by_gaps) - 1)[problem.rows[many]], problem.cols[many]
    found, step = [], max(_BLOCK // n, 1)
    for first in range(0, int(by_gaps.sum()), step):
        missing = np.ones((min(step, int(by_gaps.sum()) - first), n), bool)
        here = (rows >= first) & (rows < first + step)
        missing[rows[here] - first, cols[here]] = False
        found.append(np.nonzero(missing)[1])
    summed = int(counts.sum() + problem.row_counts[~by_gaps].sum())
    return Gaps(by_gaps, np.concatenate([[0], np.cumsum(counts)]), np.concatenate(found), summed)


def may_subtract(largest: float, least_prior: float) -> bool:
    """Whether what rounding leaves of a difference of sums is nothing beside the prior's precision."""
    return _ROUNDING * largest < _NOTHING * least_prior
