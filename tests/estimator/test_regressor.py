"""LowRankRegressor: cells as samples."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

import rankfall as rf
from estimator.tables import low_rank, with_holes
from rankfall import InputError, LowRankRegressor

TRUTH = low_rank()
ROWS, COLS = (index.ravel() for index in np.indices(TRUTH.shape))
USERS = np.array([f"user {k:02d}" for k in range(30)])
YEARS = np.arange(1990, 2002)


def shuffled(missing: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the cells that are left, in no order."""
    rows, cols = np.nonzero(~np.isnan(with_holes(TRUTH, missing)))
    order = np.random.default_rng(seed).permutation(rows.size)
    return rows[order], cols[order]


def test_it_is_the_completion_of_the_table() -> None:
    rows, cols = shuffled(0.3)
    model = LowRankRegressor().fit(np.column_stack([rows, cols]), TRUTH[rows, cols])
    result = rf.complete(with_holes(TRUTH, 0.3), fill="effects")
    np.testing.assert_array_equal(model.completion_.to_dense(), result.to_dense())
    assert model.rank_ == 2
    np.testing.assert_array_equal(
        model.predict(np.column_stack([ROWS, COLS])), result.predict(ROWS, COLS), strict=True
    )


@pytest.mark.parametrize("kind", ["frame", "objects", "strings", "numbers"])
def test_labels_of_all_kinds(kind: str) -> None:
    def pairs(rows: np.ndarray, cols: np.ndarray) -> object:
        if kind == "frame":
            return pd.DataFrame({"user": USERS[rows], "year": YEARS[cols]})
        if kind == "objects":
            return np.array([[USERS[i], YEARS[j]] for i, j in zip(rows, cols, strict=True)], dtype=object)
        if kind == "strings":
            return [[str(USERS[i]), str(YEARS[j])] for i, j in zip(rows, cols, strict=True)]
        return np.column_stack([rows / 4, YEARS[cols]])

    rows, cols = shuffled(0.3)
    model = LowRankRegressor().fit(pairs(rows, cols), TRUTH[rows, cols])
    np.testing.assert_allclose(model.predict(pairs(ROWS, COLS)), TRUTH.ravel(), atol=1e-8)
    assert model.completion_.col_names is not None
    assert list(model.rows_) == sorted(model.rows_) and model.cols_.size == 12
    if kind == "frame":
        assert list(model.feature_names_in_) == ["user", "year"]
        assert model.completion_.row_names == tuple(USERS)


def test_labels_that_cannot_be_sorted() -> None:
    names = np.array(["a", 1, ("b", 2), *USERS[3:]], dtype=object)
    pairs = np.empty((ROWS.size, 2), dtype=object)
    pairs[:, 0], pairs[:, 1] = names[ROWS], YEARS[COLS]
    model = LowRankRegressor(max_rank=0).fit(pairs, TRUTH.ravel())
    assert list(model.rows_) == list(names)


def test_cross_validation_over_cells() -> None:
    rows, cols = shuffled(0.1)
    scores = cross_val_score(
        LowRankRegressor(),
        np.column_stack([USERS[rows], YEARS[cols]]),
        TRUTH[rows, cols],
        cv=KFold(5, shuffle=True, random_state=0),
        error_score="raise",
    )
    assert scores.min() > 1 - 1e-9


def test_a_search_over_ranks() -> None:
    rows, cols = shuffled(0.1)
    search = GridSearchCV(
        LowRankRegressor(), {"max_rank": [0, 2]}, cv=KFold(3, shuffle=True, random_state=0)
    ).fit(np.column_stack([rows, cols]), TRUTH[rows, cols])
    assert search.best_params_ == {"max_rank": 2}


def test_unseen_labels_get_what_is_known() -> None:
    table = 10 + np.arange(30.0)[:, None] + 3 * np.arange(12.0)  # row and column effects only
    pairs = np.column_stack([USERS[ROWS], YEARS[COLS]])
    model = LowRankRegressor(max_rank=0).fit(pairs, table.ravel())
    new = model.predict([["user 29", "2050"], ["nobody", "2001"], ["nobody", "2050"]])
    np.testing.assert_allclose(new, [table[29].mean(), table[:, 11].mean(), table.mean()], rtol=0.03)


