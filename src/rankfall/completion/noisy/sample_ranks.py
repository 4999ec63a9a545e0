"""Means of draws for the ranks that may be chosen; variational fits have ruled the others out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..clock import Clock
from ..seeds import fold_seed
from .candidates import CandidateTable, Steps, report_candidate
from .choose_rank import is_as_good
from .other_folds import fit_on
from .refit import is_brief, refit

# ranks whose variational fits are worse than the best by this factor are not sampled
_PROMISING = 1.05
# gain in held-out error for which still larger ranks are sampled
_WORTHWHILE = 3e-3
# so many ranks in a row that are not as good as the best end the way down
_PATIENCE = 2


def sample_ranks(table: CandidateTable, seed: int, clock: Clock) -> Steps:
    """Sample the best rank, larger ones while they are better, then smaller ones while they are as good.

    Yields the table after every rank.
    """
    best = table.best()
    limit = _PROMISING * best.merit
    promising = sorted(one.rank for one in table.judged() if one.rank and one.merit <= limit)
    table = replace(table, settled=True)
    least = np.inf
    for rank in (rank for rank in promising if rank >= best.rank):
        if not table.is_sampled(rank):
            table = _with_draws(table, rank, seed, clock)
            yield table
        merit = table.best().merit
        if merit > (1 - _WORTHWHILE) * least:
            break
        least = merit
    idle = 0
    for rank in (rank for rank in reversed(promising) if rank < best.rank):
        if not table.is_sampled(rank):
            table = _with_draws(table, rank, seed, clock)
            yield table
        idle = 0 if _is_as_good(table, rank) else idle + 1
        if idle >= _PATIENCE:
            break
    chosen = table.chosen().rank
    if is_brief(table.first_fits[chosen]):
        table = _with_draws(table, chosen, seed, clock)
        yield table
    return table


def _is_as_good(table: CandidateTable, rank: int) -> bool:
    """Whether a rank is as good as the best one."""
    best = table.best().rank
    if not table.is_sampled(rank):
        return False
    return is_as_good(table.held_squares(rank), table.held_squares(best), table.takes_long)


def _with_draws(table: CandidateTable, rank: int, seed: int, clock: Clock) -> CandidateTable:
    """With means of draws of a rank on all folds; of a smaller one where factors of the first die.

    The mean of a brief chain stays if it is the better one: where noise scales are free, long chains may
    drift past the best fit.
    """
    first, count = table.first, len(table.folds)
    known = start = table.first_fits[rank]
    if is_brief(known):  # begun again with much noise, or the chain goes on fitting noise
        start = first.start_fit(known.frames()[1], max(known.noise, first.pilot_noise), known.noise_model)
    fits = [refit(first, start, seed, clock, count)]
    living = fits[0].rank
    if not living or (is_brief(known) and first.held_error(known) < first.held_error(fits[0])):
        return table
    for number in range(1, count):
        others = table.fits[number]
        own_seed = fold_seed(seed, number)
        start = others[living] if living in others else fit_on(table, number, living, others, own_seed, clock)
        fits.append(refit(table.folds[number], start, own_seed, clock, count))
    table, candidate = table.with_sampled(fits)
    report_candidate(clock, "drawing from the posterior", candidate)
    return table
