"""The delivered model of each kind of answer: exact, chosen by held-out cells, effects alone, zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from ...problem import Problem
from ..noisy import NoisyAnswer
from ..noisy.folds import Fold
from ..noisy.partly_known_fit import Learned, fit_all_partly_known, fit_partly_known
from ..noisy.refit import fit_all_cells
from ..ordered import AxisOrder
from ..ordered.exact_rows import between_neighbours, chain_of_exact_rows
from ..result.fitted_model import FittedModel, HeldOut, least_norm, noise_scales
from ..solvers.least_squares import LeastSquaresFit
from ..solvers.noise_model import AVERAGED, EQUAL, HEAVY_IN_WORDS
from ..solvers.posterior import Posterior, known_side
from ..standardise import Standardisation

# relative change, of the noise in the last sweep or of the held-out error, below which a fit has converged
_CONVERGED = 0.02


@dataclass(frozen=True, eq=False)
class Delivered:
    """A delivered model on the scale of the fit, and what was chosen for it.

    `learned` says what the chain found of cells that are known only in part, on the scale of the fit, and
    `learned_of_folds` what those of the folds found that had not seen their held-out cells.
    """

    model: FittedModel
    settings: dict[str, object] = field(default_factory=dict)
    converged: bool = True
    learned: Learned | None = None
    learned_of_folds: tuple[tuple[Problem, Learned], ...] = ()


def exact_model(standardisation: Standardisation, fit: LeastSquaresFit, order: AxisOrder | None) -> Delivered:
    """That of an exact fit; rows without entries are filled between their neighbours where these matter."""
    U = fit.U * fit.s
    problem = standardisation.problem
    # rows with fewer entries than the rank fit in many ways: the one that transform would give
    for row in np.flatnonzero(problem.row_counts < U.shape[1]):
        cells = problem.rows == row
        U[row] = least_norm(fit.V[problem.cols[cells]], problem.values[cells])
    chain = chain_of_exact_rows(problem, U, order)
    if chain is not None:
        U = between_neighbours(U, problem.row_counts > 0, chain)
    model = _known_model(U, fit.V, standardisation.scales)
    if chain is not None:
        posterior = model.posterior
        rows = replace(posterior.rows, chain=chain)
        model = replace(model, posterior=replace(posterior, rows=rows))
    rule = "smallest rank that fits to machine precision"
    ordered = "none" if chain is None else "rows"
    return Delivered(model, {"effects": "none", "scaling": "all", "ordered": ordered, "rule": rule})


def zero_model(standardisation: Standardisation) -> Delivered:
    """That of cells that are all zero."""
    m, n = standardisation.fitted.shape
    model = _known_model(np.zeros((m, 0)), np.zeros((n, 0)), np.ones(n))
    return Delivered(model, {"effects": "none", "scaling": "all", "rule": "all observed cells are zero"})


def _known_model(U: np.ndarray, V: np.ndarray, scale: np.ndarray) -> FittedModel:
    """A model without any uncertainty."""
    posterior = Posterior(U.shape[1], known_side(U), known_side(V), 0.0, EQUAL, converged=True)
    ones, none = (np.ones(U.shape[0]), np.ones(V.shape[0])), np.empty(0)
    return FittedModel(posterior, np.zeros(scale.size), scale, *ones, none, none)


def effects_model(standardisation: Standardisation, effects: str, scaling: str) -> Delivered:
    """Effects alone, when there was no time, or too little data, to choose anything."""
    is_mixed = standardisation.mixed_units
    if effects == "auto":
        effects = "columns" if is_mixed else "both"
    if scaling == "auto":
        scaling = "columns" if is_mixed else "all"
    cells = standardisation.noisy.under(scaling)
    nothing = cells.problem.subset(np.zeros(cells.problem.n_observed, bool))
    whole = Fold.under(effects, scaling, cells.problem, nothing, cells)
    fit = whole.fitter.fold_rows(whole.effects)
    settings: dict[str, object] = {"effects": effects, "scaling": scaling, "rule": "effects alone"}
    return Delivered(_in_data_units(whole, fit, standardisation, ()), settings)


def chosen_model(
    standardisation: Standardisation, answer: NoisyAnswer, rule: str, seed: int, hurry: bool
) -> Delivered:
    """The chosen rank, fitted to all cells and calibrated on those that were held out."""
    fold, before = answer.counting[0]
    sample, counting, learned = answer.sample, answer.counting, None
    of_folds: list[tuple[Problem, Learned]] = []
    if fold.cells.augmentation is None:
        fitted = fit_all_cells(fold, before, answer.noise_models, seed, hurry)
    else:
        again = [fit_partly_known(*each, seed, number + 1) for number, each in enumerate(counting)]
        counting = tuple(each[:2] for each in again)
        of_folds = [(each.held, its_own) for each, _, its_own in again]
        whole, fit, learned = fit_all_partly_known(fold, before, seed)
        learned, fitted = _learned_in_data_units(learned, whole, standardisation), (whole, fit)
    whole, fit = sample.with_all_rows(*fitted, answer.row_chain)
    held = [_judged(each, its_fit) for each, its_fit in counting]
    if fold.cells.augmentation is not None:
        held = [part.without(fold.cells.augmentation.latent_cols) for part in held]
    settings: dict[str, object] = {
        "effects": whole.model.effects,
        "scaling": whole.model.scaling,
        "noise": _noise_in_words(fit, answer),
        "ordered": answer.order,
        "held_out_in": "gaps like the missing ones" if answer.in_gaps else "single cells",
        "sweeps": fit.sweeps,
        "refit_ridge": fit.ridge,
        "rule": rule,
        "held_out": answer.n_held,
        "folds": len(answer.counting),
        **({"held_out_by_split": [len(part.errors) for part in held]} if answer.in_gaps else {}),
        "rank_choices": asdict(answer.choices),
    }
    if not sample.is_all:
        settings["rows_learned_from"] = int(sample.rows.size)
    drift = float(np.median([its_fit.drift for _, its_fit in answer.counting]))
    held = [replace(part, cells=replace(part.cells, rows=sample.rows[part.cells.rows])) for part in held]
    model = _in_data_units(whole, fit, standardisation, held)
    return Delivered(model, settings, drift < _CONVERGED, learned, tuple(of_folds))


def _learned_in_data_units(learned: Learned, fold: Fold, standardisation: Standardisation) -> Learned:
    """What a chain found of cells known by a range, in the data's units on the scale of the fit."""
    augmentation, unit = fold.cells.augmentation, standardisation.noisy.unit
    assert augmentation is not None
    cols = augmentation.ranges.cols
    scale, center = fold.model.scale[cols] * unit, fold.model.center[cols] * unit
    return replace(learned, mean=center + scale * learned.mean, sd=scale * learned.sd)


