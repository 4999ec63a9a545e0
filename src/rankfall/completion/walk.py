"""Falling through the ranks on the training cells, each rank refitted and judged on the held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from .choose import Choice, Split, rms
from .descend import Stage, descend, plan
from .ensemble import combine
from .path import Visit
from .posterior import Posterior
from .refits import MEMBERS, TOL, grown, refit, rest_of, restarts, sweeps_for, truncated, work
from .session import Session

_CHAINS, _EFFORT = 2, 100
# relative gain in held-out error for which a larger rank is worth its time, and for which several fits are averaged
_WORTHWHILE, _AVERAGED = 3e-3, 5e-4
# fits of other ranks are averaged with the chosen one if their held-out error is larger by less
_NEAR = 0.05
# multiplications up to which an even larger rank is tried, noise models and starts are compared, the noise model is
# looked at once more, and fits are repeated from other starts
_WORK, _VARIANTS_WORK, _RECHECK_WORK, _RESTARTS_WORK = 5e11, 1e10, 6e10, 3e9
# (noise by line, start as if all were noise)
_ALL_VARIANTS = ((False, False), (False, True), (True, False), (True, True))
# relative rise of the held-out error beyond which larger ranks are not fitted
_PAST = 0.02
# ranks above ten are visited in steps of this share
_STEP = 0.2
_FACTS = ("ridge", "steps", "sgd_train", "sgd_validation")


@dataclass(frozen=True)
class _Met:
    """A rank that a chain of SGD met on its fall: where, and with which errors of its own."""

    rank: int
    facts: dict[str, float]


def walk(choice: Choice, seed: int, session: Session) -> None:
    """Fall through the ranks with chains of SGD, refit them, look above and between, and average.

    Refits go from small ranks to large ones, which cost more, until the held-out error rises.
    """
    first = choice.first
    widest = min(*first.training.shape, max(first.training.max_oversampled_rank(), 1))
    if choice.wishes.max_rank is not None:
        widest = min(widest, choice.wishes.max_rank)
    if widest < 1:
        choice.pool()
        return
    met = _fall(choice, widest, seed, session)
    if not met:
        choice.pool()
        return
    _climb(choice, met, session)
    _look_above(choice, widest, seed, session)
    if work(first, choice.best().rank) <= _RECHECK_WORK:
        _try_variants(choice, session, [(not first.by_line, first.hot)])
    _look_between(choice, session)
    for number, split in enumerate(choice.splits[1:]):
        _follow(choice, split, seed + number + 1, session)
    choice.pool()
    if choice.chosen().rank:
        _average(choice, seed, session)


def _fall(choice: Choice, widest: int, seed: int, session: Session) -> list[_Met]:
    """Chains of SGD on the first split; the ranks they met, small ones first."""
    split = choice.first
    rest, unit = rest_of(split)
    if unit == 0:
        return []
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
        split.starts[rank] = _starts(stage, chain, rank, unit)
    return [met[rank] for rank in sorted(met)]


def _climb(choice: Choice, met: list[_Met], session: Session) -> None:
    """Refit the ranks that were met, small ones first, until the held-out error rises."""
    split = choice.first
    noise, worse, settled = split.pilot_noise, 0, False
    for place, fall in enumerate(met):
        if _covered(split, fall.rank):
            continue
        if not settled and work(split, fall.rank) > _VARIANTS_WORK:
            settled = True
            _try_variants(choice, session)
        fit = refit(split, split.starts[fall.rank][0], noise)
        noise = fit.noise
        visit = _note(choice, fall.rank, fit, **(fall.facts if fit.rank == fall.rank else {}))
        _report(session, "refitting the ranks met", visit, (place + 1) / len(met))
        worse = worse + 1 if visit.validation > (1 + _PAST) * choice.best().validation else 0
        if worse == 2:
            break
    if not settled:
        _try_variants(choice, session)


def _note(choice: Choice, rank: int, fit: Posterior, **facts: float) -> Visit:
    """Enter a fit that was begun with `rank` factors, or keep the better one of the rank it ended with."""
    split = choice.first
    for other in range(fit.rank + 1, rank + 1):
        split.ended.setdefault(other, fit.rank)
    known = split.fits.get(fit.rank) if fit.rank else None
    if known is not None and split.held_error(known) <= split.held_error(fit):
        fit = known
    if fit.rank == 0:
        return choice.visits[0]
    earlier = [visit for visit in choice.visits if visit.rank == fit.rank]
    if earlier and not facts:
        facts = {name: getattr(earlier[0], name) for name in _FACTS}
    return choice.enter(fit, **facts)


def _starts(stage: Stage, best: int, rank: int, unit: float) -> list[np.ndarray]:
    """Column factors of every chain, those of the best one first."""
    chains = sorted(range(stage.s.shape[0]), key=lambda chain: chain != best)
    return [np.ascontiguousarray(stage.Vt[k][:rank].T * np.sqrt(stage.s[k][:rank] * unit)) for k in chains]


def _covered(split: Split, rank: int) -> bool:
    """Whether fits begun with this many factors are known to lose some, or a large rank is near another."""
    if split.ended.get(rank, rank) < rank:
        return True
    return rank > 10 and any(abs(rank - other) < _STEP * other for other in split.fits)


def _look_above(choice: Choice, widest: int, seed: int, session: Session) -> None:
    """Larger ranks, while they help: the best fit with more directions, small ones to begin with."""
    split = choice.first
    while choice.best().rank == max(split.fits):
        rank, before = choice.best().rank, choice.best().validation
        wider = min(rank + max(1, rank // 2 if rank < 10 else rank), widest)
        if work(split, wider) > _WORK or wider == rank or split.ended.get(wider, wider) < wider:
            return
        fit = split.fits[rank]
        visit = _note(choice, wider, refit(split, grown(split, fit, wider, seed), fit.noise))
        _report(session, "looking above", visit)
        if visit.rank == rank or visit.validation > before * (1 - _WORTHWHILE):
            return


def _look_between(choice: Choice, session: Session) -> None:
    """Ranks next to the best one that the chains jumped over, from the next larger refit truncated.

    Small ranks are looked at one by one; among large ones a fifth more or less makes no difference.
    """
    split = choice.first
    for _ in range(8):
        best = choice.best().rank
        met = sorted(split.fits)
        place = met.index(best)
        gaps = [(met[place - 1], best)] if place else []
        if place + 1 < len(met):
            gaps.append((best, met[place + 1]))
        gaps = [
            (low, high)
            for low, high in gaps
            if high - low > max(1, _STEP * best) and (low + high) // 2 not in split.ended
        ]
        if not gaps:
            return
        low, high = max(gaps, key=lambda gap: gap[1] - gap[0])
        rank = (low + high) // 2
        parent = split.fits[high]
        visit = _note(choice, rank, refit(split, truncated(parent, rank), parent.noise))
        _report(session, "looking between the ranks", visit)


def _try_variants(
    choice: Choice, session: Session, variants: Iterable[tuple[bool, bool]] = _ALL_VARIANTS
) -> None:
    """Keep the other noise model or start if the best rank so far is fitted better with it."""
    split, best = choice.first, choice.best()
    if best.rank == 0:
        return
    usual, fit = (split.by_line, split.hot), split.fits[best.rank]
    start = split.starts[best.rank][0] if best.rank in split.starts else fit.frames()[1]
    winner, winning = fit, usual
    for variant in variants:
        if variant == usual or (variant[0] and not split.may_differ):
            continue
        session.check()
        split.by_line, split.hot = variant
        other = refit(split, start, fit.noise)
        if split.held_error(other) < split.held_error(winner) * (1 - _AVERAGED):
            winner, winning = other, variant
    for other_split in choice.splits:
        other_split.by_line, other_split.hot = winning
    if winning == usual:
        return
    near = max(1, _STEP * best.rank)
    others = [visit for visit in choice.visits if 0 < abs(visit.rank - best.rank) <= near and visit.rank]
    others = others if work(split, best.rank) <= _VARIANTS_WORK else []
    split.ended.clear()
    _note(choice, best.rank, winner)
    for visit in others:  # the neighbours must be judged alike
        session.check()
        fit = split.fits[visit.rank]
        _note(choice, visit.rank, refit(split, fit.frames()[1], fit.noise))


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
        met = [other for other in spectra if other >= rank] or [max(spectra)]
        s, Vt = spectra[min(met)]
        V = Vt[:rank].T * np.sqrt(s[:rank])
        if V.shape[1] < rank:
            extra = np.random.default_rng([seed, 3, rank]).standard_normal((V.shape[0], rank - V.shape[1]))
            V = np.hstack([V, 0.1 * np.sqrt(np.mean(V**2)) * extra])
        fit = split.improve(
            split.start_fit(V, choice.first.fits[rank].noise), sweeps_for(split, V.shape[1]), TOL
        )
        split.fits[rank] = fit


def _average(choice: Choice, seed: int, session: Session) -> None:
    """Several fits averaged and cut to the chosen rank, if that lowers the held-out error.

    The others are those of neighbouring ranks or, where that is cheap, of the same rank from other starts.
    """
    visit = choice.chosen()
    rank, split = visit.rank, choice.first
    session.report("averaging several fits", rank=rank)
    near = [other for other in choice.visits if other.rank not in (0, rank)]
    near = [other for other in near if other.validation < (1 + _NEAR) * visit.validation]
    ranks = [other.rank for other in sorted(near, key=lambda other: other.validation)[: MEMBERS - 1]]
    makers: list[Callable[[Split], list[Posterior]]] = []
    if ranks:
        makers.append(lambda split: [split.fits[other] for other in ranks])
    if work(split, rank) <= _RESTARTS_WORK:
        makers.append(lambda split: restarts(split, split.fits[rank], seed))
    groups = [make(split) for make in makers]
    averages = [combine(split.refitter, [split.fits[rank], *group]) for group in groups]
    errors = [split.held_error(averaged) for averaged in averages]
    best = int(np.argmin(errors)) if errors else 0
    if not errors or errors[best] > split.held_error(split.fits[rank]) * (1 - _AVERAGED):
        return
    for other in choice.splits[1:]:
        other.fits[rank] = combine(other.refitter, [other.fits[rank], *makers[best](other)])
    choice.members[rank] = tuple(groups[best])
    _note(choice, rank, averages[best])
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
    right = stage.Vt[chain][:rank].T
    errors = {}
    for name, cells in (("sgd_train", split.training), ("sgd_validation", split.held)):
        fitted = split.fits[0].at(cells.rows, cells.cols)
        for a in range(0, cells.n_observed, 500_000):
            part = slice(a, a + 500_000)
            fitted[part] += np.einsum("ij,ij->i", left[cells.rows[part]], right[cells.cols[part]])
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
