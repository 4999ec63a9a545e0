"""From what a search found to the delivered :class:`Completion`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..errors import Outcome
from ..problem import Problem
from . import choose, path
from .choose import Choice
from .exact import Evidence
from .models import DataModel, column_units, fit_model
from .result import Completion
from .session import Session

RULE = "smallest rank within one standard error (paired) of the smallest error at held-out cells"
# the local-uniqueness check is made without being asked up to this many unknowns
_CHEAP_UNKNOWNS = 2500


@dataclass
class Draft:
    """The state of one run, good for delivery at any moment."""

    problem: Problem
    seed: int
    fill: Literal["effects"] | None
    names: tuple[tuple[str, ...] | None, tuple[str, ...] | None]
    unit: float = 1.0
    columns: np.ndarray = field(default_factory=lambda: np.ones(0))
    evidence: Evidence = field(default_factory=Evidence)
    choice: Choice | None = None
    searched: bool = False  # whether the exact question was asked to its end
    max_rank: int | None = None

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

    @property
    def mixed(self) -> bool:
        """Whether the columns have different units; errors are then in columns' standard deviations."""
        return bool(np.any(self.columns != 1))


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A delivered model in the units of the data."""

    factors: tuple[np.ndarray, np.ndarray, np.ndarray]
    effects: dict[str, np.ndarray] | None
    fold: dict[str, np.ndarray]
    settings: dict[str, object]
    converged: bool = True


def deliver(draft: Draft, outcome: Outcome, session: Session, versions: dict[str, str]) -> Completion:
    """Fit what was chosen on all cells and put the result together."""
    problem = draft.problem
    if draft.evidence.found is not None:
        fitted, outcome = _exact_fit(draft), Outcome.EXACT
    elif not np.any(problem.values):
        fitted = _zero_fit(problem)
    elif draft.choice is not None and draft.choice.chosen().rank > 0:
        fitted = _chosen_fit(draft)
        if outcome is Outcome.CHOSEN and not fitted.converged:
            outcome = Outcome.NOT_CONVERGED
    else:
        fitted = _effects_fit(draft)
    rank = fitted.factors[1].size
    visits = draft.evidence.visits if draft.choice is None else draft.choice.visits
    return Completion(
        problem=problem,
        rank=rank,
        outcome=outcome,
        warnings=tuple(_warnings(draft, rank, outcome, fitted)),
        factors=fitted.factors,
        effects=fitted.effects,
        path=path.table(visits, problem, draft.unit, rank),
        history=_history(draft),
        settings={
            "seed": draft.seed,
            "errors": "column standard deviations" if draft.mixed else "units of the data",
            "sgd_steps": session.sgd_steps,
            "depth": 3,
            **fitted.settings,
        },
        seconds=session.seconds,
        versions=versions,
        fold={**fitted.fold, "units": draft.columns if draft.mixed else np.ones(problem.n_cols)},
        fill=draft.fill,
        row_names=draft.names[0],
        col_names=draft.names[1],
    )


def _exact_fit(draft: Draft) -> _Fitted:
    fit = draft.evidence.found
    assert fit is not None
    scores, loadings = fit.U * (fit.s * draft.unit), fit.V * draft.columns[:, None]
    factors = choose.thin_svd(scores, loadings) if draft.mixed else (fit.U, fit.s * draft.unit, fit.V.T)
    return _Fitted(
        factors,
        None,
        _fold(scores, loadings, weights=1 / draft.columns),
        {"model": "none", "rule": "smallest rank that fits to machine precision"},
    )


def _zero_fit(problem: Problem) -> _Fitted:
    m, n = problem.shape
    empty = (np.zeros((m, 0)), np.zeros(0), np.zeros((0, n)))
    return _Fitted(
        empty, None, _fold(empty[0], empty[2].T), {"model": "none", "rule": "all observed cells are zero"}
    )


def _chosen_fit(draft: Draft) -> _Fitted:
    choice = draft.choice
    assert choice is not None
    rank = choice.chosen().rank
    scaled = draft.standardise()
    model, fit, unit = choose.finish(choice, scaled, rank)
    scale = model.scale * draft.columns * (unit * draft.unit)
    factors = choose.thin_svd(fit.U, fit.V * scale[:, None])
    fold = _fold(fit.U, fit.V * scale[:, None], fit.ridge, 1 / scale, model)
    settings = {
        "model": model.name,
        "damping": model.damping,
        "refit_ridge": fit.ridge,
        "rule": RULE,
        "held_out": choice.held.n_observed,
    }
    return _Fitted(factors, _effects_of(model, draft), fold, settings, fit.converged)


def _effects_fit(draft: Draft) -> _Fitted:
    problem = draft.problem
    name, damping = "effects", 1.0
    if draft.choice is not None:
        name, damping = choose.effects_alone(draft.choice)
    if draft.mixed:
        name, damping = "columns", 0.0
    model = fit_model(draft.standardise(), name, damping)
    m, n = problem.shape
    empty = (np.zeros((m, 0)), np.zeros(0), np.zeros((0, n)))
    return _Fitted(
        empty,
        _effects_of(model, draft),
        _fold(empty[0], empty[2].T, model=model),
        {"model": model.name, "damping": damping, "rule": RULE},
    )


def _effects_of(model: DataModel, draft: Draft) -> dict[str, np.ndarray] | None:
    """Effects in the units of the data."""
    if not model.has_effects:
        return None
    if draft.mixed:  # each column has a mean of its own
        cols = (model.mean + model.cols) * draft.columns * draft.unit
        return {"mean": np.asarray(0.0), "rows": model.rows, "cols": cols}
    unit = draft.unit
    return {"mean": np.asarray(model.mean * unit), "rows": model.rows * unit, "cols": model.cols * unit}


def _fold(
    scores: np.ndarray,
    loadings: np.ndarray,
    ridge: float = 0.0,
    weights: np.ndarray | None = None,
    model: DataModel | None = None,
) -> dict[str, np.ndarray]:
    """What predicts cells and completes new rows: scores of rows are ridge regressions on the loadings."""
    with_rows = model is not None and model.name.startswith("effects")
    return {
        "scores": scores,
        "loadings": loadings,
        "ridge": np.asarray(ridge),
        "weights": np.ones(loadings.shape[0]) if weights is None else weights,
        "damping": np.asarray(0.0 if model is None else model.damping),
        "row_effects": np.asarray(float(with_rows)),
    }


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


def _warnings(draft: Draft, rank: int, outcome: Outcome, fitted: _Fitted) -> list[str]:
    problem = draft.problem
    out = []
    if draft.mixed:
        out.append(
            "The columns have very different units: each was divided by its standard deviation, and errors are "
            "given in these."
        )
    if draft.max_rank is not None and outcome is not Outcome.EXACT:
        out.append(f"Only ranks up to {draft.max_rank} were considered.")
    empty_rows = int(np.count_nonzero(problem.row_counts == 0))
    empty_cols = int(np.count_nonzero(problem.col_counts == 0))
    fate = "filled with effects only" if draft.fill == "effects" else "left empty"
    if empty_rows or empty_cols:
        out.append(f"{_lines(empty_rows, empty_cols)} without any entry: their cells are {fate}.")
    if problem.n_components > 1:
        out.append(
            f"The observed cells fall into {problem.n_components} blocks that share no row or column; "
            f"cells between blocks cannot be determined and are {fate}."
        )
    if draft.choice is None and outcome is Outcome.EFFECTS_ONLY:
        out.append("Too few observed cells to hold any out: only effects were fitted.")
    if rank:
        short = [
            int(np.count_nonzero((counts > 0) & (counts < rank)))
            for counts in (problem.row_counts, problem.col_counts)
        ]
        if any(short):
            out.append(
                f"{_lines(*short)} with fewer entries than the rank {rank}: their predictions lean on the "
                "ridge (or the least norm) and are uncertain."
            )
    if outcome is Outcome.EXACT and rank and rank * sum(problem.shape) <= _CHEAP_UNKNOWNS:
        out += _uniqueness_warning(problem, rank, fitted)
    return out


def _uniqueness_warning(problem: Problem, rank: int, fitted: _Fitted) -> list[str]:
    from ..geometry import identifiability

    U, s, Vt = fitted.factors
    root = np.sqrt(s)
    local = identifiability(problem, rank, U * root, Vt.T * root).local
    if local is None or local.unique:
        return []
    text = (
        f"The exact fit is not locally unique: {local.n_free_cells} missing cells can move while all observed "
        "ones stay; see identifiability."
    )
    return [text]


def _lines(rows: int, cols: int) -> str:
    parts = [
        f"{count} {name}{'s' if count > 1 else ''}"
        for count, name in ((rows, "row"), (cols, "column"))
        if count
    ]
    return " and ".join(parts)
