"""Falling through the ranks on the training cells, each rank refitted and judged on the held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..problem import Problem
from .choose import Choice, Split, effects_alone, rms
from .descend import Stage, descend, plan
from .ensemble import combine
from .factoring import thin_svd
from .path import Visit
from .polish import polish
from .posterior import Posterior
from .session import Session

_CHAINS, _EFFORT = 2, 100
# relative gain in held-out error for which a larger rank is worth its time
_WORTHWHILE = 3e-3
# unknowns on the short side up to which a least-squares fit is quick
_POLISHABLE = 1200
# share of the variance that is noise when a fit is begun as if there were little
_QUIET = 0.01
_SWEEPS, _MOST_SWEEPS, _TOL = 12, 60, 1e-3
# multiplications up to which a fit may take more than the usual sweeps; that one fit, and all members of an ensemble together, may take
_CHEAP, _WORK, _ENSEMBLE_WORK = 3e9, 5e11, 3e9
_MEMBERS = 3
# fits of other ranks are averaged with the chosen one if their held-out error is larger by less
_NEAR = 0.05
# the same for a fit with which noise models and starts are compared
_VARIANTS_WORK, _RECHECK_WORK = 1e10, 6e10
# (noise by line, start as if all were noise)
_ALL_VARIANTS = ((False, False), (False, True), (True, False), (True, True))
# relative rise of the held-out error beyond which larger ranks are not fitted
_PAST = 0.02
# sweeps on all cells from a fit that was stopped early
_FEW_SWEEPS = 2
# relative gain in held-out error for which several fits are averaged
_AVERAGED = 5e-4
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
        return
    met = _fall(choice, widest, seed, session)
    if not met:
        return
    _climb(choice, met, session)
    _look_above(choice, widest, seed, session)
    if _work(first, choice.best().rank) <= _RECHECK_WORK:
        _try_variants(choice, session, [(not first.by_line, first.hot)])
    _look_between(choice, session)
    for number, split in enumerate(choice.splits[1:]):
        _follow(choice, split, seed + number + 1, session)
    if len(choice.splits) > 1:
        choice.pool()
    if choice.chosen().rank:
        _average(choice, seed, session)


def _rest(split: Split) -> tuple[Problem, float]:
    """What effects leave of the training values, with root mean square 1, and the unit that made it so."""
    training = split.training
    rest = training.values - split.fits[0].at(training.rows, training.cols)
    unit = rms(rest)
    return training.with_values(rest / (unit or 1.0)), unit


def _fall(choice: Choice, widest: int, seed: int, session: Session) -> list[_Met]:
    """Chains of SGD on the first split; the ranks they met, small ones first."""
    split = choice.first
    rest, unit = _rest(split)
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
        if not settled and _work(split, fall.rank) > _VARIANTS_WORK:
            settled = True
            _try_variants(choice, session)
        fit = _refit(split, split.starts[fall.rank][0], noise)
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


def _refit(split: Split, V: np.ndarray, noise: float) -> Posterior:
    """The refit from some column factors, without those that die of it.

    Where it is cheap it is begun again as if there were little noise, because too much of it can kill living
    factors at the start, and from a least-squares fit, which alternation cannot match if there is little
    noise indeed; the held-out cells decide.
    """
    rank = V.shape[1]
    fit = deflated(split, split.improve(split.start_fit(V, noise), _sweeps(split, rank), _TOL))
    if _work(split, rank) > _CHEAP:
        return fit
    quiet = _quiet_start(split, V, _QUIET * split.fits[0].noise)
    fits = [fit, deflated(split, split.improve(quiet, _sweeps(split, rank), _TOL))]
    if min(split.training.shape) * rank <= _POLISHABLE:
        polished = split.improve(_polished(split, V), _sweeps(split, rank), _TOL)
        fits.append(deflated(split, polished))
    return min(fits, key=split.held_error)


def _polished(split: Split, V: np.ndarray) -> Posterior:
    """A start from a least-squares fit, effects left as those of rank 0."""
    rest, unit = _rest(split)
    U = _quiet_start(split, V, _QUIET * split.fits[0].noise).frames()[0]
    u, s, vt = thin_svd(U / unit, V)
    polished = polish(rest, u, s, vt.T)
    noise = (polished.residual * unit) ** 2
    return _quiet_start(split, polished.V * np.sqrt(polished.s * unit), noise)


def _quiet_start(split: Split, V: np.ndarray, noise: float) -> Posterior:
    return split.refitter.start(np.ascontiguousarray(V), noise, split.by_line, split.fits[0])


def deflated(split: Split, fit: Posterior) -> Posterior:
    """Drop dead factors and fit again, until all that are left live."""
    while fit.rank:
        alive = fit.alive()
        if alive.all():
            return fit
        fit = split.start_fit(fit.frames()[1][:, alive], fit.noise)
        fit = split.improve(fit, _sweeps(split, fit.rank), _TOL)
    return fit


def finish(choice: Choice, problem: Problem, seed: int) -> tuple[Split, Posterior]:
    """Fit the chosen rank on all cells, from where the fit on the training cells stood; rows folded in.

    The split that is returned holds all cells as training cells.
    """
    rank = choice.chosen().rank
    first = choice.first if rank else choice.plain[0]
    model = first.model  # its mean and scales are but constants, and the fits are relative to them
    refitter = model.refitter(problem)
    nothing = refitter.problem.subset(np.zeros(problem.n_observed, bool))
    whole = Split(model, refitter.problem, nothing, refitter, first.by_line, starts=first.starts)
    whole.hot = first.hot
    whole.fits[0] = effects_alone(whole)
    if rank == 0:
        return whole, refitter.fold_rows(whole.fits[0])
    before = first.fits[rank]
    # not many: the held-out cells, by which intervals are calibrated, were predicted by a fit like this
    fit = refitter.improve(refitter.adopt(before), _FEW_SWEEPS if before.early else _SWEEPS, _TOL)
    if choice.members:
        others = [refitter.improve(refitter.adopt(member), _FEW_SWEEPS, _TOL) for member in choice.members]
        fit = combine(refitter, [fit, *others])
    return whole, replace(refitter.fold_rows(fit), early=before.early)


def _look_above(choice: Choice, widest: int, seed: int, session: Session) -> None:
    """Larger ranks, while they help: the best fit with more directions, small ones to begin with."""
    split = choice.first
    while choice.best().rank == max(split.fits):
        rank, before = choice.best().rank, choice.best().validation
        wider = min(rank + max(1, rank // 2 if rank < 10 else rank), widest)
        if _work(split, wider) > _WORK or wider == rank or split.ended.get(wider, wider) < wider:
            return
        fit = split.fits[rank]
        visit = _note(choice, wider, _refit(split, _grown(split, fit, wider, seed), fit.noise))
        _report(session, "looking above", visit)
        if visit.rank == rank or visit.validation > before * (1 - _WORTHWHILE):
            return


def _grown(split: Split, fit: Posterior, rank: int, seed: int) -> np.ndarray:
    """Column factors with the leading directions of the misfit added."""
    from sklearn.utils.extmath import randomized_svd

    training = split.training
    misfit = training.with_values(training.values - fit.at(training.rows, training.cols)).to_sparse()
    V = fit.frames()[1]
    more = rank - V.shape[1]
    _, s, Vt = randomized_svd(misfit, more, n_iter="auto", random_state=seed % 2**32)
    return np.hstack([V, Vt.T * np.sqrt(s)])


def _work(split: Split, rank: int) -> float:
    """Multiplications of one fit, roughly."""
    cells, lines = split.training.n_observed, sum(split.training.shape)
    return _SWEEPS * (cells * rank**2 + lines * rank**3)


def _sweeps(split: Split, rank: int) -> int:
    """Sweeps that a fit may take: more where they are cheap."""
    return int(np.clip(_CHEAP * _SWEEPS / max(_work(split, rank), 1.0), _SWEEPS, _MOST_SWEEPS))


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
        visit = _note(choice, rank, _refit(split, _truncated(parent, rank), parent.noise))
        _report(session, "looking between the ranks", visit)


def _truncated(fit: Posterior, rank: int) -> np.ndarray:
    """Column factors of the leading part of a fit."""
    _, s, Vt = thin_svd(*fit.frames())
    return Vt[:rank].T * np.sqrt(s[:rank])


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
        other = _refit(split, start, fit.noise)
        if split.held_error(other) < split.held_error(winner) * (1 - _AVERAGED):
            winner, winning = other, variant
    for other_split in choice.splits:
        other_split.by_line, other_split.hot = winning
    if winning == usual:
        return
    near = max(1, _STEP * best.rank)
    others = [visit for visit in choice.visits if 0 < abs(visit.rank - best.rank) <= near and visit.rank]
    others = others if _work(split, best.rank) <= _VARIANTS_WORK else []
    split.ended.clear()
    _note(choice, best.rank, winner)
    for visit in others:  # the neighbours must be judged alike
        session.check()
        fit = split.fits[visit.rank]
        _note(choice, visit.rank, _refit(split, fit.frames()[1], fit.noise))


def _follow(choice: Choice, split: Split, seed: int, session: Session) -> None:
    """Fit another fold with the ranks of the first, from chains that have not seen its held-out cells."""
    rest, unit = _rest(split)
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
            split.start_fit(V, choice.first.fits[rank].noise), _sweeps(split, V.shape[1]), _TOL
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
    ranks = [other.rank for other in sorted(near, key=lambda other: other.validation)[: _MEMBERS - 1]]
    makers: list[Callable[[Split], list[Posterior]]] = []
    if ranks:
        makers.append(lambda split: [split.fits[other] for other in ranks])
    if _work(split, rank) <= _ENSEMBLE_WORK:
        makers.append(lambda split: _restarts(split, split.fits[rank], seed))
    groups = [make(split) for make in makers]
    averages = [combine(split.refitter, [split.fits[rank], *group]) for group in groups]
    errors = [split.held_error(averaged) for averaged in averages]
    best = int(np.argmin(errors)) if errors else 0
    if not errors or errors[best] > split.held_error(split.fits[rank]) * (1 - _AVERAGED):
        return
    choice.members = tuple(groups[best])
    for other in choice.splits[1:]:
        other.fits[rank] = combine(other.refitter, [other.fits[rank], *makers[best](other)])
    _note(choice, rank, averages[best])
    if choice.pooled:
        choice.pool()


def _restarts(split: Split, fit: Posterior, seed: int) -> list[Posterior]:
    """Fits of the same rank from the other chain that met it, and from random starts."""
    starts = list(split.starts.get(fit.rank, []))[1:]
    V = fit.frames()[1]
    size = float(np.sqrt(np.mean(V**2)))
    rng = np.random.default_rng([seed, 4])
    while len(starts) < _MEMBERS - 1:
        starts.append(size * rng.standard_normal(V.shape))
    return [
        split.improve(split.start_fit(V, fit.noise), _sweeps(split, fit.rank), _TOL)
        for V in starts[: _MEMBERS - 1]
    ]


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
