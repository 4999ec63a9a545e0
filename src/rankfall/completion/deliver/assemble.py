"""From what a search found to the delivered :class:`Completion`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np

from ...errors import Outcome
from ...problem import Problem
from ...scale import Bounds, Scale
from .. import rank_path as path
from ..descent.anchors import watch
from ..exact.search import Evidence
from ..noisy.candidates import MIN_CELLS, Choice, Split, Wishes, effects_alone, split_under
from ..noisy.data_model import column_units, constant_columns
from ..noisy.refit import finish
from ..result.completion import Completion
from ..result.fitted_model import FittedModel, HeldOut, least_norm, shares
from ..session import Session
from ..solvers.variational import Posterior, known_side
from .warnings import warnings_of

# relative change, of the noise in the last sweep or of the held-out error, below which a fit has settled
_STILL = 0.02
RULES = {
    "one-se": "smallest rank within one standard error (paired), or 0.2%, of the smallest error at held-out cells",
    "min": "rank with the smallest error at held-out cells",
}


@dataclass(frozen=True)
class Delivery:
    """What the caller settled about the result itself."""

    given: Problem
    fill: Literal["effects"] | None
    names: tuple[tuple[str, ...] | None, tuple[str, ...] | None]
    scale: Scale
    bounds: Bounds | None


@dataclass
class Draft:
    """The state of one run, good for delivery at any moment.

    Attributes
    ----------
    problem : Problem
        The observed cells on the scale of the fit.
    columns : ndarray, shape (n,)
        Units of the columns.
    unit : float
        Root mean square of the values in these.
    searched : bool
        Whether the exact question was asked to its end.
    constant : ndarray of bool, shape (n,)
        Columns that are filled with the one number they hold.
    """

    problem: Problem
    seed: int
    wishes: Wishes
    delivery: Delivery
    unit: float = 1.0
    columns: np.ndarray = field(default_factory=lambda: np.ones(0))
    evidence: Evidence = field(default_factory=Evidence)
    choice: Choice | None = None
    searched: bool = False
    constant: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def standardise(self) -> Problem:
        """The problem in its columns' units, with root mean square 1: ``x_ij / (columns_j unit)``."""
        # squares of the values as given may leave the range of floats
        largest = float(np.max(np.abs(self.problem.values)))
        problem = self.problem.with_values(self.problem.values / largest)
        self.columns = column_units(problem)
        values = problem.values / self.columns[problem.cols]
        rms = float(np.sqrt(np.mean(values**2)))
        if self.mixed:
            self.columns, self.unit = self.columns * largest, rms
        else:
            self.unit = largest * rms
        return problem.with_values(values / rms)

    def restless(self) -> Problem:
        """The standardised problem without constant columns, which noise has nothing to do with.

        They are left in if hardly anything else is there.
        """
        problem = self.standardise()
        self.constant = constant_columns(self.problem)
        moving = ~self.constant[problem.cols]
        if np.count_nonzero(moving) < MIN_CELLS:
            self.constant = np.zeros(problem.n_cols, bool)
            return problem
        return problem.subset(moving)

    @property
    def mixed(self) -> bool:
        """Whether the columns have different units; errors are then in columns' standard deviations."""
        return bool(np.any(self.columns != 1))


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A delivered model on the scale of the fit."""

    model: FittedModel
    settings: dict[str, object]
    converged: bool = True


def deliver(draft: Draft, outcome: Outcome, session: Session, versions: dict[str, str]) -> Completion:
    """Fit what was chosen on all cells and put the result together."""
    problem, delivery = draft.problem, draft.delivery
    if draft.evidence.found is not None:
        fitted, outcome = _exact_fit(draft), Outcome.EXACT
    elif not np.any(problem.values):
        fitted = _zero_fit(problem)
    elif draft.choice is not None:
        fitted = _chosen_fit(draft, draft.choice, outcome in (Outcome.TIME_LIMIT, Outcome.INTERRUPTED))
        if outcome is Outcome.CHOSEN and not fitted.converged:
            outcome = Outcome.NOT_CONVERGED
    else:
        fitted = _effects_fit(draft)
    visits = draft.evidence.visits if draft.choice is None else draft.choice.visits
    result = Completion(
        problem=delivery.given,
        outcome=outcome,
        warnings=(),
        model=fitted.model,
        path=path.table(visits, problem, draft.unit, fitted.model.rank),
        history=_history(draft),
        settings={
            "seed": draft.seed,
            "asked": asdict(draft.wishes),
            "fill": delivery.fill,
            "scale": delivery.scale,
            "bounds": None if delivery.bounds is None else list(delivery.bounds),
            "errors": _errors_in(draft),
            "sgd_steps": session.sgd_steps,
            "depth": 3,
            **fitted.settings,
        },
        seconds=session.seconds,
        versions=versions,
        units=draft.columns if draft.mixed else np.ones(problem.n_cols),
        scale=delivery.scale,
        bounds=delivery.bounds,
        fill=delivery.fill,
        row_names=delivery.names[0],
        col_names=delivery.names[1],
    )
    return replace(
        result,
        warnings=tuple(warnings_of(draft, result)),
        watched=watch(result.rank, result.outcome, session, draft.seed),
        seconds=session.seconds,
    )


def _errors_in(draft: Draft) -> str:
    what = "logarithms" if draft.delivery.scale != "linear" else "units of the data"
    return f"column standard deviations of the {what}" if draft.mixed else what


def _exact_fit(draft: Draft) -> _Fitted:
    fit = draft.evidence.found
    assert fit is not None
    U = fit.U * fit.s
    # rows with fewer entries than the rank fit in many ways: the one that transform would give
    problem, short = draft.standardise(), np.flatnonzero(draft.problem.row_counts < U.shape[1])
    for row in short:
        cells = problem.rows == row
        U[row] = least_norm(fit.V[problem.cols[cells]], problem.values[cells])
    model = _exact_model(U, fit.V, draft.columns * draft.unit)
    rule = "smallest rank that fits to machine precision"
    return _Fitted(model, {"effects": "none", "scaling": "all", "rule": rule})


def _zero_fit(problem: Problem) -> _Fitted:
    m, n = problem.shape
    model = _exact_model(np.zeros((m, 0)), np.zeros((n, 0)), np.ones(n))
    return _Fitted(model, {"effects": "none", "scaling": "all", "rule": "all observed cells are zero"})


def _exact_model(U: np.ndarray, V: np.ndarray, scale: np.ndarray) -> FittedModel:
    posterior = Posterior(U.shape[1], known_side(U), known_side(V), 0.0, line_cells=np.inf, converged=True)
    ones, none = (np.ones(U.shape[0]), np.ones(V.shape[0])), np.empty(0)
    return FittedModel(posterior, np.zeros(scale.size), scale, *ones, none, none)


def _chosen_fit(draft: Draft, choice: Choice, hurry: bool) -> _Fitted:
    chosen = choice.chosen()
    whole, fit = finish(choice, draft.restless(), draft.seed, hurry)
    held = [_judged(split, split.fits[chosen.rank]) for split in choice.judges_of(chosen.rank)]
    settings: dict[str, object] = {
        "effects": whole.model.effects,
        "scaling": whole.model.scaling,
        "noise": _noise_model(fit, choice),
        "sweeps": fit.sweeps,
        "refit_ridge": fit.ridge,
        "rule": RULES[choice.wishes.rule],
        "held_out": choice.n_held,
        "folds": len(choice.judges),
    }
    return _Fitted(_model(whole, fit, draft, held), settings, fit.drift < _STILL)


def _noise_model(fit: Posterior, choice: Choice) -> str:
    if fit.rank in choice.mixtures:
        return "averaged over noise models"
    return "a share for every line" if fit.line_cells < np.inf else "the same in all lines"


@dataclass(frozen=True, eq=False)
class _Judged:
    """Held-out cells of one split as a fit that had not seen them predicts them, in standardised units."""

    cells: HeldOut
    errors: np.ndarray


def _judged(split: Split, fit: Posterior) -> _Judged:
    """A fit at the cells held out from it, with rows folded in, as it will be delivered."""
    held, fit = split.held, split.refitter.fold_rows(fit)
    model = _standardised_model(split, fit, ())
    spreads = model.spread(held.rows, held.cols, held.weights)
    cells = HeldOut(held.rows, held.cols, model.at(held.rows, held.cols), spreads)
    return _Judged(cells, np.abs(split.misfits(fit, held)))


def _standardised_model(split: Split, fit: Posterior, held: Sequence[_Judged]) -> FittedModel:
    """The model in the units of the standardised problem."""
    by_row, by_col = shares(fit, split.training)
    center = np.full(by_col.size, split.model.mean)
    errors = np.concatenate([np.empty(0), *(part.errors for part in held)])
    ratios = np.concatenate([np.empty(0), *(part.errors / part.cells.spread for part in held)])
    return FittedModel(fit, center, split.model.scale, by_row, by_col, np.sort(ratios), np.sort(errors))


def _model(split: Split, fit: Posterior, draft: Draft, held: Sequence[_Judged]) -> FittedModel:
    """The model in the units of the data."""
    model = _standardised_model(split, fit, held)
    units = draft.columns * draft.unit
    center, scale = model.center * units, model.scale * units
    if draft.constant.any():
        still = draft.constant[draft.problem.cols]
        center[draft.problem.cols[still]] = draft.problem.values[still]
        scale = np.where(draft.constant, 0.0, scale)
    errors = model.held_errors * draft.unit  # in units of the columns where these differ
    return replace(
        model, center=center, scale=scale, held_errors=errors, held_out=_joined(held, units) if held else None
    )


def _joined(held: Sequence[_Judged], units: np.ndarray) -> HeldOut:
    """The held-out cells of all splits, in the units of the data."""
    parts = [part.cells for part in held]
    rows, cols, predicted, spread = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("rows", "cols", "predicted", "spread")
    )
    return HeldOut(rows, cols, predicted * units[cols], spread * units[cols])


def _effects_fit(draft: Draft) -> _Fitted:
    """Effects alone, when there was no time, or too little data, to choose anything."""
    effects = draft.wishes.effects
    if effects == "auto":
        effects = "columns" if draft.mixed else "both"
    problem = draft.restless()
    nothing = problem.subset(np.zeros(problem.n_observed, bool))
    whole = split_under(effects, "all", problem, nothing)
    fit = whole.refitter.fold_rows(effects_alone(whole))
    settings: dict[str, object] = {"effects": effects, "scaling": "all", "rule": "effects alone"}
    return _Fitted(_model(whole, fit, draft, ()), settings)


def _history(draft: Draft) -> dict[str, np.ndarray]:
    """Records of the descent that led to the answer, in one table."""
    stages = draft.evidence.history
    unit = draft.unit
    if draft.evidence.found is None and draft.choice is not None and draft.choice.history:
        stages = draft.choice.history
    if not stages:
        return {}
    out = {name: np.concatenate([stage[name] for stage in stages]) for name in stages[0]}
    for name in ("train_rmse", "validation_rmse"):
        out[name] = out[name] * unit if name in out else np.full(out["step"].size, np.nan)
    return out
