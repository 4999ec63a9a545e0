"""The candidates: ranks with their fits and held-out errors, and the choice among them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from ..clock import Clock
from ..descent.certificate_anchors import Anchors
from ..descent.tried_ranks import TriedRank
from ..solvers.noise_model import NoiseModel
from ..solvers.posterior import Posterior
from .choose_rank import RankChoices, choose_rank
from .effort import is_cheap
from .folds import Fold
from .pooled import held_error, held_errors

K = TypeVar("K")
T = TypeVar("T")


def _empty() -> Mapping:
    return MappingProxyType({})


def _with(mapping: Mapping[K, T], key: K, value: T) -> Mapping[K, T]:
    return MappingProxyType({**mapping, key: value})


@dataclass(frozen=True, eq=False)
class CandidateTable:
    """What the search for the best rank knows; every step returns a new one.

    Attributes
    ----------
    folds : tuple of Fold
        One, or all of them.
    plain : tuple of Fold
        The same cells under the data model whose effects alone do best: what rank 0 means.
    rule : {"one-se", "min"}
    noise_model : NoiseModel
        Of new fits.
    tails_are_given : bool
        Whether the caller settled the tails of the noise.
    fits : tuple of mapping, one per fold
        Rank -> fit of the training cells.
    settled : bool
        Whether only ranks whose fits are means of draws may be chosen; before that variational fits may, too.
    tried : tuple of TriedRank
        One per candidate, with errors over the folds that count; rank 0, the effects alone, is among them.
    tried_ranks : frozenset of int
        Numbers of factors with which fits were begun under the present noise model; some may have died.
    facts : mapping
        Rank -> what is known of the chain of SGD that met it.
    starts : mapping
        Rank -> column factors of the chain where the rank was met, shape (n, rank).
    compared : int
        The best rank when noise models were last compared, 0 if they were not.
    mean_is_better : bool
        Whether the mean over noise models predicted better than any of them then, as far as is known.
    worse_models : frozenset of NoiseModel
        Those that were clearly worse than another then.
    averaged : mapping
        Rank -> noise models over whose chains its fit is the mean, where that is more than one.
    pooled : bool
        Whether all folds have been fitted with all ranks; until then the first one counts alone.
    history : tuple of dict
        Records of the descent.
    anchors : Anchors or None
        The chains of that descent that a certificate can be about.
    sgd_steps : int
        Of all chains.
    """

    folds: tuple[Fold, ...]
    plain: tuple[Fold, ...]
    rule: str
    noise_model: NoiseModel
    fits: tuple[Mapping[int, Posterior], ...]
    tried: tuple[TriedRank, ...]
    settled: bool = False
    tried_ranks: frozenset[int] = frozenset({0})
    facts: Mapping[int, Mapping[str, float]] = field(default_factory=_empty)
    starts: Mapping[int, np.ndarray] = field(default_factory=_empty)
    compared: int = 0
    mean_is_better: bool = True
    worse_models: frozenset[NoiseModel] = frozenset()
    averaged: Mapping[int, tuple[NoiseModel, ...]] = field(default_factory=_empty)
    pooled: bool = False
    history: tuple[dict[str, np.ndarray], ...] = ()
    anchors: Anchors | None = None
    sgd_steps: int = 0
    tails_are_given: bool = False

    @classmethod
    def of_effects(
        cls,
        folds: tuple[Fold, ...],
        plain: tuple[Fold, ...],
        rule: str,
        noise_model: NoiseModel,
        tails_are_given: bool = False,
    ) -> CandidateTable:
        """With rank 0 as the only candidate."""
        alone = plain[0]
        tried = TriedRank(0, alone.train_error(alone.effects), *held_errors([(alone, alone.effects)]))
        fits = tuple(MappingProxyType({0: fold.effects}) for fold in folds)
        return cls(folds, plain, rule, noise_model, fits, (tried,), tails_are_given=tails_are_given)

    # -- what is known -------------------------------------------------------------------------------

    @property
    def first(self) -> Fold:
        """The fold on which ranks are searched."""
        return self.folds[0]

    @property
    def first_fits(self) -> Mapping[int, Posterior]:
        """Rank -> fit on the first fold."""
        return self.fits[0]

    def counting(self, rank: int) -> list[tuple[Fold, Posterior]]:
        """The folds whose held-out cells count at present, under the data model of a rank, each with its
        fit.
        """
        count = len(self.folds) if self.pooled else 1
        if rank == 0:
            return [(fold, fold.effects) for fold in self.plain[:count]]
        return [(self.folds[k], self.fits[k][rank]) for k in range(count)]

    def promising(self, factor: float) -> set[int]:
        """Rank 0 and the ranks whose error on the first fold is at most so many times the smallest."""
        limit = factor * min(candidate.merit for candidate in self.tried)
        return {0, *(candidate.rank for candidate in self.tried if candidate.merit <= limit)}

    def judged(self) -> list[TriedRank]:
        """The candidates with a fit of every fold that counts; in the end rank 0 and means of draws."""
        fits = self.fits if self.pooled else self.fits[:1]
        known = [candidate for candidate in self.tried if all(candidate.rank in fold for fold in fits)]
        return [one for one in known if one.rank == 0 or self.is_sampled(one.rank) or not self.settled]

    def is_sampled(self, rank: int) -> bool:
        """Whether the fits of a rank are means of draws, or effects alone where all factors died."""
        fits = self.fits if self.pooled else self.fits[:1]
        return all(rank in fold and (fold[rank].draws or not fold[rank].rank) for fold in fits)

    def best(self) -> TriedRank:
        """The candidate with the smallest held-out error; the smaller rank among equals."""
        return min(self.judged(), key=lambda candidate: (candidate.merit, candidate.rank))

    def chosen(self) -> TriedRank:
        """The candidate that the rule chooses (see :mod:`.choose_rank`)."""
        best = self.best()
        ranks = {candidate.rank: candidate for candidate in self.judged()}
        return ranks[choose_rank(self.rule, ranks, best.rank, self.held_squares, self.takes_long)]

    @property
    def takes_long(self) -> bool:
        """Whether sweeps of the best rank do."""
        return not is_cheap(self.first, self.best().rank)

    def choices(self) -> RankChoices:
        """What either rule chooses, and each fold alone."""
        ranks = [candidate.rank for candidate in self.judged()]
        best = self.best().rank
        one_se = choose_rank("one-se", ranks, best, self.held_squares, self.takes_long)
        several = self.pooled and len(self.folds) > 1
        by_fold = [self._choice_of(k, ranks) for k in range(len(self.folds))] if several else []
        return RankChoices(one_se, best, tuple(by_fold))

    def _choice_of(self, fold: int, ranks: list[int]) -> int:
        """What one fold alone would have chosen."""
        best = min(ranks, key=lambda rank: (held_error([self.counting(rank)[fold]]), rank))
        return choose_rank(self.rule, ranks, best, lambda rank: [self.held_squares(rank)[fold]])

    def held_squares(self, rank: int) -> list[np.ndarray]:
        """Squared errors at the held-out cells of every fold that counts, times their weights."""
        return [fold.held_squares(fit) for fold, fit in self.counting(rank)]

    def held_errors(self, rank: int) -> tuple[float, float, float]:
        """Errors at all held-out cells that count: see :class:`..descent.tried_ranks.TriedRank`."""
        return held_errors(self.counting(rank))

    # -- the next table ------------------------------------------------------------------------------

    def with_tried(self, rank: int) -> CandidateTable:
        """After a fit was begun with so many factors."""
        return replace(self, tried_ranks=self.tried_ranks | {rank})

    def with_start(self, rank: int, V: np.ndarray) -> CandidateTable:
        """With the column factors of a chain that met a rank."""
        return replace(self, starts=_with(self.starts, rank, V))

    def with_fit(self, fit: Posterior, **facts: float) -> tuple[CandidateTable, TriedRank]:
        """With a fit on the first fold, and its candidate; the better one of a rank is kept."""
        rank = fit.rank
        if rank == 0:  # all factors died: these are the effects alone
            return self, next(candidate for candidate in self.tried if candidate.rank == 0)
        known = self.first_fits.get(rank)
        if known is not None and known.noise_model == fit.noise_model:
            fit = min(known, fit, key=self.first.held_error)
        return self._with_candidate(fit, facts)

    def with_sampled(self, fits: Sequence[Posterior]) -> tuple[CandidateTable, TriedRank]:
        """With the means of draws of one rank in place of its variational fits, one for every fold."""
        rank, table = fits[0].rank, self
        for number, fit in enumerate(fits):
            table = table.with_fold_fits(number, _with(table.fits[number], rank, fit))
        table, candidate = table._with_candidate(fits[0], {})
        if not table.pooled:
            return table, candidate
        table = table.with_all_folds()
        return table, next(one for one in table.tried if one.rank == rank)

    def _with_candidate(self, fit: Posterior, facts: Mapping[str, float]) -> tuple[CandidateTable, TriedRank]:
        rank = fit.rank
        known_facts: dict[str, Any] = {**self.facts.get(rank, {}), **facts}
        errors = held_errors([(self.first, fit)])
        candidate = TriedRank(
            rank, self.first.train_error(fit), *errors, refit_ridge=fit.ridge, **known_facts
        )
        table = replace(
            self.with_fold_fits(0, _with(self.first_fits, rank, fit)),
            facts=_with(self.facts, rank, MappingProxyType(known_facts)),
            tried=(*(other for other in self.tried if other.rank != rank), candidate),
        )
        return table, candidate

    def with_fold_fits(self, number: int, fits: Mapping[int, Posterior]) -> CandidateTable:
        """With other fits on one fold."""
        return replace(self, fits=(*self.fits[:number], fits, *self.fits[number + 1 :]))

    def under(self, noise_model: NoiseModel, kept: set[int], tried_ranks: set[int]) -> CandidateTable:
        """With another noise model for new fits; of the candidates so far, only some ranks and 0 are kept."""
        kept = kept | {0}
        fits = {rank: fit for rank, fit in self.first_fits.items() if rank in kept}
        return replace(
            self.with_fold_fits(0, MappingProxyType(fits)),
            noise_model=noise_model,
            tried=tuple(candidate for candidate in self.tried if candidate.rank in kept),
            tried_ranks=frozenset(tried_ranks),
        )

    def with_all_folds(self) -> CandidateTable:
        """Held-out errors over all folds from now on; those of ranks that only the first one has stay."""
        pooled = replace(self, pooled=True)
        judged = {candidate.rank for candidate in pooled.judged()}
        tried = []
        for candidate in self.tried:
            if candidate.rank in judged:
                rmse, mae, relative = pooled.held_errors(candidate.rank)
                candidate = replace(candidate, validation=rmse, validation_mae=mae, relative=relative)
            tried.append(candidate)
        return replace(pooled, tried=tuple(tried))


def report_candidate(clock: Clock, phase: str, candidate: TriedRank, fraction: float | None = None) -> None:
    """Report a candidate to the callback, after any step of the search."""
    clock.report(
        phase,
        fraction=fraction,
        rank=candidate.rank,
        ridge=candidate.ridge,
        train_rmse=candidate.train,
        validation_rmse=candidate.validation,
    )


# steps of a search: the table after each of them, and the last one
Steps = Generator[CandidateTable, None, CandidateTable]