def test_repeated_cells_are_averaged() -> None:
    pairs = np.column_stack([ROWS, COLS])
    spread = np.random.default_rng(0).normal(size=ROWS.size)
    once = LowRankRegressor(max_rank=2).fit(pairs, TRUTH.ravel())
    twice = LowRankRegressor(max_rank=2).fit(
        np.vstack([pairs, pairs]), np.concatenate([TRUTH.ravel() + spread, TRUTH.ravel() - spread])
    )
    np.testing.assert_allclose(twice.completion_.problem.values, once.completion_.problem.values, atol=1e-12)
    equal = LowRankRegressor(max_rank=2).fit(np.vstack([pairs] * 3), np.tile(TRUTH.ravel(), 3))
    np.testing.assert_array_equal(equal.predict(pairs), once.predict(pairs))


def test_equal_weights_change_nothing_and_zero_ones_leave_samples_out() -> None:
    pairs = np.column_stack([ROWS, COLS])
    y = TRUTH.ravel().copy()
    model = LowRankRegressor(max_rank=2)
    plain = clone(model).fit(pairs[:-5], y[:-5]).predict(pairs[:-5])
    y[-5:] = 1e6
    weights = np.full(y.size, 3.0)
    weights[-5:] = 0
    np.testing.assert_array_equal(clone(model).fit(pairs, y, weights).predict(pairs[:-5]), plain)


def test_weights_count_as_repeats_do() -> None:
    rng = np.random.default_rng(0)
    pairs, y = np.column_stack([ROWS, COLS]), TRUTH.ravel() + rng.normal(size=ROWS.size)
    weights = rng.integers(0, 4, ROWS.size)
    weighted = LowRankRegressor(max_rank=2).fit(pairs, y, sample_weight=weights)
    repeated = LowRankRegressor(max_rank=2).fit(pairs.repeat(weights, axis=0), y.repeat(weights))
    np.testing.assert_allclose(weighted.predict(pairs), repeated.predict(pairs), rtol=1e-9)
    plain = LowRankRegressor(max_rank=2).fit(pairs, y)
    assert not np.allclose(weighted.predict(pairs), plain.predict(pairs))


def test_units_and_bounds_hold_for_unseen_labels_too() -> None:
    pairs = np.column_stack([USERS[ROWS], YEARS[COLS]])
    y = np.exp(1 + 0.3 * TRUTH.ravel())
    model = LowRankRegressor(max_rank=0, scale="log", bounds=(1.0, 4.0)).fit(pairs, y)
    new = [["nobody", "2050"]]
    # the mean of the fit's columns, whose effects are means of draws
    np.testing.assert_allclose(model.predict(new), np.exp(np.log(y).mean()), rtol=1e-2)
    np.testing.assert_array_equal(model.predict_interval(new), [[1.0], [4.0]])


def test_intervals() -> None:
    rows, cols = shuffled(0.2)
    noise = np.random.default_rng(0).normal(size=TRUTH.shape)
    model = LowRankRegressor().fit(np.column_stack([rows, cols]), (TRUTH + 0.1 * noise)[rows, cols])
    lower, upper = model.predict_interval(np.column_stack([ROWS, COLS]), coverage=0.8)
    expected = model.completion_.interval(ROWS, COLS, 0.8)
    np.testing.assert_array_equal([lower, upper], expected)
    np.testing.assert_array_equal(model.predict_interval([[0, 99]]), [[-np.inf], [np.inf]])


def test_pickled() -> None:
    pairs = np.column_stack([USERS[ROWS], YEARS[COLS]])
    model = LowRankRegressor().fit(pairs, TRUTH.ravel())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(pairs), model.predict(pairs))


def test_what_cannot_be_used_is_refused() -> None:
    pairs = np.column_stack([ROWS, COLS])
    model = LowRankRegressor(max_rank=0)
    with pytest.raises(InputError, match="3 feature"):
        model.fit(np.column_stack([ROWS, COLS, COLS]), TRUTH.ravel())
    with pytest.raises(InputError, match="sample 1 is missing"):
        model.fit(np.array([["a", 1], [None, 2]], dtype=object), [1.0, 2.0])
    with pytest.raises(TypeError, match="hashable"):
        model.fit(np.array([["a", 1], [{}, 2]], dtype=object), [1.0, 2.0])
    with pytest.raises(ValueError, match="NaN"):
        model.fit(pairs, np.full(ROWS.size, np.nan))
    for weights in (np.ones(3), np.full(ROWS.size, -1.0), np.full(ROWS.size, np.nan), np.zeros(ROWS.size)):
        with pytest.raises(InputError, match=r"weight"):
            model.fit(pairs, TRUTH.ravel(), weights)
    assert not hasattr(model, "completion_")
    model.fit(pairs, TRUTH.ravel())
    with pytest.raises(InputError, match="row labels do not match"):
        model.predict([["0", "1"]])
