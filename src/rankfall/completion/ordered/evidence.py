"""A cheap question first: do neighbours resemble each other more than others do?"""

from __future__ import annotations

import numpy as np

from ...problem import Problem
from .axis_order import AxisOrder

# sum of products of neighbours over its standard error from which on an order is tried; whether it is used is
# decided on held-out cells
_WORTH_TRYING = 2.0
_ROUNDS = 3


def resemble(rest: Problem, order: AxisOrder) -> bool:
    """Whether rows that follow each other resemble each other, by what effects leave of their cells.

    With e_ij without its column's mean, ``t = sum_j e_ij e_i'j`` of two neighbours is 0 on average where the
    order means nothing. The sum over all pairs is compared with the root of that of the squares. Where rows
    have levels that come and go without order, e_ij without its row's mean, too, shows it rather; of the few
    cells of a row in a narrow or sparse table that leaves next to nothing.
    """
    levels = _without_means(rest.values, (rest.cols, rest.col_counts))
    shapes = _without_means(rest.values, (rest.rows, rest.row_counts), (rest.cols, rest.col_counts))
    return any(_follow(rest.with_values(values), order) for values in (levels, shapes))


def _follow(rest: Problem, order: AxisOrder) -> bool:
    E = rest.to_sparse()[order.order]
    terms = np.asarray(E[1:].multiply(E[:-1]).sum(axis=1)).ravel()[np.isfinite(order.steps[1:])]
    size = float(np.sqrt(np.sum(terms**2)))
    return bool(size > 0 and np.sum(terms) > _WORTH_TRYING * size)


def _without_means(values: np.ndarray, *axes: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The values without the means of these axes, each with the numbers and counts of its rows (columns)."""
    for _ in range(_ROUNDS if len(axes) > 1 else 1):
        for index, counts in axes:
            means = np.bincount(index, values, counts.size) / np.maximum(counts, 1)
            values = values - means[index]
    return values
