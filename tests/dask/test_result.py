"""What a completion of triplets says, against the completion in memory, tables, and itself in memory."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rankfall as rf
from dask_tables import NAMES, Table, bits, draw
from rankfall.files import load_archive, save_archive


def rmse(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2)))


@pytest.fixture(scope="module")
def swapped(table: Table) -> rf.dask.DistributedCompletion:
    """The transposed table: more columns than rows."""
    return rf.dask.complete(table.cells, **{**NAMES, "row": "item", "column": "user"})


def test_it_predicts_as_well_as_the_completion_in_memory() -> None:
    """Held-out error within half a per cent, and 90% intervals that hold 88% to 92%.

    24,000 hidden cells: a coverage of 90% has a standard error of 0.2%.
    """
    table = draw((400, 200), rank=4, observed=0.35, noise=1.0, seed=11)
    found = rf.dask.complete(table.cells, **NAMES)
    rows, cols = (pd.Categorical(table.cells[name]) for name in ("user", "item"))
    problem = rf.Problem.from_triplets(rows.codes, cols.codes, table.cells["rating"].to_numpy())
    local = rf.complete(problem, seed=0, effects="both")
    truth = table.hidden["rating"].to_numpy()
    at = [pd.Categorical(table.hidden[name], categories=each.categories).codes.astype(int)
          for name, each in (("user", rows), ("item", cols))]  # fmt: skip
    assert found.rank == local.rank == 4
    assert rmse(found.predict(table.hidden), truth) < 1.005 * rmse(local.predict(*at), truth)
    low, high = found.interval(table.hidden, 0.9)
    assert 0.88 < np.mean((low <= truth) & (truth <= high)) < 0.92
    assert found.noise == pytest.approx(1.0, rel=0.05)
    # errors by column are those of the hidden cells, nearly
    assert found.validation_rmse == pytest.approx(rmse(found.predict(table.hidden), truth), rel=0.1)
    n = found.errors["n_held_out"]
    pooled = np.sqrt(np.sum(n * found.errors["error"] ** 2) / n.sum())
    assert pooled == pytest.approx(found.validation_rmse, rel=1e-9)


def test_data_without_noise_are_reproduced() -> None:
    """The sample has an exact fit; so has the table, to the least noise that sweeps allow for."""
    table = draw((200, 40), rank=1, observed=0.4, noise=0.0, seed=1)
    found = rf.dask.complete(table.cells, **NAMES)
    assert found.outcome is rf.Outcome.EXACT
    assert found.rank in (1, 3)  # with effects, or with these as factors
    truth = table.hidden["rating"].to_numpy()
    assert rmse(found.predict(table.hidden), truth) < 1e-6 * truth.std()


def test_facts(table: Table, completed: rf.dask.DistributedCompletion) -> None:
    assert completed.rank == 2
    assert completed.outcome is rf.Outcome.CHOSEN
    assert completed.shape == (300, 40)
    assert completed.n_observed == len(table.cells)
    assert completed.path["rank"].tolist() == [0, 1, 2, 3, 4]
    assert completed.path["chosen"].sum() == 1
    assert completed.singular_values.shape == (2,)
    assert "Rank 2" in completed.summary()
    assert "nan" not in completed.summary()
    assert re.search(r"cells observed \([\d.]+%\)", completed.summary())
    assert repr(completed) == "DistributedCompletion(300 x 40, rank 2, chosen)"
    spread = table.cells.groupby("item")["rating"].std(ddof=0)
    np.testing.assert_allclose(completed.errors["spread"], spread, rtol=1e-9)
    assert completed.validation_standard_error > 0


def test_factors_are_the_predictions(table: Table, completed: rf.dask.DistributedCompletion) -> None:
    frames = [completed.factors(axis).to_pandas().set_index("key") for axis in ("rows", "columns")]
    at = [frame.loc[table.hidden[name]] for frame, name in zip(frames, ("user", "item"), strict=True)]
    factors = [frame.filter(like="factor").to_numpy() for frame in at]
    values = completed.model.center + np.sum(factors[0] * factors[1], axis=1)
    values += sum(frame["effect"].to_numpy() for frame in at if "effect" in frame)
    np.testing.assert_allclose(values, completed.predict(table.hidden), rtol=1e-9)
    counts = table.cells["user"].value_counts()
    assert frames[0]["cells"].equals(counts.reindex(frames[0].index).rename("cells").rename_axis("key"))
    with pytest.raises(rf.InputError, match="axis must be"):
        completed.factors("both")


@pytest.mark.parametrize("which", ["completed", "swapped"])
def test_in_memory_it_is_the_same(which: str, table: Table, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(which)
    local = found.to_local()
    assert local.shape == found.shape
    assert local.rank == found.rank
    model = found.model
    axes = [(model.row_keys, model.names.row), (model.col_keys, model.names.column)]
    at = [keys.positions(pa.array(table.hidden[name]), name, "here") for keys, name in axes]
    # the columns of a table that is wider than tall are what its rows are computed from in memory
    tolerance = 1e-9 if which == "completed" else 0.02
    np.testing.assert_allclose(
        local.predict(*at, labels=False), found.predict(table.hidden), rtol=tolerance, atol=tolerance
    )
    for one, other in zip(
        local.interval(*at, 0.9, labels=False), found.interval(table.hidden, 0.9), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=2 * tolerance)
    assert local.validation_rmse == found.validation_rmse
    with pytest.raises(rf.InputError, match="more than 10"):
        found.to_local(max_cells=10)


def test_the_transposed_table_has_the_same_answer(
    table: Table, completed: rf.dask.DistributedCompletion, swapped: rf.dask.DistributedCompletion
) -> None:
    assert swapped.rank == completed.rank
    assert swapped.shape == completed.shape[::-1]
    truth = table.hidden["rating"].to_numpy()
    # other effects may be chosen, and other cells are held out
    assert rmse(swapped.predict(table.hidden), truth) == pytest.approx(
        rmse(completed.predict(table.hidden), truth), rel=0.02
    )
    assert swapped.errors.shape == (300, 4)


@pytest.mark.filterwarnings("default")  # what Dask warns of is its own affair
def test_kinds_of_cells(table: Table, completed: rf.dask.DistributedCompletion) -> None:
    import dask.dataframe as dd

    expected = completed.predict(table.hidden)
    np.testing.assert_array_equal(completed.predict(pl.from_pandas(table.hidden)), expected)
    np.testing.assert_array_equal(completed.predict(pa.Table.from_pandas(table.hidden)), expected)
    lazy = completed.predict(dd.from_pandas(table.hidden, npartitions=3))
    np.testing.assert_allclose(lazy.compute(scheduler="threads").to_numpy(), expected, rtol=1e-10)
    # the order of the cells does not matter
    order = np.random.default_rng(0).permutation(expected.size)
    np.testing.assert_array_equal(completed.predict(table.hidden.iloc[order]), expected[order])


def effects_of(found: rf.dask.DistributedCompletion, axis: str) -> dict[object, float]:
    factors = found.factors(axis)
    if "effect" not in factors.column_names:
        return {}
    return dict(zip(factors["key"].to_pylist(), factors["effect"].to_pylist(), strict=True))


@pytest.mark.parametrize("which", ["completed", "swapped"])
def test_unknown_keys_are_what_the_prior_says(which: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(which)
    cells = pd.DataFrame({"user": ["u0001", "new", "new"], "item": [7, 101, 7]})
    values = found.predict(cells)
    users, items = (effects_of(found, axis) for axis in ("rows", "columns"))
    if which == "swapped":
        users, items = items, users
    np.testing.assert_allclose(
        values - found.model.center, [users.get("u0001", 0.0), items.get(101, 0.0), 0.0], atol=1e-9
    )
    low, high = found.interval(cells)
    known = np.subtract(*found.interval(pd.DataFrame({"user": ["u0001"], "item": [101]})))
    assert np.all(high - low > 2 * abs(known))
    with pytest.raises(rf.InputError, match="give it one type"):
        found.predict(cells.assign(user=[1, 2, 3]))
    with pytest.raises(rf.InputError, match="has no column 'item'"):
        found.predict(cells[["user"]])
    with pytest.raises(rf.InputError, match="must be a frame"):
        found.predict([("u0001", 7)])


@pytest.mark.parametrize("which", ["completed", "swapped"])
def test_recommendations_leave_out_what_was_seen(
    which: str, table: Table, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(which)
    names, rows = found.model.names, ["u0003", "u0250"] if which == "completed" else [104, 139]
    everything = found.model.col_keys.labels.to_pylist()
    for row in rows:
        cells = pd.DataFrame({names.row: [row] * len(everything), names.column: everything})
        values = pd.Series(found.predict(cells), index=everything)
        seen = table.cells.loc[table.cells[names.row] == row, names.column]
        best = found.recommend([row], 5)
        expected = values.drop(seen).nlargest(5)
        np.testing.assert_allclose(best["rating"], expected, rtol=1e-12)
        assert best[names.column].tolist() == expected.index.tolist()
        assert (
            found.recommend([row], 3, seen=True)[names.column].tolist() == values.nlargest(3).index.tolist()
        )
        assert len(found.recommend([row], 10_000)) == len(everything) - len(seen)
    both = found.recommend(rows, 2)
    assert both[names.row].tolist() == [rows[0]] * 2 + [rows[1]] * 2
    assert len(found.recommend([])) == 0


def test_unknown_rows_are_recommended_what_is_best_on_average(
    completed: rf.dask.DistributedCompletion,
) -> None:
    best = completed.recommend(["nobody"], 4)
    cells = pd.DataFrame({"user": ["nobody"] * 40, "item": np.arange(100, 140)})
    np.testing.assert_allclose(best["rating"], np.sort(completed.predict(cells))[::-1][:4])


@pytest.mark.parametrize("which", ["completed", "swapped"])
def test_new_rows_are_folded_in(which: str, table: Table, request: pytest.FixtureRequest) -> None:
    """The cells of a row of the table, under another name, give the row again (nearly, where it is one of the
    axis that rows are computed from).
    """
    found = request.getfixturevalue(which)
    names, old = found.model.names, "u0007" if which == "completed" else 120
    new = "someone" if which == "completed" else 999
    cells = table.cells[table.cells[names.row] == old].assign(**{names.row: new})
    extra = cells[:1].assign(**{names.column: "nowhere" if which == "swapped" else 5})
    values = found.transform(pd.concat([cells, extra]))
    assert values.shape == (1, found.shape[1])
    asked = pd.DataFrame({names.row: [old] * found.shape[1], names.column: values.columns})
    tolerance = 1e-9 if which == "completed" else 0.05
    np.testing.assert_allclose(values.loc[new], found.predict(asked), atol=tolerance)
    with pytest.raises(rf.InputError, match="names a cell twice"):
        found.transform(pd.concat([cells, cells]))


def test_scales_bounds_and_weights() -> None:
    table = draw((150, 30), seed=3)
    positive = table.cells.assign(rating=np.exp(table.cells["rating"] / 4), w=1.0)
    options = {**NAMES, "max_rank": 2}
    found = rf.dask.complete(positive, **options, scale="log", bounds=(0.5, 4.0))
    truth = np.exp(table.hidden["rating"].to_numpy() / 4)
    predicted = found.predict(table.hidden)
    assert predicted.min() >= 0.5
    assert predicted.max() <= 4.0
    assert rmse(np.log(predicted), np.clip(np.log(truth), np.log(0.5), np.log(4))) < 0.12
    low, high = found.interval(table.hidden)
    assert np.all((low >= 0.5) & (high <= 4.0))
    # equal weights are none; cells of weight 0 are not there
    weighted = rf.dask.complete(table.cells.assign(w=1.0), **options, weight="w")
    plain = rf.dask.complete(table.cells, **options)
    np.testing.assert_allclose(weighted.predict(table.hidden), plain.predict(table.hidden), rtol=1e-6)
    wild = table.cells[:200].assign(rating=1e3, item=table.cells["item"][:200], w=0.0)
    wild = wild.assign(user=table.cells["user"].to_numpy()[200:400])
    left_out = rf.dask.complete(pd.concat([table.cells.assign(w=1.0), wild]), **options, weight="w")
    np.testing.assert_allclose(left_out.predict(table.hidden), weighted.predict(table.hidden), rtol=1e-9)


def test_an_entry_without_a_value_names_its_row_and_column(table: Table) -> None:
    more = pd.DataFrame({"user": ["zz", "u0001"], "item": [101, 999], "rating": [np.nan, np.nan]})
    found = rf.dask.complete(pd.concat([more, table.cells]), **NAMES)
    assert found.shape == (301, 41)
    assert found.n_observed == len(table.cells)
    row, column = (effects_of(found, axis) for axis in ("rows", "columns"))
    assert row["zz"] == column[999] == 0
    np.testing.assert_allclose(found.predict(more[:1]), found.model.center + column[101])
    assert np.isnan(found.errors.loc[999, "error"])


def test_it_is_saved_and_loaded(
    completed: rf.dask.DistributedCompletion, table: Table, tmp_path: Path
) -> None:
    completed.save(tmp_path / "kept")
    again = rf.dask.load(tmp_path / "kept")
    assert bits(again) == bits(completed)
    np.testing.assert_array_equal(again.predict(table.hidden), completed.predict(table.hidden))
    assert again.settings == completed.settings
    with pytest.raises(rf.InputError, match="exists"):
        completed.save(tmp_path / "kept")
    with pytest.raises(rf.InputError, match="Cannot write"):
        completed.save(tmp_path / "no" / "where")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_may_be_used_again_for_other_data(table: Table, tmp_path: Path) -> None:
    """Nothing that a process remembers of the first one is mixed into the second."""
    for cells in (table.cells, table.cells.assign(item=table.cells["item"] + 1000)):
        found = rf.dask.complete(cells, **NAMES, out=tmp_path / "out")
        asked = cells[:5]
        expected = found.predict(asked)
        assert np.abs(expected - asked["rating"]).max() < 2
        assert found.factors("columns")["key"].to_pylist() == sorted(set(cells["item"]))
        shutil.rmtree(tmp_path / "out")


def test_a_temporary_one_is_removed_with_its_result(table: Table) -> None:
    found = rf.dask.complete(table.cells, **NAMES)
    folder = found.folder
    assert folder.is_dir()
    del found
    assert not folder.exists()


def test_damaged_folders_are_refused(completed: rf.dask.DistributedCompletion, tmp_path: Path) -> None:
    with pytest.raises(rf.InputError, match="holds no completion"):
        rf.dask.load(tmp_path)

    def copy() -> Path:
        shutil.rmtree(tmp_path / "c", ignore_errors=True)
        completed.save(tmp_path / "c")
        return tmp_path / "c"

    folder = copy()
    (folder / "cells" / "block-00001.arrow").unlink()
    with pytest.raises(rf.InputError, match=r"block-00001.arrow is missing"):
        rf.dask.load(folder)
    folder = copy()
    keys = pq.read_table(folder / "row_keys.parquet")
    pq.write_table(keys[1:], folder / "row_keys.parquet")
    with pytest.raises(rf.InputError, match="its keys are not those"):
        rf.dask.load(folder)
    pq.write_table(keys.take([1, 0, *range(2, 300)]), folder / "row_keys.parquet")
    with pytest.raises(rf.InputError, match="not in ascending order"):
        rf.dask.load(folder)
    folder = copy()
    arrays, meta = load_archive(folder / "result.npz")
    for name, wrong in [
        ("mean", np.full_like(arrays["mean"], np.nan)),
        ("cov", arrays["cov"][:, :-1]),
        ("edges", arrays["edges"][::-1].copy()),
        ("noise", np.asarray(-1.0)),
        ("known", ~arrays["known"]),
    ]:
        save_archive(folder / "result.npz", {**arrays, name: wrong}, meta, "completion of triplets")
        with pytest.raises(rf.InputError, match=f"damaged: {name}"):
            rf.dask.load(folder)
    for name in ("rank", "names", "center", "outcome"):
        save_archive(folder / "result.npz", arrays, {**meta, name: "x"}, "completion of triplets")
        with pytest.raises(rf.InputError, match="damaged"):
            rf.dask.load(folder)


def test_an_edge_that_does_not_fit_its_block_is_found(completed: rf.dask.DistributedCompletion) -> None:
    model = completed.model
    edges = model.layout.edges.copy()
    edges[1] -= 5
    moved = replace(completed, model=replace(model, layout=replace(model.layout, edges=edges)))
    key = model.row_keys.label(int(edges[1]) - 1)
    with pytest.raises(rf.InputError, match="outside the table"):
        moved.predict(pd.DataFrame({"user": [key], "item": [101]}))
