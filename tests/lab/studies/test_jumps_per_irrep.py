"""Study jumps-per-irrep: verdicts at their boundaries and tiny cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on

NAME = "jumps-per-irrep"


def table(rises: int = 0, tail: float = 1e-16, alone: int = 40, whole: int = 40) -> pd.DataFrame:
    """Forty chains of one irrep, each with two falls, of which one is late."""
    every = np.arange(40)
    chain = {
        "kind": "chain", "group": "C6", "irrep": "1a", "dimension": 1, "step": 60_000, "seen": 59_000,
        "seen_late": 54_000, "diverged": 0, "rank": 1.0,
    }  # fmt: skip
    full = pd.DataFrame({**chain, "start": "full", "chain": every, "falls": 2, "tail": 0.5})
    full = full.assign(rises=(every < rises).astype(int), whole=(every < whole).astype(int))
    low = pd.DataFrame({**chain, "start": "low", "chain": every, "falls": 0, "rises": 0, "tail": tail})
    fall = {"kind": "fall", "group": "C6", "irrep": "1a", "dimension": 1, "start": "full", "step": 9000}
    falls = pd.DataFrame({**fall, "chain": every, "late": 1, "alone": (every < alone).astype(int)})
    path = pd.DataFrame({**fall, "kind": "path", "chain": 0, "step": every, "rank": 1.0})
    return pd.concat([full, low, falls, path], ignore_index=True)


def test_rises() -> None:
    assert verdict_on(NAME, table(), "once fallen") == "supported"
    assert verdict_on(NAME, table(rises=1), "once fallen") == "not supported"
    few = table().query("chain < 1")
    assert verdict_on(NAME, few, "once fallen") == "undecided"


def test_exact_ranks() -> None:
    assert verdict_on(NAME, table(), "exact rank") == "supported"
    assert verdict_on(NAME, table(tail=1e-9), "exact rank") == "not supported"


@pytest.mark.parametrize(("n", "expected"), [(40, "supported"), (22, "undecided"), (8, "not supported")])
def test_shares(n: int, expected: str) -> None:
    assert verdict_on(NAME, table(alone=n), "one at a time") == expected
    assert verdict_on(NAME, table(whole=40 if n == 40 else 30 if n == 22 else 8), "whole irreps") == expected


@pytest.mark.parametrize("number", [0, 1])
def test_small_cells(number: int) -> None:
    cell = small_cell(NAME, number, chains=2, n_steps=1500, burn_in=300, dwell=200)
    rows = check_rows(cell, {"kind", "irrep", "dimension", "chain", "step", "rank"})
    chains = rows[rows["kind"] == "chain"]
    assert (chains["diverged"] == 0).all() and (chains["whole"] == 1).all()
    if cell.get("start") == "low":
        assert (chains["tail"] < 1e-12).all()
    else:
        assert chains["falls"].sum() > 0
