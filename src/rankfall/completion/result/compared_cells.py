"""The cells at which a completion is compared with other methods, and what these are given to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...bounds import sides_at
from ...problem import Problem
from ...scale import forward
from .completed_matrix import CompletedMatrix
from .peers import PREDICTORS

# the part of a large table that the others are given: the columns with the most cells, rows at random
_COLUMNS, _ROWS = 50, 3000
# the work of the forests, which take longest: rows times columns times predictors, and for each column what
# so many rows cost; up to the limit all methods together take less than ten seconds
_WORK, _ROWS_OF_A_FIT = 1_000_000, 5000
# a column whose spread is less than this share of its mean does not vary
_STILL = 1e-12


@dataclass(frozen=True, eq=False)
class ComparedCells:
    """Observed cells of a table, or of a part of it, in standard deviations from the means of their columns.

    Attributes
    ----------
    shape, of_shape : (int, int)
        Rows and columns of the part, and of the table: rows with cells, and columns that vary.
    rows, cols, values, weights : ndarray, shape (n_observed,)
        Its observed cells; values are on the scale of the fit.
    own : ndarray, shape (n_observed,)
        What the completion predicted where the cell was held out from it; NaN elsewhere.
    low, high : ndarray, shape (n,)
        Bounds of the columns in the same units.
    folds : tuple of ndarray of int
        Held-out cells as positions among the observed ones: each fold is predicted from all other cells.
    n_folds : int
        How many folds the completion had; `folds` are some of them.
    """

    shape: tuple[int, int]
    of_shape: tuple[int, int]
    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    own: np.ndarray
    low: np.ndarray
    high: np.ndarray
    folds: tuple[np.ndarray, ...]
    n_folds: int

    @classmethod
    def of(cls, matrix: CompletedMatrix, n_folds: int, seed: int) -> ComparedCells | None:
        """The columns with the most cells and rows at random, or all; None if nothing was held out there."""
        problem = matrix.fitted_problem
        predicted = _held_out(matrix, problem)
        if predicted is None:
            return None
        rng = np.random.default_rng(seed)
        means, spreads = _columns(problem)
        order = np.lexsort((rng.random(problem.n_cols), -problem.col_counts))  # ties are drawn
        varying = order[spreads[order] > 0]
        cols = np.sort(varying[:_COLUMNS])
        if cols.size < 2:
            return None
        col_at = _places(cols, problem.n_cols)
        all_rows = np.unique(problem.rows[col_at[problem.cols] >= 0])
        judged = (col_at[problem.cols] >= 0) & np.isfinite(predicted)
        rows = np.sort(_drawn(all_rows, np.unique(problem.rows[judged]), _most_rows(cols.size), rng))
        row_at = _places(rows, problem.n_rows)
        here = (row_at[problem.rows] >= 0) & (col_at[problem.cols] >= 0)
        i, j = problem.rows[here], problem.cols[here]
        low, high = _limits(matrix, means, spreads)
        own = np.clip((predicted[here] - means[j]) / spreads[j], low[j], high[j])
        held = rng.permutation(np.flatnonzero(np.isfinite(own)))
        if not held.size:
            return None
        folds = np.array_split(held, min(n_folds, held.size))
        return cls(
            shape=(rows.size, cols.size),
            of_shape=(all_rows.size, varying.size),
            rows=row_at[i],
            cols=col_at[j],
            values=(problem.values[here] - means[j]) / spreads[j],
            weights=np.ones(i.size) if problem.weights is None else problem.weights[here],
            own=own,
            low=low[cols],
            high=high[cols],
            folds=tuple(np.sort(fold) for fold in folds[: _most_folds(rows.size, cols.size)]),
            n_folds=n_folds,
        )

    def without(self, fold: np.ndarray) -> np.ndarray:
        """The part with NaN for missing cells and for those of a fold, shape (m, n)."""
        table = np.full(self.shape, np.nan)
        table[self.rows, self.cols] = self.values
        table[self.rows[fold], self.cols[fold]] = np.nan
        return table

    def kept_within(self, fold: np.ndarray, filled: np.ndarray) -> np.ndarray:
        """The values of a filled table at the cells of a fold, within the bounds."""
        cols = self.cols[fold]
        return np.clip(filled[self.rows[fold], cols], self.low[cols], self.high[cols])

    @property
    def scope(self) -> str:
        """What is compared, and what was left out, in words."""
        n_cells = sum(fold.size for fold in self.folds)
        text = f"Errors at {n_cells:,} held-out cells, in standard deviations of their columns."
        left_out = [
            f"{have:,} of {there:,} {what}"
            for have, there, what in (
                (self.shape[0], self.of_shape[0], "rows"),
                (self.shape[1], self.of_shape[1], "columns"),
            )
            if have < there
        ]
        if left_out:
            text += f" The other methods were given {' and '.join(left_out)}, this completion all."
        if len(self.folds) < self.n_folds:
            text += f" {len(self.folds)} of {self.n_folds} folds were compared."
        return text


def _held_out(matrix: CompletedMatrix, problem: Problem) -> np.ndarray | None:
    """Predictions of held-out cells, NaN at the others, shape (n_observed,); None if there are none."""
    held = matrix.model.held_out
    if held is None or not held.rows.size:
        return None
    keys = held.rows.astype(np.int64) * problem.n_cols + held.cols
    # a cell may have been held out several times
    keys, first = np.unique(keys, return_index=True)
    out = np.full(problem.n_observed, np.nan)
    out[np.searchsorted(problem.rows * problem.n_cols + problem.cols, keys)] = held.predicted[first]
    return out


def _columns(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of the observed cells of every column; 0 where a column does not vary."""
    counts = np.maximum(problem.col_counts, 1)
    means = np.bincount(problem.cols, problem.values, problem.n_cols) / counts
    rest = problem.values - means[problem.cols]
    spreads = np.sqrt(np.bincount(problem.cols, rest**2, problem.n_cols) / counts)
    return means, np.where(spreads > _STILL * np.abs(means), spreads, 0.0)


def _limits(matrix: CompletedMatrix, means: np.ndarray, spreads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of every column in its standard deviations; infinite where there is none."""
    n = means.size
    if matrix.bounds is None:
        return np.full(n, -np.inf), np.full(n, np.inf)
    low, high = (np.broadcast_to(side, n) for side in sides_at(matrix.bounds, np.arange(n)))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = ((forward(side, matrix.scale) - means) / spreads for side in (low, high))
    # what has no logarithm is no bound on that scale
    return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def _drawn(rows: np.ndarray, judged: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """As many of the rows as may be compared, drawn from those with held-out cells if these are enough."""
    return rng.permutation(judged if most <= judged.size else rows)[:most]


def _places(chosen: np.ndarray, size: int) -> np.ndarray:
    """Position of each of `size` rows or columns among the chosen ones; -1 for the others."""
    out = np.full(size, -1)
    out[chosen] = np.arange(chosen.size)
    return out


def _most_rows(n_cols: int) -> int:
    """Rows of a table of so many columns that all methods learn from within seconds."""
    predictors = min(n_cols - 1, PREDICTORS)
    return min(_ROWS, (_WORK // n_cols - _ROWS_OF_A_FIT) // predictors)


def _most_folds(n_rows: int, n_cols: int) -> int:
    """Folds that all methods predict within seconds; one at least."""
    predictors = min(n_cols - 1, PREDICTORS)
    return max(1, _WORK // (n_cols * (n_rows * predictors + _ROWS_OF_A_FIT)))
