"""The benchmark on units: what a change of one column's unit does to the others."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

BENCHMARK = "units"


def test_a_change_is_undone(script: ModuleType) -> None:
    column = np.arange(5.0)
    for change, undo in script.changes(column).values():
        np.testing.assert_allclose(undo(change(column)), column, atol=1e-9)


def test_only_the_other_columns_count(script: ModuleType) -> None:
    class Filled:
        def to_dense(self) -> np.ndarray:
            return np.array([[1.0, 2.0, 9.0], [3.0, 4.0, 9.0]])

    table, hidden = np.zeros((2, 2)), np.array([[True, True], [False, True]])
    assert script.error_of_others(Filled(), table, hidden, 1) == 1.0
    assert script.error_of_others(Filled(), table, hidden, 2) == pytest.approx(np.sqrt((1 + 4 + 16) / 3))


def test_one_table_is_the_same_in_any_unit(script: ModuleType) -> None:
    for _, same, relative, half in script.compare_models([1]):
        assert same and (relative < 1e-6 or half < 0.1)


def test_a_column_of_noise_takes_no_factor_from_the_others(script: ModuleType) -> None:
    """It did while small tables had no noise scales: the error of the others rose 2.8 times."""
    assert script.compare_additions([8])["noise"][0] < 1.2
