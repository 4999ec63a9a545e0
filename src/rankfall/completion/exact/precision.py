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
# the smallest misfits that least squares can be asked for: rounding of the values, and of products
_LEAST, _LEAST_AXIS = 1e-14, 1e-11
# rounding of values, relative to them: what moves by less does not move at all. Of values in single precision
# nobody knows beside a large offset
_ROUNDING = 4e-16
# a tolerance above this fraction of what moves would call anything exact
_TELLING = 1e-3
# sweeps in which means of rows and columns are taken out
_SWEEPS = 20


@dataclass(frozen=True)
class Precision:
    """What the digits of the values tell.

    Attributes
    ----------
    single : bool
        Whether the values have single precision only, and a fit is exact if it agrees to that.
    coarse : bool
        Whether the values have a few digits only: hardly any such table is reproduced by a low rank.
    moving : float
        Norm of what means of rows and columns leave of the values, relative to theirs: beside a large offset
        a misfit is judged by that. 1 where nothing moves (a table of effects only is exact).
    """

    single: bool = False
    coarse: bool = False
    moving: float = 1.0

    @classmethod
    def of(cls, fitted: Problem, given: Problem, problem: Problem | None = None) -> Precision:
        """That of a problem.

        Parameters
        ----------
        fitted : Problem
            On the scale of the fit.
        given : Problem
            In the data's own units.
        problem : Problem, optional
            Standardised: `fitted` by default.
        """
        single = is_single(fitted.values)
        moving = what_moves(fitted if problem is None else problem)
        if moving < _ROUNDING:
            moving = 1.0
        return cls(single, is_coarse(given), moving)

    @property
    def tolerance(self) -> float:
        """Misfit of an exact fit, relative to the norm of the observed cells."""
        return _EXACT_SINGLE if self.single else max(EXACT * self.moving, _LEAST)

    @property
    def axis_tolerance(self) -> float:
        """The same for the cells of one row or column."""
        return _EXACT_AXIS_SINGLE if self.single else max(EXACT_AXIS * self.moving, _LEAST_AXIS)

    @property
    def tells(self) -> bool:
        """Whether values are precise enough, beside their offset, to tell an exact fit from others."""
        return self.tolerance < _TELLING * self.moving


def what_moves(problem: Problem) -> float:
    """Norm of what is left without means of rows and columns, relative to that of the values."""
    norm = float(np.linalg.norm(problem.values))
    if not norm > 0:
        return 1.0
    rest = problem.values / norm
    before = 1.0
    for _ in range(_SWEEPS):
        for index, counts in ((problem.cols, problem.col_counts), (problem.rows, problem.row_counts)):
            means = np.bincount(index, rest, counts.size) / np.maximum(counts, 1)
            rest = rest - means[index]
        now = float(np.linalg.norm(rest))
        if now > 0.99 * before:
            break
        before = now
    return float(np.linalg.norm(rest))


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
