"""Folds: which cells are held out, and what is fitted to the others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...partly_known import Augmentation
from ...problem import Problem
from ..seeds import Stream, generator
from ..solvers.errors import both_errors, combined, rms
from ..solvers.noise_model import EQUAL, NoiseModel
from ..solvers.posterior import Posterior
from ..solvers.variational import VariationalFit
from ..standardise import NoisyCells
from .data_model import DataModel, fit_model

# observed cells below which none are held out
MIN_CELLS = 20
# largest number of held-out cells: more make nothing surer, and take cells from the fits
_MAX_HELD = 50_000
# held-out cells without which another tenth is held out, since a few hundred choose by chance; tables with
# more cells are split once
_HELD_TOGETHER, _FEW_CELLS = 1500, 4000
# held-out cells that make a split
_LEAST_HELD = 2
# held-out cells without which rows and columns are not given noise scales of their own: in small tables a
# factor may otherwise make one column its own, as if that had no noise
NOISE_SCALES_NEED = 200
_EFFECTS_SWEEPS = 20
# errors, in units of their column's spread, that count as this large when fits are compared: no single wild
# cell decides
_WILD = 10.0


@dataclass(frozen=True, eq=False)
class Fold:
    """Training and held-out cells under one data model.

    Attributes
    ----------
    model : DataModel
    training, held : Problem
        Standardised values.
    fitter : VariationalFit
        Fits to the training cells.
    effects : Posterior
        The fit of rank 0: the effects alone.
    cells : NoisyCells
        All cells, with the spread of every column: choices are made on errors relative to it.
    pilot_noise : float
        Noise variance that a first small fit found.
    """

    model: DataModel
    training: Problem
    held: Problem
    fitter: VariationalFit
    effects: Posterior
    cells: NoisyCells
    pilot_noise: float = 1.0

    @classmethod
    def of(
        cls,
        model: DataModel,
        train: Problem,
        held: Problem,
        cells: NoisyCells,
        noise_model: NoiseModel = EQUAL,
    ) -> Fold:
        """A fold standardised by a data model; the effects are fitted under a noise model."""
        fitter = model.fitter(train)
        nothing = fitter.start(np.zeros((train.n_cols, 0)), 1.0, noise_model)
        effects = fitter.improve(nothing, _EFFECTS_SWEEPS)
        return cls(model, fitter.problem, model.standardise(held), fitter, effects, cells)

    @classmethod
    def under(cls, effects: str, scaling: str, train: Problem, held: Problem, cells: NoisyCells) -> Fold:
        """A fold under a data model that is fitted to its training cells."""
        return cls.of(fit_model(train, effects, scaling, cells), train, held, cells)

    @classmethod
    def of_all_cells(cls, model: DataModel, cells: NoisyCells, noise_model: NoiseModel) -> Fold:
        """All cells as training cells."""
        problem = cells.problem
        return cls.of(model, problem, problem.subset(np.zeros(problem.n_observed, bool)), cells, noise_model)

    def with_columns_scaled(self) -> Fold:
        """The same cells with column effects and a scale for every column."""
        problem, n = self.cells.problem, self.cells.problem.n_cols
        held = np.isin(problem.rows * n + problem.cols, self.held.rows * n + self.held.cols)
        other = Fold.under("columns", "columns", problem.subset(~held), problem.subset(held), self.cells)
        return replace(other, pilot_noise=self.pilot_noise)

    def start_fit(self, V: np.ndarray, noise: float, noise_model: NoiseModel) -> Posterior:
        """A fit of new column factors, rows folded in."""
        return self.fitter.start(np.ascontiguousarray(V), noise, noise_model, self.effects)

    def misfits(self, fit: Posterior, cells: Problem) -> np.ndarray:
        """Errors of a fit at some cells, in the units that the model was made for."""
        return (fit.at(cells.rows, cells.cols) - cells.values) * self.model.scale[cells.cols]

    def train_error(self, fit: Posterior) -> float:
        """Root mean square error at the training cells, as it is reported."""
        return rms(
            self.misfits(fit, self.training) * self.cells.reported[self.training.cols], self.training.weights
        )

    def reported_misfits(self, fit: Posterior) -> np.ndarray:
        """Errors at the held-out cells, as they are reported."""
        return self.misfits(fit, self.held) * self.cells.reported[self.held.cols]

    def relative_misfits(self, fit: Posterior) -> np.ndarray:
        """Errors at the held-out cells in units of their columns' spreads; wild ones count less."""
        return np.clip(self.misfits(fit, self.held) / self.cells.spread[self.held.cols], -_WILD, _WILD)

    def common_misfits(self, fit: Posterior) -> np.ndarray:
        """Errors at the held-out cells in the unit that the columns may share."""
        return self.misfits(fit, self.held) / self.cells.common[self.held.cols]

    def held_error(self, fit: Posterior) -> float:
        """What fits are compared by: both errors at the held-out cells, relative to the spreads, combined."""
        return combined(*both_errors(self.relative_misfits(fit), self.held.weights))

    def held_squares(self, fit: Posterior) -> np.ndarray:
        """Squared errors at the held-out cells, relative to the spreads, times their weights."""
        errors = self.relative_misfits(fit) ** 2
        return errors if self.held.weights is None else errors * self.held.weights

    def effects_residual(self) -> tuple[Problem, float]:
        """What effects leave of the training values, with root mean square 1, and the unit that made it
        so.
        """
        training = self.training
        rest = training.values - self.effects.at(training.rows, training.cols)
        unit = rms(rest)
        return training.with_values(rest / (unit or 1.0)), unit

    def row_effects(self, cells: Problem) -> np.ndarray:
        """What the effects of their rows are at some cells."""
        rows, cols = self.effects.rows, self.effects.cols
        if not cols.has_known:
            return np.zeros(cells.n_observed)
        return rows.mean[cells.rows, cols.fixed] * cols.mean[cells.cols, cols.fixed]

    @property
    def typical(self) -> float:
        """Root mean square of the scales of the data model, as errors are reported."""
        return float(np.sqrt(np.mean((self.model.scale * self.cells.reported) ** 2)))

    @property
    def tells_dead_factors(self) -> bool:
        """Whether the held-out cells are so many that factors without which they are predicted as well are
        dead; of small tables, which are split several times, one part is not.
        """
        return self.held.n_observed >= _FEW_CELLS // 10

    @property
    def noise_may_differ(self) -> bool:
        """Whether there are cells enough to give rows and columns noise scales of their own."""
        return self.held.n_observed >= NOISE_SCALES_NEED


