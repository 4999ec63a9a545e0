"""Refits of one rank: how they are begun and sampled, and the last one on all cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...problem import Problem
from ..clock import Clock
from ..seeds import Key, Stream, key
from ..solvers.errors import both_errors, combined
from ..solvers.gibbs import Average
from ..solvers.heavy_tails import sampler_of
from ..solvers.noise_model import NoiseModel
from ..solvers.posterior import Posterior
from ..solvers.variational import VariationalFit
from .effort import BURN, LEAST, WORK, is_cheap, work
from .folds import Fold
from .starts import grown

# sweeps of the sampler that are averaged at most, and between two checks
_MOST, _BETWEEN = 96, 8
# of a brief chain: averaged at least, at most, and between two checks
_LEAST_BRIEF, _MOST_BRIEF, _BETWEEN_BRIEF = 12, 40, 4
# relative change of the held-out error between two checks below which the average has converged; of expensive
# fits, gain. (Where rows or columns with noise scales of their own are copies of each other, a chain drifts
# to ever less noise, past the best fit. Small tables have few cells held out: there an error that rises may
# fall again.) Where the errors of several folds are averaged each may be less precise.
_CONVERGED, _CONVERGED_LONG, _CONVERGED_BRIEF = 1e-3, 2e-3, 3e-3
# variational sweeps by which a fit that knows an order goes on when held-out cells are added (on 16 tables
# of hours the error was smaller by 0.2% to 3% after 8 than after none); and where they take long
_SWEEPS_IN_ORDER, _SWEEPS_IN_ORDER_LONG = 8, 3
# factors without which the held-out error is larger by no more than this fraction are dead, and dropped
DEAD = 1e-3


def refit(
    fold: Fold, start: Posterior, seed: int, clock: Clock, n_folds: int = 1, brief: bool = False
) -> Posterior:
    """The mean of draws from the posterior of a rank, cut to the rank that lives.

    The chain runs until the held-out error of its running mean has converged, a `brief` one until it falls
    slowly: that is good enough to compare by. Dead factors are dropped. Effects alone stay as they are.
    """
    rank = start.rank
    if rank == 0:
        return start
    sampler = sampler_of(fold.fitter, start, key(seed, Stream.REFIT, rank))
    average = Average(rank, fold.held)
    is_expensive, before, drift = not is_cheap(fold, rank), np.inf, np.inf
    most = int(np.clip(WORK / work(fold, rank), BURN + LEAST, BURN + _MOST))
    least, between = LEAST, _BETWEEN
    enough = _CONVERGED_LONG if is_expensive else _CONVERGED * np.sqrt(n_folds)
    if brief:
        least, between, most, enough = _LEAST_BRIEF, _BETWEEN_BRIEF, BURN + _MOST_BRIEF, _CONVERGED_BRIEF
    while sampler.sweeps < most:
        clock.check()
        pairs = sampler.sweep()
        if not sampler.finite:
            break
        if sampler.sweeps <= BURN:
            continue
        average.add(pairs, sampler)
        kept = sampler.sweeps - BURN
        if kept % between == 0:
            error = combined(*both_errors(average.at_cells - fold.held.values, fold.held.weights))
            gain = 1 - error / max(before, 1e-300) if error != before else 0.0
            before, drift = error, max(gain, 0.0) if is_expensive else abs(gain)
            if kept >= least and drift <= enough:
                break
    if not average.count:
        return fold.effects
    living = average.living(DEAD) if fold.tells_dead_factors else rank
    if not living:
        return fold.effects
    if brief:
        return average.cut(start, sampler.sweeps, living, drift)
    return average.deliver(fold.fitter, start, sampler.sweeps, living, drift)


def is_brief(fit: Posterior) -> bool:
    """Whether a mean of draws is that of a brief chain."""
    return 0 < fit.draws < 2 * LEAST


def with_covariances(fold: Fold, fit: Posterior) -> Posterior:
    """A fit as it is delivered: a brief chain's has no covariances yet, by which intervals are made."""
    return fold.fitter.fold_rows(fold.fitter.with_column_covariances(fit)) if is_brief(fit) else fit


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
    sweeps = max(fit.sweeps, BURN + 1)
    for number, noise_model in enumerate(noise_models):
        start = fit
        if noise_model != fit.noise_model:
            V = grown(fold, fold.effects, fit.rank, seed)
            start = fold.start_fit(V, fold.effects.noise, start_model)
        sampler = sampler_of(fold.fitter, replace(start, noise_model=noise_model), (*chain_seed, number))
        for _ in range(sweeps):
            clock.check()
            pairs = sampler.sweep()
            if not sampler.finite:
                break
            if sampler.sweeps > BURN:
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
    if before.has_order:
        return _all_cells_in_order(fold, before, hurry)
    if hurry or len(noise_models) == 1:
        noise_models = (before.noise_model,)
        fitter = fold.model.fitter(fold.cells.problem)
        # the effects alone are not used
        nothing = fitter.problem.subset(np.zeros(fitter.problem.n_observed, bool))
        whole = replace(fold, training=fitter.problem, held=nothing, fitter=fitter)
    else:
        whole = Fold.of_all_cells(fold.model, fold.cells, before.noise_model)
    sweeps = BURN + _BETWEEN if hurry else before.sweeps
    start = at_equal_noise(whole.fitter.adopt(before), whole.training)
    start = replace(start, sweeps=sweeps, drift=before.drift)
    if before.rank == 0:
        return whole, _effects_of_all_cells(whole.fitter, start, before.sweeps)
    chain_seed = key(seed, Stream.FINAL, before.rank)
    fit = _mean_of_chains(whole, start, noise_models, before.noise_model, seed, chain_seed, Clock())
    return whole, fit


def _all_cells_in_order(fold: Fold, before: Posterior, hurry: bool) -> tuple[Fold, Posterior]:
    """A fit that knows an order goes on with all cells."""
    whole = Fold.of_all_cells(fold.model, fold.cells, before.noise_model)
    fit = whole.fitter.adopt(before)
    if not hurry:
        sweeps = _SWEEPS_IN_ORDER if is_cheap(fold, before.rank) else _SWEEPS_IN_ORDER_LONG
        fit = whole.fitter.fold_rows(whole.fitter.improve(fit, sweeps))
    return whole, replace(fit, sweeps=before.sweeps + fit.sweeps, drift=before.drift)


def _effects_of_all_cells(fitter: VariationalFit, start: Posterior, sweeps: int) -> Posterior:
    return fitter.fold_rows(fitter.improve(replace(start, sweeps=0), sweeps))


def at_equal_noise(fit: Posterior, problem: Problem) -> Posterior:
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
