"""Which order, and with how many factors: variational fits, judged on the cells that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..clock import Clock
from ..descent.tried_ranks import TriedRank
from ..noisy.choose_rank import AS_GOOD, RankChoices, choose_rank
from ..noisy.data_model import candidate_models
from ..noisy.folds import Fold
from ..noisy.pilot import earns_in_parts, keeps_what_is_shared
from ..noisy.pooled import Fitted, held_error, held_errors
from ..noisy.search import NoisyAnswer
from ..noisy.starts import truncated
from ..options import Options
from ..solvers.noise_model import EQUAL, NoiseModel, with_tails_of
from ..solvers.posterior import Posterior
from .held_out import Gaps
from .orders import Orders
from .starts import begun, directions, interpolated

# sweeps of a fit between two looks at the held-out error, and at most, where they take long, too; relative
# gain that is worth going on (with looks after every second sweep, fits under noise scales that were still
# settling stopped too early: on two stations with a fifth hidden the error was 3% larger)
_SWEEPS, _MOST, _MOST_LONG, _GAIN = 4, 32, 16, 2e-3
# factors with which orders are compared, at least and at most, and by what numbers of factors then grow
_FEWEST, _MOST_FIRST, _GROWTH = 10, 40, 1.6
# relative gain in held-out error after which a larger number of factors is tried, where sweeps take long, too
# (from one number to the next gains halve, on air quality and the photograph: the next is then below one per
# cent); and for which an order is used at all
_WORTHWHILE, _WORTHWHILE_LONG, _EARNED = 3e-3, 0.02, 0.01
# multiplications of one sweep up to which that is cheap, and that are never exceeded; rows times squared
# factors that take a gigabyte
_CHEAP, _WORK, _MEMORY = 3e8, 2e10, 6e7
# ranks that differ by no more than this fraction need none in between
_CLOSE = 0.15
# number of rows and columns up to which fits may be as wide as the table at once
_NARROW = 30


def _between(bad: int, good: int) -> int | None:
    """A rank between one that is not as good as the best and one that is; None if they are close."""
    rank = int(good / _GROWTH)
    if rank > bad:
        return rank
    rank = (bad + good + 1) // 2
    return rank if bad < rank < good and good - bad > _CLOSE * good else None


@dataclass(frozen=True, eq=False)
class Candidate:
    """One setting with its fits of all folds."""

    orders: Orders
    noise_model: NoiseModel
    rank: int
    fitted: Fitted

    @property
    def error(self) -> float:
        return held_error(self.fitted)


class Decisions:
    """The settings that are tried, one decision after the other.

    Parameters
    ----------
    answer : NoisyAnswer
        Without order: what is known of ranks, and its fits of the folds.
    gaps : list or None
        If cells are held out in gaps, the places of each gap's cells among those of every fold.
    tried : list of Orders
    """

    def __init__(
        self, answer: NoisyAnswer, gaps: Gaps | None, tried: list[Orders], options: Options, clock: Clock
    ) -> None:
        self.answer, self.gaps, self.tried = answer, gaps, tried
        self.options, self.clock = options, clock
        self.folds = [fold for fold, _ in answer.counting]
        # the tails stay those of the fits without order
        self.equal = EQUAL.with_tails_of(answer.counting[0][1].noise_model)

    def candidates(self) -> list[Candidate]:
        """First the order, then scaling and noise model, then, if it is promising, the number of factors."""
        best = self._or_both(self._with_best_noise_model(self._with_best_scaling(self._with_best_order())))
        return self._with_other_ranks(best) if self._is_promising(best) else [best]

    # -- decisions -----------------------------------------------------------------------------------

    def _with_best_order(self) -> Candidate:
        """Of rows or columns, whichever is better; of both if nothing else is tried."""
        singles = [orders for orders in self.tried if orders.name != "both"] or self.tried
        fits = [self._fit(orders, self.equal, self._first_rank(orders)) for orders in singles]
        return min(fits, key=lambda each: each.error)

    def _or_both(self, best: Candidate) -> Candidate:
        """With both orders if these are better than one with the noise model that is best for it."""
        both = self.tried[-1]
        if both.name != "both" or best.orders.name == "both":
            return best
        candidate = self._fit(both, self.equal, best.rank)
        return candidate if self._is_better(candidate.fitted, best.fitted) else best

    def _with_best_scaling(self, best: Candidate) -> Candidate:
        """With a scale for every column if that is better: neighbours in time may be worth more than columns
        of one unit are to each other.
        """
        cells, model = self.folds[0].cells, self.folds[0].model
        known = candidate_models(cells, self.options.effects, self.options.scaling)
        if model.scaling == "columns" or ("columns", "columns") not in known:
            return best
        folds, self.folds = self.folds, [fold.with_columns_scaled() for fold in self.folds]
        other = self._fit(best.orders, best.noise_model, best.rank)
        if self._is_better(other.fitted, best.fitted) and keeps_what_is_shared(best.fitted, other.fitted):
            return other
        self.folds = folds
        return best

    def _with_best_noise_model(self, best: Candidate) -> Candidate:
        if best.orders.name == "both" or not all(fold.noise_may_differ for fold in self.folds):
            return best
        for noise_model in with_tails_of(self.equal)[1:]:
            candidate = self._fit(best.orders, noise_model, best.rank)
            if self._is_better(candidate.fitted, best.fitted):
                best = candidate
        return best

    def _is_promising(self, candidate: Candidate) -> bool:
        """Whether a candidate is better than fits without order that have no more factors: only then will it
        be with more of them, or that lead was never seen to come.

        Those were judged on single cells: gaps say nothing about them.
        """
        if self.options.ordered != "auto" or self.gaps is not None or self._fills_rows(candidate):
            return True
        known = [one.merit for one in self.answer.tried if one.rank <= candidate.rank]
        return candidate.error < min(known)

    def _with_other_ranks(self, best: Candidate) -> list[Candidate]:
        """Larger ranks while they are better, then, where that is cheap, smaller ones down to the smallest
        that is as good.
        """
        candidates, widest = [best], self._widest(best.orders)
        while best.rank < widest:
            rank = min(int(np.ceil(_GROWTH * best.rank)), widest)
            worthwhile = _WORTHWHILE if self._work(best.orders, best.rank) <= _CHEAP else _WORTHWHILE_LONG
            candidates.append(self._fit(best.orders, best.noise_model, rank))
            gain = 1 - candidates[-1].error / best.error
            best = candidates[-1] if gain > 0 else best
            if gain < worthwhile or not self._is_promising(candidates[-1]):
                break
        bad, good = 0, self._choice(candidates, self.options.rule)
        while (rank := _between(bad, good)) is not None and self._work(best.orders, rank) <= _CHEAP:
            if all(candidate.rank != rank for candidate in candidates):
                candidates.append(self._fit(best.orders, best.noise_model, rank))
            if self._choice(candidates, self.options.rule) <= rank:
                good = rank
            else:
                bad = rank
        return candidates

    def _choice(self, candidates: Sequence[Candidate], rule: str) -> int:
        """The rank that the rule chooses; in gaps, whose cells are not independent, the smallest whose error
        is larger by half a percent at most.
        """
        ranks = {candidate.rank: candidate for candidate in candidates}
        best = min(candidates, key=lambda candidate: (candidate.error, candidate.rank)).rank

        if self.gaps is not None and rule != "min":
            return min(each for each in ranks if ranks[each].error <= (1 + AS_GOOD) * ranks[best].error)

        def squares(rank: int) -> list[np.ndarray]:
            return [fold.held_squares(fit) for fold, fit in ranks[rank].fitted]

        takes_long = self._work(ranks[best].orders, best) > _CHEAP
        return choose_rank(rule, list(ranks), best, squares, takes_long)

    def _is_better(self, fitted: Fitted, simple: Fitted) -> bool:
        """Whether fits are better noticeably and by a standard error, that between gaps if it is larger."""
        return earns_in_parts(self._squares(simple), self._squares(fitted))

    def _squares(self, fitted: Fitted) -> list[np.ndarray]:
        """Squared errors at the held-out cells of every fold, or of every gap: those are not independent."""
        squares = [fold.held_squares(fit) for fold, fit in fitted]
        if self.gaps is None:
            return squares
        return [part[gap] for part, gaps in zip(squares, self.gaps, strict=True) for gap in gaps]

    # -- fits ----------------------------------------------------------------------------------------

    def _fit(self, orders: Orders, noise_model: NoiseModel, rank: int) -> Candidate:
        """All folds, each until its held-out error falls no more."""
        plain = [fit for _, fit in self.answer.counting]  # each has seen the training cells of its fold only
        fitted = [
            self._fit_fold(fold, truncated(fit, rank), orders, noise_model, rank)
            for fold, fit in zip(self.folds, plain, strict=True)
        ]
        candidate = Candidate(orders, noise_model, rank, fitted)
        rmse = held_errors(fitted)[0]
        self.clock.report("asking whether neighbours resemble each other", rank=rank, validation_rmse=rmse)
        return candidate

    def _fit_fold(
        self, fold: Fold, known: np.ndarray, orders: Orders, noise_model: NoiseModel, rank: int
    ) -> tuple[Fold, Posterior]:
        rows, cols = (None if axis is None else axis.chain() for axis in (orders.rows, orders.cols))
        V = directions(known, interpolated(fold, rows, cols), rank)
        fit = begun(fold, V, noise_model, rows, cols)
        best, before = fit, np.inf
        most = _MOST if self._work(orders, rank) <= _CHEAP else _MOST_LONG
        while fit.sweeps < most:
            self.clock.check()
            fit = fold.fitter.improve(fit, _SWEEPS)
            error = fold.held_error(fit)
            gain = 1 - error / before if np.isfinite(before) else 1.0
            fit = replace(fit, drift=max(gain, 0.0))
            if error < before:
                best, before = fit, error
            if gain < _GAIN:
                break
        return fold, replace(best, drift=fit.drift)

    def _first_rank(self, orders: Orders) -> int:
        widest = self._widest(orders)
        if widest <= _NARROW:
            return widest
        return min(int(np.clip(self.answer.rank, _FEWEST, _MOST_FIRST)), widest)

    def _work(self, orders: Orders, rank: int) -> float:
        """Multiplications of one sweep, roughly."""
        m, n = self.folds[0].training.shape
        chained = m * (orders.rows is not None) + n * (orders.cols is not None)
        summed = sum(side.summed for side in self.folds[0].fitter.gaps)
        return 0.5 * summed * rank**2 + (m + n + 2.0 * chained) * rank**3

    def _widest(self, orders: Orders) -> int:
        """The largest number of factors for which there is time and memory."""
        m, n = self.folds[0].training.shape
        rank = min(m, n)
        if self.options.max_rank is not None:
            rank = min(rank, self.options.max_rank)
        rank = min(rank, int(np.sqrt(_MEMORY / max(*self.answer.sample.whole.problem.shape))))
        while rank > 1 and self._work(orders, rank) > _WORK:
            rank -= 1
        return rank

    # -- the answer ----------------------------------------------------------------------------------

    def answer_of(self, candidates: Sequence[Candidate], plain: NoisyAnswer) -> NoisyAnswer:
        """That of the chosen rank, or the one without order."""
        ranks = {candidate.rank: candidate for candidate in candidates}
        chosen = ranks[self._choice(candidates, self.options.rule)]
        if self.options.ordered == "auto":
            is_better = self._fills_rows(chosen) or self._is_better(chosen.fitted, plain.counting)
            if not is_better or chosen.error > (1 - _EARNED) * held_error(plain.counting):
                return plain
        alone = self._effects_alone()
        tried = [self._tried(candidate) for candidate in sorted(candidates, key=lambda each: each.rank)]
        return replace(
            plain,
            chosen=next(one for one in tried if one.rank == chosen.rank),
            effects_alone=alone,
            tried=(alone, *tried),
            counting=tuple(chosen.fitted),
            choices=RankChoices(self._choice(candidates, "one-se"), self._choice(candidates, "min"), ()),
            noise_models=(chosen.noise_model,),
            order=chosen.orders.name,
        )

    def _fills_rows(self, candidate: Candidate) -> bool:
        """Whether a fit fills rows of which nothing is known without it."""
        return candidate.orders.rows is not None and bool(np.any(self.folds[0].cells.problem.row_counts == 0))

    def _effects_alone(self) -> TriedRank:
        """Rank 0 at the cells that are held out here."""
        fitted = [(fold, fold.effects) for fold in self.folds]
        return TriedRank(0, self.folds[0].train_error(self.folds[0].effects), *held_errors(fitted))

    @staticmethod
    def _tried(candidate: Candidate) -> TriedRank:
        fold, fit = candidate.fitted[0]
        errors = held_errors(candidate.fitted)
        return TriedRank(candidate.rank, fold.train_error(fit), *errors, refit_ridge=fit.ridge)
