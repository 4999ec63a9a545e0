"""The other folds of a table: fitted with the ranks that the first one found."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..clock import Clock
from ..seeds import fold_seed
from ..solvers.posterior import Posterior
from .candidates import CandidateTable, Steps, report_candidate
from .screen import screen
from .starts import grown, truncated

# ranks whose error on the first fold is larger than the best by this factor are not fitted to the others
_PROMISING = 1.5


def fit_other_fold(table: CandidateTable, number: int, seed: int, clock: Clock) -> Steps:
    """Fit another fold with the promising ranks of the first, from starts that have not seen its held-out
    cells: the widest is grown from the effects, and each of the others is cut from the one before.
    """
    fits = {0: table.folds[number].effects}
    for rank in sorted(table.promising(_PROMISING) - {0}, reverse=True):
        clock.check()
        fits[rank] = fit_on(table, number, rank, fits, seed, clock)
    table = table.with_fold_fits(number, MappingProxyType(fits))
    yield table
    return table


def fit_neighbours(table: CandidateTable, widest: int, seed: int, clock: Clock) -> Steps:
    """Fit all folds with the ranks around the best one until that has neighbours: the first fold alone may
    have missed them.
    """
    tried = set(table.first_fits)
    while True:
        best = table.best().rank
        near = (best + 1, best + 2, best - 1) if best else (1,)
        wanted = [rank for rank in near if 0 < rank <= widest and rank not in tried]
        if not wanted:
            return table
        rank = wanted[0]
        tried.add(rank)
        for number in range(len(table.folds)):
            clock.check()
            fits = table.fits[number]
            fit = fit_on(table, number, rank, fits, fold_seed(seed, number), clock)
            if number == 0 and fit.rank < rank:
                break  # there is no such rank
            if number == 0:
                table, _ = table.with_fit(fit)
            else:
                table = table.with_fold_fits(number, MappingProxyType({**fits, rank: fit}))
        table = table.with_all_folds()
        yield table
        report_candidate(clock, "trying ranks in between", table.best())


def fit_on(
    table: CandidateTable, number: int, rank: int, fits: Mapping[int, Posterior], seed: int, clock: Clock
) -> Posterior:
    """A fit of one rank on one fold, begun with those that there are: cut from a wider one, or grown."""
    fold = table.folds[number]
    wider = [other for other in fits if other > rank and fits[other].rank >= rank]
    smaller = max((other for other in fits if other < rank and fits[other].rank == other), default=0)
    start = truncated(fits[min(wider)], rank) if wider else grown(fold, fits[smaller], rank, seed)
    noise = table.first_fits[rank].noise if rank in table.first_fits else table.first_fits[smaller].noise
    cold = not wider and not smaller
    return screen(fold, [start], noise, table.noise_model, seed, clock, cold=cold)