def _noise_in_words(fit: Posterior, answer: NoisyAnswer) -> str:
    tails = HEAVY_IN_WORDS if fit.noise_model.is_heavy else ""
    if len(answer.noise_models) > 1 and fit.rank == answer.rank:
        return AVERAGED + tails
    if fit.noise_model.is_equal:
        return "the same in all rows and columns" + tails
    return "a noise scale for every row and column" + tails


@dataclass(frozen=True, eq=False)
class _Judged:
    """Held-out cells of one fold as a fit that had not seen them predicts them, in standardised units."""

    cells: HeldOut
    errors: np.ndarray

    def without(self, cols: np.ndarray) -> _Judged:
        """Without those of some columns: nobody has seen the values of columns without a unit, and intervals
        of the others are not calibrated on them.
        """
        kept = ~np.isin(self.cells.cols, cols)
        parts = (self.cells.rows, self.cells.cols, self.cells.predicted, self.cells.spread)
        return _Judged(HeldOut(*(part[kept] for part in parts)), self.errors[kept])


def _judged(fold: Fold, fit: Posterior) -> _Judged:
    """A fit at the cells held out from it, with rows folded in, as it will be delivered."""
    held, fit = fold.held, fold.fitter.fold_rows(fit)
    model = _standardised_model(fold, fit, ())
    spreads = model.spread(held.rows, held.cols, held.weights)
    cells = HeldOut(held.rows, held.cols, model.at(held.rows, held.cols), spreads)
    return _Judged(cells, np.abs(fold.misfits(fit, held)))


def _standardised_model(fold: Fold, fit: Posterior, held: Sequence[_Judged]) -> FittedModel:
    """The model in the units of the standardised problem."""
    by_row, by_col = noise_scales(fit, fold.training)
    errors = np.concatenate(
        [np.empty(0), *(part.errors * fold.cells.reported[part.cells.cols] for part in held)]
    )
    ratios = np.concatenate([np.empty(0), *(part.errors / part.cells.spread for part in held)])
    return FittedModel(
        fit, fold.model.center, fold.model.scale, by_row, by_col, np.sort(ratios), np.sort(errors)
    )


def _in_data_units(
    fold: Fold, fit: Posterior, standardisation: Standardisation, held: Sequence[_Judged]
) -> FittedModel:
    """The model on the scale of the fit, in the data's units."""
    model = _standardised_model(fold, fit, held)
    unit, constant, fitted = standardisation.noisy.unit, standardisation.constant, standardisation.fitted
    center, scale = model.center * unit, model.scale * unit
    if constant.any():
        still = constant[fitted.cols]
        center[fitted.cols[still]] = fitted.values[still]
        scale = np.where(constant, 0.0, scale)
    errors = model.held_errors * standardisation.unit  # in units of the columns where these differ
    held_out = _joined(held, unit) if held else None
    return replace(model, center=center, scale=scale, held_errors=errors, held_out=held_out)


def _joined(held: Sequence[_Judged], unit: float) -> HeldOut:
    """The held-out cells of all folds, in the units of the data."""
    parts = [part.cells for part in held]
    rows, cols, predicted, spread = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("rows", "cols", "predicted", "spread")
    )
    return HeldOut(rows, cols, predicted * unit, spread * unit)
