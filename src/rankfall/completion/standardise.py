"""The standardised problem: what is divided out before any question is asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem import Problem
from ..scale import scaled

# columns have different units if their standard deviations spread more than this (upper to lower decile,
# columns with at least so many entries); the columns of a matrix of rank 1 with normal factors spread by
# about 13
_MIXED, _ENOUGH = 30.0, 8
# equal entries that make a column constant
_CONSTANT = 20
# varying cells without which constant columns are not left out
_ENOUGH_VARYING = 20


@dataclass(frozen=True, eq=False)
class Standardisation:
    """``x_ij / (columns_j unit)`` with root mean square 1, made once.

    Attributes
    ----------
    given : Problem
        The observed cells in the data's own units.
    fitted : Problem
        The same on the scale of the fit.
    columns : ndarray, shape (n,)
        Units of the columns.
    unit : float
        Root mean square of the values in these.
    problem : Problem
        The standardised cells.
    constant : ndarray of bool, shape (n,)
        Columns that are filled with the one number they hold. None if hardly any other cell is there.
    varying : Problem
        The standardised cells without constant columns, which noise has nothing to do with.
    """

    given: Problem
    fitted: Problem
    columns: np.ndarray
    unit: float
    problem: Problem
    constant: np.ndarray
    varying: Problem

    @classmethod
    def of(cls, given: Problem, scale: str) -> Standardisation:
        """Standardise a problem; one of zeros only is left as it is."""
        fitted = scaled(given, scale)
        n = given.n_cols
        if not np.any(fitted.values):
            return cls(given, fitted, np.ones(n), 1.0, fitted, np.zeros(n, bool), fitted)
        # squares of the values as given may leave the range of floats
        largest = float(np.max(np.abs(fitted.values)))
        problem = fitted.with_values(fitted.values / largest)
        columns = column_units(problem)
        values = problem.values / columns[problem.cols]
        rms = float(np.sqrt(np.mean(values**2)))
        if np.any(columns != 1):
            columns, unit = columns * largest, rms
        else:
            unit = largest * rms
        problem = problem.with_values(values / rms)
        constant = constant_columns(fitted)
        varying = ~constant[problem.cols]
        if np.count_nonzero(varying) < _ENOUGH_VARYING:
            return cls(given, fitted, columns, unit, problem, np.zeros(n, bool), problem)
        return cls(given, fitted, columns, unit, problem, constant, problem.subset(varying))

    @property
    def mixed_units(self) -> bool:
        """Whether the columns have different units; errors are then in columns' standard deviations."""
        return bool(np.any(self.columns != 1))

    @property
    def scales(self) -> np.ndarray:
        """What the standardised columns are multiples of, shape (n,)."""
        return self.columns * self.unit

    @property
    def is_zero(self) -> bool:
        """Whether all observed cells are zero."""
        return not np.any(self.fitted.values)


def column_units(problem: Problem) -> np.ndarray:
    """Standard deviation of every column where the columns have different units, ones where not, shape (n,).

    Dividing columns by their units changes neither the rank nor whether a fit is exact, but without it one
    column of large numbers would be all that errors, ridges and tolerances see.
    """
    counts = problem.col_counts
    weights = 1 / np.maximum(counts, 1)
    means = np.bincount(problem.cols, problem.values, problem.n_cols) * weights
    rest = problem.values - means[problem.cols]
    spread = np.sqrt(np.bincount(problem.cols, rest**2, problem.n_cols) * weights)
    moving = (counts > 2) & (spread > 1e-9 * np.abs(means))
    sure = spread[moving & (counts >= _ENOUGH)]
    if sure.size < 2 or np.quantile(sure, 0.9) <= _MIXED * np.quantile(sure, 0.1):
        return np.ones(problem.n_cols)
    # a column that does not move is measured by its size
    typical = float(np.median(spread[moving]))
    return np.where(moving, spread, np.where(means != 0, np.abs(means), typical))


def constant_columns(problem: Problem) -> np.ndarray:
    """Columns whose entries, twenty or more, are all the same number: a mask of shape (n,)."""
    low, high = np.full(problem.n_cols, np.inf), np.full(problem.n_cols, -np.inf)
    np.minimum.at(low, problem.cols, problem.values)
    np.maximum.at(high, problem.cols, problem.values)
    return (low == high) & (problem.col_counts >= _CONSTANT)
