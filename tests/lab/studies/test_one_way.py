"""Study one-way: verdicts at their boundaries, tiny cells in and out of the certified regime."""

from __future__ import annotations

import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies import one_way as study

NAME = "one-way"


def rows(
    falls: int = 3, rises: int = 0, regime: str = "certified", inside: int = 5, exits: int = 0
) -> pd.DataFrame:
    """One chain, its A and one Z."""
    row = {
        "setting": regime, "regime": regime, "chain": 0, "steps": 10_000, "observed": 9_000, "falls": falls,
        "all_falls": falls, "early_rises": 0, "last_rank": 1, "diverged": 0, "inside": inside, "exits": exits,
        "ridge_shares": "1 at 0.50",
    }  # fmt: skip
    return pd.DataFrame([{**row, "object": "A", "rises": rises}, {**row, "object": "Z_1", "rises": 0}])


@pytest.mark.parametrize("regime", ["certified", "outside"])
@pytest.mark.parametrize(
    ("falls", "rises", "expected"), [(1, 0, "supported"), (0, 0, "undecided"), (9, 1, "not supported")]
)
def test_rises(regime: str, falls: int, rises: int, expected: str) -> None:
    table = rows(falls, rises, regime)
    where = "In the certified" if regime == "certified" else "Outside the certified"
    assert verdict_on(NAME, table, f"{where} regime the rank of A never rises") == expected
    assert verdict_on(NAME, table, "Z_l") == ("supported" if falls else "undecided")
    assert verdict_on(NAME, table, "regime the rank of A falls") == ("supported" if falls else "undecided")


def test_falls_during_the_burn_in_do_not_count() -> None:
    table = rows(0).assign(all_falls=50)
    assert verdict_on(NAME, table, "regime the rank of A falls") == "undecided"
    (claim,) = [c for c in study.judge(table) if "of A falls" in c.statement]
    assert claim.high == pytest.approx(3.688879 / 9000)
    assert claim.note.startswith("0 falls in 9,000 steps after the burn-in, 50 during it.")
    assert claim.note.endswith("by rank: certified: 1 at 0.50.")


@pytest.mark.parametrize(
    ("inside", "exits", "expected"), [(5, 0, "supported"), (0, 0, "undecided"), (5, 1, "not supported")]
)
def test_exits(inside: int, exits: int, expected: str) -> None:
    assert verdict_on(NAME, rows(inside=inside, exits=exits), "No chain leaves") == expected


def test_the_bound_is_three_over_n() -> None:
    (claim,) = [c for c in study.judge(rows(regime="outside")) if "A never rises" in c.statement]
    assert "0.00033" in claim.note  # -log(0.05) / 9000
    assert claim.high == pytest.approx(3.688879 / 9000)


@pytest.mark.parametrize("number", [0, 1])
def test_a_small_cell(number: int) -> None:
    cell = small_cell(NAME, number, chains=2, n_steps=4000, every=200, dwell=400)
    rows = check_rows(cell, {"regime", "setting", "object", "falls", "rises", "observed", "steps", "exits"})
    assert set(rows["object"]) == {"A", "Z_1", "Z_2"}
    assert (rows["steps"] == 4000).all()


def test_leaving_and_entering_a_basin() -> None:
    import numpy as np

    assert study._stays(np.array([2.0, 2.0, 1.0, 1.0]), full=2) == (2, 0)
    assert study._stays(np.array([1.0, 2.0, 1.0, np.nan]), full=2) == (2, 1)
