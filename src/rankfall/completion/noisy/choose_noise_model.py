"""Which noise model: compared while the rank is searched, and averaged over in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from ..clock import Clock
from ..seeds import fold_seed
from ..solvers.errors import both_errors, combined
from ..solvers.noise_model import NOISE_MODELS, NoiseModel, with_tails_of
from ..solvers.posterior import Posterior
from .candidates import CandidateTable, Steps
from .effort import is_cheap, work
from .folds import Fold
from .pilot import earns_its_place, helps_most_cells
from .refit import averaged_over, is_brief, refit
from .screen import screen

# relative gain for which the mean is taken over all noise models, and multiplications of a sweep up to which
# that is tried
_BETTER, _AVERAGED_UP_TO = 5e-3, 1e9
# ranks whose error is larger than the best by this factor are not fitted again under another noise model
_HOPELESS = 1.1
# a noise model whose error is larger than that of another by this factor is clearly worse
_CLEARLY = 1.01


def compare_noise_models(table: CandidateTable, seed: int, clock: Clock) -> Steps:
    """Fit the ranks under another noise model if the best one so far is fitted better with it.

    Larger ranks are forgotten: under another noise model they may be better. Ranks that are far worse than
    the best keep their fits: another noise model changes an error by a few percent.
    """
    fold, best = table.first, table.best()
    if best.rank == 0 or not fold.noise_may_differ:
        return table
    chosen, fits = _best_noise_model(table, best.rank, seed, clock)
    least = min(fold.held_error(fit) for fit in fits.values())
    table = replace(
        table,
        compared=best.rank,
        mean_is_better=_mean_is_better(fold, list(fits.values())),
        worse_models=frozenset(m for m, fit in fits.items() if fold.held_error(fit) > _CLEARLY * least),
    )
    if chosen == table.noise_model:
        return table.with_tried(best.rank)
    again = [fits[chosen]] if is_brief(fits[chosen]) else []
    smaller = [candidate for candidate in table.tried if 0 < candidate.rank < best.rank]
    hopeless = {candidate.rank for candidate in smaller if candidate.merit > _HOPELESS * best.merit}
    again_ranks = {candidate.rank for candidate in smaller} - hopeless
    for rank in sorted(again_ranks if again else again_ranks | {best.rank}):  # they must be judged alike
        clock.report("refitting with another noise model", rank=rank)
        known = table.first_fits[rank]
        again.append(screen(fold, [known.frames()[1]], known.noise, chosen, seed, clock))
    tried_ranks = {0, best.rank, *(candidate.rank for candidate in smaller)}
    table = table.under(chosen, hopeless, tried_ranks)
    for fit in again:
        table, _ = table.with_fit(fit)
    yield table
    return table


def _best_noise_model(
    table: CandidateTable, rank: int, seed: int, clock: Clock
) -> tuple[NoiseModel, dict[NoiseModel, Posterior]]:
    """The noise model under which a rank is fitted best, and means of draws under those that were tried.

    Those that were clearly worse at a smaller rank are not tried again where that takes long.
    """
    fold, fit = table.first, table.first_fits[rank]
    brief = not is_cheap(fold, rank)
    fits = {table.noise_model: fit if fit.draws else refit(fold, fit, seed, clock, brief=brief)}
    models = with_tails_of(table.noise_model)
    if table.noise_model.is_heavy and not table.tails_are_given:  # the tails may be what few factors leave
        models = (*models, replace(table.noise_model, dof=NOISE_MODELS[0].dof))
    for noise_model in models:
        if noise_model != table.noise_model and not (brief and noise_model in table.worse_models):
            start = fold.start_fit(fit.frames()[1], fit.noise, noise_model)
            fits[noise_model] = refit(fold, start, seed, clock, brief=brief)
    # chance makes a difference too: a model stays until another is better by as much as that
    chosen = table.noise_model
    for noise_model in fits:
        squares, others = fold.held_squares(fits[chosen]), fold.held_squares(fits[noise_model])
        if earns_its_place(squares, others) or (chosen.is_equal and helps_most_cells(squares, others)):
            chosen = noise_model
    return chosen, fits


def _mean_is_better(fold: Fold, fits: Sequence[Posterior]) -> bool:
    """Whether the mean of fits under several noise models predicts noticeably better than each of them."""
    mean = np.mean([fold.relative_misfits(fit) for fit in fits], axis=0)
    least = min(fold.held_error(fit) for fit in fits)
    return combined(*both_errors(mean, fold.held.weights)) <= (1 - _BETTER) * least


def average_noise_models(table: CandidateTable, seed: int, clock: Clock) -> Steps:
    """Average the chosen fit over all noise models, if that lowers the held-out error noticeably."""
    rank, first = table.chosen().rank, table.first
    if rank == 0 or not (first.noise_may_differ and table.mean_is_better):
        return table
    if work(first, rank) > _AVERAGED_UP_TO:
        return table
    clock.report("averaging over noise models", rank=rank)
    other, models = table, with_tails_of(table.noise_model)
    for number, fold in enumerate(table.folds):
        fit = table.fits[number][rank]
        mean = averaged_over(fold, fit, models, table.noise_model, fold_seed(seed, number), clock)
        other = other.with_fold_fits(number, MappingProxyType({**table.fits[number], rank: mean}))
    if other.held_errors(rank)[2] > (1 - _BETTER) * table.held_errors(rank)[2]:
        return table
    other, _ = other.with_fit(other.first_fits[rank])
    averaged = MappingProxyType({**other.averaged, rank: models})
    table = replace(other, averaged=averaged).with_all_folds()
    yield table
    return table
