"""Refits on the walk through the ranks."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion import exact, refits
from rankfall.completion.choose import split_under
from rankfall.completion.sampling import Sampler


@pytest.fixture(scope="module")
def split():
    """Noisy data of rank 3; a fifth of the cells is held out."""
    problem, _ = rf.datasets.low_rank((60, 50), rank=3, observed=0.6, noise=0.3, seed=0)
    held = np.random.default_rng(0).random(problem.n_observed) < 0.2
    made = split_under("none", "none", problem.subset(~held), problem.subset(held))
    made.fits[0] = refits.effects_alone(made)
    return made


def test_where_sweeps_are_dear_a_start_that_died_out_gives_way_to_the_next(split, monkeypatch):
    monkeypatch.setattr(refits, "cheap", lambda split, rank: False)
    dying = np.full((50, 3), 1e-9)
    living = refits.grown(split, split.fits[0], 3, 0)
    noise = split.fits[0].noise
    assert refits.refit(split, [dying], noise, 0).rank == 0
    replaced = refits.refit(split, [dying, living, dying], noise, 0)
    assert replaced.rank == 3
    assert split.held_error(replaced) < 0.5 * split.held_error(split.fits[0])
    # one that lives is enough
    first = refits.refit(split, [living, dying], noise, 0)
    np.testing.assert_array_equal(first.cols.mean, refits.refit(split, [living], noise, 0).cols.mean)


@pytest.mark.parametrize(
    ("dear", "factor", "sweeps"),
    [
        (True, 1.1, 32),
        (True, 0.9, 104),
        (True, 1.0, 32),
        (True, 0.0, 32),
        (False, 0.0, 32),
        (False, 1.1, 104),
    ],
)
def test_a_dear_chain_ends_when_the_held_out_error_falls_no_more(split, monkeypatch, dear, factor, sweeps):
    monkeypatch.setattr(refits, "cheap", lambda split, rank: not dear)
    errors = iter(factor ** np.arange(20.0))
    monkeypatch.setattr(refits, "combined", lambda *both: next(errors))
    fit = refits.refit(split, [refits.grown(split, split.fits[0], 3, 0)], split.fits[0].noise, 0)
    assert fit.sweeps == sweeps


def test_the_fit_to_all_cells_begins_with_noise_that_is_alike_in_all_lines(monkeypatch):
    """Shares of lines that have drifted while the training cells were fitted would drift on."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 40))
    X += rng.standard_normal(X.shape) * np.where(np.arange(40) < 20, 0.05, 1.0)
    X[rng.random(X.shape) < 0.3] = np.nan
    begun = []

    class Recorded(refits.Sampler):
        def __init__(self, refitter, start, seed):
            super().__init__(refitter, start, seed)
            begun.append((seed[1], refitter.problem, self.row_share, self.col_share, start))

    monkeypatch.setattr(refits, "Sampler", Recorded)
    monkeypatch.setattr(
        exact, "search", lambda *arguments: arguments[-1]
    )  # noisy data: nothing is found, but slowly
    completed = rf.complete(X, seed=0)
    assert completed.rank == 2
    problem, rows, cols, start = next(b[1:] for b in begun if b[0] == 5 and b[4].line_cells < np.inf)
    assert problem.n_observed == np.isfinite(X).sum()
    np.testing.assert_array_equal(rows, 1)
    np.testing.assert_array_equal(cols, 1)
    # the mean of small and large variances in units of the columns, and not a small one
    misfit = start.at(problem.rows, problem.cols) - problem.values
    assert 0.5 * np.mean(misfit**2) < start.noise < 2 * np.mean(misfit**2)


@pytest.mark.parametrize("last", [2, 30])
def test_a_chain_whose_draws_are_no_numbers_ends(monkeypatch, last):
    """Next to no noise, and a precision is lost to rounding: at the start of every chain, or after some sweeps."""
    drawn = Sampler._draw_noise

    def lost(self):
        drawn(self)
        if self.sweeps >= last:
            self.noise = np.nan

    monkeypatch.setattr(Sampler, "_draw_noise", lost)
    problem, truth = rf.datasets.low_rank((40, 30), rank=2, observed=0.6, noise=0.2, seed=0)
    result = rf.complete(problem, seed=0, max_rank=5)
    filled = result.to_dense()
    assert np.isfinite(filled).all()
    if last == 30:
        assert result.rank == 2
        assert np.sqrt(np.mean((filled - truth) ** 2)) < 0.2 * truth.std()
