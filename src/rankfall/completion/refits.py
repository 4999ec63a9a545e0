"""Refits of one rank: how they are begun, deflated, grown, truncated, and made once more on all cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem import Problem
from .choose import Choice, Split, rms
from .ensemble import combine
from .factoring import thin_svd
from .polish import polish
from .posterior import Posterior

# sweeps of an ordinary and of a cheap fit, and the relative change of the noise at which one ends
_SWEEPS, _MOST_SWEEPS, TOL = 12, 60, 1e-3
# multiplications up to which a fit is cheap
_CHEAP = 3e9
# sweeps on all cells from a fit that was stopped early
_FEW_SWEEPS = 2
# unknowns on the short side up to which a least-squares fit is quick
_POLISHABLE = 1200
# share of the variance that is noise when a fit is begun as if there were little
_QUIET = 0.01
# fits that are averaged
MEMBERS = 3


def rest_of(split: Split) -> tuple[Problem, float]:
    """What effects leave of the training values, with root mean square 1, and the unit that made it so."""
    training = split.training
    rest = training.values - split.fits[0].at(training.rows, training.cols)
    unit = rms(rest)
    return training.with_values(rest / (unit or 1.0)), unit


def refit(split: Split, V: np.ndarray, noise: float) -> Posterior:
    """The refit from some column factors, without those that die of it.

    Where it is cheap it is begun again as if there were little noise, because too much of it can kill living
    factors at the start, and from a least-squares fit, which alternation cannot match if there is little
    noise indeed; the held-out cells decide.
    """
    rank = V.shape[1]
    fit = deflated(split, split.improve(split.start_fit(V, noise), sweeps_for(split, rank), TOL))
    if work(split, rank) > _CHEAP:
        return fit
    quiet = _quiet_start(split, V, _QUIET * split.fits[0].noise)
    fits = [fit, deflated(split, split.improve(quiet, sweeps_for(split, rank), TOL))]
    if min(split.training.shape) * rank <= _POLISHABLE:
        polished = split.improve(_polished(split, V), sweeps_for(split, rank), TOL)
        fits.append(deflated(split, polished))
    return min(fits, key=split.held_error)


def _polished(split: Split, V: np.ndarray) -> Posterior:
    """A start from a least-squares fit, effects left as those of rank 0."""
    rest, unit = rest_of(split)
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
        fit = split.improve(fit, sweeps_for(split, fit.rank), TOL)
    return fit


def finish(choice: Choice, problem: Problem) -> tuple[Split, Posterior]:
    """Fit the chosen rank on all cells, from where the fit on the training cells stood; rows folded in.

    The split that is returned holds all cells as training cells, under the data model as it was: its mean and
    scales are but constants, and the fits are relative to them.
    """
    rank = choice.chosen().rank
    first = choice.judges_of(rank)[0]
    before = first.fits[rank]
    refitter = first.model.refitter(problem)
    nothing = refitter.problem.subset(np.zeros(problem.n_observed, bool))
    whole = Split(first.model, refitter.problem, nothing, refitter, before.by_line)
    # not many sweeps: the held-out cells, by which intervals are calibrated, were predicted by a fit like this
    sweeps = _FEW_SWEEPS if before.early else _SWEEPS
    fits = [refitter.improve(refitter.adopt(before), sweeps, TOL)]
    for member in choice.members.get(rank, ()):
        fits.append(refitter.improve(refitter.adopt(member), _FEW_SWEEPS, TOL))
    fit = combine(refitter, fits) if len(fits) > 1 else refitter.fold_rows(fits[0])
    return whole, replace(fit, early=before.early)


def grown(split: Split, fit: Posterior, rank: int, seed: int) -> np.ndarray:
    """Column factors with the leading directions of the misfit added."""
    from sklearn.utils.extmath import randomized_svd

    training = split.training
    misfit = training.with_values(training.values - fit.at(training.rows, training.cols)).to_sparse()
    V = fit.frames()[1]
    more = rank - V.shape[1]
    _, s, Vt = randomized_svd(misfit, more, n_iter="auto", random_state=seed % 2**32)
    return np.hstack([V, Vt.T * np.sqrt(s)])


def work(split: Split, rank: int) -> float:
    """Multiplications of one fit, roughly."""
    cells, lines = split.training.n_observed, sum(split.training.shape)
    return _SWEEPS * (cells * rank**2 + lines * rank**3)


def sweeps_for(split: Split, rank: int) -> int:
    """Sweeps that a fit may take: more where they are cheap."""
    return int(np.clip(_CHEAP * _SWEEPS / max(work(split, rank), 1.0), _SWEEPS, _MOST_SWEEPS))


def truncated(fit: Posterior, rank: int) -> np.ndarray:
    """Column factors of the leading part of a fit."""
    _, s, Vt = thin_svd(*fit.frames())
    return Vt[:rank].T * np.sqrt(s[:rank])


def restarts(split: Split, fit: Posterior, seed: int) -> list[Posterior]:
    """Fits of the same rank from the other chain that met it, and from random starts."""
    starts = list(split.starts.get(fit.rank, []))[1:]
    V = fit.frames()[1]
    size = float(np.sqrt(np.mean(V**2)))
    rng = np.random.default_rng([seed, 4])
    while len(starts) < MEMBERS - 1:
        starts.append(size * rng.standard_normal(V.shape))
    return [
        split.improve(split.start_fit(V, fit.noise), sweeps_for(split, fit.rank), TOL)
        for V in starts[: MEMBERS - 1]
    ]
