"""How exactly the values can be reproduced: what their digits tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import Problem

# digits of the largest value up to which values count as coarse
_COARSE = 5
# fraction of the values that may have more digits: some are averages, and some were changed by
# arithmetic, as 9.9 to 9.899999
_ODD = 0.05
# fraction of a value by which it changes at most when it is rounded to single precision
_HALF_SINGLE = 6e-8

# misfit of an exact fit, relative to the norm of all observed cells and of those of one row or column
EXACT, EXACT_AXIS = 1e-9, 1e-6
# the same for values that were rounded to single precision, by a fraction of up to 6e-8 each
_EXACT_SINGLE, _EXACT_AXIS_SINGLE = 3e-7, 1e-5


@dataclass(frozen=True)
class Precision:
    """What the digits of the values tell.

    Attributes
    ----------
    single : bool
        Whether the values have single precision only, and a fit is exact if it agrees to that.
    coarse : bool
        Whether the values have a few digits only: hardly any such table is reproduced by a low rank.
    """

    single: bool = False
    coarse: bool = False

    @classmethod
    def of(cls, fitted: Problem, given: Problem) -> Precision:
        """That of a problem: `fitted` on the scale of the fit, `given` in the data's own units."""
        return cls(is_single(fitted.values), is_coarse(given))

    @property
    def tolerance(self) -> float:
        """Misfit of an exact fit, relative to the norm of the observed cells."""
        return _EXACT_SINGLE if self.single else EXACT

    @property
    def axis_tolerance(self) -> float:
        """The same for the cells of one row or column."""
        return _EXACT_AXIS_SINGLE if self.single else EXACT_AXIS


def is_single(values: np.ndarray) -> bool:
    """Whether the values were rounded to single precision; whole numbers are exact as they are."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return bool(np.array_equal(values, narrow) and not np.array_equal(values, np.rint(values)))


def is_coarse(problem: Problem) -> bool:
    """Whether nearly all values of every column are multiples of a unit, as readings are.

    They are multiples by less than ``10^5``. The unit is a power of ten; values of single precision are
    multiples to that precision.
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
