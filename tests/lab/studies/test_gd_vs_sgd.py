"""Study gd-vs-sgd: verdicts at their boundaries, a tiny cell, descents that converge."""

from __future__ import annotations

from itertools import count

import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.datasets import low_rank
from rankfall.lab.studies import gd_vs_sgd as study
from rankfall.network import Network

NAME = "gd-vs-sgd"
NUMBERS = count()


def rows(n: int, gd: int = 2, sgd: int = 1, after: int = 1, **changes) -> pd.DataFrame:
    row = {
        "depth": 4, "scale": 1.0, "ridge": 1e-3, "true_rank": 1, "gd_rank": gd, "sgd_rank": sgd,
        "after_rank": after,
        "relative_lr": 3.0, "converged": 1, "gradient": 1e-9, "falls": max(gd - after, 0), "rises": 0,
        "observed": 1000, "ridge_share": 0.5,
    }  # fmt: skip
    # every row is a minimum of its own
    return pd.DataFrame([row] * n).assign(repeat=[next(NUMBERS) for _ in range(n)], **changes)


def verdict(part: str, *tables: pd.DataFrame) -> str:
    return verdict_on(NAME, pd.concat(tables, ignore_index=True), part)


@pytest.mark.parametrize(
    ("fell", "stayed", "expected"),
    [(10, 0, "supported"), (5, 5, "undecided"), (0, 10, "not supported"), (0, 0, "undecided")],
)
def test_falls_to_the_true_rank(fell: int, stayed: int, expected: str) -> None:
    # rows at the true rank from the beginning say nothing
    tables = (rows(fell), rows(stayed, after=2), rows(3, gd=1))
    assert verdict("more often than not", *tables) == expected


@pytest.mark.parametrize(
    ("fell", "stayed", "expected"),
    [(1, 30, "supported"), (0, 30, "undecided"), (0, 0, "undecided")],
)
def test_a_positive_probability(fell: int, stayed: int, expected: str) -> None:
    assert verdict("positive probability", rows(fell), rows(stayed, after=2), rows(3, gd=1)) == expected


def test_a_minimum_with_two_learning_rates_is_one() -> None:
    fast = rows(4, after=2)
    slow = fast.assign(relative_lr=1.0)
    (claim,) = [
        claim for claim in study.judge(pd.concat([fast, slow])) if "positive probability" in claim.statement
    ]
    assert claim.note.startswith("0 of 4 minima; ridge 0.50 of the critical one")


def test_what_has_not_converged_or_diverged_does_not_count() -> None:
    assert verdict("more often than not", rows(10), rows(50, after=2, converged=0)) == "supported"
    assert verdict("more often than not", rows(10), rows(50, after=-1)) == "supported"


@pytest.mark.parametrize(
    ("better", "worse", "expected"),
    [(6, 0, "supported"), (5, 0, "undecided"), (0, 6, "not supported"), (0, 0, "undecided")],
)
def test_paired_comparisons(better: int, worse: int, expected: str) -> None:
    # exact McNemar: six to nothing is p = 0.031, five to nothing 0.0625
    tables = (rows(better), rows(worse, gd=1, sgd=2), rows(4, gd=1))
    assert verdict("lower rank than gradient descent", *tables) == expected
    assert verdict("more often than the reverse", *tables) == expected


def test_never_back() -> None:
    assert verdict("never raises", rows(3)) == "supported"
    assert verdict("never raises", rows(3, after=2, falls=0)) == "undecided"
    assert verdict("never raises", rows(3, rises=1)) == "not supported"


def test_a_small_cell() -> None:
    cell = small_cell(
        NAME,
        repeats=2,
        problem__size=5,
        optimiser__n_steps=2000,
        optimiser__warm_up=200,
        descent__n_steps=2000,
        descent__rounds=2,
    )
    columns = {
        "depth",
        "scale",
        "ridge",
        "true_rank",
        "gd_rank",
        "gradient",
        "converged",
        "sgd_rank",
        "after_rank",
    }
    rows = check_rows(cell, columns)
    assert len(rows) == 2 * len(cell.get("optimiser.relative_lr"))


def test_a_descent_ends_where_the_gradient_is_small() -> None:
    problem, _ = low_rank((5, 5), rank=1, observed=0.8, seed=0)
    network = Network.gaussian([5, 5, 5, 5], scale=1.0, seed=0)
    trace, slope, lr, steps = study.descend(problem, network, 3e-3, [100.0, 0.3, 0.1], 20_000, 4, 1e-8)
    assert slope < 1e-8
    assert study.slope_at(problem, trace.final(0), 3e-3) == slope
    assert lr <= 0.3
    assert steps % 20_000 == 0
