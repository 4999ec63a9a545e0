"""``rankfall complete`` of tables with text, grades and limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf


def lines(seed: int = 0, m: int = 60) -> list[list[str]]:
    """Numbers, grades and towns from one factor, with some cells empty."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=m)
    numbers = [np.round(5 + 2 * u + 0.4 * rng.normal(size=m), 1) for _ in range(3)]
    grades = np.digitize(u + 0.3 * rng.normal(size=m), [-0.7, 0.7]) + 1
    towns = np.array(["Bonn", "Kiel", "Ulm"])[np.digitize(u + 0.3 * rng.normal(size=m), [-0.5, 0.5])]
    cells = [[str(x) for x in column] for column in (*numbers, grades, towns)]
    for column in cells:
        for i in rng.choice(m, m // 10, replace=False):
            column[i] = ""
    return [["a", "b", "c", "grade", "town"], *map(list, zip(*cells, strict=True))]


def written(path: Path, rows: list[list[str]]) -> Path:
    path.write_text("\n".join(map(",".join, rows)) + "\n", encoding="utf-8")
    return path


def test_text_and_grades_are_filled(tmp_path: Path, rankfall: Callable) -> None:
    rows = lines()
    source, out, saved = written(tmp_path / "in.csv", rows), tmp_path / "out.csv", tmp_path / "r.npz"
    ran = rankfall("complete", source, "-o", out, "--kinds", "grade=ordinal", "--save", saved)
    assert (ran.code, ran.err) == (0, "")
    assert "Column town holds text, which was read as categories." in ran.out
    assert "3 number, 1 ordinal, 1 category" in ran.out
    after = [line.split(",") for line in out.read_text(encoding="utf-8").splitlines()]
    assert after[0] == rows[0]
    for was, now in zip(rows[1:], after[1:], strict=True):
        assert all(new == old for old, new in zip(was, now, strict=True) if old)
        assert now[3] in ("1", "2", "3") and now[4] in ("Bonn", "Kiel", "Ulm")
    assert type(rf.load(saved)).__name__ == "MixedCompletion"


def test_limits_are_filled_on_their_side(tmp_path: Path, rankfall: Callable) -> None:
    rows = [row[:3] for row in lines(1)]
    for row in rows[1:]:
        if row[0] and float(row[0]) < 3:
            row[0] = "<3"
    source, out = written(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    ran = rankfall("complete", source, "-o", out)
    assert ran.code == 0 and "hold limits ('<3') in column a" in ran.out
    assert "known by a limit only" in ran.out
    after = [line.split(",") for line in out.read_text(encoding="utf-8").splitlines()]
    below = [float(now[0]) for was, now in zip(rows[1:], after[1:], strict=True) if was[0] == "<3"]
    assert below and max(below) < 3


def test_draws_of_levels_and_limits_are_text_in_one_long_table(tmp_path: Path, rankfall: Callable) -> None:
    rows = lines(1)
    for row in rows[1:]:
        if row[0] and float(row[0]) < 3:
            row[0] = "<3"
    source, out = written(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    ran = rankfall("complete", source, "-o", out, "--kinds", "grade=ordinal", "--draws", 3, "--max-rank", 1)
    assert (ran.code, ran.err) == (0, "")
    after = [line.split(",") for line in out.read_text(encoding="utf-8").splitlines()]
    assert after[0] == ["draw", *rows[0]] and len(after) == 1 + 3 * 60
    assert [line[0] for line in after[1:]] == ["1"] * 60 + ["2"] * 60 + ["3"] * 60
    for was, now in zip(3 * rows[1:], after[1:], strict=True):
        assert all(new == old for old, new in zip(was, now[1:], strict=True) if old not in ("", "<3"))
        assert float(now[1]) < 3 if was[0] == "<3" else now[1]
        assert now[4] in ("1", "2", "3") and now[5] in ("Bonn", "Kiel", "Ulm")
    again = rankfall("complete", source, "-o", tmp_path / "two.csv", "--kinds", "grade=ordinal", "--draws", 2,
                     "--max-rank", 1)  # fmt: skip
    assert (
        again.code == 0 and (tmp_path / "two.csv").read_text() == "\n".join(map(",".join, after[:121])) + "\n"
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_draws_of_limits_are_not_rounded_beyond_them(suffix: str, tmp_path: Path, rankfall: Callable) -> None:
    rows = [row[:3] for row in lines(1)]
    for row in rows[1:]:
        row[0] = row[0] and ("<4.6" if float(row[0]) < 4.6 else f"{float(row[0]):.0f}")
    source, out = written(tmp_path / "in.csv", rows), tmp_path / f"out{suffix}"
    assert rankfall("complete", source, "-o", out, "--draws", 4, "--max-rank", 1).code == 0
    long = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    below = np.tile([row[0] == "<4.6" for row in rows[1:]], 4)
    assert below.any() and long["a"][below].max() < 4.6


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--kinds", "grade"), "--kinds takes COLUMN=KIND"),
        (("--kinds", "grade=grades"), "--kinds takes COLUMN=KIND"),
        (("--kinds", "zz=count"), "--kinds names column 'zz'"),
        (("--kinds", "town=ordinal"), "the column holds text, whose order nobody knows"),
        (("--kinds", "grade=ordinal", "--kinds", "grade=count"), "gives column grade two kinds"),
        (("--compare",), "--compare cannot be used with columns of several kinds"),
        (("--kinds", "town=number"), "is not a number"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, rankfall: Callable, args: tuple, words: str) -> None:
    source = written(tmp_path / "in.csv", lines())
    ran = rankfall("complete", source, "-o", tmp_path / "out.csv", *args)
    assert ran.code == 2 and words in ran.err
    assert not (tmp_path / "out.csv").exists()


def test_text_goes_to_text_only(tmp_path: Path, rankfall: Callable) -> None:
    source = written(tmp_path / "in.csv", lines())
    ran = rankfall("complete", source, "-o", tmp_path / "out.parquet")
    assert ran.code == 2 and "Columns of text come back as text only" in ran.err


def test_a_saved_result_knows_the_texts(tmp_path: Path, rankfall: Callable) -> None:
    rows = lines(2)
    source, saved = written(tmp_path / "in.csv", rows), tmp_path / "r.npz"
    assert rankfall("complete", source, "-o", tmp_path / "out.csv", "--save", saved).code == 0
    towns = [row[4] for row in rows[1:]]
    frame = rf.load(saved).to_frame()
    assert all(now == was for was, now in zip(towns, frame["town"], strict=True) if was)
    assert set(frame["town"]) == {"Bonn", "Kiel", "Ulm"}
    assert list(rf.load(saved).probabilities([0], "town").columns) == ["Bonn", "Kiel", "Ulm"]


def test_numbers_beside_levels_are_looked_at_for_slips(tmp_path: Path, rankfall: Callable) -> None:
    rows = lines(3)
    for row in rows[1:60:15]:
        row[1] = "-999"
    source, out = written(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    assert "Warning: -999 in 4 cells of column b" in rankfall("complete", source, "-o", out).out
    assert "Warning: -999" not in rankfall("complete", source, "-o", out, "--missing", "-999").out


def test_what_kinds_cannot_do_yet_is_said(tmp_path: Path, rankfall: Callable) -> None:
    source, out = written(tmp_path / "in.csv", lines(4)), tmp_path / "out.csv"
    ran = rankfall("complete", source, "-o", out, "--kinds", "grade=ordinal,town=category")
    ran_with = rankfall("complete", source, "-o", out, "--bounds", "0,", "--bounds", "a=0,20")
    assert ran_with.code == 0
    named = rankfall("complete", source, "-o", out, "--bounds", "town=0,20")
    assert named.code == 2 and "bounds are for numbers, and column town is of the kind" in named.err
    assert ran.code == 2 and "every column takes a --kinds of its own" in ran.err
