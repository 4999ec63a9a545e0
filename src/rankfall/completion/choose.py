"""Choosing a rank for data with noise, by cells that were held out before anything was fitted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..problem import Problem
from .descend import Stage, descend, plan
from .models import DAMPINGS, DataModel, fit_model, names
from .path import Visit
from .polish import polish
from .refit import Refit, Refitter, noise_ridge, search_ridge
from .session import Session

_CHAINS, _EFFORT = 2, 100
_PILOT_RANK = 8
MIN_CELLS = 20
# share of the held-out error by which a more elaborate data model must be better
_EARNED = 0.02
# relative gain in held-out error for which a larger rank is worth its time
_WORTHWHILE = 1e-2
# error, relative to the data, below which refits are polished; and the size up to which that is cheap
_LITTLE_NOISE, _MANY_CELLS = 0.1, 100_000


@dataclass
class Choice:
    """What the search for the best rank knows; filled in place.

    Attributes
    ----------
    model : DataModel
        Chosen by held-out cells; estimated on the training cells.
    unit : float
        Root mean square of the standardised training values: errors inside are in this unit.
    visits : list of Visit
        Every rank visited; the first is rank 0, the effects alone.
    fits : dict
        Rank -> refit on the training cells (standardised values divided by `unit`).
    """

    train: Problem
    held: Problem
    model: DataModel
    unit: float = 1.0
    visits: list[Visit] = field(default_factory=list)
    fits: dict[int, Refit] = field(default_factory=dict)
    history: list[dict[str, np.ndarray]] = field(default_factory=list)

    def best(self) -> Visit:
        """The visit with the smallest held-out error; the smaller rank among equals."""
        return min(self.visits, key=lambda visit: (visit.validation, visit.rank))

    def chosen(self) -> Visit:
        """The smallest rank whose held-out error is within one standard error of the smallest.

        The comparison is paired: the standard error is that of the mean difference of squared errors,
        cell by cell, between a rank and the best one.
        """
        best = self.best()
        reference = self._squares(best.rank)
        for visit in sorted(self.visits, key=lambda visit: visit.rank):
            worse = self._squares(visit.rank) - reference
            if worse.mean() <= worse.std() / np.sqrt(worse.size):
                return visit
        return best

    def _squares(self, rank: int) -> np.ndarray:
        """Squared errors at the held-out cells."""
        model, held = self.model, self.held
        fitted = model.effects(held.rows, held.cols)
        if rank > 0:
            fitted = fitted + self.fits[rank].at(held) * self.unit * model.scale[held.cols]
        return (fitted - held.values) ** 2


def hold_out(problem: Problem, seed: int) -> tuple[Problem, Problem]:
    """Split off validation cells: 10%, at most 50,000, at most half of any line, no line emptied."""
    rng = np.random.default_rng([seed, 1])
    wanted = min(max(problem.n_observed // 10, 1), 50_000)
    order = rng.permutation(problem.n_observed)
    row_left, col_left = problem.row_counts // 2, problem.col_counts // 2
    held = np.zeros(problem.n_observed, bool)
    taken = 0
    for cell in order:
        i, j = problem.rows[cell], problem.cols[cell]
        if row_left[i] and col_left[j]:
            row_left[i] -= 1
            col_left[j] -= 1
            held[cell] = True
            taken += 1
            if taken == wanted:
                break
    return problem.subset(~held), problem.subset(held)


def start(problem: Problem, seed: int, session: Session, mixed: bool = False) -> Choice | None:
    """Hold cells out and choose the data model; None when there are too few cells to hold any out."""
    if problem.n_observed < MIN_CELLS:
        return None
    train, held = hold_out(problem, seed)
    if held.n_observed < 2:
        return None
    session.report("choosing the data model")
    model, baseline = _choose_model(train, held, seed, session, mixed)
    choice = Choice(train, held, model)
    rest = model.standardise(train)
    choice.unit = float(np.sqrt(np.mean(rest.values**2))) or 1.0
    alone = _rmse(model.effects(train.rows, train.cols) - train.values)
    choice.visits.append(Visit(0, alone, baseline))
    return choice


def _choose_model(
    train: Problem, held: Problem, seed: int, session: Session, mixed: bool
) -> tuple[DataModel, float]:
    """The data model under which a small ridge factorisation predicts the held-out cells best.

    Returns the model and the held-out error of its effects alone.
    """
    best: tuple[float, DataModel, float] | None = None
    rng = np.random.default_rng([seed, 2])
    rank = max(1, min(_PILOT_RANK, min(train.shape) - 1, train.max_oversampled_rank(2.0)))
    V = rng.standard_normal((train.n_cols, rank))
    for name in names(train, mixed):
        dampings = DAMPINGS if name.startswith(("columns", "effects")) else (0.0,)
        models = [fit_model(train, name, damping) for damping in dampings]
        errors = [_rmse(model.effects(held.rows, held.cols) - held.values) for model in models]
        model, baseline = models[int(np.argmin(errors))], min(errors)
        rest = model.standardise(train)
        unit = float(np.sqrt(np.mean(rest.values**2)))
        score = baseline
        if unit > 0:
            refitter = Refitter(rest.with_values(rest.values / unit))
            fit = None
            for share in (1.0, 0.3, 0.1):
                session.check()
                ridge = share * noise_ridge(train, min(baseline / float(np.mean(model.scale)) / unit, 1.0))
                fit = refitter.fit(V if fit is None else fit.V, ridge, tol=1e-3, max_sweeps=15)
                predicted = model.effects(held.rows, held.cols) + fit.at(held) * unit * model.scale[held.cols]
                score = min(score, _rmse(predicted - held.values))
        # a more elaborate model must earn its place
        if best is None or score < best[0] * (1 - _EARNED):
            best = (score, model, baseline)
    assert best is not None
    return best[1], best[2]


def walk(choice: Choice, max_rank: int | None, seed: int, session: Session) -> None:
    """Fall through the ranks on the training cells; refit every rank met and judge it on the held-out ones."""
    model, unit = choice.model, choice.unit
    rest = model.standardise(choice.train)
    training = rest.with_values(rest.values / unit)
    held_rest = model.standardise(choice.held)
    judge = held_rest.with_values(held_rest.values / unit)
    widest = min(*training.shape, max(training.max_oversampled_rank(), 1))
    if max_rank is not None:
        widest = min(widest, max_rank)
    if widest < 1 or not np.any(rest.values):
        return
    refitter = Refitter(training)
    ridge = 0.3 * noise_ridge(training, 0.5)
    above: Stage | None = None
    settings = plan(training, _EFFORT, _CHAINS)
    for stage in descend(training, settings, seed, session, "falling through the ranks", unit):
        chain = int(np.argmin(stage.train_rmse))
        choice.history.append(_history(stage, judge, unit))
        rank = min(int(stage.ranks[chain]), widest)
        if rank == 0:
            break
        if rank in choice.fits or _too_close(rank, choice.fits):
            continue
        ridge = _visit(choice, refitter, judge, stage, chain, rank, ridge, session)
        above = stage if above is None else above
        if _past_the_best(choice):
            break
    if above is not None and choice.fits:
        _look_above(choice, refitter, judge, above, widest, session)
        _look_between(choice, refitter, judge, session)


def _too_close(rank: int, fits: dict[int, Refit]) -> bool:
    """Large ranks are visited in steps of a tenth; what lies between is looked at around the best one."""
    return rank > 10 and any(abs(rank - other) < 0.1 * other for other in fits)


def _past_the_best(choice: Choice) -> bool:
    """Whether the last four ranks met were all clearly worse than the best: more ridge will not help."""
    errors = [visit.validation for visit in choice.visits[1:]]
    if len(errors) <= 4:
        return False
    return min(errors[-4:]) > 1.1 * min(errors) and errors[-1] > choice.visits[0].validation


def _visit(
    choice: Choice,
    refitter: Refitter,
    judge: Problem,
    stage: Stage,
    chain: int,
    rank: int,
    ridge: float,
    session: Session,
) -> float:
    """Refit one rank from a chain's leading directions; returns the ridge that did best."""
    U, s, V = stage.U[chain][:, :rank], stage.s[chain][:rank], stage.Vt[chain][:rank].T
    sgd = Refit(U * s, V, stage.ridge, True)
    fit = _refit(refitter, judge, V * np.sqrt(s), ridge)
    _enter(
        choice,
        refitter,
        judge,
        fit,
        ridge=stage.ridge,
        steps=stage.step,
        sgd_train=_in_units(choice, sgd, refitter.problem),
        sgd_validation=_in_units(choice, sgd, judge),
    )
    session.report(
        "falling through the ranks",
        fraction=(stage.index + 1) / stage.n_stages,
        rank=rank,
        ridge=stage.ridge,
        train_rmse=choice.visits[-1].train,
        validation_rmse=choice.visits[-1].validation,
    )
    return fit.ridge


