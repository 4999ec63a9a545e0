"""The missing cells of a table, by number: any of them can be named without listing all."""

from __future__ import annotations

import numpy as np

from ...problem import Problem


class MissingCells:
    """Missing cells, numbered along the rows.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._observed = problem.rows * problem.n_cols + problem.cols  # ascending
        self._before = self._observed - np.arange(self._observed.size)  # missing cells before each
        self.n_cols = problem.n_cols
        self.size = problem.n_rows * problem.n_cols - problem.n_observed

    def at(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of some missing cells."""
        flat = numbers + np.searchsorted(self._before, numbers, side="right")
        return np.divmod(flat, self.n_cols)

    def sample(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Some of them, drawn without replacement; all where there are no more."""
        if self.size <= count:
            return self.at(np.arange(self.size))
        # without a permutation of all: a few are drawn twice
        numbers = np.unique(rng.integers(self.size, size=count))
        return self.at(numbers)

    def observed_entry(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Number of the entry at each cell, -1 where none is observed."""
        flat = rows * self.n_cols + cols
        at = np.minimum(np.searchsorted(self._observed, flat), self._observed.size - 1)
        return np.where(self._observed[at] == flat, at, -1)
