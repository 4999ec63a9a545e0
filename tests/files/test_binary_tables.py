"""Parquet, .npz and .npy: the same table, to the bit."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from rankfall.errors import InputError
from rankfall.files import read_table, save_archive, write_table

NAN = float("nan")
HOLED = np.array([[1.5, NAN], [NAN, 0.1]])


def one_sentence(error: pytest.ExceptionInfo[InputError], path: Path) -> str:
    text = str(error.value)
    assert path.name in text
    assert text.endswith(".")
    assert "\n" not in text
    return text


# -- Parquet -----------------------------------------------------------------------------------------


def test_parquet_keeps_index_and_types(tmp_path):
    frame = pd.DataFrame(
        {
            "whole": [1, 2, 3],
            "single": np.array([0.1, NAN, 3], np.float32),
            "maybe": pd.array([1, None, 3], "Int64"),
        },
        index=pd.date_range("2020-01-01", periods=3, name="day"),
    )
    frame.to_parquet(tmp_path / "x.parquet")
    table = read_table(tmp_path / "x.parquet")
    assert table.row_names == ("2020-01-01", "2020-01-02", "2020-01-03")
    assert table.col_names == ("whole", "single", "maybe")
    write_table(tmp_path / "o.parquet", table, np.full((3, 3), 0.5))
    back = pd.read_parquet(tmp_path / "o.parquet")
    pd.testing.assert_index_equal(back.index, frame.index, check_freq=False)
    pd.testing.assert_series_equal(back["whole"], frame["whole"], check_freq=False)
    assert back["single"].dtype == np.float32
    np.testing.assert_array_equal(back["single"], np.array([0.1, 0.5, 3], np.float32))
    assert back["maybe"].dtype == "Int64" and list(back["maybe"]) == [1, 0, 3]
    write_table(tmp_path / "o.parquet", table, np.full((3, 3), 0.5), rounded=False)
    np.testing.assert_array_equal(pd.read_parquet(tmp_path / "o.parquet")["maybe"], [1, 0.5, 3])


def test_parquet_with_a_leading_text_column_and_decimals(tmp_path):
    frame = pd.DataFrame({"k": ["x", "y"], "a": [Decimal("1.5"), None], "b": [None, 2.0]})
    frame.to_parquet(tmp_path / "x.parquet")
    table = read_table(tmp_path / "x.parquet")
    assert table.row_names == ("x", "y")
    np.testing.assert_array_equal(table.values, [[1.5, NAN], [NAN, 2]])
    write_table(tmp_path / "o.parquet", table, np.full((2, 2), 9.0))
    back = pd.read_parquet(tmp_path / "o.parquet")
    assert list(back["k"]) == ["x", "y"]
    np.testing.assert_array_equal(back[["a", "b"]].to_numpy(float), [[1.5, 9], [9, 2]])
    write_table(tmp_path / "o.csv", table, np.full((2, 2), 9.0))
    assert (tmp_path / "o.csv").read_text() == "k,a,b\nx,1.5,9.0\ny,9.0,2.0\n"


def test_parquet_triplets(tmp_path):
    pd.DataFrame({"u": [2, 10, 2], "f": ["a", "a", "b"], "v": [1.0, NAN, 3.0]}).to_parquet(
        tmp_path / "x.parquet"
    )
    table = read_table(tmp_path / "x.parquet", triplets=True)
    assert table.row_names == ("2", "10")
    assert table.col_names == ("a", "b")
    np.testing.assert_array_equal(table.values, [[1, 3], [NAN, NAN]])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"k": ["x", "y"], "a": ["1", "two"]}), "row 'x', column 'a' is not a number: '1'"),
        (pd.DataFrame({"a": [1.0, np.inf]}), "row '1', column 'a' is infinite"),
        (pd.DataFrame({"a": [1.0], "d": pd.to_datetime(["2020-01-01"])}), "column 'd' is not a number"),
        (pd.DataFrame({"a": np.array([])}), "no rows"),
        (pd.DataFrame(index=["x"]), "no column"),
    ],
)
def test_bad_parquet_tables(tmp_path, frame, message):
    path = tmp_path / "x.parquet"
    frame.to_parquet(path)
    with pytest.raises(InputError) as error:
        read_table(path)
    assert message in one_sentence(error, path)


def test_damaged_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    pd.DataFrame({"a": np.arange(100.0)}).to_parquet(path)
    whole = path.read_bytes()
    for length in (0, 3, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="Parquet") as error:
            read_table(path)
        one_sentence(error, path)


@pytest.mark.parametrize("triplets", [False, True])
def test_lists_in_cells(tmp_path, triplets):
    path = tmp_path / "x.parquet"
    pd.DataFrame({"k": [[1, 2], [3]], "a": ["x", "y"], "b": [[1.0, 2.0], [3.0]]}).to_parquet(path)
    with pytest.raises(InputError) as error:
        read_table(path, triplets=triplets)
    one_sentence(error, path)


def test_every_flipped_byte_of_a_parquet_file(tmp_path):
    path = tmp_path / "x.parquet"
    pd.DataFrame({"k": ["a", "b"], "a": [0.0, 1.0]}).to_parquet(path, store_schema=False)
    whole = path.read_bytes()
    for k in range(0, len(whole), 2):
        path.write_bytes(whole[:k] + bytes([whole[k] ^ 0xFF]) + whole[k + 1 :])
        # no other error than ours
        with contextlib.suppress(InputError):
            read_table(path)


# -- NumPy files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_keep_their_precision(tmp_path, suffix, dtype):
    path, out = tmp_path / f"x{suffix}", tmp_path / f"o{suffix}"
    holed = HOLED.astype(dtype)
    if suffix == ".npy":
        np.save(path, holed)
    else:
        np.savez(path, matrix=holed)
    table = read_table(path)
    assert table.row_names is None
    np.testing.assert_array_equal(table.values, holed)
    write_table(out, table, np.array([[7, 0.3], [NAN, 7]]))
    loaded = np.load(out)
    back = loaded if suffix == ".npy" else loaded["matrix"]
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, np.array([[1.5, 0.3], [NAN, 0.1]], dtype))


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_sparse_matrices_store_what_is_observed(tmp_path, form):
    rows, cols, values = [0, 1, 1], [2, 0, 1], [1.0, 0.0, NAN]
    matrix = sparse.coo_array((values, (rows, cols)), shape=(2, 3)).asformat(form)
    sparse.save_npz(tmp_path / "x.npz", matrix)
    table = read_table(tmp_path / "x.npz")
    np.testing.assert_array_equal(table.values, [[NAN, NAN, 1], [0, NAN, NAN]])
    write_table(tmp_path / "o.npz", table, np.full((2, 3), 5.0))
    np.testing.assert_array_equal(np.load(tmp_path / "o.npz")["values"], [[5, 5, 1], [0, 5, 5]])


def test_entries_stored_twice(tmp_path):
    path = tmp_path / "x.npz"
    sparse.save_npz(path, sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 2)))
    with pytest.raises(InputError, match="given twice") as error:
        read_table(path)
    one_sentence(error, path)
    np.testing.assert_array_equal(read_table(path, duplicates="mean").entries, [1.5])


COO = {
    "format": b"coo",
    "shape": np.array([2, 2]),
    "data": np.ones(1),
    "row": np.array([0]),
    "col": np.array([1]),
}
CSR = {
    "format": b"csr",
    "shape": np.array([2, 2]),
    "data": np.ones(1),
    "indices": np.array([0]),
    "indptr": np.array([0, 1, 1]),
}
BAD_ZIPS = {
    "two arrays": {"a": HOLED, "b": HOLED},
    "no arrays": {},
    "vector": {"a": np.ones(3)},
    "words": {"a": np.array([["a"]])},
    "complex": {"a": np.ones((2, 2), complex)},
    "nothing": {"a": np.ones((0, 2))},
    "infinite": {"a": np.full((2, 2), np.inf)},
    "sparse infinite": COO | {"data": np.array([np.inf])},
    "row outside": COO | {"row": np.array([2])},
    "column outside": COO | {"col": np.array([-1])},
    "fractional": COO | {"col": np.array([0.5])},
    "too few rows": COO | {"row": np.array([0, 1])},
    "absurd shape": COO | {"shape": np.array([10**15, 10**15])},
    "no cells": COO | {"shape": np.array([0, 2])},
    "three sides": COO | {"shape": np.array([2, 2, 2])},
    "falling pointer": CSR | {"indptr": np.array([0, 2, 1])},
    "long pointer": CSR | {"indptr": np.array([0, 1, 10**9])},
    "short pointer": CSR | {"indptr": np.array([0, 1])},
    "index outside": CSR | {"indices": np.array([5])},
    "no pointer": {k: v for k, v in CSR.items() if k != "indptr"},
    "diagonal": COO | {"format": b"dia"},
    "odd format": COO | {"format": np.array([1.0])},
}


WORDS = {
    "vector": "a has shape (3,), not (rows, columns).",
    "complex": "a holds complex128, not real numbers.",
    "nothing": "a is empty.",
    "row outside": "row holds 2 at 0, which is no position among 2.",
    "falling pointer": "indptr is not in ascending order.",
    "short pointer": "indptr has shape (2,), not (3,).",
    "long pointer": "indptr does not lead from 0 to 1, the number of entries.",
    "no pointer": "indptr is missing.",
    "diagonal": "holds a sparse matrix of format 'dia'; save it as csr, csc or coo.",
}


@pytest.mark.parametrize("name", WORDS)
def test_what_is_wrong_with_a_zip(tmp_path, name):
    np.savez(tmp_path / "x.npz", **BAD_ZIPS[name])
    with pytest.raises(InputError) as error:
        read_table(tmp_path / "x.npz")
    assert str(error.value).endswith(WORDS[name])


@pytest.mark.parametrize("name", BAD_ZIPS)
def test_bad_zips(tmp_path, name):
    path = tmp_path / "x.npz"
    np.savez(path, **BAD_ZIPS[name])
    with pytest.raises(InputError) as error:
        read_table(path)
    one_sentence(error, path)


def test_a_saved_result_is_no_table(tmp_path):
    save_archive(tmp_path / "x.npz", {"a": HOLED}, {}, "completion")
    with pytest.raises(InputError, match="result saved by rankfall"):
        read_table(tmp_path / "x.npz")


def test_pickles(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[{}]]), allow_pickle=True)
    with pytest.raises(InputError, match="pickle"):
        read_table(tmp_path / "x.npy")


# -- from one format to another ----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".npz", ".npy"])
def test_any_format_into_any_other(tmp_path, suffix):
    source, out = tmp_path / "x.csv", tmp_path / f"o{suffix}"
    source.write_text("k,a,b\nx,0.1,\ny,,1e-300\n")
    table = read_table(source)
    write_table(out, table, np.full((2, 2), NAN))
    back = read_table(out)
    np.testing.assert_array_equal(back.values, table.values)
    if suffix not in (".npz", ".npy"):
        assert back.row_names == table.row_names
        assert back.col_names == table.col_names
        assert back.corner == table.corner == "k"
        # and from there to text again
        write_table(tmp_path / "again.csv", back, np.full((2, 2), 2.0))
        np.testing.assert_array_equal(read_table(tmp_path / "again.csv").values, [[0.1, 2], [2, 1e-300]])


def test_row_names_may_be_called_like_a_column(tmp_path):
    (tmp_path / "x.csv").write_text("a,a,b\nx,1,\ny,,2\n")
    write_table(tmp_path / "o.parquet", read_table(tmp_path / "x.csv"), np.full((2, 2), 3.0))
    back = read_table(tmp_path / "o.parquet")
    assert (back.row_names, back.col_names) == (("x", "y"), ("a", "b"))
    np.testing.assert_array_equal(back.values, [[1, 3], [3, 2]])


def test_text_without_labels(tmp_path):
    np.save(tmp_path / "x.npy", HOLED)
    write_table(tmp_path / "o.csv", read_table(tmp_path / "x.npy"), np.full((2, 2), 1 / 3))
    assert (tmp_path / "o.csv").read_text() == "1.5,0.3\n0.3,0.1\n"
    write_table(tmp_path / "o.csv", read_table(tmp_path / "x.npy"), np.full((2, 2), 1 / 3), rounded=False)
    assert (tmp_path / "o.csv").read_text() == "1.5,0.333333\n0.333333,0.1\n"
