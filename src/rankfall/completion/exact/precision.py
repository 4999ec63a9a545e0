"""What the digits of values tell about how exactly they can be met."""

from __future__ import annotations

import numpy as np

from ...problem import Problem

# digits of the largest value up to which values count as coarse
_COARSE = 5
# share of the values that may have more digits: some are averages, and some were damaged by arithmetic (9.899999)
_ODD = 0.05
# share of a value by which it changes at most when it is rounded to single precision
_HALF_SINGLE = 6e-8


def is_single(values: np.ndarray) -> bool:
    """Whether the values were rounded to single precision; whole numbers are exact as they are."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return bool(np.array_equal(values, narrow) and not np.array_equal(values, np.rint(values)))


def is_coarse(problem: Problem) -> bool:
    """Whether nearly all values of every column are multiples of a unit, and less than ``10^5`` of them, as readings are.

    The unit is a power of ten; values of single precision are multiples to that precision.
    """
    size = np.abs(problem.values)
    largest = np.zeros(problem.n_cols)
    np.maximum.at(largest, problem.cols, size)
    with np.errstate(all="ignore"):
        unit = 10.0 ** (np.floor(np.log10(largest[problem.cols])) + 1 - _COARSE)
        apart = np.abs(problem.values / unit - np.rint(problem.values / unit))
        rounding = _HALF_SINGLE * size / unit if is_single(problem.values) else 0.0
        fine = apart < 1e-6 + rounding
    return not size.any() or bool(np.mean(fine[size > 0]) >= 1 - _ODD)
