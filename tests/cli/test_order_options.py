"""Rows that follow each other, on the command line: ``--ordered``, ``--positions``, ``--groups``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from completion.ordered.series import series

QUICK = ("--folds", "2", "--max-rank", "2", "--effects", "columns", "--scaling", "all", "--quiet")
DAYS = pd.date_range("2024-03-01", periods=80).strftime("%Y-%m-%d")
TABLE = pd.DataFrame(series(80, 6, 1)[1].round(4), columns=list("abcdef"))


def written(folder: Path, name: str, at: int = 0, **columns: object) -> Path:
    """The table as a file, with further columns from some place on; its rows are shuffled."""
    frame, path = TABLE.copy(), folder / name
    for k, (label, cells) in enumerate(columns.items()):
        frame.insert(at + k, label, cells)
    frame = frame.iloc[np.random.default_rng(0).permutation(80)]
    if name.endswith(".parquet"):
        frame.reset_index(drop=True).to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


def facts(ran: object) -> dict:
    assert (ran.code, ran.err) == (0, ""), ran  # type: ignore[attr-defined]
    return json.loads(ran.out, parse_constant=lambda word: pytest.fail(word))  # type: ignore[attr-defined]


def refusal(ran: object) -> str:
    assert ran.code == 2, ran  # type: ignore[attr-defined]
    assert ran.out == ""  # type: ignore[attr-defined]
    (line,) = ran.err.strip().splitlines()  # type: ignore[attr-defined]
    assert line.startswith("rankfall: ")
    return line


@pytest.mark.parametrize("word", ["none", "rows", "columns", "both"])
def test_the_order_is_asked_for(word: str, tmp_path: Path, rankfall: Callable) -> None:
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    TABLE.to_csv(path, index=False)
    ran = rankfall("complete", path, "-o", out, "--ordered", word, *QUICK, "--json")
    assert ran.err == ""
    settings = json.loads(ran.out)["settings"]
    assert settings["ordered"] == settings["asked"]["ordered"] == word
    assert settings["held_out_in"] == "single cells"
    assert np.isfinite(pd.read_csv(out).to_numpy()).all()


def test_it_is_found_by_itself_and_told(tmp_path: Path, rankfall: Callable) -> None:
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    TABLE.to_csv(path, index=False)
    ran = rankfall("complete", path, "-o", out, *QUICK)
    assert (ran.code, ran.err) == (0, "")
    assert "Rows that follow each other resemble each other" in ran.out
    asked = rankfall("complete", path, "-o", tmp_path / "again.csv", "--ordered", "rows", *QUICK)
    assert asked.code == 0
    assert out.read_bytes() == (tmp_path / "again.csv").read_bytes()


def test_words_that_are_none(tmp_path: Path, rankfall: Callable) -> None:
    ran = rankfall("complete", "in.csv", "-o", "out.csv", "--ordered", "sideways")
    assert ran.code == 2
    assert "--ordered" in ran.err and "'columns'" in ran.err


@pytest.mark.parametrize("at", [0, 3, 6])
@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_positions_stand_in_any_column(name: str, at: int, tmp_path: Path, rankfall: Callable) -> None:
    """Dates, first or later: they sort the rows, and are written back as they are."""
    path = written(tmp_path, name, at, day=DAYS)
    out, saved = tmp_path / f"out{path.suffix}", tmp_path / "r.npz"
    ran = rankfall("complete", path, "-o", out, "--positions", "day", "--save", saved, *QUICK, "--json")
    assert facts(ran)["settings"]["ordered"] == "rows"
    read = pd.read_csv if path.suffix == ".csv" else pd.read_parquet
    before, after = read(path), read(out)
    assert list(after.columns) == list(before.columns)
    assert after["day"].tolist() == before["day"].tolist()
    assert after.notna().all(axis=None)
    observed = before.notna()
    for column in "abcdef":
        kept = observed[column]
        np.testing.assert_array_equal(after[column][kept], before[column][kept])
    chain = rf.load(saved).model.posterior.rows.chain
    assert chain is not None and (chain.step, chain.is_time) == (86400, True)
    assert before["day"].iloc[chain.order].is_monotonic_increasing


def test_positions_may_have_types(tmp_path: Path, rankfall: Callable) -> None:
    for cells in (pd.to_datetime(DAYS), np.arange(80) * 0.5, np.arange(80)):
        path, out = written(tmp_path, "in.parquet", 2, when=cells), tmp_path / "out.parquet"
        ran = rankfall("complete", path, "-o", out, "--positions", "when", *QUICK, "--json")
        assert facts(ran)["settings"]["ordered"] == "rows"
        pd.testing.assert_series_equal(pd.read_parquet(out)["when"], pd.read_parquet(path)["when"])


def test_dates_as_row_names_need_no_option(tmp_path: Path, rankfall: Callable) -> None:
    path, saved = tmp_path / "in.csv", tmp_path / "r.npz"
    TABLE.set_index(DAYS).to_csv(path, index_label="day")
    ran = rankfall("complete", path, "-o", tmp_path / "out.csv", "--save", saved, *QUICK)
    assert ran.code == 0
    assert " days" in ran.out or " hours" in ran.out
    chain = rf.load(saved).model.posterior.rows.chain
    assert chain is not None and chain.is_time


def test_a_table_without_header(tmp_path: Path, rankfall: Callable) -> None:
    """Columns are named by their positions from 0."""
    numbers = TABLE.fillna(-999.0)
    numbers.insert(2, "at", 2.0 * np.arange(80))
    for at in ("2", "0"):
        frame = numbers if at == "2" else numbers[["at", *"abcdef"]]
        path, saved = tmp_path / "in.csv", tmp_path / "r.npz"
        frame.to_csv(path, index=False, header=False)
        options = ["--positions", at, "--missing", "-999", "--save", saved, "--ordered", "rows"]
        ran = rankfall("complete", path, "-o", tmp_path / "out.csv", *options, *QUICK)
        assert (ran.code, ran.err) == (0, "")
        chain = rf.load(saved).model.posterior.rows.chain
        assert chain is not None and chain.step == 2
    ran = rankfall("complete", path, "-o", tmp_path / "out.csv", "--positions", "9", *QUICK)
    assert "'9'" in refusal(ran)


def test_a_header_that_begins_like_a_comment(tmp_path: Path, rankfall: Callable) -> None:
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    frame = TABLE.copy()
    frame.insert(0, "# day", DAYS)
    frame.to_csv(path, index=False)
    ran = rankfall("complete", path, "-o", out, "--positions", "day", *QUICK, "--json")
    assert facts(ran)["settings"]["ordered"] == "rows"
    assert out.read_text(encoding="utf-8").startswith("# day,a,b")


def test_groups_are_series(tmp_path: Path, rankfall: Callable) -> None:
    sites, days = np.repeat(["north", "south"], 40), np.tile(DAYS[:40], 2)
    path, out, saved = (tmp_path / name for name in ("in.csv", "out.csv", "r.npz"))
    written(tmp_path, "in.csv", 4, site=sites, day=days)
    options = ["--positions", "day", "--groups", "site", "--ordered", "rows", "--save", saved]
    ran = rankfall("complete", path, "-o", out, *options, *QUICK, "--json")
    assert facts(ran)["settings"]["ordered"] == "rows"
    before, after = pd.read_csv(path), pd.read_csv(out)
    assert list(after.columns) == list(before.columns)
    assert (
        after["site"].tolist() == before["site"].tolist() and after["day"].tolist() == before["day"].tolist()
    )
    chain = rf.load(saved).model.posterior.rows.chain
    assert chain is not None
    np.testing.assert_array_equal(np.flatnonzero(np.isinf(chain.steps)), [0, 40])
    order = before.iloc[chain.order]
    assert order["site"].nunique() == 2 and (order["site"].to_numpy()[:40] == order["site"].iloc[0]).all()
    assert order["day"].iloc[:40].is_monotonic_increasing and order["day"].iloc[40:].is_monotonic_increasing
    # groups alone: rows of a series in the order in which they stand
    ran = rankfall(
        "complete",
        path,
        "-o",
        out,
        "--groups",
        "site",
        "--aside",
        "day",
        "--ordered",
        "rows",
        "--save",
        saved,
        *QUICK,
    )
    assert ran.code == 0
    chain = rf.load(saved).model.posterior.rows.chain
    assert chain is not None
    np.testing.assert_array_equal(np.flatnonzero(np.isinf(chain.steps)), [0, 40])


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_row_names_that_are_positions_stay_row_names(name: str, tmp_path: Path, rankfall: Callable) -> None:
    table = TABLE.set_axis(pd.Index(DAYS, name="day"))
    path, cells, out = tmp_path / name, tmp_path / "cells.csv", tmp_path / "out.csv"
    table.to_csv(path) if path.suffix == ".csv" else table.to_parquet(path)
    cells.write_text(f"row,column\n{DAYS[3]},c\n")
    ran = rankfall("complete", path, "-o", out, "--positions", "day", "--cells", cells, *QUICK, "--json")
    assert facts(ran)["settings"]["ordered"] == "rows"
    assert out.read_text().splitlines()[1].startswith(f"{DAYS[3]},c,")


def test_a_column_may_be_left_aside_by_name_too(tmp_path: Path, rankfall: Callable) -> None:
    path = written(tmp_path, "in.csv", 6, day=DAYS)
    ran = rankfall(
        "complete", path, "-o", tmp_path / "out.csv", "--positions", "day", "--aside", "day", *QUICK, "--json"
    )
    assert facts(ran)["settings"]["ordered"] == "rows"


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
@pytest.mark.parametrize("option", ["--positions", "--groups"])
def test_an_empty_cell_is_named(option: str, name: str, tmp_path: Path, rankfall: Callable) -> None:
    cells = [*DAYS[:79], None]
    path, out = written(tmp_path, name, 1, day=cells), tmp_path / "out.csv"
    row = pd.read_csv(path)["day"].isna() if name == "in.csv" else pd.read_parquet(path)["day"].isna()
    ran = rankfall("complete", path, "-o", out, option, "day", *QUICK)
    assert refusal(ran) == f"rankfall: {option} day: the cell of row {int(np.flatnonzero(row)[0])} is empty."
    assert not out.exists()


@pytest.mark.parametrize("cell", ["soon", "NA", "31.12.2024"])
def test_a_cell_that_is_no_position_is_named(cell: str, tmp_path: Path, rankfall: Callable) -> None:
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    frame = TABLE.assign(day=[*DAYS[:41], cell, *DAYS[42:]])
    frame.to_csv(path, index=False)
    line = refusal(rankfall("complete", path, "-o", out, "--positions", "day", *QUICK))
    assert f"entry 41, {cell!r}, is neither." in line
    assert not out.exists()


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
@pytest.mark.parametrize("option", ["--positions", "--groups"])
def test_a_column_that_is_not_there(option: str, name: str, tmp_path: Path, rankfall: Callable) -> None:
    path = written(tmp_path, name)
    line = refusal(rankfall("complete", path, "-o", tmp_path / "out.csv", option, "when", *QUICK))
    assert "no column 'when'" in line and "'a', 'b', 'c'" in line


@pytest.mark.parametrize("option", ["--positions", "--groups"])
def test_triplets_have_no_such_column(option: str, tmp_path: Path, rankfall: Callable) -> None:
    path = tmp_path / "in.csv"
    path.write_text("who,what,value\na,x,1\na,y,2\nb,x,3\n", encoding="utf-8")
    for how in (["--triplets"], ["--row", "who", "--column", "what", "--value", "value"]):
        line = refusal(rankfall("complete", path, *how, "-o", tmp_path / "out.csv", option, "who", *QUICK))
        assert "riplets" in line


def test_stdout_holds_the_table(tmp_path: Path, rankfall: Callable) -> None:
    path, out = written(tmp_path, "in.csv", 2, day=DAYS), tmp_path / "out.csv"
    options = ["--positions", "day", "--ordered", "rows", *QUICK]
    assert rankfall("complete", path, "-o", out, *options).code == 0
    assert rankfall("complete", path, "-o", "-", *options).out == out.read_text(encoding="utf-8")


def test_help_tells_of_them(rankfall: Callable) -> None:
    ran = rankfall("complete", "--help")
    assert ran.code == 0
    for word in ("--ordered", "--positions", "--groups"):
        assert word in ran.out
