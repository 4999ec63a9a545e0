"""Single cells so far from everything else that they can only be slips: they are said, and left out.

Beside 999,999,999 in one cell of ordinary numbers nothing else of its column is seen. No other cell tells
anything of it, and it tells nothing of others: a direction of its own reproduces it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...problem import Problem
from ...scale import scaled

# distance from the median of the column, in multiples of that of the next, from which a cell is absurd. The
# largest of 1,000 values with Cauchy tails is so far beyond the next once in ten thousand columns
_ABSURD = 1e4
# other cells of the column, and of the row, without which nobody can say
_COLUMN, _ROW = 8, 3
# share of the observed cells above which they are no slips, but what the data are like
_MOST = 1e-3


def absurd_cells(problem: Problem) -> np.ndarray:
    """Entries that are absurd: a mask of shape (n_observed,).

    An absurd cell is ten thousand times as far from the median of its column as any other cell of that, and
    no other cell of its row is: a row of large numbers (totals) is none of slips.

    Parameters
    ----------
    problem : Problem
        On the scale of the fit.
    """
    none = np.zeros(problem.n_observed, bool)
    far = none.copy()
    for col in _columns_of_one_value(problem):
        here = np.flatnonzero(problem.cols == col)
        away = np.abs(problem.values[here] / 2 - np.median(problem.values[here] / 2))
        last = int(np.argmax(away))
        rest = np.delete(away, last)
        # a column of equal numbers has no width to compare with
        if rest.max() > 0 and away[last] > _ABSURD * rest.max():
            far[here[last]] = True
    by_row = np.bincount(problem.rows[far], minlength=problem.n_rows)
    found = far & (by_row == 1)[problem.rows] & (problem.row_counts > _ROW)[problem.rows]
    return found if np.count_nonzero(found) <= max(1, int(_MOST * problem.n_observed)) else none


def _columns_of_one_value(problem: Problem) -> list[int]:
    """Columns with enough cells whose variance is (nearly) that of one of them."""
    largest = np.zeros(problem.n_cols)
    np.maximum.at(largest, problem.cols, np.abs(problem.values))
    values = problem.values / np.where(largest > 0, largest, 1.0)[problem.cols]
    counts = np.maximum(problem.col_counts, 1)
    means = np.bincount(problem.cols, values, problem.n_cols) / counts
    squares = (values - means[problem.cols]) ** 2
    total, most = np.bincount(problem.cols, squares, problem.n_cols), np.zeros(problem.n_cols)
    np.maximum.at(most, problem.cols, squares)
    # one far value among k moves the mean by a k-th, and makes (1 - 1/k) of the sum of squares
    alone = most > (1 - 1 / counts) * (1 - 1e-3) * total
    return np.flatnonzero(alone & (total > 0) & (problem.col_counts > _COLUMN)).tolist()


def absurd_notes(
    problem: Problem,
    absurd: np.ndarray,
    col_names: Sequence[str] | None = None,
    row_names: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """One sentence for every absurd cell, with its place and its value as given.

    Parameters
    ----------
    problem : Problem
        In the data's own units.
    absurd : ndarray of bool, shape (n_observed,)
        See :func:`absurd_cells`.
    col_names, row_names : sequence of str, optional
        What columns and rows are called; else their positions, counted from zero.
    """
    out = []
    for k in np.flatnonzero(absurd):
        row, col, value = int(problem.rows[k]), int(problem.cols[k]), float(problem.values[k])
        place = f"row {row if row_names is None else row_names[row]}"
        place += f" and column {col if col_names is None else col_names[col]}"
        text = str(int(value)) if value % 1 == 0 and abs(value) < 1e16 else repr(value)
        out.append(
            f"The cell in {place} holds {text}, ten thousand times as far from the others of its column as "
            "these are apart: a completion takes it for a slip and learns nothing from it. It is filled like "
            "a missing cell in Python, and stays in a table that is written."
        )
    return tuple(out)


def without_absurd(problem: Problem, scale: str) -> tuple[Problem, tuple[str, ...]]:
    """The problem without its absurd cells, and what is said of these."""
    absurd = absurd_cells(scaled(problem, scale))
    if not absurd.any():
        return problem, ()
    layout = problem.layout
    names = (None, None) if layout is None else (layout.col_names, layout.row_names)
    rest = problem.subset(~absurd)
    if rest.weights is not None:
        rest = rest.with_weights(rest.weights)
    return rest, absurd_notes(problem, absurd, *names)
