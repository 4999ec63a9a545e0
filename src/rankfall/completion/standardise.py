"""The standardised problem: what is divided out before any question is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..partly_known import Augmentation
from ..problem import Problem
from ..scale import scaled

# columns have different units if their standard deviations spread more than this (upper to lower decile,
# columns with at least so many entries); the columns of a matrix of rank 1 with normal factors spread by
# about 13
MIXED, _ENOUGH = 30.0, 8
# size of one column, in multiples of the median, beside which the others vanish in single precision, in which
# chains of SGD run, and in errors of the whole
_VANISHING = 1e4
# values farther from a column's median than so many standard deviations are wild; the interquartile range of
# normal values, in standard deviations
REACH, _NORMAL_RANGE = 10.0, 1.349
# factor between the size of a column that is apart and all others, and distance of a location that is, in
# typical spreads
_APART, _FAR = 4.0, 30.0
# standardised values are rounded to multiples of this before anything is fitted: the last bits, which differ
# with a column's unit and offset, then decide nothing
_GRID = 2.0**-30
# equal entries that make a column constant
_CONSTANT = 20
# varying cells without which constant columns are not left out
_ENOUGH_VARYING = 20


@dataclass(frozen=True, eq=False)
class NoisyCells:
    """The cells of the question with noise, and the location and spread of every column.

    Values are divided by a power of two only, which is exact: what is computed from a column relative to its
    own location and spread has the same bits whatever power of two the column is multiplied by.

    Attributes
    ----------
    problem : Problem
        Cells of the columns that are not constant, over `unit`.
    unit : float
        A power of two, near the root mean square of the values.
    center, spread : ndarray, shape (n,)
        Location and size of every column, in these units (see :func:`column_spreads`). Whatever is chosen is
        chosen on errors relative to the spreads.
    apart : ndarray of bool, shape (n,)
        Columns that have a unit of their own among others that may share one (see :func:`stand_apart`).
    reported : ndarray, shape (n,)
        By what an error at a column's cell is multiplied when it is reported, in the units of
        :attr:`Standardisation.problem`.
    augmentation : Augmentation or None
        What is known of cells that are known only in part, in these units; the others alone are held out.
    """

    problem: Problem
    unit: float
    center: np.ndarray
    spread: np.ndarray
    apart: np.ndarray
    reported: np.ndarray
    augmentation: Augmentation | None = None

    @property
    def common(self) -> np.ndarray:
        """The unit that columns may share, in units of each: 1 but for those that stand apart, shape (n,)."""
        return np.where(self.apart, self.spread / np.median(self.spread[~self.apart]), 1.0)

    @property
    def nearly_alike(self) -> bool:
        """Whether no column is so large or small beside the others that their units cannot be the same."""
        return bool(np.all(np.maximum(self.common, 1 / self.common) < MIXED))

    def under(self, scaling: str) -> NoisyCells:
        """The cells for a scaling that was asked for: with "all" no column has a unit of its own."""
        return replace(self, apart=np.zeros_like(self.apart)) if scaling == "all" else self

    @classmethod
    def of(
        cls, fitted: Problem, columns: np.ndarray, unit: float, augmentation: Augmentation | None = None
    ) -> NoisyCells:
        """Of the cells on the scale of the fit; `columns` and `unit` as in :class:`Standardisation`."""
        power = float(2.0 ** np.round(np.log2(np.median(columns) * unit)))
        problem = fitted.with_values(fitted.values / power)
        center, spread = column_spreads(problem)
        if augmentation is not None:
            latent = augmentation.latent_cols
            center[latent], spread[latent] = _plain_spreads(problem, latent)
        apart = stand_apart(center, spread)
        if augmentation is not None:
            n = problem.n_cols
            augmentation = augmentation.within(problem).standardised(np.zeros(n), np.full(n, power))
        return cls(problem, power, center, spread, apart, power / (columns * unit), augmentation)


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
    augmentation : Augmentation or None
        What is known of cells that are known only in part, on the scale of the fit; `given` and `fitted` hold
        a first guess of their values.
    """

    given: Problem
    fitted: Problem
    columns: np.ndarray
    unit: float
    problem: Problem
    constant: np.ndarray
    augmentation: Augmentation | None = None

    @classmethod
    def of(cls, given: Problem, scale: str, augmentation: Augmentation | None = None) -> Standardisation:
        """Standardise a problem; one of zeros only is left as it is."""
        fitted = scaled(given, scale)
        n = given.n_cols
        if not np.any(fitted.values):
            return cls(given, fitted, np.ones(n), 1.0, fitted, np.zeros(n, bool), augmentation)
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
        if np.count_nonzero(~constant[problem.cols]) < _ENOUGH_VARYING:
            constant = np.zeros(n, bool)
        return cls(given, fitted, columns, unit, problem, constant, augmentation)

    @cached_property
    def noisy(self) -> NoisyCells:
        """What the question with noise is asked about."""
        varying = self.fitted.subset(~self.constant[self.fitted.cols])
        return NoisyCells.of(varying, self.columns, self.unit, self.augmentation)

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


