"""Which rank: chains of SGD meet ranks on the training cells, refits are judged on the held-out ones."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..clock import Clock
from ..descent.descend import Stage, descend
from ..descent.plan import plan
from ..seeds import fold_seed
from ..solvers.errors import rms
from ..solvers.posterior import Posterior
from ..solvers.products import products
from .candidates import CandidateTable, Steps, report_candidate
from .choose_noise_model import average_noise_models, compare_noise_models
from .effort import is_affordable, is_cheap, is_quiet
from .folds import Fold
from .other_folds import fit_neighbours, fit_other_fold
from .sample_ranks import sample_ranks
from .screen import screen
from .starts import grown, truncated

PHASE = "falling through the ranks"
# chains, and steps at every ridge over m + n; fewer on thin tables, whose few ranks are all tried: with two
# chains and a hundred none of nine was filled better, since the refits go on from there
_CHAINS, _EFFORT, _EFFORT_THIN, _THIN = 1, 100, 30, 40
# relative gain in held-out error for which a larger rank is worth its time, and one whose sweeps take long
_WORTHWHILE, _WORTHWHILE_LONG = 3e-3, 5e-3
# so many ranks without such a gain end the refits
_PATIENCE = 3
# larger ranks are twice the best one; where sweeps take long, so many times
_GROWTH_LONG = 1.5
# fraction of a wider fit's factors that must live for a still wider one to be tried
_ALIVE = 0.9
# ranks above ten are tried in steps of this fraction, those whose sweeps take long of the second
_STEP, _STEP_LONG = 1 / 3, 2 / 3
# bisections at most
_BISECTIONS = 8
# relative lead over a brief chain that full chains do not catch up with: they gain 0.2 to 1%
_AHEAD = 0.015
# ranks from which on the noise models are compared between refits; they are compared once more at the end,
# unless they were at a rank no smaller than the best by more than this factor (on temperatures in Beijing
# noise scales gain 1% at rank 28 and 12% at rank 76; with half of the cells hidden, those drawn less to 1
# gain nothing at rank 37 and 5% at rank 82); while ranks grow, at ranks larger by the third factor
_COMPARED, _NEAR, _FAR = (5, 25), 1.3, 1.9


@dataclass(frozen=True)
class _Met:
    """A rank that a chain of SGD met: where, and with which errors of its own."""

    rank: int
    facts: dict[str, float]


def meet_ranks(table: CandidateTable, max_rank: int | None, seed: int, clock: Clock) -> Steps:
    """Meet ranks with chains of SGD and refit them; yields the table after every step.

    Refits go from small ranks to large ones, which cost more, until the held-out error falls no more.
    """
    widest = _widest(table, max_rank)
    if widest:
        table, met = yield from collect(table, widest, seed, clock)
        table = yield from refit_candidates(table, met, seed, clock)
    return table


def settle_rank(table: CandidateTable, max_rank: int | None, seed: int, clock: Clock) -> Steps:
    """Extend the ranks that were met upwards, bisect, and judge on all folds; yields the table after every
    step.
    """
    widest = _widest(table, max_rank)
    if not widest:
        table = table.with_all_folds()
        yield table
        return table
    table = yield from extend(table, widest, seed, clock)
    before = table.noise_model
    if _NEAR * table.compared < table.best().rank:
        table = yield from compare_noise_models(table, seed, clock)
    if table.noise_model != before:
        table = yield from extend(table, widest, seed, clock)
    table = yield from bisect(table, seed, clock)
    for number in range(1, len(table.folds)):
        table = yield from fit_other_fold(table, number, fold_seed(seed, number), clock)
    table = table.with_all_folds()
    yield table
    if len(table.folds) > 1:
        table = yield from fit_neighbours(table, widest, seed, clock)
    table = yield from sample_ranks(table, seed, clock)
    return (yield from average_noise_models(table, seed, clock))


def _widest(table: CandidateTable, max_rank: int | None) -> int:
    """The largest rank that may be tried; 0 if effects leave nothing to explain."""
    training = table.first.training
    # a fit with a prior does not need as many cells as unknowns
    widest = min(*training.shape, max(2 * training.max_oversampled_rank(), 1))
    if max_rank is not None:
        widest = min(widest, max_rank)
    return widest if table.first.effects_residual()[1] else 0


def is_ahead(table: CandidateTable, rank: int, error: float, seed: int, clock: Clock) -> bool:
    """Whether a held-out error that another kind of fit reached is out of reach of a rank, whose brief chain
    goes on from the best fit; and of what is known.
    """
    fold, best = table.first, table.best()
    known = table.first_fits[best.rank]
    least = best.merit
    if rank > best.rank and is_affordable(fold, rank):
        fit = screen(fold, [grown(fold, known, rank, seed)], known.noise, table.noise_model, seed, clock)
        least = min(least, fold.held_error(fit))
    return error <= (1 - _AHEAD) * least


def collect(
    table: CandidateTable, widest: int, seed: int, clock: Clock
) -> Generator[CandidateTable, None, tuple[CandidateTable, list[_Met]]]:
    """Chains of SGD on the first fold; the ranks they met, small ones first."""
    fold = table.first
    rest, unit = fold.effects_residual()
    met: dict[int, _Met] = {}
    effort = _EFFORT_THIN if min(rest.shape) <= _THIN else _EFFORT
    settings = plan(rest, effort, _CHAINS, noise=fold.pilot_noise / unit**2)
    for stage in descend(rest, settings, seed, clock, PHASE, unit * fold.typical):
        chain = int(np.argmin(stage.train_rmse))
        table = replace(
            table,
            history=(*table.history, _history(fold, stage, unit)),
            anchors=stage.anchors,
            sgd_steps=table.sgd_steps + stage.sgd_steps,
        )
        rank = min(int(stage.ranks[chain]), widest)
        if rank and rank not in met:
            errors = _sgd_errors(fold, stage, chain, rank, unit)
            met[rank] = _Met(rank, {"ridge": stage.ridge, "steps": stage.step, **errors})
            V = stage.Vt[chain][:rank].T * np.sqrt(stage.s[chain][:rank] * unit)
            table = table.with_start(rank, V)
        yield table
        if rank == 0:
            break
    return table, [met[rank] for rank in sorted(met)]


def refit_candidates(table: CandidateTable, met: list[_Met], seed: int, clock: Clock) -> Steps:
    """Refit the ranks that were met, small ones first, until the held-out error does not fall any more."""
    fold = table.first
    idle, best, last = 0, np.inf, fold.effects
    compare_at = list(_COMPARED)
    for place, one in enumerate(met):
        if _is_near_another(table, one.rank) or not is_affordable(fold, one.rank):
            continue
        starts = [table.starts[one.rank]]
        if last.rank or not is_cheap(fold, one.rank):
            starts.append(grown(fold, last, one.rank, seed))
        noise = last.noise if last.rank else fold.pilot_noise
        enough = (1 - _WORTHWHILE) * best if np.isfinite(best) else 0.0
        table, last = _screened(table, starts, noise, seed, clock, enough, cold=True)
        table, candidate = table.with_fit(last, **(one.facts if last.rank == one.rank else {}))
        yield table
        report_candidate(clock, "refitting the ranks met", candidate, (place + 1) / len(met))
        idle = 0 if candidate.merit < (1 - _WORTHWHILE) * best else idle + 1
        idle += candidate.rank < one.rank
        best = min(best, candidate.merit)
        if idle >= _PATIENCE:
            break
        if compare_at and one.rank >= compare_at[0]:
            compare_at = [rank for rank in compare_at if rank > one.rank]
            table = yield from compare_noise_models(table, seed, clock)
            best, last = table.best().merit, table.first_fits[table.best().rank]
    return table


def _screened(
    table: CandidateTable,
    starts: list[np.ndarray],
    noise: float,
    seed: int,
    clock: Clock,
    enough: float = 0.0,
    cold: bool = False,
) -> tuple[CandidateTable, Posterior]:
    """A fit of the first fold under the present noise model, and the table that knows of it."""
    fit = screen(table.first, starts, noise, table.noise_model, seed, clock, enough, cold)
    return table.with_tried(starts[0].shape[1]), fit


def _is_near_another(table: CandidateTable, rank: int) -> bool:
    """Whether a large rank is near another that was tried."""
    return rank > 10 and any(abs(rank - other) < _STEP * other for other in table.tried_ranks)


def extend(table: CandidateTable, widest: int, seed: int, clock: Clock) -> Steps:
    """Larger ranks, twice the best one each time (less where sweeps take long), until that has not helped.

    Where it is cheap and there is hardly any noise, until it has not helped twice. A fit whose factors die
    says that there is nothing more to be found: it is wide enough. Where sweeps take long, noise models are
    compared again at ranks far larger than when that was last done, and at every rank as long as the noise is
    taken to be equal everywhere.
    """
    fold = table.first
    idle, wider = 0, 0
    while True:
        rank, before = table.best().rank, table.best().merit
        wider = max(rank, wider, 1)
        wider = min(2 * wider if is_cheap(fold, 2 * wider) else int(_GROWTH_LONG * wider), widest)
        if wider <= max(table.tried_ranks) or not is_affordable(fold, wider):
            return table
        known = sorted({rank, 0}, reverse=True)
        starts = [grown(fold, table.first_fits[smaller], wider, seed) for smaller in known]
        table, fit = _screened(table, starts, table.first_fits[rank].noise, seed, clock)
        table, candidate = table.with_fit(fit)
        yield table
        report_candidate(clock, "trying larger ranks", candidate)
        is_due = table.noise_model.is_equal or candidate.rank > _FAR * table.compared
        if is_due and table.best().rank == candidate.rank and not is_cheap(fold, candidate.rank):
            table = yield from compare_noise_models(table, seed, clock)
        worthwhile = _WORTHWHILE if is_cheap(fold, wider) else _WORTHWHILE_LONG
        idle = 0 if candidate.merit < before * (1 - worthwhile) else idle + 1
        again = is_cheap(fold, wider) and is_quiet(fold, table.first_fits[candidate.rank])
        if idle > again or (candidate.rank < _ALIVE * wider and not again):
            return table


def bisect(table: CandidateTable, seed: int, clock: Clock) -> Steps:
    """Ranks between the best one and its neighbours, from the larger truncated or the smaller grown.

    A neighbour may be a number of factors of which some died.
    Small ranks are tried one by one; among large ones a third more or less makes no difference.
    """
    fold = table.first
    for _ in range(_BISECTIONS):
        best = table.best().rank
        step = max(1.0, best * (_STEP if is_cheap(fold, best) else _STEP_LONG))
        ends = sorted(table.tried_ranks | set(table.first_fits))
        place = ends.index(best)
        gaps = list(pairwise(ends[max(place - 1, 0) : place + 2]))
        gaps = [(low, high) for low, high in gaps if high - low > step]
        gaps = [(low, high) for low, high in gaps if (low + high) // 2 not in ends]
        if not gaps:
            break
        low, high = max(gaps, key=lambda gap: gap[1] - gap[0])
        rank = (low + high) // 2
        starts = [truncated(table.first_fits[high], rank)] if high in table.first_fits else []
        if low or not starts:
            starts.append(grown(fold, table.first_fits[low if low in table.first_fits else 0], rank, seed))
        noise = table.first_fits[high if high in table.first_fits else best].noise
        table, fit = _screened(table, starts, noise, seed, clock)
        table, candidate = table.with_fit(fit)
        yield table
        report_candidate(clock, "trying ranks in between", candidate)
    return table


def _sgd_errors(fold: Fold, stage: Stage, chain: int, rank: int, unit: float) -> dict[str, float]:
    """Errors of the SGD network alone, cut to a rank."""
    left = stage.U[chain][:, :rank] * (stage.s[chain][:rank] * unit)
    right = np.ascontiguousarray(stage.Vt[chain][:rank].T)
    errors = {}
    for name, cells in (("sgd_train", fold.training), ("sgd_validation", fold.held)):
        fitted = fold.effects.at(cells.rows, cells.cols)
        fitted += products(cells.rows, cells.cols, left, right)
        misfit = (fitted - cells.values) * (fold.model.scale * fold.cells.reported)[cells.cols]
        errors[name] = rms(misfit, cells.weights)
    return errors


def _history(fold: Fold, stage: Stage, unit: float) -> dict[str, np.ndarray]:
    """Records of one stage, errors in the units of the data; the held-out error is known at its end."""
    validation = np.full(stage.history["step"].size, np.nan)
    validation[-1] = _sgd_errors(fold, stage, 0, stage.s.shape[1], unit)["sgd_validation"]
    return {
        **stage.history,
        "train_rmse": stage.history["train_rmse"] * unit * fold.typical,
        "validation_rmse": validation,
    }
