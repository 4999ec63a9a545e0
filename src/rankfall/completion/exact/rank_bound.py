"""A lower bound of the rank of any exact fit: the rank of a submatrix without missing cells."""

from __future__ import annotations

import numpy as np

from ...problem import Problem
from .precision import Precision

# rows and columns (those with most entries) among which a complete submatrix is looked for
_ROWS, _COLS = 3000, 400


def least_rank(problem: Problem, precision: Precision) -> int:
    """The smallest rank that an exact fit may have.

    No submatrix has a larger rank than the whole, so that a complete submatrix, of which the rank is known,
    bounds that of any fit from below: if a fit of rank r misses the observed cells X by at most
    ``tolerance |X|``, then so it does this submatrix, and the (r+1)-st singular value of that is no larger
    (Weyl's inequality).

    The submatrix is found by adding columns one by one, each the one that leaves most rows complete. It has
    at least as many rows as columns (or the reverse in a wide problem).
    """
    if problem.n_cols > problem.n_rows:
        problem = problem.T
    rows = np.argsort(-problem.row_counts, kind="stable")[:_ROWS]
    cols = np.argsort(-problem.col_counts, kind="stable")[:_COLS]
    X = _part(problem, rows, cols)
    observed = ~np.isnan(X)
    complete, left = np.ones(rows.size, bool), np.ones(cols.size, bool)
    chosen: list[int] = []
    while left.any():
        counts = np.where(left, np.count_nonzero(observed[complete], axis=0), -1)
        col = int(np.argmax(counts))
        if counts[col] <= len(chosen):
            break
        complete, left[col] = complete & observed[:, col], False
        chosen.append(col)
    if not chosen:
        return 0
    s = np.linalg.svd(X[complete][:, chosen], compute_uv=False)
    return int(np.count_nonzero(s > precision.tolerance * np.linalg.norm(problem.values)))


def _part(problem: Problem, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Some rows and columns as a dense array, NaN where nothing is observed."""
    row_place, col_place = np.full(problem.n_rows, -1), np.full(problem.n_cols, -1)
    row_place[rows], col_place[cols] = np.arange(rows.size), np.arange(cols.size)
    i, j = row_place[problem.rows], col_place[problem.cols]
    inside = (i >= 0) & (j >= 0)
    X = np.full((rows.size, cols.size), np.nan)
    X[i[inside], j[inside]] = problem.values[inside]
    return X
