"""A row of totals among the rows that it sums up is said; no other row is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from rankfall.completion.deliver.totals_note import totals_note


def notes(table: np.ndarray, names: list[str] | None = None) -> list[str]:
    return list(totals_note(rf.Problem.from_dense(table), names))


def measured(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.round(rng.gamma(2, 10, (9, 6)) * rng.gamma(2, 5, 6), 1)


@pytest.mark.parametrize("what", ["sum", "mean"])
@pytest.mark.parametrize("at", [0, 5, 9])
def test_sums_and_means_of_all_others(what: str, at: int) -> None:
    table = measured()
    table = np.insert(table, at, np.round(getattr(table, what)(axis=0), 1), axis=0)
    table[(at + 2) % 10, 4] = np.nan
    (text,) = notes(table)
    assert text.startswith(f"Row {at} holds the {what} of all other rows in every column")


def test_a_name_is_enough_where_cells_are_missing() -> None:
    table = measured()
    table = np.vstack([table, table.sum(axis=0)])
    table[np.arange(6), np.arange(6)] = np.nan
    names = [f"site {k}" for k in range(9)]
    (text,) = notes(table, [*names, "Total"])
    assert text.startswith("Row Total holds the largest value of nearly every column")
    assert notes(table, [*names, "river"]) == notes(table) == []
    table[9] = table[:9].min()
    assert notes(table, [*names, "Total"]) == []


@pytest.mark.parametrize("seed", range(20))
def test_no_false_alarm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = measured(seed)
    assert notes(table) == []
    assert notes(rng.normal(size=(30, 4)) @ rng.normal(size=(4, 20))) == []
    assert notes(table - table.mean(axis=0)) == []  # every row is minus the sum of the others
    assert notes(np.zeros((5, 5))) == notes(np.ones((5, 5))) == []
    assert notes(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])) == []


def test_it_is_a_warning_of_a_completion() -> None:
    table = pd.DataFrame(measured())
    table.loc["Total"] = table.sum()
    table.iloc[2, 0] = np.nan
    result = rf.complete(table, max_rank=0)
    assert any(text.startswith("Row Total holds the sum") for text in result.warnings)
