"""Which ranks are fitted by many draws, and that the chosen one is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.clock import Clock
from rankfall.completion.noisy.candidates import CandidateTable
from rankfall.completion.noisy.data_model import fit_model
from rankfall.completion.noisy.folds import Fold, split_cells
from rankfall.completion.noisy.sample_ranks import sample_ranks
from rankfall.completion.noisy.screen import screen
from rankfall.completion.noisy.starts import grown
from rankfall.completion.solvers.noise_model import EQUAL
from rankfall.completion.standardise import Standardisation


def screened(shape: tuple[int, int], ranks: tuple[int, ...], folds: int | None = None) -> CandidateTable:
    """Noisy data of rank 3 with variational fits of some ranks."""
    problem, _ = rf.datasets.low_rank(shape, rank=3, observed=0.7, noise=0.3, seed=0)
    cells = Standardisation.of(problem, "linear").noisy
    splits = split_cells(cells.problem, 0, folds)
    parts = tuple(Fold.under("none", "all", train, held, cells) for train, held in splits)
    table = CandidateTable.of_effects(parts, parts, "one-se", EQUAL)
    for number, fold in enumerate(parts):
        fits = dict(table.fits[number])
        for rank in ranks:
            V = grown(fold, fold.effects, rank, 0)
            fits[rank] = screen(fold, [V], fold.effects.noise, EQUAL, 0, Clock())
            if number == 0:
                table, _ = table.with_fit(fits[rank])
        if number:
            table = table.with_fold_fits(number, fits)
    return table.with_all_folds()


def last(table: CandidateTable) -> CandidateTable:
    """The table after all steps."""
    for step in sample_ranks(table, 0, Clock()):
        table = step
    return table


@pytest.mark.parametrize("folds", [None, 3])
def test_only_ranks_that_may_be_chosen_are_sampled(folds: int | None) -> None:
    table = last(screened((90, 70), (1, 2, 3, 4), folds))
    assert len(table.folds) == (folds or 1)
    assert table.is_sampled(3) and not table.is_sampled(1) and not table.is_sampled(2)
    assert table.chosen().rank == 3
    assert all(fit.draws >= 48 for _, fit in table.counting(3))
    # the others are still shown, with errors of their variational fits
    assert {candidate.rank for candidate in table.tried} >= {0, 1, 2, 3}
    assert {candidate.rank for candidate in table.judged()} <= {0, 3, 4}


def test_effects_alone_are_chosen_where_no_factor_is_worth_sampling() -> None:
    table = screened((60, 40), (1,))
    worse = tuple(replace(one, relative=9.0) if one.rank else one for one in table.tried)
    table = last(replace(table, tried=worse))
    assert table.chosen().rank == 0


def test_the_chosen_fit_of_a_completion_is_a_mean_of_many_draws() -> None:
    problem, _ = rf.datasets.low_rank((80, 60), rank=2, observed=0.5, noise=0.3, seed=1)
    result = rf.complete(problem, seed=0)
    assert result.rank == 2
    assert result.settings["sweeps"] >= 32
    path = result.path.set_index("rank")
    assert path["relative"].notna().all()
    assert path["relative"].idxmin() in (2, 3, 4)


def test_centers_come_from_training_cells() -> None:
    """From all cells, a fit that knows 14 of 15 cells of a column and their mean would know the last."""
    rng = np.random.default_rng(0)
    cells = Standardisation.of(rf.Problem.coerce(rng.standard_normal((15, 120)) + 3), "linear").noisy
    (train, held), *_ = split_cells(cells.problem, 0, None)
    model = fit_model(train, "columns", "columns", cells)
    means = np.bincount(train.cols, train.values, 120) / train.col_counts
    np.testing.assert_allclose(model.center, means, rtol=1e-12)
    assert not np.allclose(model.center, cells.center)
    assert held.n_observed > 100
