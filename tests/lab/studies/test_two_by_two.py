"""Study two-by-two: verdicts at their boundaries, a tiny cell, the last ridge."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.datasets import two_by_two
from rankfall.lab.studies import two_by_two as study

NAME = "two-by-two"


def chains(
    fell: int, n: int = 40, lr: float = 0.5, end: int = 1, share: float = 0.8, **changes
) -> pd.DataFrame:
    """`n` chains of depth 3, of which `fell` fell after 1000 of 100,000 steps."""
    down = np.arange(n) < fell
    rows = pd.DataFrame(
        {
            "method": "SGD",
            "depth": 3,
            "ridge_share": share,
            "lr": lr,
            "fell": down.astype(int),
            "first_step": np.where(down, 1000, 100_000),
            "observed": 100_000,
            "rises_after": 0,
            "end_rank": np.where(down, end, 2),
            "diverged": 0,
        }
    )
    return rows.assign(**changes)


def descents(held: int, n: int = 100, gradient: float = 1e-12) -> pd.DataFrame:
    rank = np.where(np.arange(n) < held, 2, 1)
    return pd.DataFrame(
        {
            "method": "GD",
            "depth": 3,
            "ridge_share": 0.8,
            "lr": 0.5,
            "end_rank": rank,
            "gap": 1e-6,
            "gradient": gradient,
        }
    )


def verdict(part: str, *tables: pd.DataFrame) -> str:
    return verdict_on(NAME, pd.concat(tables, ignore_index=True), part)


@pytest.mark.parametrize(("held", "expected"), [(100, "supported"), (97, "undecided"), (80, "not supported")])
def test_gradient_descent_stays(held: int, expected: str) -> None:
    # Clopper-Pearson: 100 of 100 from 0.964, 97 of 100 from 0.915 to 0.994, 80 of 100 to 0.873
    assert verdict("Gradient descent stays", chains(3), descents(held)) == expected


def test_a_descent_that_has_not_converged_does_not_count_as_staying() -> None:
    assert verdict("Gradient descent stays", chains(3), descents(100, gradient=1e-7)) == "not supported"


@pytest.mark.parametrize(
    ("fell", "end", "expected"),
    [(20, 1, "supported"), (20, 0, "not supported"), (2, 1, "undecided"), (0, 1, "undecided")],
)
def test_where_chains_fall_to(fell: int, end: int, expected: str) -> None:
    assert verdict("Depth 3", chains(fell, end=end), descents(100)) == expected


def test_leaving_needs_a_fall() -> None:
    assert verdict("SGD leaves the rank-two", chains(1), descents(9)) == "supported"
    assert verdict("SGD leaves the rank-two", chains(0), descents(9)) == "undecided"
    assert verdict("small learning rates", chains(0, lr=0.1), chains(9), descents(9)) == "undecided"
    assert verdict("small learning rates", chains(1, lr=0.1), chains(9), descents(9)) == "supported"


@pytest.mark.parametrize(
    ("slow", "fast", "expected"),
    [(6, 40, "supported"), (10, 14, "undecided"), (40, 6, "not supported"), (4, 40, "undecided")],
)
def test_the_rate_grows_with_the_learning_rate(slow: int, fast: int, expected: str) -> None:
    # the last one: fewer than five falls are not compared
    assert verdict("A larger learning rate", chains(slow, lr=0.4), chains(fast), descents(9)) == expected


def test_never_back() -> None:
    assert verdict("never rises again", chains(40), descents(9)) == "supported"
    assert verdict("never rises again", chains(40, rises_after=1), descents(9)) == "not supported"
    assert verdict("never rises again", chains(0), descents(9)) == "undecided"


def test_a_small_cell() -> None:
    cell = small_cell(NAME, 3, chains=3, n_steps=4000, descent__starts=2, descent__n_steps=2000)
    rows = check_rows(
        cell,
        {
            "method",
            "depth",
            "ridge",
            "ridge_share",
            "lr",
            "fell",
            "first_step",
            "observed",
            "rises_after",
            "end_rank",
            "diverged",
            "gap",
            "gradient",
        },
    )
    assert (rows["method"] == "SGD").sum() == 3
    assert (rows["method"] == "GD").sum() == 2


def test_the_last_ridge_vanishes_at_the_edge_of_the_window() -> None:
    # docs/theory.md, section 9: for depth 4 the minimum exists up to e = 0.3536 as the ridge goes to zero
    ridges = [study.last_ridge(two_by_two(e)[0], 4, tol=0.1) for e in (0.30, 0.33, 0.35)]
    assert ridges[0] > ridges[1] > ridges[2]
    assert ridges[2] < 5e-4
