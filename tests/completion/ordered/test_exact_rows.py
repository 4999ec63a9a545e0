"""Rows without entries of a table that is exactly of low rank are filled between their neighbours."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.ordered import AxisOrder
from rankfall.completion.ordered.exact_rows import between_neighbours
from rankfall.completion.solvers.chain import Chain


def smooth_factors(m: int = 120) -> np.ndarray:
    at = np.arange(m) / 15
    return np.column_stack([np.sin(at), np.cos(0.7 * at)])


@pytest.fixture(scope="module")
def exact() -> tuple[np.ndarray, np.ndarray, rf.Completion]:
    rng = np.random.default_rng(0)
    truth = smooth_factors() @ rng.standard_normal((2, 12))
    table = truth.copy()
    table[rng.random(table.shape) < 0.2] = np.nan
    table[[20, 50, 51, 80]] = np.nan
    return truth, table, rf.complete(table, seed=0)


def test_rows_are_filled_and_said_to_be_uncertain(
    exact: tuple[np.ndarray, np.ndarray, rf.Completion],
) -> None:
    truth, table, result = exact
    assert result.outcome is rf.Outcome.EXACT
    assert result.settings["ordered"] == "rows"
    filled, empty = result.to_dense(), np.isnan(table).all(axis=1)
    assert np.abs(filled - truth)[~empty].max() < 1e-8
    assert np.abs(filled - truth)[empty].max() < 0.1
    low, high = result.interval(np.array([20, 50]), np.array([0, 3]))
    assert np.all(np.isinf(low) & np.isinf(high))
    assert any("4 rows without any entry: filled between" in text for text in result.warnings)


def test_it_is_kept_in_files_and_says_nothing_of_later_rows(
    exact: tuple[np.ndarray, np.ndarray, rf.Completion], tmp_path
) -> None:
    _, table, result = exact
    result.save(tmp_path / "result.npz")
    assert np.array_equal(rf.load(tmp_path / "result.npz").to_dense(), result.to_dense())
    assert np.isnan(rf.complete(table, seed=0, ordered="none").to_dense()[20]).all()
    with pytest.raises(rf.InputError, match="forecast needs rows"):
        result.forecast(2)


def test_an_order_that_means_nothing_fills_nothing(
    exact: tuple[np.ndarray, np.ndarray, rf.Completion],
) -> None:
    _, table, _ = exact
    shuffled = table[np.random.default_rng(1).permutation(table.shape[0])]
    result = rf.complete(shuffled, seed=0)
    assert result.settings["ordered"] == "none"
    assert np.isnan(result.to_dense()).any()


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_is_that_of_the_process(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = 9
    groups = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1])
    axis = AxisOrder.of(rng.permutation(np.cumsum(rng.uniform(0.2, 3, m))), groups)
    chain = Chain(axis.order, axis.steps, np.array([0.4, 0.97]))
    known = np.array([True, False, True, False, False, True, False, True, False])
    U = rng.standard_normal((m, 2))
    found = between_neighbours(U, known, chain)
    starts = np.isinf(axis.steps)
    at, series = np.empty(m), np.empty(m, int)
    at[axis.order] = np.cumsum(np.where(starts, 0.0, axis.steps))
    series[axis.order] = np.cumsum(starts)
    for k, a in enumerate(chain.coefficients):
        cov = a ** np.abs(at[:, None] - at) * (series[:, None] == series)
        mean = cov[np.ix_(~known, known)] @ np.linalg.solve(cov[np.ix_(known, known)], U[known, k])
        np.testing.assert_allclose(found[~known, k], mean, atol=1e-9)
    assert np.array_equal(found[known], U[known])
