"""What the digits of values tell."""

from __future__ import annotations

import numpy as np
import pytest

from rankfall.completion.digits import is_coarse, is_single


@pytest.mark.parametrize("unit", [1.0, 0.1, 0.01, 0.001, 1e-9, 1e3, 1e9])
def test_readings_are_coarse_in_any_unit(unit):
    cols = np.arange(200) % 4
    values = np.random.default_rng(0).integers(-99_999, 99_999, 200)
    assert is_coarse(values * unit, cols)
    assert not is_coarse(values / 7 * unit, cols)
    # every column has a unit of its own
    assert is_coarse(values * unit * 10.0 ** (3 * cols), cols)
    assert not is_coarse(values * unit * 10.0 ** (3 * cols), np.zeros_like(cols))


def test_rounded_numbers_of_some_digits():
    values = np.random.default_rng(0).standard_normal(200) * 30
    cols = np.arange(200) % 4
    assert is_coarse(np.round(values, 2), cols)
    assert not is_coarse(np.round(values, 6), cols)
    assert not is_coarse(values, cols)
    assert is_coarse(np.zeros(3), np.arange(3))
    assert is_coarse(np.array([1.0, 1e-300]), np.zeros(2, int))  # no more than a zero beside the other
    assert not is_coarse(np.array([3e-310, 1e-310]), np.zeros(2, int))


def test_single_precision_is_told_from_whole_numbers():
    values = np.random.default_rng(0).standard_normal(50)
    assert is_single(values.astype(np.float32).astype(float))
    assert not is_single(values)
    assert not is_single(np.arange(5.0))
    assert not is_single(np.array([1e300]))
