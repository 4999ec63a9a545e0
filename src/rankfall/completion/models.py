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


DAMPINGS = (0.5, 5.0, 25.0)


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
    row_weights, col_weights = problem.row_counts + damping, problem.col_counts + damping
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


def names(problem: Problem) -> list[str]:
    """Data models worth comparing for these data.

    Scaled columns are tried where the spread of the columns' standard deviations says that the columns
    may have different units.
    """
    base = ["none", "mean", "columns", "effects"]
    mean, _, cols = fit_effects(problem, 0.5, with_rows=False)
    rest = problem.values - mean - cols[problem.cols]
    counts = np.maximum(problem.col_counts, 1)
    spread = np.sqrt(np.bincount(problem.cols, rest**2, problem.n_cols) / counts)
    spread = spread[(problem.col_counts > 2) & (spread > 0)]
    if spread.size > 1 and np.quantile(spread, 0.9) > 2 * np.quantile(spread, 0.1):
        base += ["columns + scaled columns", "effects + scaled columns"]
    return base
