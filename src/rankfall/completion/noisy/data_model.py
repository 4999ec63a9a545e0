"""What is taken out of the data before the low-rank part: a mean, row and column effects, column scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import Problem
from ..solvers.variational import VariationalFit


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

    def fitter(self, problem: Problem) -> VariationalFit:
        """Fits this model to a problem (as given: it is standardised here)."""
        return VariationalFit(
            self.standardise(problem), self.row_effects, self.col_effects, self.typical / self.scale
        )

    @property
    def typical(self) -> float:
        """Root mean square of the scales: what row effects are counted in."""
        return float(np.sqrt(np.mean(self.scale**2)))


EFFECTS, SCALINGS = ("none", "mean", "columns", "both"), ("all", "columns")
# cells by which a first guess of the column means is drawn towards the mean
_FEW = 0.5


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


def candidate_models(problem: Problem, mixed: bool, effects: str, scaling: str) -> list[tuple[str, str]]:
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
    return [
        (name, how) for how in scalings for name in allowed if how == scaling or not _never_unasked(name, how)
    ]


def _never_unasked(effects: str, scaling: str) -> bool:
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