def on_grid(values: np.ndarray) -> np.ndarray:
    """Standardised values, rounded; those beyond four million have no finer bits."""
    out = values.copy()
    small = np.abs(values) < 2.0**22
    out[small] = np.rint(values[small] / _GRID) * _GRID
    return out


def column_units(problem: Problem) -> np.ndarray:
    """Standard deviation of every column where the columns have different units, ones where not, shape (n,).

    Dividing columns by their units changes neither the rank nor whether a fit is exact, but without it one
    column of large numbers would be all that errors, ridges and tolerances see.
    """
    counts = problem.col_counts
    weights = 1 / np.maximum(counts, 1)
    # relative to a power of two near its largest value no square of a column leaves the range of floats
    peak = np.zeros(problem.n_cols)
    np.maximum.at(peak, problem.cols, np.abs(problem.values))
    power = np.ldexp(1.0, np.frexp(peak)[1])
    values = problem.values / power[problem.cols]
    means = np.bincount(problem.cols, values, problem.n_cols) * weights
    rest = values - means[problem.cols]
    spread = np.sqrt(np.bincount(problem.cols, rest**2, problem.n_cols) * weights) * power
    means = means * power
    moving = (counts > 2) & (spread > 1e-9 * np.abs(means))
    sure = spread[moving & (counts >= _ENOUGH)]
    if sure.size < 2:
        return np.ones(problem.n_cols)
    low, high = np.quantile(sure, (0.1, 0.9))
    if high <= MIXED * low and sure.max() <= _VANISHING * np.median(sure):
        return np.ones(problem.n_cols)
    # a column that does not move is measured by its size
    typical = float(np.median(spread[moving]))
    return np.where(moving, spread, np.where(means != 0, np.abs(means), typical))


def column_spreads(problem: Problem, typical: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every column with wild values drawn in, shapes (n,).

    Values farther from the median than ten times the interquartile range over 1.35 (the standard deviation
    of normal values) count as that far, where that is not 0. A column without two different values has the
    `typical` spread (by default the median of the others), and one with fewer than eight entries is drawn
    towards that.
    """
    center, spread = np.zeros(problem.n_cols), np.zeros(problem.n_cols)
    order = np.argsort(problem.cols, kind="stable")
    ends = np.cumsum(problem.col_counts)
    for j, values in enumerate(np.split(problem.values[order], ends[:-1])):
        if values.size:
            # squares may leave the range of floats; a power of two changes no other bit
            power = 2.0 ** np.frexp(np.max(np.abs(values)))[1]
            values = values / power
            low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
            reach = REACH * (high - low) / _NORMAL_RANGE
            if reach > 0:
                values = np.clip(values, middle - reach, middle + reach)
            center[j], spread[j] = values.mean() * power, values.std() * power
    known = spread > 1e-12 * np.abs(center)
    if typical is None:
        typical = float(np.median(spread[known])) if known.any() else 1.0
    spread = np.where(known, spread, typical)
    # a few entries may be alike by chance
    few = (problem.col_counts < _ENOUGH) & (np.maximum(spread / typical, typical / spread) < MIXED)
    own = np.minimum(problem.col_counts / _ENOUGH, 1.0)
    return center, np.where(few, spread**own * typical ** (1 - own), spread)


def _plain_spreads(problem: Problem, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of some columns, nothing drawn in.

    Expectations given one of a few levels are never wild: most may be nearly equal, and the others far.
    """
    counts = np.maximum(problem.col_counts, 1)
    center = np.bincount(problem.cols, problem.values, problem.n_cols) / counts
    rest = problem.values - center[problem.cols]
    spread = np.sqrt(np.bincount(problem.cols, rest**2, problem.n_cols) / counts)
    return center[cols], np.maximum(spread[cols], 1e-300)


def stand_apart(center: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Columns whose size or location is far from that of all others, a mask of shape (n,).

    A size is apart if no column (but others that are apart, at most a tenth of all together) is within a
    factor of four of it; a location, if it is farther than thirty typical spreads from the typical location.
    """
    n = spread.size
    order = np.argsort(spread)
    steps = np.diff(np.log(spread[order]))
    apart = np.zeros(n, bool)
    few = max(n // 10, 1)
    if n > 2:
        low = np.flatnonzero(steps[:few] > np.log(_APART))
        high = np.flatnonzero(steps[::-1][:few] > np.log(_APART))
        apart[order[: low[-1] + 1 if low.size else 0]] = True
        apart[order[n - (high[-1] + 1 if high.size else 0) :]] = True
    typical, middle = np.median(spread[~apart]), np.median(center[~apart])
    far = np.abs(center - middle) > _FAR * typical
    return apart | far if np.count_nonzero(far) <= few else apart


def constant_columns(problem: Problem) -> np.ndarray:
    """Columns whose entries, twenty or more, are all the same number: a mask of shape (n,)."""
    low, high = np.full(problem.n_cols, np.inf), np.full(problem.n_cols, -np.inf)
    np.minimum.at(low, problem.cols, problem.values)
    np.maximum.at(high, problem.cols, problem.values)
    return (low == high) & (problem.col_counts >= _CONSTANT)
