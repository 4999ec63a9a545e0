"""LowRankImputer: the same completion as `complete`, with the manners of scikit-learn's imputers."""

from __future__ import annotations

import pickle
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import rankfall as rf
from estimator.tables import low_rank, with_holes
from rankfall import InputError, LowRankImputer, Outcome
from rankfall.estimator import engine

TRUTH = low_rank()
HOLES = with_holes(TRUTH)
GIVEN = ~np.isnan(HOLES)
NAMES = [f"sensor {k}" for k in range(HOLES.shape[1])]


@pytest.fixture(scope="module")
def fitted() -> LowRankImputer:
    return LowRankImputer().fit(HOLES)


def as_sparse(table: np.ndarray) -> sparse.csr_array:
    return rf.Problem.from_dense(table).to_sparse()


# -- the completion -------------------------------------------------------------------------------


def test_training_rows_are_folded_in_like_any_other(fitted: LowRankImputer) -> None:
    filled = fitted.transform(HOLES)
    np.testing.assert_allclose(filled, LowRankImputer().fit_transform(HOLES), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(filled[GIVEN], HOLES[GIVEN])
    np.testing.assert_allclose(filled, TRUTH, atol=1e-8)
    assert fitted.rank_ == fitted.completion_.rank == 2


def test_it_is_complete_with_the_same_seed(fitted: LowRankImputer) -> None:
    result = rf.complete(HOLES, seed=0, fill="effects")
    np.testing.assert_array_equal(fitted.completion_.to_dense(), result.to_dense())


def test_new_rows_one_by_one_or_together(fitted: LowRankImputer) -> None:
    rows = np.random.default_rng(5).normal(size=(8, 2)) @ np.linalg.svd(TRUTH)[2][:2]
    new = with_holes(rows, 0.4)
    together = fitted.transform(new)
    np.testing.assert_allclose(together, rows, atol=1e-8)
    for k, row in enumerate(new):
        np.testing.assert_allclose(fitted.transform(row[None])[0], together[k], rtol=1e-12, atol=1e-12)


def test_dense_sparse_triplets_and_frames_give_the_same_answer(fitted: LowRankImputer) -> None:
    rows, cols = np.nonzero(GIVEN)
    order = np.random.default_rng(2).permutation(rows.size)
    rows, cols = rows[order], cols[order]
    csr = as_sparse(HOLES)
    expected = rf.complete(HOLES).to_dense()
    for container in [
        csr,
        sparse.csc_matrix(csr),
        sparse.coo_array((HOLES[rows, cols], (rows, cols)), shape=HOLES.shape),
        rf.Problem.from_triplets(rows, cols, HOLES[rows, cols], HOLES.shape),
        pd.DataFrame(HOLES, columns=NAMES),
        np.ma.masked_invalid(HOLES),
    ]:
        np.testing.assert_array_equal(rf.complete(container).to_dense(), expected)
    filled = fitted.transform(HOLES)
    for container in [csr, csr.tocsc(), csr.tocoo(), np.ma.masked_invalid(HOLES), HOLES.tolist()]:
        imputer = LowRankImputer().fit(container)
        np.testing.assert_array_equal(imputer.transform(container), filled)
        np.testing.assert_array_equal(imputer.transform(HOLES), filled)


def test_in_sparse_tables_zeros_that_are_stored_are_observed() -> None:
    table = HOLES.copy()
    table[0, GIVEN[0]] = 0.0
    assert as_sparse(table).nnz == GIVEN.sum()
    np.testing.assert_array_equal(
        LowRankImputer(max_rank=0).fit_transform(as_sparse(table)),
        LowRankImputer(max_rank=0).fit_transform(table),
    )


def test_sparse_entries_that_are_stored_twice_are_refused(fitted: LowRankImputer) -> None:
    twice = sparse.coo_array(([1.0, 2.0], ([0, 0], [3, 3])), shape=(1, 12))
    with pytest.raises(InputError, match="twice"):
        fitted.transform(twice)


# -- degenerate tables ------------------------------------------------------------------------------


def test_a_full_table_comes_back_and_teaches_how_to_fill_others() -> None:
    imputer = LowRankImputer().fit(TRUTH)
    np.testing.assert_array_equal(imputer.transform(TRUTH), TRUTH)
    np.testing.assert_allclose(imputer.transform(HOLES), TRUTH, atol=1e-8)


@pytest.mark.parametrize(
    ("table", "filled"),
    [
        ([[1.0, np.nan, 3.0]], None),
        ([[1.0], [2.0], [4.0]], [[1.0], [2.0], [4.0]]),
        ([[5.0, 2.0], [5.0, 2.0], [5.0, np.nan]], [[5.0, 2.0], [5.0, 2.0], [5.0, 2.0]]),
        (np.zeros((3, 2)), np.zeros((3, 2))),
    ],
    ids=["one row", "one column", "constant columns", "zeros"],
)
def test_small_tables(table: list, filled: list | None) -> None:
    out = LowRankImputer(keep_empty_features=True).fit_transform(table)
    assert np.isfinite(out).all()
    if filled is not None:
        np.testing.assert_allclose(out, filled, atol=1e-6)


def test_empty_features_are_dropped_or_kept_as_zeros() -> None:
    table = pd.DataFrame(HOLES, columns=NAMES)
    table["sensor 3"] = np.nan
    with pytest.warns(UserWarning, match="dropped: sensor 3"):
        imputer = LowRankImputer().fit(table)
    rest = [name for name in NAMES if name != "sensor 3"]
    assert list(imputer.get_feature_names_out()) == rest
    assert imputer.completion_.col_names == tuple(rest)
    assert imputer.transform(table).shape == (30, 11)

    kept = LowRankImputer(keep_empty_features=True).fit(table)
    assert list(kept.get_feature_names_out()) == NAMES
    new = table.head(2).copy()
    new.loc[0, "sensor 3"] = 7.0
    out = kept.transform(new)
    np.testing.assert_array_equal(out[:, 3], [7.0, 0.0])
    np.testing.assert_array_equal(np.delete(out, 3, axis=1), imputer.transform(new))


def test_a_row_without_entries_gets_the_effects_and_a_warning(fitted: LowRankImputer) -> None:
    new = HOLES[:4].copy()
    new[2] = np.nan
    with pytest.warns(UserWarning, match="1 new row has no entry"):
        out = fitted.transform(new)
    with pytest.warns(UserWarning, match="1 new row has no entry"):
        alone = fitted.completion_.transform(new[2:3])[0]
    np.testing.assert_array_equal(out[2], alone)
    assert np.isfinite(out).all()
    new[3] = np.nan
    with pytest.warns(UserWarning, match="2 new rows have no entry"):
        fitted.transform(new)


def test_without_fill_undetermined_cells_stay_empty() -> None:
    table = np.full((12, 8), np.nan)
    table[:6, :4], table[6:, 4:] = low_rank(6, 4, 1), low_rank(6, 4, 1, seed=1)
    out = LowRankImputer(fill=None, max_rank=1).fit_transform(table)
    np.testing.assert_array_equal(out, table)
    assert np.isfinite(LowRankImputer(max_rank=1).fit_transform(table)).all()


# -- manners ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [-1, 0.0, None, pd.NA], ids=str)
def test_other_signs_for_missing(missing: object, fitted: LowRankImputer) -> None:
    coded = HOLES.astype(object)
    coded[~GIVEN] = missing
    table = pd.DataFrame(coded).astype("Float64") if missing is pd.NA else coded
    imputer = LowRankImputer(missing_values=missing)
    np.testing.assert_array_equal(imputer.fit_transform(table), fitted.transform(HOLES))
    assert imputer.__sklearn_tags__().input_tags.allow_nan


def test_several_signs_for_missing(fitted: LowRankImputer) -> None:
    coded = np.where(GIVEN, HOLES, -999)
    coded[:15][~GIVEN[:15]] = np.nan
    coded[2][~GIVEN[2]] = 9999
    for missing in ([-999, 9999], (np.nan, -999.0, 9999)):
        imputer = LowRankImputer(missing_values=missing)
        np.testing.assert_array_equal(imputer.fit_transform(coded), fitted.transform(HOLES))


def test_floats_stay_as_wide_as_they_are() -> None:
    narrow = (HOLES + 0.1 * np.random.default_rng(5).normal(size=HOLES.shape)).astype(np.float32)
    out = LowRankImputer(max_rank=2).fit_transform(narrow)
    wide = LowRankImputer(max_rank=2).fit_transform(narrow.astype(np.float64))
    assert out.dtype == np.float32 and wide.dtype == np.float64
    np.testing.assert_array_equal(out[GIVEN], narrow[GIVEN])
    np.testing.assert_array_equal(out, wide.astype(np.float32))


def test_the_indicator_is_appended() -> None:
    table = HOLES.copy()
    table[:, 5] = TRUTH[:, 5]  # nothing missing at fit
    imputer = LowRankImputer(add_indicator=True).fit(pd.DataFrame(table, columns=NAMES))
    out = imputer.transform(pd.DataFrame(HOLES, columns=NAMES))
    assert out.shape == (30, 23)
    np.testing.assert_array_equal(out[:, 12:].astype(bool), np.isnan(np.delete(HOLES, 5, axis=1)))
    names = imputer.get_feature_names_out()
    assert list(names[:12]) == NAMES and names[12] == "missingindicator_sensor 0" and names.size == 23
    np.testing.assert_array_equal(
        LowRankImputer(add_indicator=True).fit_transform(as_sparse(table))[:, 12:],
        LowRankImputer(add_indicator=True).fit_transform(table)[:, 12:],
    )


def test_frames_in_frames_out() -> None:
    frame = pd.DataFrame(HOLES, columns=NAMES, index=[f"day {k}" for k in range(30)])
    imputer = LowRankImputer().set_output(transform="pandas").fit(frame)
    out = imputer.transform(frame)
    assert list(out.columns) == NAMES and list(out.index) == list(frame.index)
    assert imputer.completion_.row_names == tuple(frame.index)
    assert imputer.completion_.col_names == tuple(NAMES)
    with pytest.raises(ValueError, match="same order"):
        imputer.transform(frame[NAMES[::-1]])


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_frames_of_other_libraries(kind: str, fitted: LowRankImputer) -> None:
    table = pa.table(dict(zip(NAMES, HOLES.T, strict=True)))
    if kind == "polars":
        table = polars.from_arrow(table)
    imputer = LowRankImputer().fit(table)
    assert list(imputer.feature_names_in_) == NAMES
    filled = fitted.transform(HOLES)
    np.testing.assert_array_equal(imputer.transform(table), filled)
    assert type(imputer.completion_.to_frame()) is type(table)
    if kind == "polars":
        out = imputer.set_output(transform="polars").transform(table)
        assert out.columns == NAMES
        np.testing.assert_array_equal(out.to_numpy(), filled)


def test_a_column_of_text_is_named() -> None:
    words = {"x": [1.0, 2.0], "colour": ["red", None]}
    for table in (pd.DataFrame(words), polars.DataFrame(words), pa.table(words)):
        with pytest.raises(InputError, match=r"Column 'colour' holds text \('red'\); convert it to numbers"):
            LowRankImputer().fit(table)
    with pytest.raises(InputError, match=r"Column 1 holds text \('red'\); convert it to numbers"):
        LowRankImputer().fit(np.array([[1.0, "red"], [2.0, None]], dtype=object))


def test_the_completion_of_a_frame_is_one(fitted: LowRankImputer) -> None:
    """It has labels and types, without the features that were empty."""
    frame = pd.DataFrame(HOLES, columns=NAMES, index=pd.date_range("2020", periods=30))
    frame.insert(1, "empty", np.nan)
    with pytest.warns(UserWarning, match="dropped: empty"):
        result = LowRankImputer().fit(frame).completion_
    filled = result.to_frame()
    assert list(filled.columns) == NAMES
    assert list(filled.index) == list(frame.index)
    assert result.predict("2020-01-02", NAMES[3]) == fitted.completion_.predict(1, 3)


def test_padding_of_blocks_is_missing() -> None:
    table = np.where(GIVEN, HOLES, 0.0)
    blocks = sparse.bsr_array(table, blocksize=(2, 2))
    assert np.count_nonzero(blocks.data == 0)
    expected = LowRankImputer().fit_transform(as_sparse(HOLES))
    np.testing.assert_array_equal(LowRankImputer().fit_transform(blocks), expected)


def test_fit_leaves_the_parameters_and_the_data_alone() -> None:
    before = LowRankImputer(max_rank=3, random_state=np.random.RandomState(0))
    imputer, table = clone(before), HOLES.copy()
    imputer.fit_transform(table)
    np.testing.assert_array_equal(table, HOLES)
    ours, theirs = imputer.get_params(), before.get_params()
    assert ours.pop("random_state").__class__ is theirs.pop("random_state").__class__
    assert repr(ours) == repr(theirs)


def test_seeds() -> None:
    def seed(random_state: object) -> object:
        imputer = LowRankImputer(max_rank=0, random_state=random_state).fit(HOLES)
        return imputer.completion_.settings["seed"]

    assert seed(17) == seed(np.int64(17)) == 17
    assert seed(np.random.RandomState(3)) == seed(np.random.RandomState(3)) != seed(np.random.RandomState(4))
    assert isinstance(seed(None), int)
    state = np.random.RandomState(3)
    assert seed(state) != seed(state)


@pytest.mark.parametrize(("n_jobs", "expected"), [(None, None), (2, 2), (-1, 4), (-3, 2), (-9, 1)])
def test_threads(n_jobs: int | None, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert engine._threads(n_jobs) == expected


@pytest.mark.parametrize(
    ("table", "params", "message"),
    [
        (np.full((3, 2), np.nan), {}, "no observed entry"),
        ([[1.0, np.inf]], {}, "infinity"),
        ([["a", "b"]], {}, r"Column 0 holds text \('a'\); convert it to numbers, or leave it out"),
        (HOLES, {"missing_values": [-1, "x"]}, "missing_values must be"),
        (HOLES, {"missing_values": "x"}, "missing_values must be"),
        (HOLES, {"max_rank": -1}, "max_rank"),
        (HOLES, {"n_jobs": 0}, "n_jobs"),
        (HOLES, {"fill": "zero"}, "fill"),
    ],
)
def test_what_cannot_be_used_is_refused(table: object, params: dict, message: str) -> None:
    imputer = LowRankImputer(**params)
    with pytest.raises(ValueError, match=message):
        imputer.fit(table)
    assert not hasattr(imputer, "completion_")


@pytest.mark.parametrize(
    "outcome", [Outcome.NOT_CONVERGED, Outcome.UNDECIDED, Outcome.TIME_LIMIT, Outcome.INTERRUPTED]
)
def test_a_fit_that_was_cut_short_says_so(outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    result = replace(rf.complete(HOLES, max_rank=0, fill="effects"), outcome=outcome)
    monkeypatch.setattr(engine, "complete", lambda *_, **__: result)
    if outcome is Outcome.INTERRUPTED:
        with pytest.raises(KeyboardInterrupt):
            LowRankImputer().fit(HOLES)
    else:
        with pytest.warns(ConvergenceWarning, match=outcome.advice[:20]):
            LowRankImputer().fit(HOLES)


# -- with others ----------------------------------------------------------------------------------


def test_pickled_and_mapped_from_disk(fitted: LowRankImputer, tmp_path) -> None:
    joblib.dump(fitted, tmp_path / "imputer.joblib")
    expected = fitted.transform(HOLES)
    for copy in [
        pickle.loads(pickle.dumps(fitted)),
        joblib.load(tmp_path / "imputer.joblib"),
        joblib.load(tmp_path / "imputer.joblib", mmap_mode="r"),
    ]:
        np.testing.assert_array_equal(copy.transform(HOLES), expected)


def test_a_pickled_problem_stays_read_only(fitted: LowRankImputer) -> None:
    problem = pickle.loads(pickle.dumps(fitted)).completion_.problem
    assert not any(array.flags.writeable for array in (problem.rows, problem.cols, problem.values))


def test_a_search_over_a_pipeline() -> None:
    target = TRUTH @ np.linspace(-1, 1, 12)
    search = GridSearchCV(
        make_pipeline(LowRankImputer(), Ridge()),
        {"lowrankimputer__max_rank": [0, 2], "ridge__alpha": [1e-6, 10.0]},
        cv=3,
        error_score="raise",
    ).fit(HOLES, target)
    assert search.best_params_ == {"lowrankimputer__max_rank": 2, "ridge__alpha": 1e-6}
    assert search.best_score_ > 0.99
    assert search.best_estimator_[0].rank_ == 2


@pytest.mark.slow
def test_in_worker_processes() -> None:
    pipeline = make_pipeline(LowRankImputer(), Ridge(1e-6))
    target = TRUTH @ np.linspace(-1, 1, 12)
    alone = cross_val_score(pipeline, HOLES, target, cv=3)
    np.testing.assert_array_equal(cross_val_score(pipeline, HOLES, target, cv=3, n_jobs=2), alone)


def test_weights_are_those_of_complete() -> None:
    weights = np.random.default_rng(4).uniform(0.1, 1.0, HOLES.shape)
    noisy = HOLES + 0.1 * np.random.default_rng(5).normal(size=HOLES.shape)
    imputer = LowRankImputer(max_rank=2).fit(noisy, weights=weights)
    result = rf.complete(noisy, max_rank=2, fill="effects", weights=weights)
    np.testing.assert_array_equal(imputer.completion_.to_dense("fitted"), result.to_dense("fitted"))
    assert not np.allclose(LowRankImputer(max_rank=2).fit_transform(noisy), imputer.transform(noisy))
    with pytest.raises(InputError, match="shape"):
        imputer.fit(noisy, weights=weights[:, 1:])


def test_a_column_whose_weights_are_all_zero_is_an_empty_feature() -> None:
    table = np.random.default_rng(0).standard_normal((20, 4)) + 10 * np.arange(4)
    table[3, 1] = np.nan
    weights = np.ones(table.shape)
    weights[:, 2] = 0
    with pytest.warns(UserWarning, match="without any observed value are dropped: 2"):
        imputer = LowRankImputer(max_rank=0).fit(table, weights=weights)
    assert list(imputer.get_feature_names_out()) == ["x0", "x1", "x3"]


@pytest.mark.parametrize("weights", [None, np.ones((6, 3)), sparse.csr_matrix(np.ones((6, 3)))])
def test_a_cell_without_a_logarithm_is_named_as_the_table_counts(weights) -> None:
    table = np.arange(1.0, 19.0).reshape(6, 3)
    table[:, 0], table[4, 2] = np.nan, -1.0
    with pytest.raises(InputError, match="row 4, column 2 holds -1"):
        LowRankImputer(scale="log").fit(table, weights=weights)


def test_no_entry_has_a_weight() -> None:
    for weights in (np.zeros((6, 3)), sparse.csr_matrix((6, 3))):
        with pytest.raises(InputError, match="no observed entry that has a weight"):
            LowRankImputer().fit(np.ones((6, 3)), weights=weights)


# -- draws ------------------------------------------------------------------------------------------------


def test_what_is_missing_can_be_drawn():
    noisy = HOLES + 0.3 * np.random.default_rng(0).standard_normal(HOLES.shape)
    drawn = [
        LowRankImputer(max_rank=1, folds=2, sample_posterior=True, random_state=k).fit(noisy) for k in (0, 1)
    ]
    first, second = (imputer.transform(noisy) for imputer in drawn)
    assert np.array_equal(first[GIVEN], noisy[GIVEN]) and not np.any(first[~GIVEN] == second[~GIVEN])
    again = clone(drawn[0]).fit_transform(noisy)
    assert np.array_equal(first, again) and np.array_equal(first, drawn[0].transform(noisy))
    plain = LowRankImputer(max_rank=1, folds=2).fit_transform(noisy)
    assert np.any(plain[~GIVEN] != first[~GIVEN])
    assert np.sqrt(np.mean((plain - first)[~GIVEN] ** 2)) < 3 * np.std(noisy[GIVEN])


def test_draws_need_rows_without_order():
    with pytest.raises(InputError, match='ordered="none"'):
        LowRankImputer(sample_posterior=True, ordered="rows").fit(HOLES)
    with pytest.raises(InputError, match="sample_posterior must be"):
        LowRankImputer(sample_posterior="yes").fit(HOLES)
