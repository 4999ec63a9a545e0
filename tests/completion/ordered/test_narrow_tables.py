"""Narrow tables of rows in order: as many factors as columns, and a remainder of every column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

import rankfall as rf
from completion.ordered.series import error
from rankfall import Completion
from rankfall.completion.clock import Clock
from rankfall.completion.noisy import search
from rankfall.completion.options import Options
from rankfall.completion.ordered.decisions import Decisions
from rankfall.completion.ordered.fits import Fits
from rankfall.completion.ordered.orders import Orders
from rankfall.completion.solvers.noise_model import EQUAL
from rankfall.completion.standardise import Standardisation


def process(coefficient: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Stationary first-order series of variance 1."""
    innovations = np.sqrt(1 - coefficient**2) * rng.standard_normal(shape)
    return np.asarray(lfilter([1.0], [1.0, -coefficient], innovations, axis=0))


def with_remainders(seed: int, m: int = 1500, n: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Slow factors that all columns share, and a faster process of every column."""
    rng = np.random.default_rng(seed)
    shared = process(0.998, (m, 2), rng) @ rng.standard_normal((2, n))
    truth = shared + 0.5 * process(0.7, (m, n), rng)
    table = np.where(rng.random((m, n)) < 0.2, np.nan, truth)
    return truth, table


def fits_of(table: np.ndarray) -> tuple[Fits, Orders]:
    options = Options.of({"effects": "columns", "scaling": "all"})
    given = rf.Problem.coerce(table)
    answer = search(Standardisation.of(given, "linear").noisy, options, Clock())
    assert answer is not None
    orders = Orders(Orders.of(given, options).rows)
    return Decisions(answer, [orders], options, Clock()).fits, orders


def test_there_may_be_two_factors_for_every_column_of_a_narrow_table() -> None:
    _, table = with_remainders(0)
    fits, orders = fits_of(table)
    assert fits.widest(orders) == 8
    candidate = fits.of(orders, EQUAL, 8)
    fold, fit = candidate.fitted[0]
    assert fit.rank == 8
    assert np.isfinite(candidate.error) and candidate.error < fold.held_error(fold.effects)
    # no worse than with one process for every column
    assert candidate.error < 1.02 * fits.of(orders, EQUAL, 4).error


def test_not_of_wide_tables() -> None:
    rng = np.random.default_rng(1)
    wide = process(0.9, (60, 3), rng) @ rng.standard_normal((3, 40)) + 0.1 * rng.standard_normal((60, 40))
    wide[rng.random(wide.shape) < 0.3] = np.nan
    fits, orders = fits_of(wide)
    assert fits.widest(orders) == 40


def test_not_of_small_tables() -> None:
    _, table = with_remainders(1, 300)
    fits, orders = fits_of(table)
    assert fits.is_small
    assert fits.widest(orders) == 4


def test_in_gaps_cells_are_predicted_at_least_sixteen_sweeps_on() -> None:
    _, table = with_remainders(2)
    fits, orders = fits_of(table)
    assert fits.of(orders, EQUAL, 2, in_gaps=True).fitted[0][1].sweeps >= 16


def test_small_noise_is_found_from_either_side() -> None:
    """Fits that begin with little noise and with much of it agree in the end."""
    _, table = with_remainders(3)
    fits, orders = fits_of(table)
    little, much = (fits.of(orders, EQUAL, 4, noise) for noise in (0.01, 0.1))
    assert little.error == pytest.approx(much.error, rel=0.05)


@pytest.fixture(scope="module")
def wider() -> tuple[Completion, np.ndarray, np.ndarray]:
    """A table whose gaps are whole columns for a while: no rank is low."""
    rng = np.random.default_rng(4)
    truth, _ = with_remainders(4)
    table = truth + 0.02 * rng.standard_normal(truth.shape)
    for column in range(table.shape[1]):
        for first in rng.integers(0, 1440, size=4):
            table[first : first + 60, column] = np.nan
    return rf.complete(table, seed=0), truth, table


def test_gaps_of_a_table_without_low_rank(wider: tuple[Completion, np.ndarray, np.ndarray]) -> None:
    result, truth, table = wider
    assert result.settings["ordered"] == "rows"
    assert result.settings["held_out_in"] == "gaps like the missing ones"
    assert ("more factors than the 4 columns" in result.summary()) == (result.rank > 4)
    plain = rf.complete(table, seed=0, ordered="none", fill="effects")
    assert error(result.to_dense(), truth, table) < 1.02 * error(plain.to_dense(), truth, table)
    observed = ~np.isnan(table)
    np.testing.assert_array_equal(result.to_dense()[observed], table[observed])


def test_it_is_saved_and_goes_on(wider: tuple[Completion, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    result, _, table = wider
    result.save(tmp_path / "wide.npz")
    loaded = rf.load(tmp_path / "wide.npz")
    assert isinstance(loaded, Completion)
    assert loaded.rank == result.rank
    np.testing.assert_array_equal(loaded.to_dense(), result.to_dense())
    for one in (result, loaded):
        values, low, high = one.forecast(5)
        assert np.all((low <= values) & (values <= high))
    assert result.transform(table[:3]).shape == (3, 4)
