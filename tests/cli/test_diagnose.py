"""``rankfall diagnose``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


def test_in_words(table: Path, rankfall: Callable) -> None:
    ran = rankfall("diagnose", table)
    assert (ran.code, ran.err) == (0, "")
    assert "12 x 8 table, 76 of 96 cells observed (79.2%)." in ran.out
    assert "Emptiest rows: r" in ran.out
    assert "Ranks 1 to 3 can be determined" in ran.out


def test_in_json(table: Path, rankfall: Callable) -> None:
    facts = json.loads(rankfall("diagnose", table, "--json").out)
    assert facts["shape"] == [12, 8]
    assert facts["observed"] == 76
    assert facts["components"] == 1
    assert facts["undetermined_cells"] == 0
    assert facts["ranks"][0]["oversampling"] == pytest.approx(76 / 19)
    assert [row["rank"] for row in facts["ranks"]] == list(range(1, len(facts["ranks"]) + 1))
    # the limits that are announced are those of the table
    assert all(
        (row["core_oversampling"] > 1) == (row["rank"] <= facts["largest_rank"]) for row in facts["ranks"]
    )
    holes = pd.read_csv(table, index_col=0).isna()
    fewest = facts["emptiest_rows"]
    assert min(fewest.values()) == 8 - int(holes.sum(axis=1).max())
    assert all(count == 8 - int(holes.loc[name].sum()) for name, count in fewest.items())


def test_blocks_and_empty_lines_are_named(tmp_path: Path, rankfall: Callable) -> None:
    path = tmp_path / "in.csv"
    path.write_text("name,a,b,c,d\nw,1,2,,\nx,2,4,,\ny,,,3,6\nlonely,,,,\n", encoding="utf-8")
    out = rankfall("diagnose", path).out
    assert "1 row has no observed cell and cannot be completed: lonely." in out
    assert "2 blocks that share no row or column (2 x 2, 1 x 2)" in out
    # 16 cells less the 4 and the 2 inside the blocks
    assert "10 cells cannot be determined" in out


def test_too_few_cells_for_any_rank(tmp_path: Path, rankfall: Callable) -> None:
    path = tmp_path / "in.csv"
    path.write_text("name,a,b,c\nw,1,,\nx,,4,\ny,2,,3\n", encoding="utf-8")
    assert (
        "No rank can be determined: even a matrix of rank 1 has 5 unknowns" in rankfall("diagnose", path).out
    )


def test_many_ranks_are_a_short_table(tmp_path: Path, rankfall: Callable) -> None:
    path = tmp_path / "in.npy"
    np.save(path, np.random.default_rng(0).standard_normal((60, 50)))
    facts = json.loads(rankfall("diagnose", path, "--json").out)
    ranks = [row["rank"] for row in facts["ranks"]]
    assert len(ranks) <= 14
    assert ranks[0] == 1
    assert {facts["comfortable_rank"], facts["largest_rank"]} <= set(ranks)
