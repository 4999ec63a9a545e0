"""What is taken out of the data before the low-rank part: a mean, row and column effects, column scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem import Problem


@dataclass(frozen=True, eq=False)
class DataModel:
    """``x_ij = mean + rows_i + cols_j + scale_j * (low rank)_ij``.

    Attributes
    ----------
    name : str
        "none", "mean", "columns" or "effects", with " + scaled columns" where scales differ from 1.
    mean : float
    rows, cols : ndarray, shapes (m,), (n,)
        Effects, shrunken towards zero (see :func:`fit_effects`).
    scale : ndarray, shape (n,)
        Scale of every column.
    damping : float
        Strength of the shrinkage, in units of observed cells.
    """

    name: str
    mean: float
    rows: np.ndarray
    cols: np.ndarray
    scale: np.ndarray
    damping: float

    def effects(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Mean and effects of some cells."""
        return self.mean + self.rows[rows] + self.cols[cols]

    def standardise(self, problem: Problem) -> Problem:
        """The problem that is left for the low-rank part."""
        rest = problem.values - self.effects(problem.rows, problem.cols)
        return problem.with_values(rest / self.scale[problem.cols])

    @property
    def has_effects(self) -> bool:
        return self.name.partition(" + ")[0] != "none"


DAMPINGS = (0.0, 0.5, 5.0, 25.0)
# columns have different units if their standard deviations spread more than this (upper to lower decile, columns
# with at least so many entries); the columns of a matrix of rank 1 with normal factors spread by about 13
_MIXED, _ENOUGH = 30.0, 8


def column_units(problem: Problem) -> np.ndarray:
    """Standard deviation of every column where the columns have different units, ones where not, shape (n,).

    Dividing columns by their units changes neither the rank nor whether a fit is exact, but without it one
    column of large numbers would be all that errors, ridges and tolerances see.
    """
    counts = problem.col_counts
    weights = 1 / np.maximum(counts, 1)
    means = np.bincount(problem.cols, problem.values, problem.n_cols) * weights
    rest = problem.values - means[problem.cols]
    spread = np.sqrt(np.bincount(problem.cols, rest**2, problem.n_cols) * weights)
    moving = (counts > 2) & (spread > 1e-9 * np.abs(means))
    sure = spread[moving & (counts >= _ENOUGH)]
    if sure.size < 2 or np.quantile(sure, 0.9) <= _MIXED * np.quantile(sure, 0.1):
        return np.ones(problem.n_cols)
    # a column that does not move is measured by its size
    typical = float(np.median(spread[moving]))
    return np.where(moving, spread, np.where(means != 0, np.abs(means), typical))


def fit_effects(
    problem: Problem, damping: float, with_rows: bool, sweeps: int = 20
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean, row effects and column effects by damped alternating means.

    ``cols_j = sum_i (x_ij - mean - rows_i) / (n_j + damping)`` and likewise for rows: the ridge solution,
    in which a line with few entries is drawn towards the mean. Lines without entries get 0.
    """
    mean = float(problem.values.mean())
    rest = problem.values - mean
    rows, cols = np.zeros(problem.n_rows), np.zeros(problem.n_cols)
    row_weights = np.maximum(problem.row_counts + damping, 1e-3)
    col_weights = np.maximum(problem.col_counts + damping, 1e-3)
    for _ in range(sweeps if with_rows else 1):
        before = rows.copy()
        cols = np.bincount(problem.cols, rest - rows[problem.rows], problem.n_cols) / col_weights
        if with_rows:
            rows = np.bincount(problem.rows, rest - cols[problem.cols], problem.n_rows) / row_weights
            if np.max(np.abs(rows - before)) <= 1e-6 * np.max(np.abs(rows), initial=1e-300):
                break
    return mean, rows, cols


def fit_model(problem: Problem, name: str, damping: float) -> DataModel:
    """Estimate one of the data models, by its name."""
    base, _, scaled = name.partition(" + ")
    m, n = problem.shape
    mean, rows, cols = 0.0, np.zeros(m), np.zeros(n)
    if base == "mean":
        mean = float(problem.values.mean())
    elif base in ("columns", "effects"):
        mean, rows, cols = fit_effects(problem, damping, with_rows=base == "effects")
    model = DataModel(name, mean, rows, cols, np.ones(n), damping)
    if scaled:
        model = DataModel(name, mean, rows, cols, _column_scales(model.standardise(problem)), damping)
    return model


def _column_scales(problem: Problem) -> np.ndarray:
    """Root mean square of every column, drawn towards the overall one where there are few entries."""
    total = float(np.mean(problem.values**2))
    if total == 0:
        return np.ones(problem.n_cols)
    squares = np.bincount(problem.cols, problem.values**2, problem.n_cols)
    scales = np.sqrt((squares + 5 * total) / (problem.col_counts + 5))
    return np.maximum(scales, 1e-6 * np.sqrt(total))


def names(problem: Problem, mixed: bool) -> list[str]:
    """Data models worth comparing for these data.

    Row effects mean nothing where columns have different units (`mixed`). Scaled columns are tried where
    the columns' standard deviations differ.
    """
    base = ["none", "columns"] if mixed else ["none", "mean", "columns", "effects"]
    mean, _, cols = fit_effects(problem, 0.5, with_rows=False)
    rest = problem.values - mean - cols[problem.cols]
    counts = np.maximum(problem.col_counts, 1)
    spread = np.sqrt(np.bincount(problem.cols, rest**2, problem.n_cols) / counts)
    spread = spread[(problem.col_counts > 2) & (spread > 0)]
    if spread.size > 1 and np.quantile(spread, 0.9) > 2 * np.quantile(spread, 0.1):
        base += [f"{name} + scaled columns" for name in base if name in ("columns", "effects")]
    return base
