"""Frames of all kinds come in alike, and go out as they came."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

import rankfall as rf
from rankfall import InputError, Problem
from rankfall.frames import read_frame, write_frame

NAMES = list("abcdefgh")


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    """Whole numbers, some of them 0, with holes."""
    rng = np.random.default_rng(3)
    table = np.rint(10 * np.outer(rng.standard_normal(16), rng.standard_normal(8)) + rng.normal(size=(16, 8)))
    table[rng.random(table.shape) < 0.2] = np.nan
    table[np.arange(8), np.arange(8)] = np.nan
    table += 0.0  # whole numbers have no negative zero
    assert np.any(table == 0)
    return table


def lists(cells: np.ndarray) -> dict[str, list[float | None]]:
    return {
        name: [None if np.isnan(x) else x for x in column]
        for name, column in zip(NAMES, cells.T.tolist(), strict=True)
    }


def containers(cells: np.ndarray) -> dict[str, object]:
    """The same cells in whatever people have."""
    rows, cols = np.nonzero(~np.isnan(cells))
    values = cells[rows, cols]
    order = np.random.default_rng(0).permutation(rows.size)
    coo = sparse.coo_array((values, (rows, cols)), shape=cells.shape)
    frame = pd.DataFrame(cells, columns=NAMES)
    # blocks of 2 x 2 whose holes are zeros; a zero that was observed cannot be told from them
    bsr = sparse.bsr_array(coo, blocksize=(2, 2))
    zeros = rows[values == 0], cols[values == 0]
    without = frame.to_numpy(copy=True)
    without[zeros] = np.nan
    return {
        "array": cells,
        "lists": cells.tolist(),
        "masked": np.ma.masked_invalid(cells),
        "masked whole": np.ma.array(np.nan_to_num(cells).astype(int), mask=np.isnan(cells)),
        "pandas": frame,
        "pandas, nullable": frame.astype("Int32"),
        "pandas, pyarrow": frame.astype("double[pyarrow]"),
        "pandas, objects": frame.astype(object),
        "polars": pl.DataFrame(lists(cells), schema=dict.fromkeys(NAMES, pl.Int64), strict=False),
        "polars, NaN": pl.DataFrame(cells, schema=NAMES),
        "pyarrow": pa.table(lists(cells)),
        "pyarrow, batch": pa.RecordBatch.from_pydict(lists(cells)),
        "pyarrow, decimals": pa.table(
            {n: pa.array([x if x is None else Decimal(x) for x in c]) for n, c in lists(cells).items()}
        ),
        "csr": coo.tocsr(),
        "csc": coo.tocsc(),
        "coo": coo,
        "triplets": Problem.from_triplets(rows[order], cols[order], values[order], cells.shape),
        "bsr": (bsr, without),
    }


def test_all_containers_give_the_same_bits(cells: np.ndarray) -> None:
    expected = Problem.from_dense(cells)
    filled = rf.complete(expected, max_rank=1, effects="none", seed=1).to_dense()
    for name, given in containers(cells).items():
        wanted = expected
        if isinstance(given, tuple):
            given, dense = given
            wanted = Problem.from_dense(dense)
        problem = Problem.coerce(given)
        assert problem.shape == wanted.shape, name
        for part in ("rows", "cols", "values"):
            assert getattr(problem, part).tobytes() == getattr(wanted, part).tobytes(), name
        if name in ("pandas, nullable", "polars", "pyarrow", "csc", "triplets"):
            found = rf.complete(given, max_rank=1, effects="none", seed=1)
            assert found.to_dense().tobytes() == filled.tobytes(), name


@pytest.fixture(scope="module")
def frame(cells: np.ndarray) -> pd.DataFrame:
    """Columns of many types, an index of dates, a name that occurs twice."""
    out = pd.DataFrame(cells, columns=NAMES, index=pd.date_range("2020-01-31", periods=16, name="day"))
    types = ["Int64", "int16[pyarrow]", "Float32", "double[pyarrow]", "float32", "object", "UInt8", "float64"]
    out["g"] = out["g"].abs()
    out = out.astype(dict(zip(NAMES, types, strict=True)))
    out["h"] = (out["h"] > 0).astype("boolean").mask(out["h"].isna())
    out.columns = pd.Index([*NAMES[:4], "a", *NAMES[5:]], name="what")
    return out


def test_pandas_comes_back_as_it_was(frame: pd.DataFrame) -> None:
    result = rf.complete(frame, max_rank=1)
    back = result.to_frame()
    pd.testing.assert_index_equal(back.index, frame.index)
    pd.testing.assert_index_equal(back.columns, frame.columns)
    assert list(back.dtypes) == list(frame.dtypes)
    assert not back.isna().any(axis=None)
    known = frame.notna().to_numpy()
    assert (back.to_numpy()[known] == frame.to_numpy()[known]).all()
    # nothing else is rounded
    dense = result.to_dense()
    np.testing.assert_array_equal(back.iloc[:, 0].to_numpy(float), np.rint(dense[:, 0]))
    np.testing.assert_array_equal(back.iloc[:, 3].to_numpy(float), dense[:, 3])
    unrounded = result.to_frame(round=False)
    assert [str(t) for t in unrounded.dtypes.iloc[:3]] == ["Float64", "double[pyarrow]", "Float32"]
    np.testing.assert_array_equal(unrounded.iloc[:, 0].to_numpy(float), dense[:, 0])


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_polars_and_pyarrow_come_back_as_they_were(cells: np.ndarray, kind: str) -> None:
    types = [pl.Int16, pl.UInt8, pl.Float32, pl.Float64, pl.Decimal(12, 2), pl.Int64, pl.Int8, pl.Boolean]
    given = lists(np.where(np.arange(8) == 1, np.abs(cells), np.where(np.arange(8) == 7, cells > 0, cells)))
    table = pl.DataFrame(
        [pl.Series(name, given[name]).cast(dtype) for name, dtype in zip(NAMES, types, strict=True)]
    )
    table = table if kind == "polars" else table.to_arrow()
    result = rf.complete(table, max_rank=1)
    back = result.to_frame()
    assert type(back) is type(table)
    assert back.schema == table.schema
    assert result.col_names == tuple(NAMES)
    assert result.row_names is None
    for name in NAMES:
        was, now = table[name].to_pylist() if kind == "pyarrow" else table[name].to_list(), None
        now = back[name].to_pylist() if kind == "pyarrow" else back[name].to_list()
        assert all(x is None or x == y for x, y in zip(was, now, strict=True)), name
        assert None not in now


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_saved_results_come_back_alike(
    kind: str, frame: pd.DataFrame, cells: np.ndarray, tmp_path: Path
) -> None:
    table: Any = frame
    if kind != "pandas":
        types = [pl.Int16, pl.Decimal(12, 2), pl.Float32, *[pl.Int64] * 5]
        given = lists(cells)
        table = pl.DataFrame([pl.Series(n, given[n]).cast(t) for n, t in zip(NAMES, types, strict=True)])
        table = table if kind == "polars" else table.to_arrow()
    result = rf.complete(table, max_rank=1)
    result.save(tmp_path / "c.npz")
    back, filled = rf.load(tmp_path / "c.npz").to_frame(), result.to_frame()
    if kind == "pandas":
        pd.testing.assert_frame_equal(back, filled, check_freq=False)
    else:
        assert back.schema == filled.schema == table.schema
        assert back.equals(filled)


def test_columns_of_one_name_and_of_categories() -> None:
    twice = pa.table([[1.0, 2.0, 3.0], [2.0, None, 6.0]], names=["a", "a"])
    back = rf.complete(twice).to_frame()
    assert back.column_names == ["a", "a"]
    assert back.column(1).null_count == 0
    with pytest.raises(InputError, match="Column 'who' holds text"):
        read_frame(pa.table([["x"], [1.0], [2.0]], names=["who", "a", "a"]))
    sorts = pd.DataFrame({"a": pd.Categorical([1, 2, 3, None]), "b": [1.0, 2.0, 3.0, 4.0]})
    assert str(rf.complete(sorts).to_frame()["a"].dtype) == "category"


def test_frames_of_narwhals() -> None:
    import narwhals as nw

    given = pd.DataFrame({"x": [1.0, None]}, index=["a", "b"])
    layout = read_frame(nw.from_native(given))[1]
    assert (layout.kind, layout.row_names) == ("pandas", ("a", "b"))
    assert read_frame(nw.from_native(pl.DataFrame({"x": [1]})))[1].kind == "polars"


def test_cells_that_stay_empty(cells: np.ndarray) -> None:
    """They hold the missing value of the kind."""
    apart = np.full((18, 8), np.nan)
    apart[:16] = cells  # two rows without any entry
    whole = pd.DataFrame(apart, columns=NAMES).astype("Int64")
    back = rf.complete(whole, max_rank=1).to_frame()
    assert back.iloc[16:].isna().all(axis=None)
    assert list(back.dtypes) == list(whole.dtypes)
    back = rf.complete(pl.from_pandas(whole), max_rank=1).to_frame()
    assert back.tail(2).null_count().row(0) == (2,) * 8
    back = rf.complete(pa.Table.from_pandas(whole), max_rank=1).to_frame()
    assert [column.null_count for column in back.columns] == [2] * 8


def test_what_no_frame_was_comes_back_as_a_frame_of_pandas(cells: np.ndarray) -> None:
    back = rf.complete(cells, max_rank=1).to_frame()
    pd.testing.assert_index_equal(back.index, pd.RangeIndex(16))
    assert {str(dtype) for dtype in back.dtypes} == {"float64"}


def test_whole_numbers_stay_in_the_range_of_their_type() -> None:
    values = np.array([[-3.0, 300.0], [2.5, 1e30]])
    frame = pd.DataFrame({"small": np.array([1, 2], np.uint8), "large": [1, 2]})
    back = write_frame(read_frame(frame)[1], values)
    assert back["small"].tolist() == [0, 2]
    assert back["large"].tolist() == [300, int(np.nextafter(2.0**63, 0))]


# -- what is refused, in one sentence -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (
            pl.DataFrame({"x": [1.0], "who": ["Ann"]}),
            r"Column 'who' holds text \('Ann'\); convert it to numbers",
        ),
        (pa.table({"x": [1.0], "who": ["Ann"]}), "Column 'who' holds text"),
        (pl.DataFrame({"day": [datetime.date(2020, 1, 1)]}), "Column 'day' holds dates or times"),
        (
            pl.DataFrame({"x": [1.0]}).lazy(),
            r"cells are not computed yet; pass the result of its collect\(\)",
        ),
        (
            pd.DataFrame({"who": ["Ann"]}),
            "Column 'who' holds text .*; convert it to numbers, drop it, or make it",
        ),
        (pd.DataFrame({"who": [{}]}), "Column 'who' holds something that is not a number"),
        (pd.DataFrame({"day": pd.period_range("2020-01", periods=2, freq="M")}), "Column 'day' holds dates"),
        (pd.DataFrame({"z": [1 + 2j]}), "Column 'z' holds complex numbers; give real and imaginary parts"),
        (pd.DataFrame({"t": [datetime.timedelta(hours=1)]}), "Column 't' holds durations; make them numbers"),
    ],
)
def test_columns_that_are_no_numbers(frame: Any, sentence: str) -> None:
    for use in (Problem.from_frame, rf.complete):
        with pytest.raises(InputError, match=sentence):
            use(frame)


def test_integers_that_no_float_holds() -> None:
    for table in (pa.table({"id": [2**60 + 1, None]}), pl.DataFrame({"id": [2**60 + 1, None]})):
        np.testing.assert_array_equal(Problem.from_frame(table).values, [2.0**60])


def test_new_rows_and_weights_in_frames(cells: np.ndarray) -> None:
    table = pl.DataFrame(cells, schema=NAMES)
    result = rf.complete(table, weights=pl.DataFrame(np.ones(cells.shape), schema=NAMES), max_rank=1)
    expected = result.transform(cells[:3])
    for new in (table[:3], table[:3].to_arrow(), pd.DataFrame(cells[:3], columns=NAMES)):
        np.testing.assert_array_equal(result.transform(new), expected)
    with pytest.raises(InputError, match="names and order"):
        result.transform(table[:3, ::-1])
    with pytest.raises(InputError, match="Column 'who' holds text"):
        result.transform(pl.DataFrame({"who": ["Ann"]}))
