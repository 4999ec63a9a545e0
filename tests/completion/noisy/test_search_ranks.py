"""Refits while the rank is searched."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion import exact
from rankfall.completion.clock import Clock
from rankfall.completion.exact import ExactAnswer
from rankfall.completion.noisy import refit as refits
from rankfall.completion.noisy import screen
from rankfall.completion.noisy.folds import Fold
from rankfall.completion.noisy.starts import grown
from rankfall.completion.solvers import heavy_tails
from rankfall.completion.solvers.gibbs import Sampler
from rankfall.completion.solvers.noise_model import EQUAL
from rankfall.completion.standardise import Standardisation


@pytest.fixture(scope="module")
def fold():
    """Noisy data of rank 3; a quarter of the cells is held out."""
    problem, _ = rf.datasets.low_rank((60, 50), rank=3, observed=0.6, noise=0.3, seed=0)
    held = np.random.default_rng(0).random(problem.n_observed) < 0.25
    cells = Standardisation.of(problem, "linear").noisy
    problem = cells.problem
    return Fold.under("none", "all", problem.subset(~held), problem.subset(held), cells)


def screened(fold, starts, noise):
    return screen.screen(fold, starts, noise, EQUAL, 0, Clock())


@pytest.mark.parametrize("cheap", [False, True])
def test_a_start_that_died_out_gives_way_to_the_next(fold, monkeypatch, cheap):
    monkeypatch.setattr(screen, "is_cheap", lambda fold, rank: cheap)
    dying = np.full((50, 3), 1e-9)
    living = grown(fold, fold.effects, 3, 0)
    noise = fold.effects.noise
    if cheap:  # variational sweeps revive factors
        dying = np.zeros((50, 3))
    assert screened(fold, [dying], noise).rank == 0
    replaced = screened(fold, [dying, living, dying], noise)
    assert replaced.rank == 3
    assert fold.held_error(replaced) < 0.5 * fold.held_error(fold.effects)
    # one that lives is enough
    first = screened(fold, [living, dying], noise)
    np.testing.assert_array_equal(first.cols.mean, screened(fold, [living], noise).cols.mean)


def test_fits_that_ranks_are_compared_by_are_near_the_mean_of_draws(fold, monkeypatch):
    V = grown(fold, fold.effects, 3, 0)
    quick = screened(fold, [V], fold.effects.noise)
    full = refits.refit(fold, quick, 0, Clock())
    monkeypatch.setattr(screen, "is_cheap", lambda fold, rank: False)
    brief = screened(fold, [V], fold.effects.noise)
    assert (quick.draws, full.draws > 48, refits.is_brief(brief)) == (0, True, True)
    for fit in (quick, brief):
        assert fold.held_error(fit) == pytest.approx(fold.held_error(full), rel=0.05)
    # intervals are made with the uncertainty of the columns, too
    delivered = refits.with_covariances(fold, brief)
    assert not brief.cols.cov.any() and full.cols.cov.any()
    cells = fold.held.rows, fold.held.cols
    assert np.median(delivered.variance(*cells)) == pytest.approx(np.median(full.variance(*cells)), rel=0.2)
    assert refits.with_covariances(fold, full) is full


@pytest.mark.parametrize(
    ("expensive", "factor", "sweeps"),
    [
        (True, 1.1, 32),
        (True, 0.9, 104),
        (True, 1.0, 32),
        (True, 0.0, 32),
        (False, 0.0, 32),
        (False, 1.1, 104),
    ],
)
def test_an_expensive_chain_ends_when_the_held_out_error_falls_no_more(
    fold, monkeypatch, expensive, factor, sweeps
):
    monkeypatch.setattr(refits, "is_cheap", lambda fold, rank: not expensive)
    errors = iter(factor ** np.arange(20.0))
    monkeypatch.setattr(refits, "combined", lambda *both: next(errors))
    start = fold.start_fit(grown(fold, fold.effects, 3, 0), fold.effects.noise, EQUAL)
    fit = refits.refit(fold, start, 0, Clock())
    assert fit.sweeps == sweeps


def test_the_fit_to_all_cells_begins_with_equal_noise(monkeypatch):
    """Noise scales that have drifted while the training cells were fitted would drift on."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 40))
    X += rng.standard_normal(X.shape) * np.where(np.arange(40) < 20, 0.05, 1.0)
    X[rng.random(X.shape) < 0.3] = np.nan
    begun = []

    class Recorded(heavy_tails.Sampler):
        def __init__(self, fitter, start, seed, partly_known=None):
            super().__init__(fitter, start, seed, partly_known)
            begun.append((seed[1], fitter.problem, self.row_scale, self.col_scale, start))

    monkeypatch.setattr(heavy_tails, "Sampler", Recorded)
    # noisy data: nothing is found, but slowly
    monkeypatch.setattr(exact, "search", lambda *arguments: ExactAnswer())
    completed = rf.complete(X, seed=0)
    assert completed.rank == 2
    problem, rows, cols, start = next(b[1:] for b in begun if b[0] == 5 and not b[4].noise_model.is_equal)
    assert problem.n_observed == np.isfinite(X).sum()
    np.testing.assert_array_equal(rows, 1)
    np.testing.assert_array_equal(cols, 1)
    # the mean of small and large variances in units of the columns, and not a small one
    misfit = start.at(problem.rows, problem.cols) - problem.values
    assert 0.5 * np.mean(misfit**2) < start.noise < 2 * np.mean(misfit**2)


@pytest.mark.parametrize("last", [2, 30])
def test_a_chain_whose_draws_are_no_numbers_ends(monkeypatch, last):
    """Next to no noise, and a precision is lost to rounding.

    At the start of every chain, or after some sweeps.
    """
    drawn = Sampler._draw_noise

    def lost(self):
        drawn(self)
        if self.sweeps >= last:
            self.noise = np.nan

    monkeypatch.setattr(Sampler, "_draw_noise", lost)
    problem, truth = rf.datasets.low_rank((40, 30), rank=2, observed=0.6, noise=0.2, seed=0)
    result = rf.complete(problem, seed=0)
    filled = result.to_dense()
    assert np.isfinite(filled).all()
    if last == 30:
        assert result.rank == 2
        assert np.sqrt(np.mean((filled - truth) ** 2)) < 0.2 * truth.std()
