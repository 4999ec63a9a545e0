"""Whether a table that was read as a matrix is rather a list of cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...problem import Problem

# lines of a list of triplets, and how many of them at least share a label on average
_TRIPLETS, _SHARED = 5, 1.5
# a log may name a cell again
_DISTINCT = 0.9


def triplets_note(problem: Problem, name: Callable[[int], str]) -> list[str]:
    """A note if the rows are rather a row's label, a column's label and a value each (and a time)."""
    m, n = problem.shape
    if n not in (3, 4) or m < _TRIPLETS or np.any(problem.col_counts[:2] < m):
        return []
    full = problem.n_observed == m * n
    if n > 3 and not full:
        return []
    first, second = (problem.values[problem.cols == col] for col in (0, 1))
    if any(np.any(labels % 1) or labels.min() < 0 for labels in (first, second)):
        return []
    sizes = [np.unique(labels).size for labels in (first, second)]
    alike = [bool(np.all(np.diff(labels) >= 0)) for labels in (first, second)]
    if min(sizes) < 2 or m < _SHARED * min(sizes) or (not full and not any(alike)):
        return []
    pairs = np.unique(first + 1j * second).size
    if pairs < _DISTINCT * m:
        return []
    return [
        f"A table of {n} columns was read, but each line looks like one cell with its row, column and value "
        f"({name(0)}, {name(1)} and {name(2)}): if so, use --triplets (in Python: Problem.from_triplets)."
    ]
