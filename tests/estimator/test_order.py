"""Estimators and rows that follow each other: asked for, never by default."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

import rankfall as rf
from completion.ordered.series import QUICK, error, series
from rankfall import InputError, LowRankImputer, LowRankRegressor

TRUTH, TABLE = series(90, 8, 0)
TABLE[40:44] = np.nan
GIVEN = ~np.isnan(TABLE)


def imputer(**options: object) -> LowRankImputer:
    return LowRankImputer(**{**QUICK, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted() -> LowRankImputer:
    return imputer(ordered="rows").fit(TABLE)


# -- the imputer -----------------------------------------------------------------------------------


def test_nothing_is_asked_by_default() -> None:
    """Splits and searches shuffle rows."""
    assert LowRankImputer().get_params()["ordered"] == "none"
    assert LowRankRegressor().get_params()["ordered"] == "none"
    default = imputer().fit(TABLE)
    assert default.completion_.settings["ordered"] == "none"
    np.testing.assert_array_equal(
        default.completion_.to_dense(), rf.complete(TABLE, fill="effects", ordered="none", **QUICK).to_dense()
    )


@pytest.mark.filterwarnings("ignore:.* no entry. filled with effects only")
@pytest.mark.parametrize("order", ["rows", "columns", "both", "auto"])
@pytest.mark.parametrize("options", [{}, {"effects": "both", "scaling": "columns"}])
def test_the_table_of_the_fit_is_transformed_as_it_was_completed(order: str, options: dict[str, str]) -> None:
    estimator = imputer(ordered=order, **options)
    filled = estimator.fit(TABLE).transform(TABLE)
    np.testing.assert_allclose(clone(estimator).fit_transform(TABLE), filled, atol=1e-8)
    np.testing.assert_allclose(estimator.completion_.to_dense(), filled, atol=1e-8)
    np.testing.assert_array_equal(filled[GIVEN], TABLE[GIVEN])
    assert np.isfinite(filled).all()
    assert estimator.completion_.settings["ordered"] == ("rows" if order == "auto" else order)


@pytest.mark.filterwarnings("ignore:.* no entry. filled with effects only")
def test_an_order_helps(fitted: LowRankImputer) -> None:
    without = imputer().fit(TABLE).transform(TABLE)
    filled = fitted.transform(TABLE)
    assert error(filled, TRUTH, TABLE) < 0.9 * error(without, TRUTH, TABLE)
    # rows without entries lie between their neighbours; without order they are all the same
    assert np.ptp(without[40:44], axis=0).max() < 1e-8 < np.ptp(filled[40:44], axis=0).max()


def test_rows_that_are_transformed_are_a_series_of_their_own(fitted: LowRankImputer) -> None:
    """They know each other, but not the last rows of the fit, which they may well be."""
    part = TABLE[36:60]
    expected = fitted.completion_.transform(part, follow=False)
    np.testing.assert_array_equal(fitted.transform(part), expected)
    # among them rows without missing cells, which tell their neighbours something
    whole = part.copy()
    whole[:4] = TRUTH[36:40]
    assert not np.allclose(fitted.transform(whole)[4], fitted.transform(whole[4:])[0], atol=1e-6)
    full = TRUTH[:5]
    np.testing.assert_array_equal(fitted.transform(full), full)


def test_rows_without_any_entry_are_told(fitted: LowRankImputer) -> None:
    with pytest.warns(UserWarning, match="no entry: filled with effects only"):
        assert np.isfinite(fitted.transform(np.full((2, 8), np.nan))).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.transform(TABLE[38:46])


@pytest.mark.parametrize("keep", [False, True])
def test_columns_without_entries(keep: bool) -> None:
    table = TABLE.copy()
    table[:, 3] = np.nan
    estimator = imputer(ordered="rows", keep_empty_features=keep)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        filled = estimator.fit(table).transform(table)
        again = clone(estimator).fit_transform(table)
    np.testing.assert_allclose(again, filled, atol=1e-8)
    assert filled.shape == (90, 8 if keep else 7) and np.isfinite(filled).all()


def test_frames(fitted: LowRankImputer) -> None:
    frame = pd.DataFrame(TABLE, index=pd.date_range("2024", periods=90), columns=list("abcdefgh"))
    estimator = imputer(ordered="rows").set_output(transform="pandas")
    filled = estimator.fit_transform(frame)
    assert filled.index.equals(frame.index)
    np.testing.assert_allclose(filled, fitted.transform(TABLE), atol=1e-6)
    np.testing.assert_allclose(estimator.transform(frame), filled, atol=1e-8)


def test_it_is_a_parameter_like_others(fitted: LowRankImputer) -> None:
    copy = clone(fitted)
    assert copy.get_params()["ordered"] == "rows" and not hasattr(copy, "completion_")
    assert copy.set_params(ordered="both").ordered == "both"
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(fitted)).transform(TABLE), fitted.transform(TABLE)
    )
    for name in ("row_positions", "column_positions", "groups"):
        assert name not in copy.get_params()
    for estimator in (imputer(ordered="sideways"), imputer(ordered=None)):
        with pytest.raises(
            InputError, match=r'^ordered must be "auto", "none", "rows", "columns" or "both", not'
        ):
            estimator.fit(TABLE)


# -- the regressor ---------------------------------------------------------------------------------


def triplets(step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.nonzero(GIVEN)
    return np.column_stack([step * rows, cols]), TABLE[rows, cols]


def regressor(**options: object) -> LowRankRegressor:
    return LowRankRegressor(**{**QUICK, **options})  # type: ignore[arg-type]


def test_labels_of_a_regressor_are_positions() -> None:
    """Those that are numbers, in their order whatever the order of the triplets."""
    X, y = triplets(10)
    shuffle = np.random.default_rng(0).permutation(y.size)
    estimator = regressor(ordered="rows").fit(X[shuffle], y[shuffle])
    assert estimator.completion_.settings["ordered"] == "rows"
    chain = estimator.completion_.model.posterior.rows.chain
    assert chain is not None
    labels = np.asarray(estimator.rows_)[chain.order].astype(int)
    assert np.all(np.diff(labels) > 0)
    # the four rows that are missing leave a gap
    np.testing.assert_allclose(np.diff(labels), chain.steps[1:] * chain.step)
    assert (chain.step, chain.steps.max(where=np.isfinite(chain.steps), initial=0)) == (10, 5)
    hidden = ~GIVEN & GIVEN.any(axis=1)[:, None]
    rows, cols = np.nonzero(hidden)
    guess = estimator.predict(np.column_stack([10 * rows, cols]))
    assert np.sqrt(np.mean((guess - TRUTH[hidden]) ** 2)) < 0.5


def test_an_order_is_searched_like_any_parameter() -> None:
    X, y = triplets()
    search = GridSearchCV(
        regressor(), {"ordered": ["none", "rows"]}, cv=KFold(3, shuffle=True, random_state=0)
    ).fit(X, y)
    assert search.best_params_ == {"ordered": "rows"}
    assert search.best_estimator_.completion_.settings["ordered"] == "rows"
