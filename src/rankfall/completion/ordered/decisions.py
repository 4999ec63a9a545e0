"""Which order, and with how many factors: variational fits, judged on single cells that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..clock import Clock
from ..descent.tried_ranks import TriedRank
from ..noisy.choose_rank import RankChoices, choose_rank
from ..noisy.data_model import candidate_models
from ..noisy.pilot import earns_in_parts, keeps_what_is_shared
from ..noisy.pooled import held_error, held_errors
from ..noisy.search import NoisyAnswer
from ..options import Options
from ..solvers.noise_model import EQUAL, with_tails_of
from .fits import CHEAP, Candidate, Fits
from .held_out import Gaps
from .orders import Orders
from .starts import LITTLE_NOISE

# factors with which orders are compared, at least and at most, and by what numbers of factors then grow
_FEWEST, _MOST_FIRST, _GROWTH = 10, 40, 1.6
# relative gain in held-out error after which a larger number of factors is tried, where sweeps take long, too
# (from one number to the next gains halve, on air quality and the photograph: the next is then below one per
# cent); and for which an order is used at all
_WORTHWHILE, _WORTHWHILE_LONG, _EARNED = 3e-3, 0.02, 0.01
# in gaps, fits have another factor for every column if the error at single cells is larger by no more than
# this factor, and no rank is low or it is better in gaps, too, by one per cent. Fits without order are taken
# if they are better in gaps by so many standard errors: an order has earned its place at single cells before.
# (With one, a table of 22 columns had an error of .78 in gaps of 200 rows, and .68 with order.)
_NEARLY, _DOUBTS = 1.01, 2.0
# ranks that differ by no more than this fraction need none in between
_CLOSE = 0.15


def _between(bad: int, good: int, full: int) -> int | None:
    """A rank between one that is not as good as the best and one that is; None if they are close.

    Ranks that are nearly full are not low: they are not looked for.
    """
    rank = int(min(good, full) / _GROWTH)
    if rank > bad:
        return rank
    if good >= full:
        return None
    rank = (bad + good + 1) // 2
    return rank if bad < rank < good and good - bad > _CLOSE * good else None


class Decisions:
    """The settings that are tried, one decision after the other.

    Parameters
    ----------
    answer : NoisyAnswer
        Without order: what is known of ranks, and its fits of the folds.
    tried : list of Orders
    """

    def __init__(self, answer: NoisyAnswer, tried: list[Orders], options: Options, clock: Clock) -> None:
        self.answer, self.tried = answer, tried
        self.options, self.clock = options, clock
        self.fits = self._fits_of(answer)
        # the tails stay those of the fits without order
        self.equal = EQUAL.with_tails_of(answer.counting[0][1].noise_model)

    def _fits_of(self, answer: NoisyAnswer) -> Fits:
        return Fits(answer.counting, answer.sample.whole.problem.n_rows, self.options, self.clock)

    def candidates(self) -> list[Candidate]:
        """First the order, then scaling and noise model, then, if it is promising, the number of factors."""
        best = self._or_both(self._with_best_noise_model(self._with_best_scaling(self._with_best_order())))
        return self._with_other_ranks(best) if self._is_promising(best) else [best]

    # -- decisions -----------------------------------------------------------------------------------

    def _with_best_order(self) -> Candidate:
        """Of rows or columns, whichever is better; of both if nothing else is tried."""
        singles = [orders for orders in self.tried if orders.name != "both"] or self.tried
        fits = [self.fits.of(orders, self.equal, self._first_rank(orders)) for orders in singles]
        return min(fits, key=lambda each: each.error)

    def _first_rank(self, orders: Orders) -> int:
        widest, (m, n) = self.fits.widest(orders), self.fits.folds[0].training.shape
        if self.fits.is_narrow:
            return min(m, n, widest)
        return min(int(np.clip(self.answer.rank, _FEWEST, _MOST_FIRST)), widest)

    def _or_both(self, best: Candidate) -> Candidate:
        """With both orders if these are better than one with the noise model that is best for it."""
        both = self.tried[-1]
        if both.name != "both" or best.orders.name == "both":
            return best
        candidate = self.fits.of(both, self.equal, best.rank)
        return candidate if _is_better(candidate, best) else best

    def _with_best_scaling(self, best: Candidate) -> Candidate:
        """With a scale for every column if that is better: neighbours in time may be worth more than columns
        of one unit are to each other.
        """
        cells, model = self.fits.folds[0].cells, self.fits.folds[0].model
        known = candidate_models(cells, self.options.effects, self.options.scaling)
        if model.scaling == "columns" or ("columns", "columns") not in known:
            return best
        fits = self.fits.with_columns_scaled()
        other = fits.of(best.orders, best.noise_model, best.rank)
        if _is_better(other, best) and keeps_what_is_shared(best.fitted, other.fitted):
            self.fits = fits
            return other
        return best

    def _with_best_noise_model(self, best: Candidate) -> Candidate:
        if best.orders.name == "both" or not self._noise_may_differ:
            return best
        for noise_model in with_tails_of(self.equal)[1:]:
            candidate = self.fits.of(best.orders, noise_model, best.rank)
            if _is_better(candidate, best):
                best = candidate
        return best

    @property
    def _noise_may_differ(self) -> bool:
        return all(fold.noise_may_differ for fold in self.fits.folds)

    def _is_promising(self, candidate: Candidate) -> bool:
        """Whether a candidate is better than fits without order that have no more factors: only then will it
        be with more of them, or that lead was never seen to come.
        """
        if self.options.ordered != "auto" or self._fills_rows(candidate):
            return True
        known = [one.merit for one in self.answer.tried if one.rank <= candidate.rank]
        return candidate.error < min(known)

    def _with_other_ranks(self, best: Candidate) -> list[Candidate]:
        """Larger ranks while they are better, then, where that is cheap, smaller ones down to the smallest
        that is as good.
        """
        candidates, widest = [best], self.fits.widest(best.orders)
        if self.fits.is_narrow and not self.fits.is_small:
            candidates += self._of_little_noise(best, widest)
            best = min(candidates, key=lambda each: each.error)
        while best.rank < widest and not self.fits.is_narrow:
            rank = min(int(np.ceil(_GROWTH * best.rank)), widest)
            is_cheap = self.fits.work(best.orders, best.rank) <= CHEAP
            candidates.append(self.fits.of(best.orders, best.noise_model, rank, best.first_noise))
            gain = 1 - candidates[-1].error / best.error
            best = candidates[-1] if gain > 0 else best
            if gain < (_WORTHWHILE if is_cheap else _WORTHWHILE_LONG) or not self._is_promising(
                candidates[-1]
            ):
                break
        bad, good = 0, self._choice(candidates, self.options.rule).rank
        full = min(self.fits.folds[0].training.shape)
        while (rank := _between(bad, good, full)) and self.fits.work(best.orders, rank) <= CHEAP:
            if all(candidate.rank != rank for candidate in candidates):
                candidates.append(self.fits.of(best.orders, best.noise_model, rank, best.first_noise))
            if self._choice(candidates, self.options.rule).rank <= rank:
                good = rank
            else:
                bad = rank
        return candidates

    def _of_little_noise(self, best: Candidate, widest: int) -> list[Candidate]:
        """Fits of a narrow table that begin with little noise, and with a factor more for every column."""
        found = [self.fits.of(best.orders, best.noise_model, best.rank, LITTLE_NOISE)]
        if best.rank < widest:
            scales = with_tails_of(self.equal)[-1] if self._noise_may_differ else best.noise_model
            lead = min(best, found[0], key=lambda each: each.error)
            found.append(self.fits.of(best.orders, scales, widest, lead.first_noise))
        return found

    def _choice(self, candidates: Sequence[Candidate], rule: str) -> Candidate:
        """The best candidate of the rank that the rule chooses."""
        ranks: dict[int, Candidate] = {}
        for candidate in sorted(candidates, key=lambda each: each.error):
            ranks.setdefault(candidate.rank, candidate)
        best = min(candidates, key=lambda candidate: (candidate.error, candidate.rank))
        takes_long = self.fits.work(best.orders, best.rank) > CHEAP
        return ranks[
            choose_rank(rule, list(ranks), best.rank, lambda rank: ranks[rank].squares(), takes_long)
        ]

    # -- the answer ----------------------------------------------------------------------------------

    def answer_of(self, candidates: Sequence[Candidate], plain: NoisyAnswer) -> NoisyAnswer:
        """That of the chosen candidate, or the one without order."""
        chosen = self._choice(candidates, self.options.rule)
        if self.options.ordered == "auto":
            is_better = self._fills_rows(chosen) or earns_in_parts(_squares(plain), chosen.squares())
            if not is_better or chosen.error > (1 - _EARNED) * held_error(plain.counting):
                return plain
        by_rank = sorted(candidates, key=lambda each: (each.rank, each.error))
        tried = [each for k, each in enumerate(by_rank) if k == 0 or each.rank > by_rank[k - 1].rank]
        return self._told(plain, candidates, chosen, tried)

    def is_asked_of_gaps(self, candidates: Sequence[Candidate], found: NoisyAnswer) -> bool:
        """Whether gaps have a say: an order was chosen, or it would fill rows, of which single cells say
        nothing.
        """
        return found.order != "none" or self._fills_rows(self._choice(candidates, self.options.rule))

    def answer_in_gaps(self, candidates: Sequence[Candidate], plain: NoisyAnswer, gaps: Gaps) -> NoisyAnswer:
        """The answer with its errors in gaps like those of the table; that without order if it is better
        there.

        Single cells are many and choose the fit, gaps are few: choices that were made on them lost up to 10%
        in other gaps of the same tables.

        Parameters
        ----------
        candidates : sequence of Candidate
        plain : NoisyAnswer
            Without order, cells held out in gaps.
        gaps : list
            The places of each gap's cells among those of every fold.
        """
        chosen = self._choice(candidates, self.options.rule)
        fits = self._fits_of(plain)
        if chosen.fitted[0][0].model.scaling != fits.folds[0].model.scaling:
            fits = fits.with_columns_scaled()

        def in_gaps(one: Candidate) -> Candidate:
            return fits.of(one.orders, one.noise_model, one.rank, one.first_noise, in_gaps=True)

        full = min(fits.folds[0].training.shape)
        wider = [each for each in candidates if each.rank > full and each.error <= _NEARLY * chosen.error]
        if chosen.rank == full and wider:
            chosen = wider[0]
        there = in_gaps(chosen)
        if chosen.rank < full and wider:
            other = in_gaps(wider[0])
            if other.error < (1 - _EARNED) * there.error:
                there = other
        if self.options.ordered == "auto" and not self._stands_in_gaps(there, plain, gaps):
            return self.answer
        return self._told(replace(plain, in_gaps=True), candidates, there, [there])

    def _stands_in_gaps(self, there: Candidate, plain: NoisyAnswer, gaps: Gaps) -> bool:
        """Whether a fit with order is not clearly worse in gaps than the one without; noticeably better where
        it fills rows, for which it needs no other evidence.
        """
        if self._fills_rows(there):
            return there.error <= (1 - _EARNED) * held_error(plain.counting)
        ours, theirs = (_in_parts(each, gaps) for each in (there.squares(), _squares(plain)))
        return not earns_in_parts(ours, theirs, _DOUBTS)

    def _told(
        self,
        plain: NoisyAnswer,
        candidates: Sequence[Candidate],
        chosen: Candidate,
        tried: Sequence[Candidate],
    ) -> NoisyAnswer:
        """An answer with the fits of the chosen candidate, and what is known of the ranks that were tried."""
        folds = [fold for fold, _ in chosen.fitted]
        effects = [(fold, fold.effects) for fold in folds]
        alone = TriedRank(0, folds[0].train_error(folds[0].effects), *held_errors(effects))
        ranks = [_tried(candidate) for candidate in tried]
        one_se, smallest = (self._choice(candidates, rule).rank for rule in ("one-se", "min"))
        return replace(
            plain,
            chosen=next(one for one in ranks if one.rank == chosen.rank),
            effects_alone=alone,
            tried=(alone, *ranks),
            counting=tuple(chosen.fitted),
            choices=RankChoices(one_se, smallest, ()),
            noise_models=(chosen.noise_model,),
            order=chosen.orders.name,
        )

    def _fills_rows(self, candidate: Candidate) -> bool:
        """Whether a fit fills rows of which nothing is known without it."""
        problem = self.fits.folds[0].cells.problem
        return candidate.orders.rows is not None and bool(np.any(problem.row_counts == 0))


def _is_better(candidate: Candidate, simple: Candidate) -> bool:
    """Whether fits are better noticeably and by a standard error."""
    return earns_in_parts(simple.squares(), candidate.squares())


def _squares(answer: NoisyAnswer) -> list[np.ndarray]:
    return [fold.held_squares(fit) for fold, fit in answer.counting]


def _in_parts(squares: Sequence[np.ndarray], gaps: Gaps) -> list[np.ndarray]:
    """Squared errors of every gap: those are not independent."""
    return [part[gap] for part, those in zip(squares, gaps, strict=True) for gap in those]


def _tried(candidate: Candidate) -> TriedRank:
    fold, fit = candidate.fitted[0]
    errors = held_errors(candidate.fitted)
    return TriedRank(candidate.rank, fold.train_error(fit), *errors, refit_ridge=fit.ridge)
