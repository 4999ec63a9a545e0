"""Intervals, scales, bounds, weights and folds of completions of noisy data."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf


@pytest.fixture(scope="module")
def loud():
    """Positive data of rank 2 on the scale of logarithms, some rows much noisier.

    Many cells in some rows only.
    """
    rng = np.random.default_rng(0)
    truth = 0.5 * rng.standard_normal((80, 2)) @ rng.standard_normal((2, 60)) + 1.0
    noise = np.where(np.arange(80) % 4 == 0, 0.6, 0.15)[:, None]
    X = np.exp(truth + noise * rng.standard_normal(truth.shape))
    known = rng.random(X.shape) < np.where(np.arange(80) < 40, 0.3, 0.7)[:, None]
    return X, known


@pytest.fixture(scope="module")
def result(loud):
    X, known = loud
    return rf.complete(np.where(known, X, np.nan), seed=0, scale="log", max_rank=3)


def test_intervals_cover_unseen_cells_in_all_and_in_groups(loud, result):
    X, known = loud
    rows, cols = np.nonzero(~known)
    lower, upper = result.interval(rows, cols, coverage=0.9)
    inside = (lower <= X[rows, cols]) & (X[rows, cols] <= upper)
    # about 2,400 hidden cells, calibrated on about 240: two standard errors are 0.04 (0.05 in a half of the
    # rows)
    assert 0.85 < inside.mean() < 0.95
    assert inside[rows < 40].mean() > 0.84 and inside[rows >= 40].mean() > 0.84
    width = np.log(upper / lower)
    assert np.median(width[rows % 4 == 0]) > 1.5 * np.median(width[rows % 4 != 0])
    narrow, wide = result.interval(3, 4, coverage=0.5), result.interval(3, 4, coverage=0.95)
    assert wide[0] < narrow[0] < result.predict(3, 4) < narrow[1] < wide[1]
    assert result.interval(0, 0, coverage=0.9999) == (0.0, np.inf)


def test_the_scale_of_logarithms_is_undone(loud, result):
    X, known = loud
    assert result.settings["scale"] == "log" and "logarithms" in result.settings["errors"]
    filled = result.to_dense()
    assert np.all(filled > 0)
    np.testing.assert_array_equal(filled[known], X[known])
    by_hand = rf.complete(np.where(known, np.log(X), np.nan), seed=0, max_rank=3)
    np.testing.assert_allclose(np.log(result.to_dense("fitted")), by_hand.to_dense("fitted"), rtol=1e-8)
    with pytest.raises(rf.InputError, match="row 0, column 0 holds -1"):
        rf.complete(np.array([[-1.0, 2.0], [3.0, np.nan]]), scale="log")


def test_rows_and_columns_are_folded_in(loud, result):
    X, known = loud
    holes = np.where(known, X, np.nan)
    np.testing.assert_allclose(result.transform(holes[:5]), result.to_dense()[:5], rtol=1e-8)
    columns = result.fold_columns(holes[:, :4])
    # a column's posterior in the fit was made from rows that knew it: close, not equal
    assert np.corrcoef(np.log(columns).ravel(), np.log(result.to_dense()[:, :4]).ravel())[0, 1] > 0.99
    with pytest.warns(UserWarning, match="1 new column has no entry"):
        result.fold_columns(np.full((80, 1), np.nan))


def test_intervals_survive_the_disk(result, tmp_path):
    result.save(tmp_path / "c.npz")
    back = rf.load(tmp_path / "c.npz")
    rows, cols = np.arange(80), np.arange(80) % 60
    np.testing.assert_array_equal(back.predict(rows, cols), result.predict(rows, cols))
    np.testing.assert_allclose(back.interval(rows, cols), result.interval(rows, cols), rtol=1e-9)


def test_bounds_weights_folds_and_rules(loud):
    X, known = loud
    # one column given wrongly, and with next to no weight
    given = np.where(known, np.log(X), np.nan)
    given[:, 7] += 5 * np.random.default_rng(1).standard_normal(80)
    weights = np.ones(X.shape)
    weights[:, 7] = 1e-3
    weights[0] = 0
    made = rf.complete(
        given, seed=0, weights=weights, bounds="observed", folds=3, rule="min", effects="mean", max_rank=2
    )
    assert made.problem.row_counts[0] == 0  # weight 0: as if it had not been observed
    assert (made.settings["folds"], made.settings["effects"]) == (3, "mean")
    assert made.settings["held_out"] == made.problem.n_observed
    least, most = np.nanmin(given[1:], axis=0), np.nanmax(given[1:], axis=0)
    fitted = made.to_dense("fitted")[1:]
    assert np.all((fitted >= least) & (fitted <= most))
    lower, upper = made.interval(5, 3)
    assert lower >= least[3] and upper <= most[3]


@pytest.mark.parametrize(
    ("wish", "match"),
    [
        ({"scale": "sqrt"}, "scale must be"),
        ({"bounds": (2, 1)}, "lower bound must be below"),
        ({"bounds": "all"}, "bounds must be"),
        ({"effects": "some"}, 'effects must be "auto"'),
        ({"scaling": "rows"}, 'scaling must be "auto"'),
        ({"rule": "best"}, 'rule must be "one-se"'),
        ({"folds": 1}, "folds must be"),
        ({"folds": 10_000}, "folds must not be more than"),
        ({"weights": np.ones((3, 3))}, r"weights have shape \(3, 3\)"),
        ({"weights": -np.ones((4, 5))}, "0 or more"),
        ({"weights": np.zeros((4, 5))}, "All weights are zero"),
    ],
)
def test_wrong_wishes_get_one_sentence(wish, match):
    X = np.arange(20.0).reshape(4, 5)
    X[1, 1] = np.nan
    with pytest.raises(rf.InputError, match=match):
        rf.complete(X, **wish)


def test_coverage_must_be_a_share(result):
    with pytest.raises(rf.InputError, match="coverage must lie between 0 and 1"):
        result.interval(0, 0, coverage=90)


def test_constant_columns_stay_constant():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal((60, 5)), np.full(60, 7.0)])
    X[rng.random(X.shape) < 0.2] = np.nan
    result = rf.complete(X, seed=0, max_rank=1)
    np.testing.assert_array_equal(result.to_dense()[:, 5], 7.0)
    assert result.interval(0, 5, coverage=0.9) == (7.0, 7.0)
    assert result.interval(0, 5, coverage=0.999) == (-np.inf, np.inf)
