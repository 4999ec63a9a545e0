"""Study reach: verdicts at their boundaries and small cells."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.reach import measured

COLUMNS = {
    "problem",
    "ridge",
    "n_steps",
    "horizon",
    "log10_bound",
    "paths",
    "paths_inside",
    "events",
    "split",
    "split_low",
}


def table(*rows: dict) -> pd.DataFrame:
    usual = {
        "problem": "square", "ridge": 0.09, "lr": 1e-3, "n_steps": 100, "horizon": 500, "start_rank": 2,
        "log10_bound": -50.0, "paths": 4, "paths_inside": 4, "paths_rank": 1, "chains": 100, "events": 50,
        "split": math.nan, "split_low": math.nan, "split_high": math.nan,
    }  # fmt: skip
    return pd.DataFrame([{**usual, **row} for row in rows])


def on(part: str, *rows: dict) -> str:
    return verdict_on("reach", table(*rows), part)


def split(estimate: float, low: float, high: float) -> dict:
    return {"split": estimate, "split_low": low, "split_high": high}


def test_paths():
    assert on("path of Theorem 2", {}, {}) == "supported"
    assert on("path of Theorem 2", {}, {"paths_inside": 3}) == "not supported"
    assert on("path of Theorem 2", {"paths": 0, "paths_inside": 0}) == "undecided"


def test_below():
    part = "lies below"
    assert on(part, {}, {"events": 0, **split(1e-8, 1e-9, 1e-7)}) == "supported"
    assert on(part, {}, {"events": 0}) == "undecided"
    assert on(part, {}, {"events": 5, "log10_bound": -0.5}) == "not supported"
    assert on(part, {"events": 50, "log10_bound": -0.3}) == "undecided"


def test_tells():
    part = "within a factor of 1000"
    assert on(part, {}, {"log10_bound": -60.0}) == "not supported"
    assert on(part, {"log10_bound": -2.0}) == "supported"
    assert on(part, {"log10_bound": -2.0}, {}) == "undecided"


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([{}], "undecided"),
        ([split(0.5, 0.4, 0.6)], "supported"),
        ([split(0.1, 0.05, 0.2)], "not supported"),
        ([split(0.1, 0.05, 0.2), split(0.5, 0.4, 0.6)], "undecided"),
    ],
)
def test_agree(rows, verdict):
    assert on("agree", *rows) == verdict


def test_splitting_is_used_where_events_are_few():
    rows = measured(
        table({"events": 19, **split(0.2, 0.1, 0.3)}, {"events": 20, **split(0.2, 0.1, 0.3)}, {"events": 0})
    )
    assert rows["method"].tolist() == ["splitting", "direct", "direct"]
    assert rows["log10"].tolist() == pytest.approx([math.log10(0.2), math.log10(0.2), -math.inf])
    assert rows["seen"].tolist() == [True, True, False]


def test_small_cells():
    square = check_rows(small_cell("reach", 0, chains=12, repeats=2, replicas=4, looks=20, paths=1), COLUMNS)
    assert square["start_rank"].tolist() == [2]
    assert square["paths_inside"].tolist() == square["paths"].tolist() == [1]
    assert square["events"].item() > 0  # falls with probability about one half
    holed = check_rows(small_cell("reach", 2, chains=10, paths=2), COLUMNS)
    assert holed["events"].tolist() == [10]
    assert holed["paths_inside"].tolist() == [2]
