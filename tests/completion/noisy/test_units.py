"""What is filled does not depend on the units of the columns."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.standardise import column_spreads, stand_apart


def table(seed: int = 0, shape: tuple[int, int] = (60, 7)) -> tuple[np.ndarray, np.ndarray]:
    """Noisy values of rank two around column means; a fifth is missing."""
    rng = np.random.default_rng(seed)
    m, n = shape
    X = rng.standard_normal((m, 2)) @ rng.standard_normal((2, n)) + 0.3 * rng.standard_normal(shape)
    X = X + 3 * rng.standard_normal(n)
    return X, rng.random(shape) < 0.2


def filled(X: np.ndarray, hidden: np.ndarray, **options: object) -> tuple[rf.Completion, np.ndarray]:
    result = rf.complete(np.where(hidden, np.nan, X), seed=0, **options)  # type: ignore[arg-type]
    return result, result.to_dense()


@pytest.mark.parametrize("power", [-20, 3, 40])
def test_a_power_of_two_changes_no_bit_elsewhere(power):
    X, hidden = table()
    unit = np.ones(7)
    unit[2] = 2.0**power
    _, before = filled(X, hidden, scaling="columns")
    _, after = filled(X * unit, hidden, scaling="columns")
    assert np.array_equal(after / unit, before)


@pytest.mark.parametrize(("factor", "shift"), [(0.03, 0.0), (1e3, 0.0), (1.0, 1e3), (-7.0, 0.0)])
def test_scaled_columns_have_any_unit_and_offset(factor, shift):
    X, hidden = table(1)
    other = X.copy()
    other[:, 0] = factor * (X[:, 0] + shift * X[:, 0].std())
    first, before = filled(X, hidden, scaling="columns")
    second, after = filled(other, hidden, scaling="columns")
    for name in ("effects", "scaling"):
        assert first.settings[name] == second.settings[name]
    if factor > 0:  # a sign turns the factors round, and with them the draws
        assert second.rank == first.rank
        np.testing.assert_allclose(after[:, 1:], before[:, 1:], rtol=1e-6, atol=1e-6)
        back = after[:, 0] / factor - shift * X[:, 0].std()
        np.testing.assert_allclose(back, before[:, 0], rtol=1e-6, atol=1e-6 * (1 + shift))


@pytest.mark.parametrize("factor", [1e-6, 30.0, 1e6])
def test_by_default_a_unit_costs_the_other_columns_next_to_nothing(factor):
    X, hidden = table(2)
    other = X.copy()
    other[:, 0] *= factor
    hidden[:, 0] = False
    _, before = filled(X, hidden)
    _, after = filled(other, hidden)
    errors = [np.sqrt(np.mean((Z - X)[:, 1:][hidden[:, 1:]] ** 2)) for Z in (before, after)]
    assert errors[1] < 1.3 * errors[0]


def test_a_column_of_numbers_spoils_nothing():
    X, hidden = table(3)
    numbers = np.arange(100_001.0, 100_061.0)
    _, before = filled(X, hidden)
    _, after = filled(np.column_stack([X, numbers]), np.column_stack([hidden, np.zeros(60, bool)]))
    errors = [np.sqrt(np.mean((Z[:, :7] - X)[hidden] ** 2)) for Z in (before, after)]
    assert errors[1] < 2 * errors[0]


def test_wild_values_hardly_count_in_a_spread():
    X, _ = table(4, (200, 3))
    X[0, 0] = 1e9
    center, spread = column_spreads(rf.Problem.coerce(X))
    np.testing.assert_allclose(center, np.median(X, axis=0), atol=0.5)
    np.testing.assert_allclose(spread[1:], X[:, 1:].std(axis=0), rtol=1e-12)
    assert spread[0] < 2 * X[1:, 0].std()


def test_columns_without_a_spread_have_that_of_the_others():
    X = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan], [5.0, 5.0, np.nan]])
    center, spread = column_spreads(rf.Problem.coerce(X))
    assert center.tolist() == [3.0, 5.0, 0.0]
    np.testing.assert_allclose(spread, spread[0], rtol=1e-12)
    assert spread[0] > 0


@pytest.mark.parametrize(
    ("spread", "apart"),
    [
        ([1.0, 1.5, 2.0, 60.0], [3]),
        ([1e-6, 1.5, 2.0, 3.0], [0]),
        ([1.0, 1.5, 2.0, 3.0], []),
        ([1.0, 3.0, 9.0, 27.0], []),
        ([1.0, 1.0, 50.0, 50.0], []),  # two of four are no exception
    ],
)
def test_which_columns_stand_apart(spread, apart):
    assert np.flatnonzero(stand_apart(np.zeros(4), np.array(spread))).tolist() == apart


def test_a_distant_location_stands_apart():
    assert stand_apart(np.array([0.0, 1.0, 2.0, 1e5]), np.ones(4)).tolist() == [False, False, False, True]


MODELS = [("columns", "columns"), ("both", "all"), ("both", "columns"), ("columns", "all"), ("none", "all")]


@pytest.mark.parametrize(("effects", "scaling"), MODELS)
@pytest.mark.parametrize("factor", [1.0, 10.0])
def test_factors_and_effects_add_up(effects, scaling, factor):
    """``x_ij = mean + rows_i + cols_j + (U diag(s) Vt)_ij``, also where a column has a unit of its own."""
    X, hidden = table(5)
    X[:, 3] *= factor
    result, _ = filled(X, hidden, effects=effects, scaling=scaling)
    U, s, Vt = result.factors
    whole = (U * s) @ Vt
    if result.effects is not None:
        whole += result.effects["mean"] + result.effects["rows"][:, None] + result.effects["cols"]
    fitted = result.to_dense(observed="fitted")
    np.testing.assert_allclose(whole / X.std(axis=0), fitted / X.std(axis=0), atol=1e-9)


@pytest.mark.parametrize(("effects", "scaling"), MODELS)
def test_a_column_that_comes_again_is_filled_alike(effects, scaling):
    """Of a new column only its entries are known: it is filled nearly as when it was fitted."""
    X, hidden = table(6, (80, 7))
    result, Z = filled(X, hidden, effects=effects, scaling=scaling)
    again = result.fold_columns(np.where(hidden, np.nan, X))
    spread = X.std(axis=0)
    difference = ((again - Z) / spread)[hidden]
    assert np.sqrt(np.mean(difference**2)) < 0.25
    if scaling == "columns" and effects == "columns":  # a new column brings its own unit and offset
        other = result.fold_columns(np.where(hidden, np.nan, 50 * X + 700))
        np.testing.assert_allclose((other - 700) / 50, again, atol=1e-6 * 700)


def test_one_scale_that_was_asked_for_is_one():
    X, hidden = table(7)
    X[:, 0] *= 100
    result, _ = filled(X, hidden, scaling="all", effects="columns")
    assert np.ptp(result.model.scale) == 0 and np.ptp(result.model.center) == 0
    result, _ = filled(X, hidden, effects="columns")
    assert result.settings["scaling"] == "columns" or np.ptp(result.model.scale) > 0


def test_a_column_of_enormous_numbers_harms_no_other():
    X, hidden = table(8)
    X = X + 20
    rng = np.random.default_rng(0)
    enormous = 1e300 * (1 + rng.random(60))
    _, before = filled(X, hidden)
    result, after = filled(np.column_stack([X, enormous]), np.column_stack([hidden, np.zeros(60, bool)]))
    assert result.outcome is rf.Outcome.CHOSEN
    assert np.isfinite(after).all()
    errors = [np.sqrt(np.mean((Z[:, :7] - X)[hidden] ** 2)) for Z in (before, after)]
    assert errors[1] < 1.5 * errors[0]
