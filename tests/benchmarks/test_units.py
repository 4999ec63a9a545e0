"""The benchmark on units: what a change of one column's unit does to the others."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def units() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        yield importlib.import_module("units")
        del sys.modules["units"]


def test_a_change_is_undone(units: ModuleType) -> None:
    column = np.arange(5.0)
    for change, undo in units.changes(column).values():
        np.testing.assert_allclose(undo(change(column)), column, atol=1e-9)


def test_only_the_other_columns_count(units: ModuleType) -> None:
    class Filled:
        def to_dense(self) -> np.ndarray:
            return np.array([[1.0, 2.0, 9.0], [3.0, 4.0, 9.0]])

    table, hidden = np.zeros((2, 2)), np.array([[True, True], [False, True]])
    assert units.error_of_others(Filled(), table, hidden, 1) == 1.0
    assert units.error_of_others(Filled(), table, hidden, 2) == pytest.approx(np.sqrt((1 + 4 + 16) / 3))


def test_one_table_is_the_same_in_any_unit(units: ModuleType) -> None:
    for _, same, relative, half in units.compare_models([1]):
        assert same and (relative < 1e-6 or half < 0.1)


def test_a_column_of_noise_takes_no_factor_from_the_others(units: ModuleType) -> None:
    """It did while small tables had no noise scales: the error of the others rose 2.8 times."""
    assert units.compare_additions([8])["noise"][0] < 1.2
