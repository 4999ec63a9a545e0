"""What is taken out of the data before the low-rank part: a mean, row and column effects, column scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import Problem
from ..solvers.variational import Refitter


@dataclass(frozen=True, eq=False)
class DataModel:
    """``x_ij = mean + rows_i + scale_j * (cols_j + (low rank)_ij + noise)``.

    Mean and scales are fixed before anything is fitted; the effects are estimated with the low-rank part,
    each kind with a ridge of its own.

    Attributes
    ----------
    effects : str
        "none", "mean", "columns" (and a mean) or "both" (columns, rows and a mean).
    scaling : str
        "all" (one scale) or "columns" (one for every column).
    mean : float
    scale : ndarray, shape (n,)
    """

    effects: str
    scaling: str
    mean: float
    scale: np.ndarray

    @property
    def row_effects(self) -> bool:
        return self.effects == "both"

    @property
    def col_effects(self) -> bool:
        return self.effects in ("columns", "both")

    def standardise(self, problem: Problem) -> Problem:
        """The problem that is left for effects and low-rank part."""
        return problem.with_values((problem.values - self.mean) / self.scale[problem.cols])

    def refitter(self, problem: Problem) -> Refitter:
        """Fits this model to a problem (as given: it is standardised here)."""
        return Refitter(
            self.standardise(problem), self.row_effects, self.col_effects, self.typical / self.scale
        )

    @property
    def typical(self) -> float:
        """Root mean square of the scales: what row effects are counted in."""
        return float(np.sqrt(np.mean(self.scale**2)))


EFFECTS, SCALINGS = ("none", "mean", "columns", "both"), ("all", "columns")
# columns have different units if their standard deviations spread more than this (upper to lower decile, columns
# with at least so many entries); the columns of a matrix of rank 1 with normal factors spread by about 13
_MIXED, _ENOUGH = 30.0, 8
# cells by which a first guess of the column means is drawn towards the mean
_FEW = 0.5
# equal entries that make a column constant
_CONSTANT = 20


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


def constant_columns(problem: Problem) -> np.ndarray:
    """Columns whose entries, twenty or more, are all the same number: a mask of shape (n,)."""
    low, high = np.full(problem.n_cols, np.inf), np.full(problem.n_cols, -np.inf)
    np.minimum.at(low, problem.cols, problem.values)
    np.maximum.at(high, problem.cols, problem.values)
    return (low == high) & (problem.col_counts >= _CONSTANT)


def fit_model(problem: Problem, effects: str, scaling: str) -> DataModel:
    """Mean and scales of a data model; the scale makes the root mean square of what is left about 1."""
    mean = 0.0 if effects == "none" else float(np.average(problem.values, weights=problem.weights))
    rest = problem.values - mean
    if effects in ("columns", "both"):
        counts = problem.col_counts + _FEW
        rest = rest - (np.bincount(problem.cols, rest, problem.n_cols) / counts)[problem.cols]
    total = float(np.mean(rest**2))
    if total == 0:
        return DataModel(effects, scaling, mean, np.ones(problem.n_cols))
    scale = np.full(problem.n_cols, np.sqrt(total))
    if scaling == "columns":
        # drawn towards the overall scale where there are few entries
        squares = np.bincount(problem.cols, rest**2, problem.n_cols)
        scale = np.sqrt((squares + 5 * total) / (problem.col_counts + 5))
        scale = np.maximum(scale, 1e-6 * np.sqrt(total))
    return DataModel(effects, scaling, mean, scale)


def candidates(problem: Problem, mixed: bool, effects: str, scaling: str) -> list[tuple[str, str]]:
    """(effects, scaling) worth comparing for these data, plain ones first; "auto" leaves a choice open.

    Row effects mean nothing where columns have different units (`mixed`). Scaled columns are tried where
    the columns' standard deviations differ.
    """
    allowed = EFFECTS if effects == "auto" else (effects,)
    if mixed and effects == "auto":
        allowed = ("none", "columns")
    scalings = ("all",) if scaling == "auto" else (scaling,)
    if scaling == "auto" and _spreads_differ(problem):
        scalings = SCALINGS
    return [(name, how) for how in scalings for name in allowed if how == scaling or not _idle(name, how)]


def _idle(effects: str, scaling: str) -> bool:
    # with a mean taken out of all cells alike, or none, scaled columns are not tried unasked
    return scaling == "columns" and effects in ("none", "mean")


def _spreads_differ(problem: Problem) -> bool:
    rest = problem.values - float(problem.values.mean())
    counts = problem.col_counts + _FEW
    rest = rest - (np.bincount(problem.cols, rest, problem.n_cols) / counts)[problem.cols]
    counts = np.maximum(problem.col_counts, 1)
    spread = np.sqrt(np.bincount(problem.cols, rest**2, problem.n_cols) / counts)
    spread = spread[(problem.col_counts > 2) & (spread > 0)]
    return spread.size > 1 and bool(np.quantile(spread, 0.9) > 2 * np.quantile(spread, 0.1))
