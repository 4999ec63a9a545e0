"""Tables with columns of every kind: read, completed, and written back."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import rankfall as rf
from rankfall.completion.descent.watched_run import sentence
from rankfall.completion.kinds import MixedCompletion, read_kinds
from rankfall.completion.kinds.encode import encode
from rankfall.completion.solvers.level_probabilities import category_probabilities
from rankfall.files import load_archive, save_archive

GRADES = ["poor", "fair", "good", "excellent"]
COLOURS = np.array(["red", "blue", "green"], dtype=object)


def mixed(seed: int = 0, m: int = 120, each: int = 3, noise: float = 0.5) -> pd.DataFrame:
    """Columns of every kind from two factors."""
    rng = np.random.default_rng(seed)
    U = rng.normal(size=(m, 2))

    def latent(k: int = 1) -> np.ndarray:
        return U @ rng.normal(size=(2, k)) + noise * rng.normal(size=(m, k))

    columns: dict[str, Any] = {}
    for j in range(each):
        columns[f"n{j}"] = 10 + 3 * latent()[:, 0]
        columns[f"b{j}"] = latent()[:, 0] > 0.2
        columns[f"g{j}"] = pd.Categorical.from_codes(
            np.digitize(latent()[:, 0], [-1.0, 0.0, 1.0]), GRADES, ordered=True
        )
        columns[f"c{j}"] = COLOURS[np.column_stack([np.zeros(m), latent(2)]).argmax(axis=1)]
    return pd.DataFrame(columns)


def with_holes(full: pd.DataFrame, seed: int = 1, share: float = 0.15) -> tuple[pd.DataFrame, np.ndarray]:
    hidden = np.random.default_rng(seed).random(full.shape) < share
    table = full.mask(hidden)
    for name in full:
        if full[name].dtype == bool:
            table[name] = table[name].astype("boolean")
    return table, hidden


@pytest.fixture(scope="module")
def done() -> tuple[MixedCompletion, pd.DataFrame, pd.DataFrame, np.ndarray]:
    full = mixed()
    table, hidden = with_holes(full)
    return cast("MixedCompletion", rf.complete(table)), full, table, hidden


def test_kinds_are_read_from_the_types(done) -> None:
    result = done[0]
    assert isinstance(result, MixedCompletion)
    assert result.kinds == {
        f"{letter}{j}": kind
        for j in range(3)
        for letter, kind in zip("nbgc", ("number", "boolean", "ordinal", "category"), strict=True)
    }
    assert result.latent.shape == (120, 15)
    assert result.table.kinds[2].levels == tuple(GRADES)


def test_filled_cells_are_levels_and_observed_ones_stay(done) -> None:
    result, full, table, hidden = done
    out = result.to_frame()
    assert out.columns.equals(table.columns) and out.index.equals(table.index)
    for k, name in enumerate(table):
        seen = ~hidden[:, k]
        assert not out[name].isna().any()
        assert (out[name][seen].astype(object) == full[name][seen].astype(object)).all()
        if name[0] in "gc":
            assert set(out[name]) <= set(full[name])
    assert out["g0"].dtype == table["g0"].dtype and out["b0"].dtype == table["b0"].dtype
    dense = result.to_dense()
    assert dense.dtype == object and dense[0, 3] in COLOURS


def test_hidden_levels_are_predicted_better_than_by_their_frequencies(done) -> None:
    result, full, _, hidden = done
    for kind in "bgc":
        right, common = [], []
        for k, name in enumerate(full):
            if name[0] == kind:
                here = hidden[:, k]
                found = result.predict(np.flatnonzero(here), name)
                right.append(np.mean(found == full[name][here].to_numpy().astype(object)))
                common.append(np.mean(full[name][here] == full[name][~here].mode()[0]))
        assert np.mean(right) > np.mean(common) + 0.1, kind


def test_probabilities_sum_to_one_and_are_calibrated(done) -> None:
    result, full, _, hidden = done
    found = result.probabilities(np.arange(120), "c1")
    assert list(found.columns) == sorted(COLOURS) and np.allclose(found.sum(axis=1), 1)
    assert (found.idxmax(axis=1).to_numpy() == result.predict(np.arange(120), "c1")).all()
    # the mean probability of the level that is there, at hidden cells: as often as it is predicted
    likely, right = [], []
    for k, name in enumerate(full):
        if name[0] in "bgc":
            rows = np.flatnonzero(hidden[:, k])
            likely += result.probabilities(rows, name).max(axis=1).tolist()
            right += (result.predict(rows, name) == full[name][rows].to_numpy().astype(object)).tolist()
    assert abs(np.mean(likely) - np.mean(right)) < 0.12  # some 160 cells: two standard errors are 0.07


def test_errors_are_proper_scores(done) -> None:
    errors = done[0].errors
    levels = errors[errors["kind"] != "number"]
    assert (levels["n_held_out"] > 0).all() and levels["brier"].between(0, 2).all()
    assert (levels["relative"] < 1).mean() > 0.7
    assert errors.loc["n0", "error"] < errors.loc["n0", "spread"] and np.isnan(errors.loc["n0", "brier"])


def test_prediction_sets_cover(done) -> None:
    result, full, _, hidden = done
    inside, sizes = [], []
    for k, name in enumerate(full):
        if name[0] in "bgc":
            rows = np.flatnonzero(hidden[:, k])
            sets = result.prediction_sets(rows, name, 0.9)
            truth = full[name][rows].astype(object)
            inside += [value in one for value, one in zip(truth, sets, strict=True)]
            sizes += [len(one) for one in sets]
            if name[0] == "g":  # without gaps
                for one in sets:
                    places = [GRADES.index(level) for level in one]
                    assert places == list(range(places[0], places[-1] + 1))
    assert 0.8 < np.mean(inside) < 0.99 and np.mean(sizes) < 2.7


def test_numbers_have_intervals_and_levels_have_none(done) -> None:
    result, full, _, hidden = done
    rows = np.flatnonzero(hidden[:, 0])
    low, high = result.interval(rows, "n0")
    truth = full["n0"][rows].to_numpy()
    assert np.all(low < high) and np.mean((low <= truth) & (truth <= high)) > 0.6
    with pytest.raises(rf.InputError, match="Column g0 has levels, and no intervals: prediction_sets"):
        result.interval(0, "g0")
    with pytest.raises(rf.InputError, match="Column n0 \\(number\\) has no levels"):
        result.probabilities(0, "n0")
    with pytest.raises(rf.InputError, match="different levels: ask for one column"):
        result.probabilities(0, ["g0", "c0"])


def test_the_summary_says_how_well(done) -> None:
    text = done[0].summary()
    assert "3 number, 3 boolean, 3 ordinal, 3 category" in text and "log loss" in text
    assert repr(done[0]).startswith("MixedCompletion(120 x 12, rank ")


def test_it_is_saved_and_loaded(done, tmp_path: Path) -> None:
    result = done[0]
    result.save(tmp_path / "m.npz")
    again = rf.load(tmp_path / "m.npz")
    assert isinstance(again, MixedCompletion)
    pd.testing.assert_frame_equal(again.to_frame(), result.to_frame())
    pd.testing.assert_frame_equal(again.errors, result.errors)
    assert again.prediction_sets([0, 5], "c0") == result.prediction_sets([0, 5], "c0")
    assert again.summary() == result.summary()


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("kinds_values", 9.0, "kinds_values holds a level"),
        ("kinds_widths", 1, "kinds_widths does not fit"),
        ("kinds_held_cols", 0, "kinds_held does not fit"),
    ],
)
def test_damage_is_noticed(done, tmp_path: Path, name: str, change: float, words: str) -> None:
    done[0].save(tmp_path / "m.npz")
    arrays, meta = load_archive(tmp_path / "m.npz")
    arrays = {**arrays, name: np.full_like(arrays[name], change)}
    save_archive(tmp_path / "m.npz", arrays, meta, "completion")
    with pytest.raises(rf.InputError, match=words):
        rf.load(tmp_path / "m.npz")


def test_the_same_seed_gives_the_same_for_any_number_of_threads() -> None:
    table, _ = with_holes(mixed(3, 50, 1))
    one, two = (rf.complete(table, n_jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one.to_frame(), two.to_frame())
    assert np.array_equal(*(cast("Any", each).levels[1].probabilities for each in (one, two)))


def test_frames_of_other_libraries_come_back_as_they_came() -> None:
    table, _ = with_holes(mixed(4, 50, 1))
    frame = rf.complete(pl.from_pandas(table)).to_frame()
    assert isinstance(frame, pl.DataFrame) and frame["b0"].dtype == pl.Boolean
    assert frame["c0"].null_count() == 0 and set(frame["c0"]) <= set(COLOURS)
    arrow = rf.complete(pa.Table.from_pandas(table)).to_frame()
    assert isinstance(arrow, pa.Table) and arrow["c0"].null_count == 0


def test_numbers_become_levels_when_that_is_said() -> None:
    rng = np.random.default_rng(5)
    U = rng.normal(size=(80, 1))
    X = U @ rng.normal(size=(1, 6)) + 0.4 * rng.normal(size=(80, 6))
    X[:, 0], X[:, 1] = np.digitize(X[:, 0], [-0.5, 0.5]) + 1, X[:, 1] > 0
    X[rng.random(X.shape) < 0.1] = np.nan
    result = cast("MixedCompletion", rf.complete(X, kinds={0: "ordinal", 1: "boolean"}))
    dense = result.to_dense()
    assert dense.dtype == np.float64 and set(np.unique(dense[:, 0])) == {1.0, 2.0, 3.0}
    assert set(np.unique(dense[:, 1])) == {0.0, 1.0}
    assert type(rf.complete(X)).__name__ == "Completion"


def test_counts_are_filled_with_counts() -> None:
    rng = np.random.default_rng(6)
    U = rng.normal(size=(100, 1))
    table = pd.DataFrame(rng.poisson(np.exp(1 + 0.6 * U @ rng.normal(size=(1, 6)))).astype(float))
    hidden = rng.random(table.shape) < 0.1
    result = cast("MixedCompletion", rf.complete(table.mask(hidden), kinds=dict.fromkeys(range(6), "count")))
    filled = result.to_dense()[hidden]
    assert np.all(filled >= 0) and np.all(filled == np.rint(filled))
    truth = table.to_numpy()[hidden]
    middle = np.broadcast_to(table.median().to_numpy(), table.shape)[hidden]
    assert np.mean(np.abs(filled - truth)) < np.mean(np.abs(middle - truth))
    low, high = result.interval(np.flatnonzero(hidden[:, 0]), 0)
    assert np.all(low <= high) and np.all(low >= 0)
    assert result.errors["kind"].eq("count").all()


def test_a_level_seen_once_and_a_column_of_one_level() -> None:
    table, _ = with_holes(mixed(7, 60, 1))
    table["once"] = ["rare", *["often"] * 30, *["never"] * 27, None, None]
    table["same"] = [True] * 58 + [None] * 2
    table["same"] = table["same"].astype("boolean")
    result = cast("MixedCompletion", rf.complete(table, kinds={"once": "category"}))
    assert result.to_frame()["same"].all()
    found = result.probabilities([58, 59], "once")
    assert (found["rare"] > 0).all() and (found["rare"] < 0.5).all()
    assert result.probabilities(58, "same").to_numpy().tolist() == [[1.0]]


def test_limits_go_with_kinds() -> None:
    full = mixed(8, 80, 2)
    table, _ = with_holes(full)
    limit = float(full["n0"].quantile(0.2))
    below = (full["n0"] < limit).to_numpy()
    table.loc[below, "n0"] = np.nan
    upper = np.full(table.shape, np.nan)
    upper[below, 0] = limit
    result = cast("MixedCompletion", rf.complete(table, censored=(None, upper)))
    rows = np.flatnonzero(below)
    assert np.all(result.predict(rows, "n0").astype(float) <= limit)
    low, high = result.interval(rows, "n0")
    assert np.all((low < high) & (high <= limit))
    assert "known by a limit only" in result.summary()
    upper[table["b0"].isna().to_numpy().argmax(), 1] = 1.0
    with pytest.raises(rf.InputError, match="kind 'boolean' and holds limits"):
        rf.complete(table, censored=(None, upper))


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ("grades", 'kinds must be "auto" or a mapping'),
        ({"n0": "grade"}, "The kind of column n0 must be"),
        ({"zz": "count"}, "kinds names column 'zz', which the table does not have"),
        ({"n0": "count"}, 'Column n0 is called "count", but holds something else'),
        ({"c0": "ordinal"}, "Column c0 holds text, whose order nobody knows"),
        ({"c0": "boolean"}, 'holds 3 different values, and a "boolean" column two'),
        ({"n0": "category"}, "more than the 100 levels"),
    ],
)
def test_bad_kinds_are_refused(kinds: object, words: str) -> None:
    table, _ = with_holes(mixed(0, 150, 1))
    with pytest.raises(rf.InputError, match=words):
        rf.complete(table, kinds=kinds)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ordered": "rows"}, "leave out ordered"),
        ({"weights": np.ones((150, 4))}, "weights cannot be used"),
        ({"bounds": {"n0": (0, None), "g0": (0, 1)}}, "column g0 is of the kind 'ordinal'"),
    ],
)
def test_what_does_not_go_with_kinds_is_refused(more: dict, words: str) -> None:
    table, _ = with_holes(mixed(0, 150, 1))
    with pytest.raises(rf.InputError, match=words):
        rf.complete(table, **more)


def test_free_text_is_refused_as_before() -> None:
    table, _ = with_holes(mixed(0, 150, 1))
    table["remark"] = [f"remark {i}" for i in range(150)]
    with pytest.raises(rf.InputError, match="Column 'remark' holds text"):
        rf.complete(table)


@pytest.mark.parametrize("X", [np.eye(4), pd.DataFrame(np.eye(4)), [[1, 2], [3, None]]])
def test_tables_of_numbers_have_no_kinds(X: object) -> None:
    assert read_kinds(X, "auto") is None
    assert read_kinds(X, {}) is None


def test_the_latent_table_has_the_frequencies_of_the_levels() -> None:
    table = read_kinds(mixed(9, 400, 1), "auto")
    assert table is not None
    encoded = encode(table, None, "linear", 0)
    assert [own.size for own in encoded.cols] == [1, 1, 1, 2]
    values = encoded.problem.to_dense()
    assert np.allclose(values.mean(axis=0), 0, atol=0.02)  # the expectation of a standard normal number
    categories = encoded.augmentation.categories[0]
    shares = np.bincount(categories.levels) / categories.levels.size
    found = category_probabilities(categories.offsets[None], np.ones(2))[0]
    assert np.allclose(found, shares, atol=0.005)
    # expectations by simulation
    z = np.random.default_rng(0).normal(size=(400_000, 2))
    level = np.column_stack([np.zeros(len(z)), z + categories.offsets]).argmax(axis=1)
    rows = np.flatnonzero(categories.levels == 1)[:1]
    assert np.allclose(values[rows[0], 3:], z[level == 1].mean(axis=0), atol=0.02)


def test_numbers_that_are_filled_below_zero_beside_levels_are_mentioned() -> None:
    rng = np.random.default_rng(5)
    u = rng.normal(size=120)
    table = pd.DataFrame({f"x{j}": np.exp(1.5 * u + 0.3 * rng.normal(size=120)) for j in range(3)})
    table["yes"] = u + 0.3 * rng.normal(size=120) > 0
    holes = table.astype(object).mask(rng.random(table.shape) < 0.2).infer_objects()
    holes["yes"] = holes["yes"].astype("boolean")
    said = [text for text in rf.complete(holes).warnings if "no negative number" in text]
    assert len(said) == 1 and "x" in said[0]
    bounded = rf.complete(holes, bounds=(0, None))
    assert not [text for text in bounded.warnings if "no negative number" in text]


def test_what_only_the_latent_table_has_is_said(done) -> None:
    result = done[0]
    with pytest.raises(AttributeError, match=r"latent\.suspects"):
        _ = result.suspects
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = result.nonsense
    assert not hasattr(result, "forecast")
    assert pickle.loads(pickle.dumps(result)).rank == result.rank
    assert "<strong>" in result._repr_html_()
    said = sentence(result.latent.certificate)
    assert said and said in result.summary(certificate=True) and said not in result.summary()
