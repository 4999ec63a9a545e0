"""Study annealing: verdicts at their boundaries and a tiny cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.annealing import ANNEALED, CONSTANT

NAME = "annealing"


def table(n: int = 20, **annealed) -> pd.DataFrame:
    """`n` problems: annealing is right, everything else wrong, unless told otherwise."""
    parts = []
    for name in (ANNEALED, *CONSTANT):
        good = name == ANNEALED
        part = pd.DataFrame(
            {
                "repeat": np.arange(n),
                "schedule": name,
                "depth": 3,
                "noise": 0.0,
                "true_rank": 3,
                "share_above": np.nan,
            }
        )
        part = part.assign(rank_at_change=3, rank=3 if good else 9, diverged=0)
        part = part.assign(error=0.1 if good else 0.5, shrinkage=0.001 if good else 0.2)
        parts.append(part.assign(**annealed) if good else part)
    return pd.concat(parts, ignore_index=True)


def first(n: int, right: float, wrong: float, of: int = 20) -> np.ndarray:
    return np.where(np.arange(of) < n, right, wrong)


@pytest.mark.parametrize(("right", "expected"), [(20, "supported"), (18, "undecided"), (8, "not supported")])
def test_finds_and_keeps_the_rank(right: int, expected: str) -> None:
    # Clopper-Pearson: 20 of 20 from 0.83, 18 of 20 from 0.68 to 0.99, 8 of 20 to 0.64
    found = table(rank_at_change=first(right, 3, 4).astype(int))
    assert verdict_on(NAME, found, "find the true rank") == expected
    assert verdict_on(NAME, table(rank=first(right, 3, 2).astype(int)), "rank is kept") == expected


@pytest.mark.parametrize(("right", "expected"), [(20, "supported"), (12, "undecided"), (2, "not supported")])
def test_shrinkage_and_error(right: int, expected: str) -> None:
    assert verdict_on(NAME, table(shrinkage=first(right, 0.01, 0.03)), "shrinkage away") == expected
    assert verdict_on(NAME, table(error=first(right, 0.1, 0.9)), "better than any") == expected


def test_a_run_that_diverged_is_the_worse_one() -> None:
    assert verdict_on(NAME, table(error=np.inf, shrinkage=np.inf), "better than any") == "not supported"
    assert verdict_on(NAME, table(error=np.inf, shrinkage=np.inf), "shrinkage away") == "not supported"


def test_ranks_are_compared_in_pairs() -> None:
    assert verdict_on(NAME, table(), "Annealing ends at the true rank") == "supported"
    assert verdict_on(NAME, table(rank=9), "Annealing ends at the true rank") == "undecided"
    assert (
        verdict_on(NAME, table(rank=first(5, 3, 9).astype(int)), "Annealing ends at the true rank")
        == "undecided"
    )


def test_a_small_cell() -> None:
    cell = small_cell(NAME, repeats=2, problem__size=8, problem__rank=1, optimiser__n_steps=2000)
    rows = check_rows(cell, {"schedule", "rank", "rank_at_change", "error", "shrinkage", "diverged", "noise"})
    assert len(rows) == 10
    assert np.isfinite(rows[["error", "shrinkage"]]).all().all()