def _enter(choice: Choice, refitter: Refitter, judge: Problem, fit: Refit, **facts: float) -> None:
    rank = fit.V.shape[1]
    choice.fits[rank] = fit
    train, validation = _in_units(choice, fit, refitter.problem), _in_units(choice, fit, judge)
    choice.visits.append(Visit(rank, train, validation, refit_ridge=fit.ridge, **facts))


def _refit(refitter: Refitter, judge: Problem, V: np.ndarray, ridge: float) -> Refit:
    """The ridge refit of one rank; with little noise it starts from a polish, which alternation cannot match."""
    fit = search_ridge(refitter, judge, V, ridge)
    training, error = refitter.problem, fit.rmse(judge)
    if error > _LITTLE_NOISE or training.n_observed > _MANY_CELLS:
        return fit
    U, s, Vt = thin_svd(fit.U, fit.V)
    polished = polish(training, U, s, Vt.T)
    start = 0.3 * noise_ridge(training, max(polished.residual, 1e-12))
    again = search_ridge(refitter, judge, polished.V * np.sqrt(polished.s), start)
    return min(fit, again, key=lambda candidate: candidate.rmse(judge))


def _look_above(
    choice: Choice, refitter: Refitter, judge: Problem, stage: Stage, widest: int, session: Session
) -> None:
    """Larger ranks, while they help: the first chain's directions below its numerical rank, refitted."""
    chain = int(np.argmin(stage.train_rmse))
    before = np.inf
    while choice.best().rank == max(choice.fits) and choice.best().validation < before * (1 - _WORTHWHILE):
        before, rank = choice.best().validation, choice.best().rank
        wider = min(rank + max(1, rank // 2), widest, stage.s.shape[1])
        if wider == rank:
            return
        s, V = stage.s[chain][:wider], stage.Vt[chain][:wider].T
        _enter(choice, refitter, judge, _refit(refitter, judge, V * np.sqrt(s), choice.fits[rank].ridge))
        session.report("looking above", rank=wider, validation_rmse=choice.visits[-1].validation)


def _look_between(choice: Choice, refitter: Refitter, judge: Problem, session: Session) -> None:
    """Ranks next to the best one that the chains jumped over, from the next larger refit truncated.

    Small ranks are looked at one by one; among large ones a fifth more or less makes no difference.
    """
    for _ in range(8):
        best = choice.best().rank
        if best == 0:
            return
        met = sorted({0, *choice.fits})
        place = met.index(best)
        gaps = [(met[place - 1], best)]
        if place + 1 < len(met):
            gaps.append((best, met[place + 1]))
        gaps = [(low, high) for low, high in gaps if high - low > max(1, 0.2 * best)]
        if not gaps:
            return
        low, high = max(gaps, key=lambda gap: gap[1] - gap[0])
        rank = (low + high) // 2
        parent = choice.fits[high]
        _, s, Vt = thin_svd(parent.U, parent.V)
        _enter(
            choice,
            refitter,
            judge,
            _refit(refitter, judge, Vt[:rank].T * np.sqrt(s[:rank]), parent.ridge),
        )
        session.report("looking between the ranks", rank=rank, validation_rmse=choice.visits[-1].validation)


def effects_alone(choice: Choice) -> tuple[str, float]:
    """Name and damping of the effects to deliver without a low-rank part; the visit of rank 0 tells their error.

    Where the model has no effects nothing would be left but zeros, so the best ones take its place.
    """
    name = choice.model.name.partition(" + ")[0]
    if name != "none":
        return name, choice.model.damping
    train, held = choice.train, choice.held
    models = [fit_model(train, "mean", 0.0)]
    models += [fit_model(train, name, damping) for name in ("columns", "effects") for damping in DAMPINGS]
    errors = [_rmse(model.effects(held.rows, held.cols) - held.values) for model in models]
    best = models[int(np.argmin(errors))]
    misfit = best.effects(train.rows, train.cols) - train.values
    choice.visits[0] = Visit(0, _rmse(misfit), min(errors))
    return best.name, best.damping


def thin_svd(U: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thin singular value decomposition of ``U V^T`` through two QR decompositions."""
    Ql, Rl = np.linalg.qr(U)
    Qr, Rr = np.linalg.qr(V)
    a, s, bt = np.linalg.svd(Rl @ Rr.T)
    return Ql @ a, s, bt @ Qr.T


def finish(choice: Choice, problem: Problem, rank: int, tol: float = 1e-5) -> tuple[DataModel, Refit, float]:
    """Estimate the chosen model again on all cells, from where it stood.

    Returns the data model, the refit (standardised values divided by the unit), and the unit.
    """
    model = fit_model(problem, choice.model.name, choice.model.damping)
    rest = model.standardise(problem)
    unit = choice.unit
    fit = choice.fits[rank]
    ridge = fit.ridge * float(np.sqrt(problem.n_observed / choice.train.n_observed))
    return model, Refitter(rest.with_values(rest.values / unit)).fit(fit.V, ridge, tol, 200), unit


def _in_units(choice: Choice, fit: Refit, cells: Problem) -> float:
    """RMSE of a fit in the units of the data."""
    misfit = (fit.at(cells) - cells.values) * choice.unit * choice.model.scale[cells.cols]
    return _rmse(misfit)


def _history(stage: Stage, judge: Problem, unit: float) -> dict[str, np.ndarray]:
    """Records of one stage; the held-out error is known at its end."""
    validation = np.full(stage.history["step"].size, np.nan)
    fit = Refit(stage.U[0] * stage.s[0], stage.Vt[0].T, stage.ridge, True)
    validation[-1] = fit.rmse(judge) * unit
    return {
        **stage.history,
        "train_rmse": stage.history["train_rmse"] * unit,
        "validation_rmse": validation,
    }


def _rmse(misfit: np.ndarray) -> float:
    return float(np.sqrt(np.mean(misfit**2)))
