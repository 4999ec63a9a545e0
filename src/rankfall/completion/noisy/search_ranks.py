"""Falling through the ranks on the training cells, each rank refitted and judged on the held-out ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..descent.descend import Stage, descend, plan
from ..rank_path import Visit, combined
from ..session import Session
from ..solvers.low_rank import products, rms
from .candidates import NOISES, Choice, Split, earns_its_place, squares
from .refit import affordable, cheap, grown, mixed, refit, rest_of, stuck, truncated, work

_CHAINS, _EFFORT = 2, 100
# relative gain in held-out error for which a larger rank is worth its time
_WORTHWHILE = 3e-3
# relative gain for which the mean is taken over all noise models, and multiplications of a sweep up to which that is tried
_BETTER, _MIXABLE = 5e-3, 3e9
# so many ranks without such a gain end the climb
_PATIENCE = 3
# share of a wider fit's factors that must live for a still wider one to be tried
_ALIVE = 0.75
# ranks above ten are visited in steps of this share
_STEP = 1 / 3
# ranks from which on the noise models are compared during the climb; they are compared once more at the end
_COMPARED = (5, 25)
# ranks whose error is larger than the best by this factor are not fitted again under another noise model
_HOPELESS = 1.1


@dataclass(frozen=True)
class _Met:
    """A rank that a chain of SGD met on its fall: where, and with which errors of its own."""

    rank: int
    facts: dict[str, float]


def walk(choice: Choice, seed: int, session: Session) -> None:
    """Fall through the ranks with chains of SGD, refit them, and look above and between.

    Refits go from small ranks to large ones, which cost more, until the held-out error settles.
    """
    first = choice.first
    # a fit with a prior does not need as many cells as unknowns
    widest = min(*first.training.shape, max(2 * first.training.max_oversampled_rank(), 1))
    if choice.wishes.max_rank is not None:
        widest = min(widest, choice.wishes.max_rank)
    if widest < 1 or rest_of(first)[1] == 0:  # no rank may be tried, or effects leave nothing to explain
        choice.pool()
        return
    met = _fall(choice, widest, seed, session)
    _climb(choice, met, seed, session)
    _look_above(choice, widest, seed, session)
    if _try_other_noise(choice, seed, session):
        _look_above(choice, widest, seed, session)
    _look_between(choice, seed, session)
    for number, split in enumerate(choice.splits[1:]):
        _follow(choice, split, seed + number + 1, session)
    choice.pool()
    _mix(choice, seed, session)


def _fall(choice: Choice, widest: int, seed: int, session: Session) -> list[_Met]:
    """Chains of SGD on the first split; the ranks they met, small ones first."""
    split = choice.first
    rest, unit = rest_of(split)
    met: dict[int, _Met] = {}
    settings = plan(rest, _EFFORT, _CHAINS, noise=split.pilot_noise / unit**2)
    typical = unit * split.model.typical
    for stage in descend(rest, settings, seed, session, "falling through the ranks", typical):
        chain = int(np.argmin(stage.train_rmse))
        choice.history.append(_history(split, stage, unit))
        rank = min(int(stage.ranks[chain]), widest)
        if rank == 0:
            break
        if rank in met:
            continue
        errors = _sgd_errors(split, stage, chain, rank, unit)
        met[rank] = _Met(rank, {"ridge": stage.ridge, "steps": stage.step, **errors})
        split.starts[rank] = stage.Vt[chain][:rank].T * np.sqrt(stage.s[chain][:rank] * unit)
    return [met[rank] for rank in sorted(met)]


def _climb(choice: Choice, met: list[_Met], seed: int, session: Session) -> None:
    """Refit the ranks that were met, small ones first, until the held-out error does not fall any more."""
    split = choice.first
    idle, best, last = 0, np.inf, split.fits[0]
    compare_at = list(_COMPARED)
    for place, fall in enumerate(met):
        if _covered(split, fall.rank) or not affordable(split, fall.rank):
            continue
        starts = [split.starts[fall.rank]]
        if last.rank or not cheap(split, fall.rank):
            starts.append(grown(split, last, fall.rank, seed))
        last = refit(split, starts, last.noise if last.rank else split.pilot_noise, seed)
        visit = choice.enter(last, **(fall.facts if last.rank == fall.rank else {}))
        _report(session, "refitting the ranks met", visit, (place + 1) / len(met))
        idle = 0 if visit.merit < (1 - _WORTHWHILE) * best else idle + 1
        idle += visit.rank < fall.rank
        best = min(best, visit.merit)
        if idle >= _PATIENCE:
            break
        if compare_at and fall.rank >= compare_at[0]:
            compare_at = [rank for rank in compare_at if rank > fall.rank]
            _try_other_noise(choice, seed, session)
            best, last = choice.best().merit, split.fits[choice.best().rank]


def _covered(split: Split, rank: int) -> bool:
    """Whether a large rank is near another."""
    return rank > 10 and any(abs(rank - other) < _STEP * other for other in split.begun)


def _look_above(choice: Choice, widest: int, seed: int, session: Session) -> None:
    """Larger ranks, twice the best one each time, until that has not helped (twice, where it is cheap and chains get stuck).

    A fit whose factors die says that there is nothing more to be found: it is wide enough.
    """
    split = choice.first
    idle, wider = 0, 0
    while True:
        rank, before = choice.best().rank, choice.best().merit
        wider = min(2 * max(rank, wider, 1), widest)
        if wider <= max(split.begun) or not affordable(split, wider):
            return
        starts = [grown(split, split.fits[known], wider, seed) for known in sorted({rank, 0}, reverse=True)]
        visit = choice.enter(refit(split, starts, split.fits[rank].noise, seed))
        _report(session, "looking above", visit)
        idle = 0 if visit.merit < before * (1 - _WORTHWHILE) else idle + 1
        again = cheap(split, wider) and stuck(split, split.fits[visit.rank])
        if idle > again or (visit.rank < _ALIVE * wider and not again):
            return


def _look_between(choice: Choice, seed: int, session: Session) -> None:
    """Ranks next to the best one that the chains jumped over, from the next larger refit truncated.

    Small ranks are looked at one by one; among large ones a third more or less makes no difference.
    """
    split = choice.first
    for _ in range(8):
        best = choice.best().rank
        met = sorted(split.fits)
        place = met.index(best)
        gaps = [(met[place - 1], best)] if place else []
        if place + 1 < len(met):
            gaps.append((best, met[place + 1]))
        gaps = [(low, high) for low, high in gaps if high - low > max(1, _STEP * best)]
        gaps = [(low, high) for low, high in gaps if (low + high) // 2 not in split.begun]
        if not gaps:
            return
        low, high = max(gaps, key=lambda gap: gap[1] - gap[0])
        rank = (low + high) // 2
        parent = split.fits[high]
        starts = [truncated(parent, rank)]
        if low:
            starts.append(grown(split, split.fits[low], rank, seed))
        visit = choice.enter(refit(split, starts, parent.noise, seed))
        _report(session, "looking between the ranks", visit)


def _try_other_noise(choice: Choice, seed: int, session: Session) -> bool:
    """Fit the ranks under another noise model if the best one so far is fitted better with it; whether it was.

    Larger ranks are forgotten: under another noise model they may be better. Ranks that are far worse than
    the best keep their fits: another noise model changes an error by a few percent.
    """
    split, best = choice.first, choice.best()
    if best.rank == 0 or not split.may_differ:
        return False
    usual, fit = split.line_cells, split.fits[best.rank]
    fits = {usual: fit}
    for cells in NOISES:
        if cells != usual:
            split.line_cells = cells
            fits[cells] = refit(split, [fit.frames()[1]], fit.noise, seed)
    # chance makes a difference too: a model stays until another is better by as much as that
    winning = usual
    for cells in NOISES:
        if earns_its_place(squares(split, fits[winning]), squares(split, fits[cells])):
            winning = cells
    split.line_cells = winning
    if winning == usual:
        return False
    again = [fits[winning]]
    smaller = [visit for visit in choice.visits if 0 < visit.rank < best.rank]
    hopeless = {visit.rank for visit in smaller if visit.merit > _HOPELESS * best.merit}
    for rank in sorted({visit.rank for visit in smaller} - hopeless):  # they must be judged alike
        session.report("refitting with another noise model", rank=rank)
        again.append(refit(split, [split.fits[rank].frames()[1]], split.fits[rank].noise, seed))
    split.begun = {0, best.rank, *(visit.rank for visit in smaller)}
    choice.forget(hopeless)
    for fold in choice.splits:
        fold.line_cells = winning
    for new in again:
        choice.enter(new)
    return True


def _follow(choice: Choice, split: Split, seed: int, session: Session) -> None:
    """Fit another fold with the ranks of the first, from chains that have not seen its held-out cells."""
    rest, unit = rest_of(split)
    spectra: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    settings = plan(rest, _EFFORT, 1, noise=split.pilot_noise / unit**2)
    typical = unit * split.model.typical
    for stage in descend(rest, settings, seed, session, "falling through the ranks of another fold", typical):
        spectra.setdefault(int(stage.ranks[0]), (stage.s[0] * unit, stage.Vt[0]))
    for rank in sorted(choice.first.fits, reverse=True):
        if rank == 0:
            continue
        session.check()
        starts = [grown(split, split.fits[0], rank, seed)]
        if spectra:
            met = [other for other in spectra if other >= rank] or [max(spectra)]
            s, Vt = spectra[min(met)]
            starts.insert(0, Vt[:rank].T * np.sqrt(s[:rank]))
        split.fits[rank] = refit(split, starts, choice.first.fits[rank].noise, seed)


def _mix(choice: Choice, seed: int, session: Session) -> None:
    """Average the chosen fit over all noise models, if that lowers the held-out error noticeably."""
    rank, split = choice.chosen().rank, choice.first
    if rank == 0 or not split.may_differ or work(split, rank) > _MIXABLE:
        return
    session.report("averaging over noise models", rank=rank)
    folds = list(enumerate(choice.splits))
    before = combined(*choice.held_errors(rank)), [fold.fits[rank] for fold in choice.splits]
    others = [mixed(fold, fold.fits[rank], NOISES, seed + number) for number, fold in folds]
    for number, fold in folds:
        fold.fits[rank] = others[number]
    if combined(*choice.held_errors(rank)) > (1 - _BETTER) * before[0]:
        for number, fold in folds:
            fold.fits[rank] = before[1][number]
        return
    choice.mixtures[rank] = NOISES
    choice.enter(others[0])
    choice.pool()


def _report(session: Session, phase: str, visit: Visit, fraction: float | None = None) -> None:
    session.report(
        phase,
        fraction=fraction,
        rank=visit.rank,
        ridge=visit.ridge,
        train_rmse=visit.train,
        validation_rmse=visit.validation,
    )


def _sgd_errors(split: Split, stage: Stage, chain: int, rank: int, unit: float) -> dict[str, float]:
    """Errors of the SGD network alone, cut to a rank."""
    left = stage.U[chain][:, :rank] * (stage.s[chain][:rank] * unit)
    right = np.ascontiguousarray(stage.Vt[chain][:rank].T)
    errors = {}
    for name, cells in (("sgd_train", split.training), ("sgd_validation", split.held)):
        fitted = split.fits[0].at(cells.rows, cells.cols)
        fitted += products(cells.rows, cells.cols, left, right)
        misfit = (fitted - cells.values) * split.model.scale[cells.cols]
        errors[name] = rms(misfit, cells.weights)
    return errors


def _history(split: Split, stage: Stage, unit: float) -> dict[str, np.ndarray]:
    """Records of one stage, errors in the units of the data; the held-out error is known at its end."""
    typical = split.model.typical
    validation = np.full(stage.history["step"].size, np.nan)
    validation[-1] = _sgd_errors(split, stage, 0, stage.s.shape[1], unit)["sgd_validation"]
    return {
        **stage.history,
        "train_rmse": stage.history["train_rmse"] * unit * typical,
        "validation_rmse": validation,
    }