def hold_out(problem: Problem, seed: int, times: int = 1) -> list[tuple[Problem, Problem]]:
    """Validation cells, `times` over, none twice: 10%, at most 50,000, at most half of any row or column.

    No row or column is emptied. Where few cells are left that may be held out, so are later parts smaller.
    """
    wanted = min(max(problem.n_observed // 10, 1), _MAX_HELD)
    left = generator(seed, Stream.HELD_OUT).permutation(problem.n_observed)
    splits = []
    for _ in range(times):
        row_left, col_left = problem.row_counts // 2, problem.col_counts // 2
        held = np.zeros(problem.n_observed, bool)
        taken = 0
        for cell in left:
            i, j = problem.rows[cell], problem.cols[cell]
            if row_left[i] and col_left[j]:
                row_left[i] -= 1
                col_left[j] -= 1
                held[cell] = True
                taken += 1
                if taken == wanted:
                    break
        splits.append((problem.subset(~held), problem.subset(held)))
        left = left[~held[left]]
    return splits


def split_cells(
    problem: Problem, seed: int, folds: int | None, augmentation: Augmentation | None = None
) -> list[tuple[Problem, Problem]]:
    """(training, held-out) cells: `folds` of them in which every cell is held out once.

    By default a tenth of the cells is held out; of small tables another tenth, up to ten times. Cells that
    are known by a range only are never held out, and the columns of a category together.
    """
    if augmentation is not None:
        splits = split_cells(problem.subset(augmentation.held_apart(problem)), seed, folds)
        masks = [augmentation.with_blocks(held, problem) for _, held in splits]
        return [(problem.subset(~mask), problem.subset(mask)) for mask in masks]
    if folds is None:
        n = problem.n_observed
        times = min(-(-_HELD_TOGETHER // max(n // 10, 1)), 10) if n < _FEW_CELLS else 1
        splits = hold_out(problem, seed, times)
        return [split for split in splits if split[1].n_observed >= _LEAST_HELD] or splits[:1]
    label = generator(seed, Stream.HELD_OUT).permutation(problem.n_observed) % folds
    return [(problem.subset(label != fold), problem.subset(label == fold)) for fold in range(folds)]
