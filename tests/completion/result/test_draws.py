"""Draws from the posterior: what comes back, that it repeats, and that it agrees with the intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rankfall as rf
from completion.ordered.series import QUICK, series
from rankfall import Completion, InputError
from rankfall.completion.result import positions
from rankfall.completion.result.missing_cells import MissingCells
from rankfall.completion.result.predictive import thinning
from rankfall.compute.threads import threads


def table(m=60, n=12, rank=2, noise=0.5, missing=0.3, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    full = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n)) + rng.standard_normal(n)
    full += noise * rng.standard_normal((m, n))
    return np.where(rng.random((m, n)) < missing, np.nan, full)


TABLE = table()


@pytest.fixture(scope="module")
def noisy() -> Completion:
    return rf.complete(TABLE, seed=0, folds=2, max_rank=2, effects="columns")


@pytest.fixture(scope="module")
def followed() -> Completion:
    """With an order of rows: a variational fit."""
    return rf.complete(series(80, 8, 1)[1], **{**QUICK, "ordered": "rows"})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def exact() -> Completion:
    problem, _ = rf.datasets.low_rank((20, 15), rank=2, observed=0.7, seed=0)
    return rf.complete(problem, seed=0)


# -- what comes back --------------------------------------------------------------------------------------


def test_observed_cells_are_as_given_and_holes_differ(noisy):
    draws = noisy.draws(5, seed=3)
    assert len(draws) == 5
    known = ~np.isnan(TABLE)
    tables = list(draws)
    for one in tables:
        assert np.array_equal(one[known], TABLE[known]) and np.all(np.isfinite(one))
    first, second = tables[0][~known], tables[1][~known]
    assert not np.any(first == second)


def test_every_way_to_ask_gives_the_same_bits(noisy, tmp_path: Path):
    draws = noisy.draws(6, seed=1)
    tables = list(draws)
    assert all(np.array_equal(a, b) for a, b in zip(tables, noisy.draws(6, seed=1), strict=True))
    assert np.array_equal(draws[4], tables[4]) and np.array_equal(draws[-1], tables[-1])
    assert all(np.array_equal(a, b) for a, b in zip(draws[1:3], tables[1:3], strict=True))
    assert np.array_equal(noisy.draws(2, seed=1)[1], tables[1])
    i, j = np.nonzero(np.isnan(TABLE))
    assert np.array_equal(noisy.draws(6, seed=1, cells=(i, j)), [one[i, j] for one in tables])
    noisy.save(tmp_path / "c.npz")
    assert np.array_equal(rf.load(tmp_path / "c.npz").draws(6, seed=1)[5], tables[5])
    for count in (1, 2):
        with threads(count):
            assert np.array_equal(noisy.draws(6, seed=1)[3], tables[3])
    assert not np.array_equal(noisy.draws(6, seed=2)[0], tables[0])
    with pytest.raises(IndexError):
        draws[6]


def test_no_bit_depends_on_how_many_cells_are_drawn_at_a_time(noisy, monkeypatch):
    whole = noisy.draws(2)[1]
    monkeypatch.setattr(positions, "CHUNK", 17)
    assert np.array_equal(noisy.draws(2)[1], whole)


def test_cells_may_be_observed_and_have_any_shape(noisy):
    i, j = np.indices((4, 3))
    drawn = noisy.draws(3, cells=(i, j))
    assert drawn.shape == (3, 4, 3)
    assert np.array_equal(drawn[1], noisy.draws(3)[1][:4, :3])


@pytest.mark.parametrize("m", [0, 2.5, "many"])
def test_what_is_no_number_of_draws_is_refused(noisy, m):
    with pytest.raises(InputError, match="m must be"):
        noisy.draws(m)


def test_cells_that_are_no_pair_are_refused(noisy):
    with pytest.raises(InputError, match="cells must be a pair"):
        noisy.draws(2, cells=np.arange(3))


def test_the_m_missing_cells_are_numbered_along_the_rows():
    missing = MissingCells(rf.Problem.from_dense(TABLE))
    i, j = np.nonzero(np.isnan(TABLE))
    assert missing.size == i.size
    assert np.array_equal(missing.at(np.arange(i.size)), (i, j))
    rows, cols = missing.sample(50, np.random.default_rng(0))
    assert np.all(np.isnan(TABLE[rows, cols])) and rows.size > 40
    entry = missing.observed_entry(*(part.ravel() for part in np.indices(TABLE.shape)))
    assert np.array_equal(entry >= 0, ~np.isnan(TABLE).ravel())


# -- agreement with intervals -----------------------------------------------------------------------------


@pytest.mark.stat
@pytest.mark.parametrize("which", ["noisy", "followed"])
def test_draws_lie_within_intervals_as_often_as_these_cover(which, request):
    """Shares over all missing cells and 200 draws; what they vary by is the pilot's estimate of the spread,
    about 1%.
    """
    result = request.getfixturevalue(which)
    i, j = np.nonzero(np.isnan(result.problem.to_dense()))
    drawn = result.draws(200, seed=5, cells=(i, j))
    for coverage in (0.5, 0.8, 0.9):
        low, high = result.interval(i, j, coverage)
        assert np.mean((drawn >= low) & (drawn <= high)) == pytest.approx(coverage, abs=0.03)
    assert np.mean(drawn, axis=0) == pytest.approx(result.predict(i, j), abs=0.6)


def test_with_few_held_out_cells_the_posterior_stands_as_it_is():
    result = rf.complete(np.where(np.eye(6) > 0, np.nan, table(6, 6, missing=0.0)), max_rank=1)
    assert result.model.calibration.size < 50
    drawn = np.array(list(result.draws(8)))
    assert np.all(np.isfinite(drawn)) and np.all(drawn[:, 0, 0].std() > 0)


def test_constant_columns_stay_constant():
    with_one = TABLE.copy()
    with_one[:, 4] = np.where(np.isnan(TABLE[:, 4]), np.nan, 7.0)
    for one in rf.complete(with_one, max_rank=1, folds=2).draws(2):
        assert np.all(one[:, 4] == 7.0)


@pytest.mark.parametrize("effects", ["none", "mean", "columns", "both"])
def test_effects_alone_are_drawn_with_their_noise(effects):
    result = rf.complete(TABLE, max_rank=0, effects=effects)
    assert result.rank == 0
    i, j = np.nonzero(np.isnan(TABLE))
    drawn = result.draws(50, cells=(i, j))
    low, high = result.interval(i, j, 0.9)
    assert np.mean((drawn >= low) & (drawn <= high)) == pytest.approx(0.9, abs=0.03)
    assert result.draws(50).effective_size > 30


# -- exact results, and cells that are not determined -----------------------------------------------------


def test_draws_of_an_exact_fit_are_the_completion(exact):
    draws = exact.draws(3)
    assert all(np.allclose(one, exact.to_dense(), rtol=1e-12, equal_nan=True) for one in draws)
    assert draws.effective_size == 3.0
    assert np.array_equal(draws[2], draws[0], equal_nan=True)


def test_cells_that_an_exact_fit_leaves_free_are_empty():
    X = np.outer(np.arange(1.0, 9), np.arange(1.0, 7))
    X[0, 1:] = np.nan  # one entry says all of a row of rank 1
    X[7, :] = np.nan  # and none says nothing
    result = rf.complete(X)
    one = result.draws(1)[0]
    low, high = result.interval(*np.indices(X.shape), 0.5)
    assert np.array_equal(np.isnan(one), ~(np.abs(high - low) < 1) & np.isnan(X))


def test_zeros_are_drawn_as_zeros():
    X = np.where(np.eye(5) > 0, np.nan, 0.0)
    assert np.all(rf.complete(X).draws(2)[0] == 0)


def test_a_row_without_entries_stays_empty_unless_it_is_filled():
    X = TABLE.copy()
    X[5] = np.nan
    assert np.all(np.isnan(rf.complete(X, max_rank=1, folds=2).draws(1)[0][5]))
    drawn = np.array(list(rf.complete(X, max_rank=1, folds=2, fill="effects").draws(40)))
    assert np.all(np.isfinite(drawn))
    # a row of which nothing is known is like any of them
    ratio = drawn[:, 5].std(axis=0) / np.nanstd(X, axis=0)
    assert np.all((ratio > 0.5) & (ratio < 2))


# -- frames, scales, bounds -------------------------------------------------------------------------------


def test_frames_come_back_as_they_came():
    whole = np.rint(5 * TABLE[:, :6])
    whole[:, 0] = np.nan_to_num(whole[:, 0])
    frame = pd.DataFrame(
        {name: pd.array(np.where(np.isnan(col), 0, col).astype(int), dtype="Int64")
         for name, col in zip("abcdef", whole.T, strict=True)},
        index=[f"r{k}" for k in range(60)],
    )  # fmt: skip
    frame = frame.mask(np.isnan(whole))
    result = rf.complete(frame, max_rank=1, folds=2)
    drawn = result.draws(2)[1]
    assert list(drawn.columns) == list("abcdef") and drawn.index.equals(frame.index)
    assert set(map(str, drawn.dtypes)) == {"Int64"} and not drawn.isna().any().any()
    assert (drawn.where(frame.notna()) == frame.where(frame.notna())).fillna(True).all().all()
    assert np.any(result.draws(2).dense(1) % 1 != 0)
    assert np.array_equal(
        result.draws(3, cells=(["r0", "r1"], ["a", "b"])), result.draws(3, cells=([0, 1], [0, 1]))
    )
    other = rf.complete(pl.DataFrame(TABLE, orient="row").fill_nan(None), max_rank=0)
    assert isinstance(other.draws(1)[0], pl.DataFrame)


def test_bounds_and_scales_hold():
    result = rf.complete(np.exp(TABLE), scale="log", max_rank=2, folds=2, bounds=(0.3, 20.0))
    i, j = np.nonzero(np.isnan(TABLE))
    drawn = result.draws(30, cells=(i, j))
    assert drawn.min() >= 0.3 and drawn.max() <= 20.0
    low, high = result.interval(i, j, 0.9)
    inside = (drawn >= low) & (drawn <= high)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.06)


# -- chains ---------------------------------------------------------------------------------------------


def test_draws_are_as_far_apart_as_the_correlation_asks():
    """First-order processes with coefficient 0.8: 0.8^10 = 0.107 and 0.8^11 = 0.086."""
    rng = np.random.default_rng(0)
    signals = rng.standard_normal((4, 2000, 50))
    for t in range(1, 2000):
        signals[:, t] = 0.8 * signals[:, t - 1] + 0.6 * signals[:, t]
    between, correlation = thinning(signals)
    assert between in (10, 11) and correlation == pytest.approx(0.8**between, abs=0.02)
    assert thinning(signals + np.arange(4)[:, None, None] * 10)[0] == 30  # chains that do not meet
    assert thinning(np.zeros((4, 10, 3))) == (1, 0.0)
    assert thinning(np.zeros((4, 10, 0))) == (1, 0.0)


def test_the_effective_size_is_no_larger_than_the_number_of_draws(noisy):
    size = noisy.draws(20).effective_size
    assert 10 < size <= 20
    assert noisy.draws(40).effective_size == pytest.approx(2 * size)


# -- new rows ---------------------------------------------------------------------------------------------


def test_new_rows_are_drawn_each_by_itself(noisy):
    new = TABLE[:6]
    drawn = noisy.transform_draws(new, 4, seed=2)
    known = ~np.isnan(new)
    assert drawn.shape == (4, 6, 12) and np.all(np.isfinite(drawn))
    assert np.array_equal(drawn[2][known], new[known])
    assert np.array_equal(noisy.transform_draws(new[::-1], 4, seed=2)[:, ::-1], drawn)
    assert np.allclose(noisy.transform_draws(new[3:4], 4, seed=2), drawn[:, 3:4])
    twins = noisy.transform_draws(np.vstack([new[:1], new[:1]]), 1, seed=2)[0]
    assert not np.any(twins[0][~known[0]] == twins[1][~known[0]])
    empty = noisy.transform_draws(np.full((2, 12), np.nan), 2)
    assert np.all(np.isfinite(empty)) and not np.any(empty[0] == empty[1])


@pytest.mark.stat
def test_draws_of_new_rows_are_spread_like_those_of_old_ones(noisy):
    i, j = np.nonzero(np.isnan(TABLE))
    old = noisy.draws(100, cells=(i, j)).std(axis=0)
    new = noisy.transform_draws(TABLE, 100)[:, i, j].std(axis=0)
    assert np.mean(new) == pytest.approx(np.mean(old), rel=0.05)


def test_new_rows_of_an_exact_fit_are_completed(exact):
    new = exact.to_dense()[:2].copy()
    new[0, :4] = np.nan
    assert np.allclose(exact.transform_draws(new, 2)[1], exact.transform(new), equal_nan=True)


def test_new_rows_of_an_ordered_table_are_refused(followed):
    with pytest.raises(InputError, match="order"):
        followed.transform_draws(np.ones((1, 8)), 2)


def test_draws_are_shown_in_a_line() -> None:
    table = np.add.outer(np.arange(8.0), np.arange(6.0))
    table[0, 0] = np.nan
    assert repr(rf.complete(table, seed=0).draws(3, seed=2)) == "Draws(3 of a 8 x 6 table, seed 2)"
