"""The question with noise: which rank predicts held-out cells as well as any?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..clock import Clock, Ending, OutOfTime
from ..descent.certificate_anchors import Anchors
from ..descent.tried_ranks import TriedRank
from ..options import Options
from ..solvers.chain import Chain
from ..solvers.noise_model import NoiseModel
from ..solvers.posterior import Posterior
from ..standardise import NoisyCells
from .candidates import CandidateTable
from .choose_rank import RankChoices
from .effort import is_cheap, may_be_trapped
from .folds import MIN_CELLS, Fold, split_cells
from .pilot import choose_models
from .refit import with_covariances
from .row_sample import RowSample
from .search_ranks import is_ahead, meet_ranks, settle_rank


@dataclass(frozen=True, eq=False)
class NoisyAnswer:
    """What held-out cells chose.

    Attributes
    ----------
    chosen : TriedRank
    effects_alone : TriedRank
        Rank 0.
    tried : tuple of TriedRank
        All candidates.
    counting : tuple of (Fold, Posterior)
        The folds whose held-out cells counted, each with its fit of the chosen rank.
    sample : RowSample
        The rows that the folds are of.
    choices : RankChoices
        The ranks that other ways to choose would have taken.
    noise_models : tuple of NoiseModel
        Of the chosen fit; several if it is an average over their chains.
    history : tuple of dict
        Records of the descent.
    anchors : Anchors or None
        The chains of that descent that a certificate can be about.
    sgd_steps : int
        Of all chains.
    ending : Ending
    order : {"none", "rows", "columns", "both"}
        Along which axes neighbours are taken to resemble each other (:mod:`..ordered`).
    row_chain : Chain or None
        The order of all rows, where that is one of them.
    in_gaps : bool
        Whether cells were held out in gaps like those of the table, not singly.
    gap_rows : (int, int)
        Rows of the longest gap in a column, and of the longest that held-out cells imitate, where rows have
        an order.
    """

    chosen: TriedRank
    effects_alone: TriedRank
    tried: tuple[TriedRank, ...]
    counting: tuple[tuple[Fold, Posterior], ...]
    sample: RowSample
    choices: RankChoices
    noise_models: tuple[NoiseModel, ...]
    history: tuple[dict[str, np.ndarray], ...]
    anchors: Anchors | None
    sgd_steps: int
    ending: Ending
    order: str = "none"
    row_chain: Chain | None = None
    in_gaps: bool = False
    gap_rows: tuple[int, int] = (0, 0)

    @property
    def rank(self) -> int:
        return self.chosen.rank

    @property
    def n_held(self) -> int:
        """Number of cells that were held out."""
        return sum(fold.held.n_observed for fold, _ in self.counting)

    @classmethod
    def of(cls, table: CandidateTable, sample: RowSample, ending: Ending) -> NoisyAnswer:
        """What a table of candidates says."""
        chosen = table.chosen()
        counting = tuple((fold, with_covariances(fold, fit)) for fold, fit in table.counting(chosen.rank))
        single = (counting[0][1].noise_model,)
        return cls(
            chosen=chosen,
            effects_alone=next(candidate for candidate in table.tried if candidate.rank == 0),
            tried=table.tried,
            counting=counting,
            sample=sample,
            choices=table.choices(),
            noise_models=table.averaged.get(chosen.rank, single),
            history=table.history,
            anchors=table.anchors,
            sgd_steps=table.sgd_steps,
            ending=ending,
        )


def search(
    cells: NoisyCells,
    options: Options,
    clock: Clock,
    early: Callable[[NoisyAnswer], NoisyAnswer | None] = lambda answer: None,
) -> NoisyAnswer | None:
    """Hold cells out, choose the data model, and search the rank that predicts them as well as any.

    Parameters
    ----------
    cells : NoisyCells
    early : callable
        Is told what is known once the ranks that chains of SGD met are refitted, if what follows takes long.
        The answer that it returns is taken if larger ranks do not catch up with it.

    Returns
    -------
    NoisyAnswer or None
        None when there are too few cells to hold any out. Ctrl-C and the end of the time are part of the
        answer once there is one, which then holds what was known; before that they are raised.
    """
    sample = RowSample.of(cells.under(options.scaling), options.seed)
    table = _with_data_model(sample.cells, options, clock)
    if table is None:
        return None
    ending = Ending.COMPLETE
    try:
        for latest in meet_ranks(table, options.max_rank, options.seed, clock):
            table = latest
        if _may_be_spared(table):
            found = early(NoisyAnswer.of(table, sample, ending))
            if found is not None and (options.ordered != "auto" or _leads(found, table, options, clock)):
                return found
        for latest in settle_rank(table, options.max_rank, options.seed, clock):
            table = latest
    except OutOfTime:
        ending = Ending.OUT_OF_TIME
    except KeyboardInterrupt:
        ending = Ending.INTERRUPTED
    return NoisyAnswer.of(table, sample, ending)


def _may_be_spared(table: CandidateTable) -> bool:
    """Whether the search for larger ranks takes long, and a brief chain tells where it would end.

    With little noise it does not: on temperatures with a fifth hidden a brief chain of rank 128 had an error
    of 0.034, where small steps through the ranks reached 0.028.
    """
    best = table.best().rank
    fold, fit = table.first, table.first_fits[best]
    takes_long = not is_cheap(fold, 2 * best)
    return len(table.folds) == 1 and takes_long and best > 0 and not may_be_trapped(fold, fit)


def _leads(found: NoisyAnswer, table: CandidateTable, options: Options, clock: Clock) -> bool:
    """Whether an answer is better than what the search for ranks will find, as far as one of them tells."""
    clock.report("trying larger ranks")
    return is_ahead(table, found.rank, found.chosen.merit, options.seed, clock)


def _with_data_model(cells: NoisyCells, options: Options, clock: Clock) -> CandidateTable | None:
    """All folds under the data model that the small fits chose; None when there are too few cells."""
    problem, augmentation = cells.problem, cells.augmentation
    whole = problem if augmentation is None else problem.subset(augmentation.held_apart(problem))
    if whole.n_observed < MIN_CELLS:
        return None
    splits = split_cells(cells.problem, options.seed, options.folds, cells.augmentation)
    if min(held.n_observed for _, held in splits) < 2:
        return None
    clock.report("choosing the data model")
    pilot = choose_models(splits, cells, options, clock)
    given = options.noise != "auto"
    return CandidateTable.of_effects(pilot.folds, pilot.plain, options.rule, pilot.noise_model, given)
