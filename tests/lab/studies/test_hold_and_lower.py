"""Study hold-and-lower: verdicts at their boundaries, and a small cell."""

from __future__ import annotations

import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on

COLUMNS = {
    "noise", "true_rank", "descent_rank", "descent_error", "schedule_rank", "schedule_error", "complete_rank",
    "complete_error", "ladder",
}  # fmt: skip


def row(schedule: int = 2, default: int = 3, descent: int = 4, **errors: float) -> dict[str, object]:
    found = {"descent_error": 0.5, "schedule_error": 0.3, "complete_error": 0.4} | errors
    return {
        "noise": 0.5, "repeat": 0, "true_rank": 2, "descent_rank": descent, "schedule_rank": schedule,
        "complete_rank": default, "ladder": "4 3 2 1 0", **found,
    }  # fmt: skip


def judged(part: str, rows: list[dict[str, object]]) -> str:
    return verdict_on("hold-and-lower", pd.DataFrame(rows), part)


@pytest.mark.parametrize(
    ("right", "wrong", "verdict"), [(6, 0, "supported"), (5, 0, "undecided"), (0, 6, "not supported")]
)
def test_right(right, wrong, verdict):
    """6 of 6: 0.54 to 1; problems in which gradient descent is not above the rank do not count."""
    rows = [row()] * right + [row(3)] * wrong + [row(3, descent=2)] * 20
    assert judged("finds the true rank", rows) == verdict


def test_comparisons():
    assert judged("more often than the defaults", [row()] * 6) == "supported"
    assert judged("more often than the defaults", [row(3, 2)] * 6) == "not supported"
    assert judged("more often than the defaults", [row(2, 2)] * 6) == "undecided"
    assert judged("than gradient descent's", [row()] * 6) == "supported"
    assert judged("than complete's", [row(complete_error=0.2)] * 6) == "not supported"


def test_small_cell():
    cell = small_cell(
        "hold-and-lower", 0, problem__size=8, problem__observed=0.8, ridge=1e-2, n_steps=20_000, folds=2
    )
    (found,) = check_rows(cell, COLUMNS).to_dict("records")
    ranks = [int(rank) for rank in found["ladder"].split()]
    assert ranks == sorted(ranks, reverse=True) and ranks[0] == found["descent_rank"]
    assert 0 < found["schedule_error"] < 1.5 and 0 < found["complete_error"] < 1.5
