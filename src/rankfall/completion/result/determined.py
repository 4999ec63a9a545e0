"""Which cells the observed ones determine, where neighbours count, too."""

from __future__ import annotations

import numpy as np

from ...problem import Problem
from ..solvers.posterior import Posterior


def components(problem: Problem, posterior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """Labels of rows and columns; cells of a row and a column with the same one are determined.

    Those of :attr:`~rankfall.Problem.components`, where the rows (columns) of a series belong together if a
    fit knows their order: one without entries lies between others that have some.

    Returns
    -------
    rows, cols : ndarray of int, shapes (m,), (n,)
        -1: nothing is known.
    """
    rows, cols = problem.components
    for side, number in ((posterior.rows, 0), (posterior.cols, 1)):
        if side.chain is not None:
            rows, cols = _joined(rows, cols, side.chain.series(), number)
    return rows, cols


def _joined(
    rows: np.ndarray, cols: np.ndarray, series: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """With the labels of each series made one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sides = [rows, cols]
    size = 1 + max(int(rows.max(initial=-1)), int(cols.max(initial=-1)))
    known = sides[number] >= 0
    n_series = 1 + int(series.max(initial=-1))
    links = coo_array(
        (np.ones(np.count_nonzero(known)), (sides[number][known], size + series[known])),
        shape=(size + n_series, size + n_series),
    )
    joined = connected_components(links, directed=False)[1]
    sides = [np.where(side >= 0, joined[side], -1) for side in sides]
    has_some = np.bincount(series[known], minlength=n_series) > 0
    sides[number] = np.where(has_some[series], joined[size + series], -1)
    return sides[0], sides[1]
