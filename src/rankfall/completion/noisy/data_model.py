"""What is taken out of the data before the low-rank part: a mean, row and column effects, column scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import Problem
from ..solvers.variational import VariationalFit
from ..standardise import MIXED, REACH, NoisyCells, on_grid


@dataclass(frozen=True, eq=False)
class DataModel:
    """``x_ij = center_j + rows_i + scale_j * (cols_j + (low rank)_ij + noise)``.

    Centers and scales are fixed before anything is fitted; the effects are estimated with the low-rank part,
    each kind with a ridge of its own.

    Attributes
    ----------
    effects : str
        "none", "mean", "columns" (and a mean) or "both" (columns, rows and a mean).
    scaling : str
        "all" (one center and one scale) or "columns" (one for every column).
    center, scale : ndarray, shape (n,)
    """

    effects: str
    scaling: str
    center: np.ndarray
    scale: np.ndarray

    @property
    def row_effects(self) -> bool:
        return self.effects == "both"

    @property
    def col_effects(self) -> bool:
        return self.effects in ("columns", "both")

    def standardise(self, problem: Problem) -> Problem:
        """The problem that is left for effects and low-rank part, rounded."""
        values = (problem.values - self.center[problem.cols]) / self.scale[problem.cols]
        return problem.with_values(on_grid(values))

    def fitter(self, problem: Problem) -> VariationalFit:
        """Fits this model to a problem (as given: it is standardised here)."""
        return self.fitter_of_standardised(self.standardise(problem))

    def fitter_of_standardised(self, problem: Problem) -> VariationalFit:
        """Fits this model to a problem that it has standardised."""
        units = np.ones(problem.n_cols)
        if self.row_effects:  # counted in the root mean square of the scales
            units = np.sqrt(np.mean(self.scale**2)) / self.scale
        return VariationalFit(problem, self.row_effects, self.col_effects, units)


EFFECTS, SCALINGS = ("none", "mean", "columns", "both"), ("all", "columns")
# ratio of spreads (upper to lower decile) for which scaled columns are tried
_DIFFER = 2.0
# cells by which a first guess of the column means is drawn towards the mean
_FEW = 0.5


def fit_model(problem: Problem, effects: str, scaling: str, cells: NoisyCells) -> DataModel:
    """Centers and scales of a data model; the scale makes the root mean square of what is left about 1.

    Columns that stand apart are brought to the typical location and size of the others first, unless values
    are taken as they are (no effects) or there are row effects, which are the same in all columns. With
    scaled columns every column has its own location and size.

    Parameters
    ----------
    problem : Problem
        Training cells.
    effects, scaling : str
        As in :class:`DataModel`.
    cells : NoisyCells
        All cells: the size of their columns is used; locations are those of the training cells.
    """
    shift, factor = _units(effects, scaling, problem, cells)
    values = (problem.values - shift[problem.cols]) / factor[problem.cols]
    mean = 0.0
    if effects != "none" and scaling == "all":
        mean = float(np.average(values, weights=problem.weights))
    rest = values - mean
    if effects in ("columns", "both"):
        counts = problem.col_counts + _FEW
        rest = rest - (np.bincount(problem.cols, rest, problem.n_cols) / counts)[problem.cols]
    if scaling == "columns":
        rest = np.clip(rest, -REACH, REACH)
    largest = float(np.max(np.abs(rest), initial=0.0)) or 1.0  # squares may leave the range of floats
    scale = largest * np.sqrt(float(np.mean((rest / largest) ** 2))) or 1.0
    return DataModel(effects, scaling, shift + mean * factor, scale * factor)


def _units(effects: str, scaling: str, problem: Problem, cells: NoisyCells) -> tuple[np.ndarray, np.ndarray]:
    """What is subtracted from the values of every column, and by what the rest is divided."""
    n = cells.spread.size
    if scaling == "columns":
        if effects in ("columns", "both"):
            return _centers(problem, cells), cells.spread
        plain = 0.0 if effects == "none" else float(np.mean(problem.values))
        return np.full(n, plain), cells.spread
    apart = cells.apart
    if effects in ("none", "both") or not apart.any():
        return np.zeros(n), np.ones(n)
    center, factor = _centers(problem, cells), cells.common
    middle = np.median(center[~apart])
    return np.where(apart, center - middle * factor, 0.0), factor


def _centers(training: Problem, cells: NoisyCells) -> np.ndarray:
    """Mean of every column's training cells, wild values drawn in, shape (n,).

    With the mean of all cells, a model that fits every training cell would also know the held-out ones: what
    the others lack to the mean (15 rows x 120 columns of noise were "predicted" so).
    """
    values = (training.values - cells.center[training.cols]) / cells.spread[training.cols]
    sums = np.bincount(training.cols, np.clip(values, -REACH, REACH), training.n_cols)
    return cells.center + cells.spread * sums / np.maximum(training.col_counts, 1)


def candidate_models(cells: NoisyCells, effects: str, scaling: str) -> list[tuple[str, str]]:
    """(effects, scaling) worth comparing for these data, plain ones first; "auto" leaves a choice open.

    Scaled columns are tried where the columns' spreads differ, and nothing else where they differ so much
    that the columns cannot have a unit in common. Row effects, which are the same number in all columns, are
    not tried unasked where a column stands apart, nor are values as they are if it stands far apart.
    """
    allowed = EFFECTS if effects == "auto" else (effects,)
    if effects == "auto" and cells.apart.any():
        allowed = ("none", "mean", "columns") if cells.nearly_alike else ("mean", "columns")
    scalings = ("all",) if scaling == "auto" else (scaling,)
    low, high = np.quantile(cells.spread[~cells.apart], (0.1, 0.9))
    if scaling == "auto" and high > MIXED * low:
        scalings = ("columns",)
    elif scaling == "auto" and high > _DIFFER * low:
        scalings = SCALINGS
    return [
        (name, how) for how in scalings for name in allowed
        if how == "all" or effects != "auto" or name == "columns"
    ]  # fmt: skip
