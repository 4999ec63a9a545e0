"""Fits of one rank: how they are begun, sampled, grown, truncated, and made once more on all cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...problem import Problem
from ..rank_path import combined
from ..solvers.gibbs import Average, Sampler
from ..solvers.least_squares import polish
from ..solvers.low_rank import both_errors, leading_svd, rms, thin_svd
from ..solvers.variational import Posterior
from .candidates import Choice, Split, effects_alone

# variational sweeps of a start where they are cheap, and multiplications up to which they are
_START_SWEEPS, _CHEAP = 8, 3e8
# unknowns on the short side up to which a least-squares fit is quick
_POLISHABLE = 1200
# share of the variance that is noise when a fit is begun as if there were little
_QUIET = 0.01
# share of the variance around the effects from which on noise carries chains from any start to the same place
_LOUD = 0.25
# sweeps of the sampler that are thrown away, and that are averaged: at least, at most, and between two looks
_BURN, _LEAST, _MOST, _LOOK = 8, 24, 96, 8
# multiplications of all sweeps of one fit
_WORK = 2e12
# factors without which the held-out error is larger by no more than this share are dead, and dropped
_DEAD = 1e-3
# relative change of the held-out error between two looks below which the average has settled; of dear fits, gain. (Where
# lines with shares of their own are copies of each other, a chain drifts to ever less noise, past the best fit. Small
# tables have few cells held out: there an error that rises may fall again.)
_SETTLED = 1e-3


def rest_of(split: Split) -> tuple[Problem, float]:
    """What effects leave of the training values, with root mean square 1, and the unit that made it so."""
    training = split.training
    rest = training.values - split.fits[0].at(training.rows, training.cols)
    unit = rms(rest)
    return training.with_values(rest / (unit or 1.0)), unit


def work(split: Split, rank: int) -> float:
    """Multiplications of one sweep, roughly."""
    cells, lines = split.training.n_observed, sum(split.training.shape)
    return 2.0 * cells * rank**2 + lines * rank**3


def affordable(split: Split, rank: int) -> bool:
    """Whether there is time for the least number of sweeps at this rank."""
    return (_BURN + _LEAST) * work(split, rank) <= _WORK


def cheap(split: Split, rank: int) -> bool:
    """Whether sweeps at this rank take hardly any time."""
    return work(split, rank) <= _CHEAP


def stuck(split: Split, fit: Posterior) -> bool:
    """Whether a chain may have stayed in a region that is not the best one: there is little noise.

    The noise is that of the fit or of the pilot's, since a chain that is stuck takes for noise what it does not explain.
    """
    return min(fit.noise, split.pilot_noise) < _LOUD * split.fits[0].noise


def refit(split: Split, starts: Sequence[np.ndarray], noise: float, seed: int) -> Posterior:
    """The average over the posterior of a rank, sampled from some column factors, cut to the rank that lives.

    Where sweeps are cheap and a chain may have been stuck every start is tried, and the held-out cells decide.
    Elsewhere a start is used if those before it died out, as one does that the ridge of its chain has shrunk to
    next to nothing.
    """
    rank = starts[0].shape[1]
    split.begun.add(rank)
    fits = []
    for number, V in enumerate(starts):
        fits.append(_sampled(split, V, noise, (seed, 4, rank, number)))
        if fits[-1].rank and not (cheap(split, rank) and stuck(split, fits[-1])):
            break
    return min(fits, key=split.held_error)


def _sampled(split: Split, V: np.ndarray, noise: float, seed: Sequence[int]) -> Posterior:
    """A chain that runs until the held-out error of its running mean has settled; dead factors are dropped."""
    rank = V.shape[1]
    start = _start(split, V, noise)
    sampler, average = Sampler(split.refitter, start, seed), Average(rank, split.held)
    most, dear, before, drift = _most_sweeps(split, rank), not cheap(split, rank), np.inf, np.inf
    while sampler.sweeps < most:
        split.check()
        pairs = sampler.sweep()
        if not sampler.finite:
            break
        if sampler.sweeps <= _BURN:
            continue
        average.add(pairs, sampler)
        kept = sampler.sweeps - _BURN
        if kept % _LOOK == 0:
            error = combined(*both_errors(average.at_cells - split.held.values, split.held.weights))
            gain = 1 - error / max(before, 1e-300) if error != before else 0.0
            before, drift = error, max(gain, 0.0) if dear else abs(gain)
            if kept >= _LEAST and drift <= _SETTLED:
                break
    living = average.living(_DEAD) if average.count else 0
    if not living:
        return split.fits[0]
    return average.deliver(split.refitter, start, sampler.sweeps, living, drift)


def _most_sweeps(split: Split, rank: int) -> int:
    return int(np.clip(_WORK / work(split, rank), _BURN + _LEAST, _BURN + _MOST))


def _start(split: Split, V: np.ndarray, noise: float) -> Posterior:
    """Rows folded in; improved by variational sweeps where that is cheap.

    Small tables are also begun from a least-squares fit, which drawing rows and columns in turn reaches only
    slowly if there is little noise; the held-out cells decide.
    """
    rank = V.shape[1]
    start = split.start_fit(V, noise)
    if not cheap(split, rank):
        return start
    starts = [split.refitter.improve(start, _START_SWEEPS)]
    if min(split.training.shape) * rank <= _POLISHABLE:
        starts.append(split.refitter.improve(_polished(split, V), _START_SWEEPS))
    return min(starts, key=split.held_error)


def _polished(split: Split, V: np.ndarray) -> Posterior:
    """A start from a least-squares fit, effects left as those of rank 0."""
    rest, unit = rest_of(split)
    U = split.start_fit(V, _QUIET * split.fits[0].noise).frames()[0]
    u, s, vt = thin_svd(U / unit, V)
    polished = polish(rest, u, s, vt.T)
    return split.start_fit(polished.V * np.sqrt(polished.s * unit), (polished.residual * unit) ** 2)


def mixed(split: Split, fit: Posterior, noises: Sequence[float], seed: int) -> Posterior:
    """A fit of the same rank whose mean is over chains of several noise models, of as many sweeps each."""
    return _mean_of_chains(split, fit, noises, (seed, 6, fit.rank))


def _mean_of_chains(split: Split, fit: Posterior, noises: Sequence[float], seed: Sequence[int]) -> Posterior:
    """Chains under each of some noise models, averaged and cut to the rank of a fit.

    That of the fit's own noise model begins with the fit; the others begin from the misfit of the effects, since
    they might never leave the region where the fit is.
    """
    average = Average(fit.rank, split.held)
    sweeps = max(fit.sweeps, _BURN + 1)
    for number, line_cells in enumerate(noises):
        start = fit
        if line_cells != fit.line_cells:
            alone = split.fits[0]
            start = split.start_fit(grown(split, alone, fit.rank, seed[0]), alone.noise)
        sampler = Sampler(split.refitter, replace(start, line_cells=line_cells), (*seed, number))
        for _ in range(sweeps):
            split.check()
            pairs = sampler.sweep()
            if not sampler.finite:
                break
            if sampler.sweeps > _BURN:
                average.add(pairs, sampler)
    if not average.count:
        return split.refitter.fold_rows(fit)
    return average.deliver(split.refitter, fit, sweeps, fit.rank, fit.drift)


def finish(choice: Choice, problem: Problem, seed: int, hurry: bool) -> tuple[Split, Posterior]:
    """Fit the chosen rank on all cells, from the columns of the fit on the training cells; rows folded in.

    The chain begins with noise that is alike in all lines.
    The split that is returned holds all cells as training cells, under the data model as it was: its mean and
    scales are but constants, and the fits are relative to them. There are as many sweeps as there, because
    the held-out cells, by which intervals are calibrated, were predicted by such a fit; in a `hurry` few.
    """
    rank = choice.chosen().rank
    first = choice.judges_of(rank)[0]
    before = first.fits[rank]
    refitter = first.model.refitter(problem)
    nothing = refitter.problem.subset(np.zeros(problem.n_observed, bool))
    whole = Split(first.model, refitter.problem, nothing, refitter, before.line_cells)
    sweeps = min(before.sweeps, _BURN + _LOOK) if hurry else before.sweeps
    start = replace(
        _at_equal_noise(refitter.adopt(before), refitter.problem), sweeps=sweeps, drift=before.drift
    )
    if rank == 0:
        return whole, refitter.fold_rows(refitter.improve(replace(start, sweeps=0), before.sweeps))
    noises = (before.line_cells,) if hurry else choice.mixtures.get(rank, (before.line_cells,))
    if len(noises) > 1:
        whole.fits[0] = effects_alone(whole)
    return whole, _mean_of_chains(whole, start, noises, (seed, 5, rank))


def _at_equal_noise(fit: Posterior, problem: Problem) -> Posterior:
    """The fit with the mean of its noise over the cells in place of every line's own share.

    A chain finds the shares again. Where lines are copies of each other it drifts to ever less noise, and one
    that went on from shares that have drifted would drift further.
    """
    if fit.line_cells == np.inf:
        return fit
    rows, cols = (side.line.copy() for side in (fit.rows, fit.cols))
    noise = fit.noise * float(np.mean(rows[problem.rows, 0] * cols[problem.cols, 0]))
    rows[:, 0] = cols[:, 0] = 1.0
    return replace(fit, rows=replace(fit.rows, line=rows), cols=replace(fit.cols, line=cols), noise=noise)


def grown(split: Split, fit: Posterior, rank: int, seed: int) -> np.ndarray:
    """Column factors with the leading directions of the misfit added."""
    training = split.training
    misfit = training.with_values(training.values - fit.at(training.rows, training.cols))
    V = fit.frames()[1]
    _, s, Vt = leading_svd(misfit, rank - V.shape[1], np.random.default_rng(seed))
    return np.hstack([V, Vt.T * np.sqrt(s)])


def truncated(fit: Posterior, rank: int) -> np.ndarray:
    """Column factors of the leading part of a fit."""
    _, s, Vt = thin_svd(*fit.frames())
    return Vt[:rank].T * np.sqrt(s[:rank])
