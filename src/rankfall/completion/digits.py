"""What the digits of values tell about how exactly they can be met."""

from __future__ import annotations

import numpy as np

# digits of the largest value up to which values count as coarse
_COARSE = 5


def is_single(values: np.ndarray) -> bool:
    """Whether the values were rounded to single precision; whole numbers are exact as they are."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return bool(np.array_equal(values, narrow) and not np.array_equal(values, np.rint(values)))


def is_coarse(values: np.ndarray, cols: np.ndarray) -> bool:
    """Whether those of every column are multiples of a unit of which the largest is less than ``10^5``, as readings are.

    The unit is a power of ten.
    """
    largest = np.zeros(int(cols.max(initial=0)) + 1)
    np.maximum.at(largest, cols, np.abs(values))
    with np.errstate(all="ignore"):
        places = _COARSE - 1 - np.floor(np.log10(largest[cols]))
        units = values * 10.0**places
        return bool(np.all((np.abs(units - np.rint(units)) < 1e-6) | (values == 0)))
