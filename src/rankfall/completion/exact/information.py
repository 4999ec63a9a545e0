"""How much the observed cells tell: an exact fit that needs more numbers than they hold is none.

A matrix of rank r has ``r (m + n - r)`` free numbers. A fit of this rank says something if the N observed
cells hold more information than that many numbers of their resolution. Cells of continuous data hold one
number each. Of coarse values a cell holds less, the entropy of the values against the bits of their range:
99 zeros of 100 (an identity) hardly anything. A copy of a row or column holds nothing new.
"""

from __future__ import annotations

import numpy as np

from ...problem import Problem

# axes with more rows or columns than these are not searched for copies
_MOST_COMPARED = 400
# cells that two columns must share, all of them equal, to be copies; and different values among these
_SHARED, _DIFFERENT = 4, 3


def largest_rank(problem: Problem, max_rank: int | None) -> int:
    """The largest rank for which the cells hold more information than a matrix has free numbers.

    In the whole, and in the core where cells test each other.

    Parameters
    ----------
    problem : Problem
    max_rank : int or None
        The caller's limit.
    """
    worth = worth_of_a_cell(problem.values)
    top = problem.max_oversampled_rank(1 / worth) if worth else 0
    if max_rank is not None:
        top = min(top, max_rank)
    while top and problem.core_oversampling(top) * worth <= 1:
        top -= 1
    return top


def worth_of_a_cell(values: np.ndarray) -> float:
    """Entropy of the values over the bits of their resolution, from 0 to 1.

    The resolution is the smallest distance of two values; more bits than there are values to tell apart do
    not count, so that values which are all different are worth 1.
    """
    different, counts = np.unique(values, return_counts=True)
    if different.size == values.size:
        return 1.0
    if different.size < 2:
        return 1.0  # a constant: rank 1 says all there is
    share = counts / values.size
    entropy = float(-np.sum(share * np.log2(share)))
    # distances of a few units in the last place are rounding
    apart = np.diff(different)
    unit = float(apart[apart > 1e-12 * np.abs(different).max()].min(initial=np.inf))
    if not np.isfinite(unit):
        return 1.0
    bits = float(np.log2((different[-1] - different[0]) / unit + 1))
    return min(1.0, entropy / min(bits, float(np.log2(values.size))))


def without_copies(problem: Problem) -> Problem:
    """Columns that agree at all cells they share are one column, and rows likewise; the cells of both count.

    Values that are all different have no copies. Zeros and other values that fill whole columns are no
    evidence of a copy.
    """
    if np.unique(problem.values).size == problem.n_observed:
        return problem
    return _merged(_merged(problem).T).T


def _merged(problem: Problem) -> Problem:
    """Copies among the columns are one column."""
    m, n = problem.shape
    if n > _MOST_COMPARED or m * n > _MOST_COMPARED * 5000:
        return problem
    X = problem.to_dense()
    first = np.arange(n)
    for j in range(n):
        if first[j] < j:
            continue
        rest = np.arange(j + 1, n)
        rest = rest[first[rest] == rest]
        shared = ~np.isnan(X[:, [j]]) & ~np.isnan(X[:, rest])
        differ = shared & (X[:, [j]] != X[:, rest])
        for k in rest[(~differ.any(axis=0)) & (np.count_nonzero(shared, axis=0) >= _SHARED)].tolist():
            both = X[~np.isnan(X[:, j]) & ~np.isnan(X[:, k]), j]
            # an earlier copy may have filled cells in
            if np.unique(both).size >= _DIFFERENT and not np.any(both != X[~np.isnan(X[:, j] + X[:, k]), k]):
                first[k] = j
                X[:, j] = np.where(np.isnan(X[:, j]), X[:, k], X[:, j])
    kept = np.flatnonzero(first == np.arange(n))
    return problem if kept.size == n else Problem.from_dense(X[:, kept])
