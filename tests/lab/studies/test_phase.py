"""Study phase: verdicts at their boundaries, and a small cell of every part."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.errors import InputError
from rankfall.lab.studies.common.phase_claims import edges
from rankfall.lab.studies.phase import ABSENT, by_problem, judge

COLUMNS = {
    "problem", "size", "depth", "noise", "true_rank", "share", "critical", "margin", "relative_lr",
    "lr", "ridge", "batch_size", "chains", "at_true", "below", "above", "diverged", "falls", "rises",
    "steps", "gd_chains", "gd_stayed", "gd_true", "gd_gradient", "sgd_error", "gd_error", "exponent",
    "log_factor",
}  # fmt: skip


def setting(problem: int = 0, there: int = 16, part: str = "falls", **changes: float) -> dict[str, object]:
    """A row of which `there` of the 16 chains are at the true rank, the others above it."""
    row = {
        "part": part, "problem": f"p{problem}", "size": 10, "depth": 3, "noise": 0.5, "true_rank": 2,
        "share": 0.95, "relative_lr": 2.5, "lr": 0.1, "ridge": 0.01, "critical": 0.0105, "margin": 2.5,
        "batch_size": 1, "n_observed": 70, "chains": 16, "at_true": there, "below": 0, "above": 16 - there,
        "diverged": 0, "falls": there, "rises": 0, "steps": 1_600_000, "gd_chains": 16, "gd_stayed": 16,
        "gd_true": 0, "gd_gradient": 1e-8, "sgd_error": 0.3, "gd_error": 0.4, "exponent": -1.0,
        "exponent_error": 0.01, "log_factor": -0.9, "excess": -0.1, "excess_error": 0.01, "tails": 16,
    }  # fmt: skip
    return {**row, **changes}


def judged(part: str, rows: list[dict[str, object]]) -> str:
    return verdict_on("phase", pd.DataFrame(rows), part)


@pytest.mark.parametrize(
    ("yes", "no", "verdict"),
    [(72, 0, "supported"), (70, 2, "supported"), (69, 3, "undecided"), (50, 22, "not supported")],
)
def test_falls(yes, no, verdict):
    """12 of 16 chains are enough, 11 are not; 70 of 72 problems: 0.903 to 0.997."""
    rows = [setting(k, 12) for k in range(yes)] + [setting(100 + k, 11) for k in range(no)]
    assert judged("from the minimum of one rank too many", rows) == verdict
    assert judged("from the minimum of one rank too many", [setting(part="band")]) == "undecided"


@pytest.mark.parametrize(("leave", "verdict"), [(0, "supported"), (1, "undecided"), (20, "not supported")])
def test_stays(leave, verdict):
    """72 of 72: 0.9501 to 1; a problem counts as one whether one descent leaves or all do."""
    rows = [setting(k, gd_stayed=15 if k < leave else 16) for k in range(72)]
    assert judged("Gradient descent from the same points", rows) == verdict


def test_never_back():
    assert judged("never rises", [setting()]) == "supported"
    assert judged("never rises", [setting(there=0)]) == "undecided"
    assert judged("never rises", [setting(), setting(rises=1)]) == "not supported"
    # gradient descent, as the batch of all entries, is another claim's
    assert judged("never rises", [setting(), setting(rises=1, batch_size=70)]) == "supported"


def test_errors_are_compared_in_signs():
    better = [setting(k) for k in range(8)]
    assert judged("smaller error", better) == "supported"
    assert judged("smaller error", [row | {"sgd_error": 0.5} for row in better]) == "not supported"
    assert judged("smaller error", [row | {"sgd_error": 0.4} for row in better]) == "undecided"
    assert judged("smaller error", [row | {"sgd_error": math.nan} for row in better]) == "undecided"


def ladder(problem: int, *there: int, **changes: float) -> list[dict[str, object]]:
    """A problem at lr K = 0.5, 1, 1.5, ..."""
    return [setting(problem, n, "band", relative_lr=0.5 * (k + 1), **changes) for k, n in enumerate(there)]


def test_edges_of_the_band():
    def of(*there: int) -> tuple[float, float]:
        return edges(pd.DataFrame(ladder(0, *there)))

    assert of(0, 4, 8, 12, 16) == (1.0, 2.0)
    # up to which, and from which on: what turns back is within the band
    assert of(0, 5, 4, 12, 11, 16) == (0.5, 3.0)
    assert np.isnan(of(16, 16)).tolist() == [True, False]
    assert np.isnan(of(0, 4)).tolist() == [False, True]


@pytest.mark.parametrize(
    ("there", "verdict"),
    [
        ((0, 8, 16), "supported"),  # 0.5 to 1.5: a factor of 3
        ((0, 8, 8, 16), "not supported"),
        ((16, 16, 16), "not supported"),
    ],
)
def test_band(there, verdict):
    rows = [row for k in range(6) for row in ladder(k, *there)]
    assert judged("narrow band", rows) == verdict
    assert judged("narrow band", rows[: len(there)]) == "undecided"


def test_ridge_and_batch():
    near = [setting(k, 16, "band") for k in range(6)]
    far = [setting(k, 3, "band", share=0.8) for k in range(6)]
    assert judged("Nearer to", near + far) == "supported"
    assert judged("Nearer to", near) == "undecided"
    single = [setting(k, 16, "batch") for k in range(6)]
    four = [setting(k, 3, "batch", batch_size=4) for k in range(6)]
    assert judged("batches of four", single + four) == "supported"
    assert judged("batches of four", single + [row | {"at_true": 16} for row in four]) == "undecided"


def test_without_noise():
    rows = [setting(k, 12, "noise", noise=0.0, share=0.99) for k in range(6)]
    assert judged("Without noise", rows) == "supported"
    assert judged("Without noise", [row | {"at_true": 11} for row in rows]) == "not supported"
    assert judged("Without noise", [row | {"noise": 0.25} for row in rows]) == "undecided"


def test_sign_and_factor():
    agree = [row for k in range(6) for row in ladder(k, 16, 16)]
    assert judged("sign of the tail", agree) == "supported"
    differ = [row for k in range(6) for row in ladder(k, 0, 16)]
    assert judged("sign of the tail", differ) == "not supported"
    grows = [row | {"exponent": 0.1} if row["at_true"] == 0 else row for row in differ]
    assert judged("sign of the tail", grows) == "supported"
    assert judged("expected factor", agree) == "supported"
    assert judged("expected factor", [*agree, agree[0] | {"excess": 0.1}]) == "not supported"
    assert judged("expected factor", [row | {"excess_error": math.nan} for row in agree]) == "undecided"


def test_problems_without_the_minimum_are_left_out():
    rows = [setting(k, 12, "noise", noise=0.0, share=0.99) for k in range(6)]
    (claim,) = [
        claim
        for claim in judge(pd.DataFrame([*rows, setting(9, 0, "noise", noise=0.0) | ABSENT]))
        if "Without noise" in claim.statement
    ]
    assert claim.verdict == "supported" and "1 more problems have no such minimum" in claim.note
    assert by_problem(pd.DataFrame([setting() | ABSENT, setting(1)]))["problem"].tolist() == ["p1"]


def test_table_of_problems():
    table = by_problem(pd.DataFrame([setting(1), setting(0), setting(2, part="band")]))
    assert table["problem"].tolist() == ["p0", "p1"]


def test_a_cell_of_falls():
    small = {"plan__falls__n_steps": 20_000, "chains": 3, "descent_steps": 1000, "polish_steps": 1000}
    rows = check_rows(small_cell("phase", 0, **small), COLUMNS)
    (row,) = rows.to_dict("records")
    assert row["ridge"] == pytest.approx(0.95 * row["critical"])
    assert row["at_true"] + row["below"] + row["above"] + row["diverged"] == 3
    assert row["gd_stayed"] == 3 and row["gd_gradient"] < 1e-2
    assert 0 < row["gd_error"] < 1 and row["sgd_error"] > 0


def test_a_cell_of_the_band():
    small = {
        "plan__band__n_steps": 5000, "plan__band__shares": [0.95], "plan__band__relative_lrs": [0.5, 2.5],
        "chains": 3, "descent_steps": 200,
    }  # fmt: skip
    rows = check_rows(small_cell("phase", 4, **small), COLUMNS)
    assert rows["relative_lr"].tolist() == [0.5, 2.5]
    assert rows["lr"].iloc[1] == pytest.approx(5 * rows["lr"].iloc[0])
    # both start from the same minimum of one rank too many
    assert (rows["tails"] > 0).all() and (rows["exponent"] < -0.8).all()


def test_a_cell_without_the_minimum(monkeypatch):
    def none_found(*_):
        raise InputError("No strict minimum of rank 3 was found at any ridge.")

    monkeypatch.setattr("rankfall.lab.studies.phase.critical_ridge", none_found)
    (row,) = check_rows(small_cell("phase", 6), COLUMNS).to_dict("records")
    assert row["chains"] == 0 and np.isnan(row["critical"])


def test_a_cell_of_batches():
    small = {
        "plan__batch__n_steps": 500, "plan__batch__batches": [1, 1000], "chains": 2, "descent_steps": 200,
    }  # fmt: skip
    rows = check_rows(small_cell("phase", 8, **small), COLUMNS)
    assert rows["batch_size"].tolist() == [1, 1000]
    assert rows["at_true"].iloc[1] == 0
