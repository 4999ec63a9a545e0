"""Labels of any kind: found again, never taken for positions, and kept on disk."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from rankfall import InputError, Problem
from rankfall.files import load_archive, save_archive
from rankfall.frames.labels import find, from_plain, texts, to_plain
from rankfall.report import render
from rankfall.report.adapters.completion import report_tables

RNG = np.random.default_rng(0)
DATES = pd.date_range("2020-03-28", periods=9, tz="Europe/Berlin", name="day")

INDICES: dict[str, pd.Index] = {
    "text": pd.Index(["b", "a", "ä"], name="site"),
    "objects": pd.Index(["b", "a"], dtype=object),
    "range": pd.RangeIndex(5, 25, 5, name="step"),
    "whole": pd.Index([1000, -5, 7], dtype="int64"),
    "bytes": pd.Index(np.array([1, 255], np.uint8)),
    "nullable": pd.Index([1, 3], dtype="Int64"),
    "floats": pd.Index([400.5, 401.5, np.nan]),
    "booleans": pd.Index([True, False]),
    "dates": pd.DatetimeIndex(["2020-01-01", "1999-12-31 12:00"]).as_unit("ms"),
    "dates in a zone": DATES,
    "durations": pd.TimedeltaIndex(["1h", "2h", "3h"]),
    "periods": pd.period_range("2020-01", periods=3, freq="M", name="month"),
    "mixed": pd.Index([1, "a", 2.5, None], dtype=object),
    "tuples": pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["site", "run"]),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_kept_on_disk(index: pd.Index, tmp_path: Path) -> None:
    save_archive(tmp_path / "x.npz", {}, {"index": to_plain(index)}, "test")
    _, meta = load_archive(tmp_path / "x.npz")
    names = texts(index)
    assert names is not None
    pd.testing.assert_index_equal(
        from_plain("index", meta["index"], names), index, exact=True, check_freq=False
    )


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_each_is_found(index: pd.Index) -> None:
    asked = list(index)
    np.testing.assert_array_equal(find(index, asked, "row"), np.arange(len(index)))
    assert find(index, asked[1], "row") == 1
    assert find(index, asked[1], "row").shape == ()


def test_dates_in_many_spellings() -> None:
    naive = DATES.tz_localize(None)
    for index in (DATES, naive):
        for asked in (
            "2020-03-30",
            datetime.datetime(2020, 3, 30),
            np.datetime64("2020-03-30"),
            pd.Timestamp("2020-03-30"),
        ):
            assert find(index, asked, "row") == 2
        asked = np.array([["2020-03-29"], ["2020-03-28"]], "M8[D]")
        np.testing.assert_array_equal(find(index, asked, "row"), [[1], [0]])
    assert find(INDICES["periods"], "2020-02", "row") == 1
    assert find(INDICES["durations"], "2h", "row") == 1


@pytest.mark.parametrize(
    ("index", "asked", "sentence"),
    [
        ("text", "c", "The table has no row 'c'; its labels are like 'b'."),
        ("whole", "1000", "The table has no row '1000'; its labels are like 1000."),
        ("dates", "soon", "The row labels 'soon' are not like those of the table."),
        ("dates", "2020-01-02", "The table has no row '2020-01-02'"),
        ("tuples", "x", "The row labels 'x' are not like those of the table."),
        ("tuples", ("x", 3), r"The table has no row \('x', 3\)"),
    ],
)
def test_what_is_not_there(index: str, asked: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        find(INDICES[index], asked, "row")


def test_a_label_of_several_rows() -> None:
    index = pd.Index(["a", "b", "a", "c"])
    np.testing.assert_array_equal(find(index, ["c", "b"], "row"), [3, 1])
    with pytest.raises(
        InputError, match="The row label 'a' stands for several rows; ask for them by position"
    ):
        find(index, ["c", "a"], "row")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "secret"}, "index.kind must be"),
        ({"kind": "numbers", "labels": ["a", "b"], "dtype": "int64"}, "no labels of the kind 'numbers'"),
        ({"kind": "numbers", "labels": [1], "dtype": "int64"}, "has 1 labels, not 2"),
        (
            {"kind": "dates", "labels": [1, 2], "unit": "s", "zone": "Nowhere"},
            "no labels of the kind 'dates'",
        ),
        ({"kind": "dates", "labels": [1, 2**70], "unit": "s", "zone": None}, "no labels of the kind 'dates'"),
        ({"kind": "periods", "labels": ["x", "y"], "unit": "M"}, "no labels of the kind 'periods'"),
        ({"kind": "range", "range": [0, 1, 0]}, "no labels of the kind 'range'"),
        ({"kind": "range", "range": [0, 10**30, 1]}, "index"),
        ({"kind": "levels", "levels": []}, "index.levels must have 1 or more entries"),
    ],
)
def test_damaged(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        from_plain("index", change, ["a", "b"])


# -- in a result ---------------------------------------------------------------------------------------


def table(m: int, n: int) -> np.ndarray:
    cells = np.outer(np.arange(1.0, m + 1), np.arange(1.0, n + 1))
    cells[RNG.random((m, n)) < 0.2] = np.nan
    return cells


@pytest.fixture(scope="module")
def dated() -> rf.Completion:
    return rf.complete(pd.DataFrame(table(9, 6), index=DATES, columns=list("abcdef")))


@pytest.fixture(scope="module")
def numbered() -> rf.Completion:
    """Rows are years, and columns 0, 1, 2, ..."""
    return rf.complete(pd.DataFrame(table(9, 6), index=range(2000, 2009)))


def test_labels_and_positions_mean_the_same_cells(dated: rf.Completion) -> None:
    by_position = dated.predict(np.arange(9)[:, None], [0, 5])
    np.testing.assert_array_equal(dated.predict(DATES.to_numpy()[:, None], ["a", "f"]), by_position)
    np.testing.assert_array_equal(dated.predict(np.arange(9)[:, None], ["a", "f"]), by_position)
    assert dated.predict("2020-03-30", "b") == dated.predict(2, 1)
    lower, upper = dated.interval("2020-03-30", ["b", "c"], 0.5)
    assert (lower <= dated.predict(2, [1, 2])).all()
    np.testing.assert_array_equal((lower, upper), dated.interval(2, [1, 2], 0.5))


def test_whole_numbers_are_never_ambiguous(numbered: rf.Completion) -> None:
    for asked in (2, 2002):
        with pytest.raises(InputError, match="The rows have numbers as labels: say labels=True if these"):
            numbered.predict(asked, 1)
    assert numbered.predict(2002, 1, labels=True) == numbered.predict(2, 1, labels=False)
    with pytest.raises(InputError, match="The table has no row 2; its labels are like 2000"):
        numbered.interval(2, 1, labels=True)
    with pytest.raises(InputError, match=r"A row lies outside the matrix, which has 9"):
        numbered.interval(2002, 1, labels=False)
    with pytest.raises(InputError, match="The table has no row 'a'"):
        numbered.predict("a", 1, labels=False)
    with pytest.raises(InputError, match="labels must be"):
        numbered.predict(2, 1, labels="yes")  # type: ignore[arg-type]


def test_nothing_else_takes_labels_for_positions(tmp_path: Path) -> None:
    """A frame without some of its rows has such labels: it is fitted, shown, saved all the same."""
    cells = pd.DataFrame(np.exp(RNG.standard_normal((60, 4)))).iloc[::2]
    cells = cells.mask(RNG.random(cells.shape) < 0.2)
    result = rf.complete(cells, max_rank=1)
    assert isinstance(result.summary(), str)
    assert isinstance(result._repr_html_(), str)
    assert render(report_tables(result))
    rf.plot.heatmap(result)
    assert result.transform(cells).shape == cells.shape
    result.save(tmp_path / "c.npz")
    assert list(rf.load(tmp_path / "c.npz").to_frame().index) == list(cells.index)


def test_only_whole_numbers_need_a_word() -> None:
    """Texts are labels, and numbers are positions where labels are texts, whatever is said of others."""
    result = rf.complete(pd.DataFrame(table(9, 6), index=range(2000, 2009), columns=list("abcdef")))
    expected = result.predict(2, 1, labels=False)
    assert result.predict(2002, "b", labels=True) == result.predict(2, "b", labels=False) == expected
    assert result.predict(2002, 1, labels=True) == expected
    waves = rf.complete(pd.DataFrame(table(9, 6), columns=400.5 + np.arange(6)))
    assert waves.predict(2, 401.5) == waves.predict(2, 1, labels=False)
    with pytest.raises(InputError, match="The columns have numbers as labels"):
        waves.predict(2, 1)


def test_without_labels_there_are_positions_only() -> None:
    result = rf.complete(table(9, 6))
    assert result.predict(2, 1, labels=True) == result.predict(2, 1)
    with pytest.raises(InputError, match="this table has no labels for them"):
        result.predict("a", 1)


def test_labels_survive_the_disk(dated: rf.Completion, numbered: rf.Completion, tmp_path: Path) -> None:
    for result in (dated, numbered):
        result.save(tmp_path / "c.npz")
        back = rf.load(tmp_path / "c.npz")
        pd.testing.assert_frame_equal(back.to_frame(), result.to_frame(), check_freq=False)
        assert back.row_names == result.row_names
    assert back.predict(2002, 3, labels=True) == numbered.predict(2002, 3, labels=True)


# -- triplets -------------------------------------------------------------------------------------------


def triplets(rows: Any, cols: Any) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    cells = table(len(rows), len(cols))
    i, j = np.nonzero(~np.isnan(cells))
    order = RNG.permutation(i.size)
    i, j = i[order], j[order]
    return [rows[k] for k in i], [cols[k] for k in j], cells[i, j], cells


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [
        (["ann", "bob", "cid", "eve"], False),
        ([datetime.date(2020, 1, k) for k in (1, 2, 9)], False),
        (list(pd.date_range("2020", periods=3)), False),
        ([-4, 17, 10**12], True),
        ([0.25, 0.5, 700.0], True),
        ([("x", 1), ("x", 2), ("y", 1)], False),
    ],
    ids=["text", "dates", "times", "integers", "floats", "tuples"],
)
def test_triplets_with_labels(rows: list[Any], numbers: bool) -> None:
    cols = ["p", "q", "r", "s", "t"]
    i, j, values, cells = triplets(rows, cols)
    problem = Problem.from_triplets(i, j, values, labels=numbers)
    np.testing.assert_array_equal(problem.to_dense(), cells)
    result = rf.complete(problem, max_rank=1)
    frame = result.to_frame()
    assert list(frame.columns) == cols
    assert result.predict(rows[1], "r", labels=numbers or None) == result.predict(1, 2, labels=False)
    assert result.col_names == tuple(cols)


def test_labels_for_what_has_none() -> None:
    problem = Problem.from_dense(table(4, 3)).with_labels(cols=["a", "b", "c"])
    result = rf.complete(problem)
    assert (result.row_names, result.col_names) == (None, ("a", "b", "c"))
    assert result.predict(1, "b") == result.predict(1, 1)
    with pytest.raises(InputError, match="rows must have 4 labels, not 2"):
        problem.with_labels(["x", "y"])


def test_labels_that_cannot_be_sorted_come_in_their_order() -> None:
    problem = Problem.from_triplets(["b", 1, "a"], [0, 1, 0], [1.0, 2.0, 3.0])
    assert problem.layout is not None
    assert problem.layout.rows is not None
    assert list(problem.layout.rows) == ["b", 1, "a"]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: Problem.from_triplets([3, 10**7], [0, 1], [1.0, 2.0]),
            "pass labels=True if they are labels",
        ),
        (lambda: Problem.from_triplets(["a", None], [0, 1], [1.0, 2.0]), "row label of entry 1 is missing"),
        (
            lambda: Problem.from_triplets(["a", "b"], [0, 1], [1, 2], (3, 2)),
            "There are 2 row labels, but shape",
        ),
        (
            lambda: Problem.from_triplets(["a"], ["x"], [np.inf]),
            "The cell in row 'a', column 'x' is infinite",
        ),
        (lambda: Problem.from_triplets(["a"] * 2, [7] * 2, [1, 2]), "Row 'a', column 7 is given twice"),
        (lambda: Problem.from_triplets([[1], [2, 3]], [0, 1], [1.0, 2.0]), "row labels must be text, dates"),
        (lambda: Problem.from_triplets([0.5], [1], [1.0]), "labels=True makes numbers of any kind labels"),
    ],
)
def test_triplets_that_are_refused(call: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()


def test_parts_of_a_problem_keep_the_labels() -> None:
    problem = Problem.from_frame(pd.DataFrame(table(4, 3), index=list("wxyz"), columns=list("abc")))
    for part in (
        problem.subset([0, 1]),
        problem.with_values(problem.values),
        problem.with_weights(np.ones((4, 3))),
    ):
        assert part.layout is problem.layout
    assert problem.T.layout is not None
    assert problem.T.layout.row_names == ("a", "b", "c")
