"""From the answers to the delivered :class:`Completion`."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...bounds import Bounds, plain_bounds
from ...errors import Outcome
from ...limits import Limits
from ...problem import Problem
from ...scale import inverse, scaled
from ...version import __version__
from ..clock import Clock, Ending
from ..descent.plan import DEPTH
from ..exact import ExactAnswer
from ..noisy import NoisyAnswer
from ..options import RULES, Options
from ..ordered import AxisOrder, Orders
from ..result.completion import Completion
from ..result.limit_cells import LimitCells
from ..result.rank_path import rank_path
from ..standardise import Standardisation
from .certificate import watched_run
from .fit_models import Delivered, chosen_model, effects_model, exact_model, zero_model
from .input_notes import input_notes
from .kinds_note import kinds_note
from .warnings import warnings_of


@dataclass(frozen=True, eq=False)
class Request:
    """What was asked: the cells, standardised, and what the caller settled.

    `limits` are those of cells that `standardisation` holds a first guess of. `propose_kinds` says whether
    the kinds of columns are still to be said. `absurd` is what is said of cells that were left out.
    """

    standardisation: Standardisation
    options: Options
    bounds: Bounds | None
    missing_values: tuple[float, ...] = ()
    orders: Orders = field(default_factory=Orders)
    limits: Limits | None = None
    propose_kinds: bool = False
    absurd: tuple[str, ...] = ()

    @property
    def is_latent(self) -> bool:
        """Whether the cells are those of a latent table, whose values nobody has seen."""
        augmentation = self.standardisation.augmentation
        return augmentation is not None and self.limits is None

    @property
    def row_order(self) -> AxisOrder | None:
        """The order of the rows, if it may be used."""
        return self.orders.rows if self.options.ordered in ("auto", "rows", "both") else None

    @property
    def row_names(self) -> tuple[str, ...] | None:
        """Row labels as text, if there are any."""
        layout = self.standardisation.given.layout
        return None if layout is None else layout.row_names

    @property
    def col_names(self) -> tuple[str, ...] | None:
        """Column labels as text, if there are any."""
        layout = self.standardisation.given.layout
        return None if layout is None else layout.col_names


@dataclass(frozen=True, eq=False)
class Answers:
    """What was answered; None to a question that was not asked, or had no answer."""

    exact: ExactAnswer | None = None
    noisy: NoisyAnswer | None = None

    @property
    def sgd_steps(self) -> int:
        """Of all chains."""
        return sum(answer.sgd_steps for answer in (self.exact, self.noisy) if answer is not None)

    @property
    def history(self) -> tuple[dict[str, np.ndarray], ...]:
        """Records of the descent that led to the answer."""
        exact = self.exact
        if (exact is None or exact.fit is None) and self.noisy is not None and self.noisy.history:
            return self.noisy.history
        return () if exact is None else exact.history


def assemble(
    request: Request, answers: Answers, ending: Ending, clock: Clock
) -> tuple[Completion, Delivered]:
    """Fit what was chosen on all cells and put the result together; and what its model was delivered with."""
    standardisation, options = request.standardisation, request.options
    delivered = _model(request, answers, ending)
    outcome = _outcome(standardisation, answers, ending)
    if outcome is Outcome.CHOSEN and not delivered.converged:
        outcome = Outcome.NOT_CONVERGED
    tried = answers.noisy.tried if answers.noisy else answers.exact.tried if answers.exact else ()
    mixed, problem = standardisation.mixed_units, standardisation.fitted
    given, cells = standardisation.given, None
    if request.limits is not None:
        given, cells = _with_limits(standardisation, delivered, options.scale)
    if delivered.learned is not None:  # from the cells that a file holds, so that nothing changes on loading
        model = delivered.model.with_row_covariances(scaled(given, options.scale))
        delivered = replace(delivered, model=model)
    result = Completion(
        problem=given,
        outcome=outcome,
        warnings=(),
        model=delivered.model,
        path=rank_path(tried, problem, standardisation.unit, delivered.model.rank),
        history=_history(answers.history, standardisation.unit),
        settings={
            "seed": options.seed,
            "asked": options.asked(),
            "fill": options.fill,
            **({"missing_values": request.missing_values} if request.missing_values else {}),
            **({} if options.max_time is None else {"max_time": options.max_time}),
            "scale": options.scale,
            "bounds": plain_bounds(options.bounds, request.bounds, request.col_names),
            "errors": _errors_in(options.scale, mixed),
            "ordered": "none",
            "sgd_steps": answers.sgd_steps,
            "depth": DEPTH,
            **delivered.settings,
        },
        seconds=clock.seconds,
        versions=_versions(),
        units=standardisation.columns if mixed else np.ones(problem.n_cols),
        scale=options.scale,
        bounds=request.bounds,
        fill=options.fill,
        row_names=request.row_names,
        col_names=request.col_names,
        limits=cells,
    )
    anchors = None
    if outcome is Outcome.EXACT and answers.exact is not None:
        anchors = answers.exact.anchors
    elif outcome in (Outcome.CHOSEN, Outcome.UNDECIDED) and answers.noisy is not None:
        anchors = answers.noisy.anchors
    notes = (
        ()
        if request.is_latent
        else input_notes(result.exactly_observed, request.col_names, request.row_names)
    )
    result = replace(
        result,
        warnings=(
            *request.absurd,
            *notes,
            *(kinds_note(result) if request.propose_kinds and not notes else ()),
            *warnings_of(result, standardisation, options, answers.exact, answers.noisy),
        ),
        watched=watched_run(result.rank, outcome is Outcome.EXACT, anchors, answers.sgd_steps, options.seed),
        seconds=clock.seconds,
    )
    return result, delivered


def _with_limits(
    standardisation: Standardisation, delivered: Delivered, scale: str
) -> tuple[Problem, LimitCells]:
    """The cells as given, those with limits filled in, and what is known of these."""
    augmentation, fitted, learned = standardisation.augmentation, standardisation.fitted, delivered.learned
    assert augmentation is not None
    r, n = augmentation.ranges, fitted.n_cols
    at = np.searchsorted(fitted.rows * n + fitted.cols, r.rows * n + r.cols)
    if learned is None:  # there was no chain: nothing is known of them but a first guess
        mean = fitted.values[at]
        sd = np.minimum(np.abs(mean - r.lower), np.abs(r.upper - mean))
    else:
        mean, sd = np.clip(learned.mean, r.lower, r.upper), learned.sd
    values = standardisation.given.values.copy()
    values[at] = inverse(mean, scale)
    cells = LimitCells(r.rows, r.cols, r.lower, r.upper, mean, sd)
    return standardisation.given.with_values(values), cells


def _model(request: Request, answers: Answers, ending: Ending) -> Delivered:
    """The delivered model, fitted to all cells."""
    standardisation, options = request.standardisation, request.options
    if answers.exact is not None and answers.exact.fit is not None:
        return exact_model(standardisation, answers.exact.fit, request.row_order)
    if standardisation.is_zero:
        return zero_model(standardisation)
    if answers.noisy is not None:
        hurry = ending is not Ending.COMPLETE
        return chosen_model(standardisation, answers.noisy, RULES[options.rule], options.seed, hurry)
    return effects_model(standardisation, options.effects, options.scaling)


def _outcome(standardisation: Standardisation, answers: Answers, ending: Ending) -> Outcome:
    """How the run ended."""
    if standardisation.is_zero or (answers.exact is not None and answers.exact.fit is not None):
        return Outcome.EXACT
    if ending is Ending.INTERRUPTED:
        return Outcome.INTERRUPTED
    if answers.exact is not None and answers.exact.open_question is not None:
        return Outcome.UNDECIDED
    if ending is Ending.OUT_OF_TIME:
        return Outcome.TIME_LIMIT
    if answers.noisy is None or answers.noisy.rank == 0:
        return Outcome.EFFECTS_ONLY
    return Outcome.CHOSEN


def _errors_in(scale: str, mixed: bool) -> str:
    what = "logarithms" if scale != "linear" else "units of the data"
    return f"column standard deviations of the {what}" if mixed else what


def _history(stages: Sequence[dict[str, np.ndarray]], unit: float) -> dict[str, np.ndarray]:
    """Records of all stages of a descent in one table, errors times `unit`."""
    if not stages:
        return {}
    out = {name: np.concatenate([stage[name] for stage in stages]) for name in stages[0]}
    for name in ("train_rmse", "validation_rmse"):
        out[name] = out[name] * unit if name in out else np.full(out["step"].size, np.nan)
    return out


def _versions() -> dict[str, str]:
    import numba
    import scipy

    return {
        "rankfall": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
    }
