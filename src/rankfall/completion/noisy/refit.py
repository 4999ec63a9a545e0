"""Refits of one rank: how they are begun and sampled, and the last one on all cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...problem import Problem
from ..clock import Clock
from ..seeds import Key, Stream, key
from ..solvers.errors import both_errors, combined
from ..solvers.gibbs import Average, Sampler
from ..solvers.noise_model import NoiseModel
from ..solvers.variational import Posterior, VariationalFit
from .folds import Fold
from .starts import grown, least_squares_start

# variational sweeps of a start where they are cheap, and multiplications up to which they are
_START_SWEEPS, _CHEAP = 8, 3e8
# unknowns on the short side up to which a least-squares fit is quick
_FEW_UNKNOWNS = 1200
# fraction of the variance around the effects above which noise carries chains from any start to the same
# place (at 0.03 to 0.2 no table of ten kinds was filled better from two starts than from one)
_LOUD = 0.1
# fraction below which a chain that is trapped may still be much better than one of smaller rank
_QUIET = 0.02
# sweeps of the sampler that are thrown away, and that are averaged: at least, at most, and between two checks
_BURN, _LEAST, _MOST, _BETWEEN = 8, 24, 96, 8
# multiplications of all sweeps of one fit
_WORK = 2e12
# factors without which the held-out error is larger by no more than this fraction are dead, and dropped
_DEAD = 1e-3
# relative change of the held-out error between two checks below which the average has converged; of expensive
# fits, gain. (Where rows or columns with noise scales of their own are copies of each other, a chain drifts
# to ever less noise, past the best fit. Small tables have few cells held out: there an error that rises may
# fall again.)
_CONVERGED = 1e-3


def work(fold: Fold, rank: int) -> float:
    """Multiplications of one sweep, roughly."""
    cells, vectors = fold.training.n_observed, sum(fold.training.shape)
    return 2.0 * cells * rank**2 + vectors * rank**3


def is_affordable(fold: Fold, rank: int) -> bool:
    """Whether there is time for the least number of sweeps at this rank."""
    return (_BURN + _LEAST) * work(fold, rank) <= _WORK


def is_cheap(fold: Fold, rank: int) -> bool:
    """Whether sweeps at this rank take hardly any time."""
    return work(fold, rank) <= _CHEAP


def _noise_share(fold: Fold, fit: Posterior) -> float:
    """Noise over the variance around the effects: that of the fit or of the pilot's, since a chain that is
    trapped takes for noise what it does not explain.
    """
    return min(fit.noise, fold.pilot_noise) / fold.effects.noise


def is_quiet(fold: Fold, fit: Posterior) -> bool:
    """Whether there is so little noise that a better region may be hidden behind several ranks."""
    return _noise_share(fold, fit) < _QUIET


def may_be_trapped(fold: Fold, fit: Posterior) -> bool:
    """Whether a chain may have stayed in a region that is not the best one: there is little noise."""
    return _noise_share(fold, fit) < _LOUD


def refit(
    fold: Fold,
    starts: Sequence[np.ndarray],
    noise: float,
    noise_model: NoiseModel,
    seed: int,
    clock: Clock,
    enough: float = 0.0,
) -> Posterior:
    """The average over the posterior of a rank, sampled from some column factors, cut to the rank that lives.

    Where sweeps are cheap and a chain may have been trapped every start is tried, and the held-out cells
    decide; unless there is some noise and a held-out error is below `enough`, as it is for a rank that is
    better than smaller ones. Elsewhere a start is used if those before it died out, as one does that the
    ridge of its chain has shrunk to next to nothing.
    """
    rank = starts[0].shape[1]
    fits = []
    for number, V in enumerate(starts):
        fits.append(_sampled(fold, V, noise, noise_model, key(seed, Stream.REFIT, rank, number), clock))
        fit = fits[-1]
        is_good = fold.held_error(fit) < enough and not is_quiet(fold, fit)
        if fit.rank and (is_good or not (is_cheap(fold, rank) and may_be_trapped(fold, fit))):
            break
    return min(fits, key=fold.held_error)


def _sampled(
    fold: Fold, V: np.ndarray, noise: float, noise_model: NoiseModel, seed: Key, clock: Clock
) -> Posterior:
    """A chain that runs until the held-out error of its running mean has converged.

    Dead factors are dropped.
    """
    rank = V.shape[1]
    start = _start(fold, V, noise, noise_model)
    sampler, average = Sampler(fold.fitter, start, seed), Average(rank, fold.held)
    is_expensive, before, drift = not is_cheap(fold, rank), np.inf, np.inf
    most = int(np.clip(_WORK / work(fold, rank), _BURN + _LEAST, _BURN + _MOST))
    while sampler.sweeps < most:
        clock.check()
        pairs = sampler.sweep()
        if not sampler.finite:
            break
        if sampler.sweeps <= _BURN:
            continue
        average.add(pairs, sampler)
        kept = sampler.sweeps - _BURN
        if kept % _BETWEEN == 0:
            error = combined(*both_errors(average.at_cells - fold.held.values, fold.held.weights))
            gain = 1 - error / max(before, 1e-300) if error != before else 0.0
            before, drift = error, max(gain, 0.0) if is_expensive else abs(gain)
            if kept >= _LEAST and drift <= _CONVERGED:
                break
    living = average.living(_DEAD) if average.count else 0
    if not living:
        return fold.effects
    return average.deliver(fold.fitter, start, sampler.sweeps, living, drift)


def _start(fold: Fold, V: np.ndarray, noise: float, noise_model: NoiseModel) -> Posterior:
    """Rows folded in; improved by variational sweeps where that is cheap.

    Small tables are also begun from a least-squares fit, which drawing rows and columns in turn reaches only
    slowly if there is little noise; the held-out cells decide.
    """
    rank = V.shape[1]
    start = fold.start_fit(V, noise, noise_model)
    if not is_cheap(fold, rank):
        return start
    starts = [fold.fitter.improve(start, _START_SWEEPS)]
    if min(fold.training.shape) * rank <= _FEW_UNKNOWNS:
        starts.append(fold.fitter.improve(least_squares_start(fold, V, noise_model), _START_SWEEPS))
    return min(starts, key=fold.held_error)


def averaged_over(
    fold: Fold,
    fit: Posterior,
    noise_models: Sequence[NoiseModel],
    start_model: NoiseModel,
    seed: int,
    clock: Clock,
) -> Posterior:
    """A fit of the same rank whose mean is over chains of several noise models, of as many sweeps each."""
    return _mean_of_chains(
        fold, fit, noise_models, start_model, seed, key(seed, Stream.AVERAGE, fit.rank), clock
    )


def _mean_of_chains(
    fold: Fold,
    fit: Posterior,
    noise_models: Sequence[NoiseModel],
    start_model: NoiseModel,
    seed: int,
    chain_seed: Key,
    clock: Clock,
) -> Posterior:
    """Chains under each of some noise models, averaged and cut to the rank of a fit.

    That of the fit's own noise model begins with the fit; the others begin from the misfit of the effects,
    since they might never leave the region where the fit is. Their rows are first folded in under
    `start_model`.
    """
    average = Average(fit.rank, fold.held)
    sweeps = max(fit.sweeps, _BURN + 1)
    for number, noise_model in enumerate(noise_models):
        start = fit
        if noise_model != fit.noise_model:
            V = grown(fold, fold.effects, fit.rank, seed)
            start = fold.start_fit(V, fold.effects.noise, start_model)
        sampler = Sampler(fold.fitter, replace(start, noise_model=noise_model), (*chain_seed, number))
        for _ in range(sweeps):
            clock.check()
            pairs = sampler.sweep()
            if not sampler.finite:
                break
            if sampler.sweeps > _BURN:
                average.add(pairs, sampler)
    if not average.count:
        return fold.fitter.fold_rows(fit)
    return average.deliver(fold.fitter, fit, sweeps, fit.rank, fit.drift)


def fit_all_cells(
    fold: Fold,
    before: Posterior,
    noise_models: tuple[NoiseModel, ...],
    seed: int,
    hurry: bool,
) -> tuple[Fold, Posterior]:
    """Fit the rank of a fit on all cells, from its columns on the training cells; rows folded in.

    The chain begins with noise that is equal in all rows and columns.
    The fold that is returned holds all cells as training cells, under the data model as it was: its mean and
    scales are but constants, and the fits are relative to them. There are as many sweeps as there, because
    the held-out cells, by which intervals are calibrated, were predicted by such a fit; in a `hurry` few.
    """
    if hurry or len(noise_models) == 1:
        noise_models = (before.noise_model,)
        fitter = fold.model.fitter(fold.cells.problem)
        # the effects alone are not used
        nothing = fitter.problem.subset(np.zeros(fitter.problem.n_observed, bool))
        whole = replace(fold, training=fitter.problem, held=nothing, fitter=fitter)
    else:
        whole = Fold.of_all_cells(fold.model, fold.cells, before.noise_model)
    sweeps = min(before.sweeps, _BURN + _BETWEEN) if hurry else before.sweeps
    start = _at_equal_noise(whole.fitter.adopt(before), whole.training)
    start = replace(start, sweeps=sweeps, drift=before.drift)
    if before.rank == 0:
        return whole, _effects_of_all_cells(whole.fitter, start, before.sweeps)
    chain_seed = key(seed, Stream.FINAL, before.rank)
    fit = _mean_of_chains(whole, start, noise_models, before.noise_model, seed, chain_seed, Clock())
    return whole, fit


def _effects_of_all_cells(fitter: VariationalFit, start: Posterior, sweeps: int) -> Posterior:
    return fitter.fold_rows(fitter.improve(replace(start, sweeps=0), sweeps))


def _at_equal_noise(fit: Posterior, problem: Problem) -> Posterior:
    """The fit with the mean of its noise over the cells in place of noise scales.

    A chain finds the noise scales again. Where rows or columns are copies of each other it drifts to ever
    less noise, and one that went on from noise scales that have drifted would drift further.
    """
    if fit.noise_model.is_equal:
        return fit
    rows, cols = (side.axis_noise.copy() for side in (fit.rows, fit.cols))
    noise = fit.noise * float(np.mean(rows[problem.rows, 0] * cols[problem.cols, 0]))
    rows[:, 0] = cols[:, 0] = 1.0
    return replace(
        fit,
        rows=replace(fit.rows, axis_noise=rows),
        cols=replace(fit.cols, axis_noise=cols),
        noise=noise,
    )
