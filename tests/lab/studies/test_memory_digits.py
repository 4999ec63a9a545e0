"""Study memory-digits: verdicts at their boundaries and small cells of every kind."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.memory_digits import Settings, when

NAME = "memory-digits"
RUNS = [
    (0.05, 0.02, 4),
    (0.05, 0.02, 1),
    (0.05, 0.02, 64),
    (0.0125, 0.02, 4),
    (0.05, 0.005, 4),
    (0.05, 0.05, 4),
]
LOW = [(0.05, 0.02, 4), (0.05, 0.02, 1), (0.05, 0.05, 4)]


def row(**facts: object) -> dict[str, object]:
    plain = {
        "at": "end", "step": 100, "layer": 1, "limit": 48, "rank": 10, "allowed": 20, "certified": -1,
        "violation": 0.5, "shrunk": 0.5, "blank_moved": 0.0, "right": 0.9, "predicted": 2302.0,
    }  # fmt: skip
    return plain | facts


def results(
    n: int = 6, high: int = 40, clock: int = 12, dying: dict | None = None, **changes: object
) -> pd.DataFrame:
    """Ranks 10 where theory says low, else `high` after matched epochs and `clock` at the matched clock."""
    rows = []
    for repeat in range(n):
        for rate, omega, b in RUNS:
            run = {"repeat": repeat, "state": "learns", "rate": rate, "omega": omega, "b": b, **changes}
            low = (rate, omega, b) in LOW
            rows.append(row(at="epochs", rank=10 if low else high, **run))
            rows.append(row(at="clock", rank=10 if low else clock, **run))
        facts = {"repeat": repeat, "rate": 0.05, "b": 1}
        gone = {"rank": 40, "predicted": 22.0, "shrunk": 1e-18, **(dying or {})}
        rows.append(row(state="dies", omega=2.0, **facts, **gone))
        rows.append(row(state="no decay", omega=0.0, blank_moved=changes.get("moved", 0.0), **facts))
    return pd.DataFrame(rows)


def on(part: str, **changes: object) -> str:
    return verdict_on(NAME, results(**changes), part)


def test_bounds():
    assert on("lemma certifies nothing") == "supported"
    assert on("lemma certifies nothing", certified=40) == "not supported"
    assert on("is violated") == "supported"
    assert on("is violated", violation=1.001) == "not supported"
    assert on("says something") == "supported"
    assert on("says something", allowed=48) == "not supported"


@pytest.mark.parametrize(
    ("axis", "part"),
    [
        ("smaller batches", "the batch size"),
        ("learning rates", "the learning rate"),
        ("larger decays", "the decay"),
    ],
)
def test_effects(axis: str, part: str):
    # Clopper-Pearson: 6 of 6 from 0.54, 5 of 5 from 0.48
    effect, clock = f"{axis} leave", f"effect of {part} is"
    assert on(effect) == "supported"
    assert on(effect, n=5) == "undecided"
    assert on(effect, high=10) == "not supported"
    assert on(clock) == "supported"
    assert on(clock, clock=25) == "not supported"
    assert on(clock, n=5) == "undecided"


def test_other_hypotheses():
    assert on("network that dies") == "supported"
    assert on("network that dies", dying={"rank": 20}) == "not supported"
    assert on("network that dies", dying={"shrunk": 0.1}) == "undecided"
    assert on("blank pixels") == "supported"
    assert on("blank pixels", moved=1e-300) == "not supported"


def test_looks():
    looks = when(Settings(0.05, 0.02, 4, 0.1), 1797, epochs=20, clock=20, n_looks=5, n_steps=0)
    assert "epochs" in looks[math.ceil(20 * 1797 / 4)]
    assert "clock" in looks[20_000] and max(looks) == 20_000
    assert sum("curve" in kinds for kinds in looks.values()) == 5
    assert "end" in when(Settings(0.05, 0, 4, 0.1), 10, 1, 1, 5, 300)[300]


# in the quick version every case has six repeats
@pytest.mark.parametrize("number", [6, 48, 54])
def test_small_cells(number: int):
    cell = small_cell(NAME, number, samples=60, widths=[12, 11], epochs=2, clock=0.2, looks=3)
    rows = check_rows(
        cell, {"at", "step", "layer", "limit", "rank", "allowed", "certified", "violation", "right"}
    )
    assert set(rows["at"]) >= ({"epochs", "clock"} if number == 6 else {"end"})
    assert rows["violation"].max() <= 1 + 1e-9
    assert np.all(rows["rank"] <= rows["allowed"])
    if number == 54:
        assert rows["blank_moved"].max() == 0
