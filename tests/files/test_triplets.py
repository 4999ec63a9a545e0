"""Cells one by one: triplets in, single cells out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rankfall.errors import InputError
from rankfall.files import read_cells, read_table, tables, write_cells, write_table


@pytest.fixture
def put(tmp_path: Path):
    def writer(text: str, name: str = "x.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return writer


def test_labels_keep_their_order_and_the_table_is_wide(put, tmp_path):
    table = read_table(put("user,film,stars\nzoe,B,4.0\nadam,B,3\nzoe,A,\n"), triplets=True)
    assert table.row_names == ("zoe", "adam")
    assert table.col_names == ("B", "A")
    np.testing.assert_array_equal(table.values, [[4, np.nan], [3, np.nan]])
    write_table(tmp_path / "o.csv", table, [[1, 2.5], [1, np.nan]])  # type: ignore[arg-type]
    assert (tmp_path / "o.csv").read_text() == "user,B,A\nzoe,4.0,2.5\nadam,3,\n"


def test_whole_numbers_are_sorted_and_the_header_is_optional(put):
    table = read_table(put("10\t3\t5\n2\t3\t4\n10\t1\t1\n", "x.tsv"), triplets=True)
    assert table.row_names == ("2", "10")
    assert table.col_names == ("1", "3")
    np.testing.assert_array_equal(table.values, [[np.nan, 4], [1, 5]])


def test_decimal_commas_stay(put, tmp_path):
    table = read_table(put("a;b;1,5\na;c;\nd;b;2\nd;c;2,0\n"), triplets=True)
    write_table(tmp_path / "o.csv", table, np.full((2, 2), 0.25))
    assert (tmp_path / "o.csv").read_text() == "row;b;c\na;1,5;0,2\nd;2;2,0\n"


def test_repeated_cells(put):
    table = read_table(put("a,x,1\na,x,1.0\nb,x,2\n"), triplets=True)
    np.testing.assert_array_equal(table.entries, [1, 2])
    path = put("a,x,1\nb,x,2\na,x,3\n")
    with pytest.raises(InputError, match="Row 'a', column 'x' is given twice") as error:
        read_table(path, triplets=True)
    assert str(error.value).endswith("(1 and 3).")
    table = read_table(path, triplets=True, duplicates="mean")
    np.testing.assert_array_equal(table.entries, [2, 2])
    with pytest.raises(InputError, match="duplicates"):
        read_table(path, triplets=True, duplicates="first")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", "line 1 has 2 cells"),
        ("a,b,1\nc,d,1,2\n", "line 2 has 4 cells"),
        ("a,b,value\n", "no rows"),
        ("a,b,1\nc,d,good\n", "row 'c', column 'd' is not a finite number: 'good'"),
        ("a,b,1\nc,d,inf\n", "row 'c', column 'd' is not a finite number: 'inf'"),
        ("a,b,1\n,d,2\n", "does not say its row"),
        ("a,b,1\nc,,2\n", "does not say its column"),
    ],
)
def test_bad_triplets(put, text, message):
    with pytest.raises(InputError, match=message) as error:
        read_table(put(text), triplets=True)
    assert str(error.value).endswith(".")


def test_triplets_need_text_or_parquet(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 3)))
    with pytest.raises(InputError, match="triplets"):
        read_table(tmp_path / "x.npy", triplets=True)


def test_no_value_at_all_is_left_to_the_problem(put):
    table = read_table(put("a,b,\nc,d,NA\n"), triplets=True)
    assert table.shape == (2, 2)
    assert table.entries.size == 0


# -- asked cells -------------------------------------------------------------------------------------

WIDE = "k,a,b\nx,1,\ny,,2\n"


@pytest.mark.parametrize("text", ["y,a\nx,b\n", "row,column\ny,a\nx,b\n", "row;column;value\ny;a;\nx;b;\n"])
def test_asked_cells(put, text):
    table = read_table(put(WIDE))
    cells = read_cells(put(text, "cells.csv"), table)
    np.testing.assert_array_equal(cells.rows, [1, 0])
    np.testing.assert_array_equal(cells.cols, [0, 1])
    assert cells.row_labels == ("y", "x")
    assert cells.col_labels == ("a", "b")


def test_positions_where_there_are_no_labels(put):
    table = read_table(put("1.5,2\n3,\n"))
    cells = read_cells(put("row,col\n1,1\n0,1\n", "cells.csv"), table)
    np.testing.assert_array_equal(cells.rows, [1, 0])


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        (WIDE, "x,a\nz,a\n", "line 2 asks for row 'z'"),
        (WIDE, "x,c\n", "line 1 asks for column 'c'"),
        (WIDE, "row,column\n", "names no cell"),
        (WIDE, "x\n", "line 1 does not name"),
        (WIDE, "", "empty"),
        ("k,a,a\nx,1,2\n", "x,a\n", "more than once"),
    ],
)
def test_bad_cells(put, table, text, message):
    source = read_table(put(table))
    with pytest.raises(InputError, match=message) as error:
        read_cells(put(text, "cells.csv"), source)
    assert str(error.value).endswith(".")


def test_cells_out(tmp_path):
    values = np.array([1 / 3, np.nan])
    write_cells(tmp_path / "o.csv", ["x,1", "y"], ["a", "b"], values)
    assert (tmp_path / "o.csv").read_text() == 'row,column,value\n"x,1",a,0.333333\ny,b,\n'
    write_cells(tmp_path / "o.tsv", ["x,1", "y"], ["a", "b"], values)
    assert (tmp_path / "o.tsv").read_text() == "row\tcolumn\tvalue\nx,1\ta\t0.333333\ny\tb\t\n"
    ends = np.array([-1 / 3, np.nan]), np.array([np.inf, np.nan])
    write_cells(tmp_path / "o.csv", ["x", "y"], ["a", "b"], values, ends)
    expected = "row,column,value,lower,upper\nx,a,0.333333,-0.333333,inf\ny,b,,,\n"
    assert (tmp_path / "o.csv").read_text() == expected
    with pytest.raises(InputError, match="does not exist"):
        write_cells(tmp_path / "none" / "o.csv", ["x"], ["a"], np.ones(1))


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_triplets_are_written_a_few_rows_at_a_time(put, tmp_path, monkeypatch, suffix):
    path = put("user,item,value\nb,x,1.50\na,y,2\nb,z,3\nc,x,4\n")
    table = read_table(path, triplets=True)
    filled = np.arange(9.0).reshape(3, 3)
    filled[2, 2] = np.nan
    whole, parts = tmp_path / f"whole{suffix}", tmp_path / f"parts{suffix}"
    write_table(whole, table, filled)
    asked = []

    def block(start, stop):
        asked.append((start, stop))
        return filled[start:stop]

    monkeypatch.setattr(tables, "_CHUNK", 3)
    assert tables.written_in_parts(parts, table)
    write_table(parts, table, block)
    assert asked == [(0, 1), (1, 2), (2, 3)]
    assert parts.read_bytes() == whole.read_bytes()
    assert "1.50" in whole.read_text()


def test_a_function_that_makes_other_rows_is_refused(put, tmp_path):
    table = read_table(put("u,i,v\na,x,1\nb,y,2\n"), triplets=True)
    with pytest.raises(InputError, match="rows 0 to 2"):
        write_table(tmp_path / "out.csv", table, lambda start, stop: np.zeros((1, 2)))
    assert not (tmp_path / "out.csv").exists()
