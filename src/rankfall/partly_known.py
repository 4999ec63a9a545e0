"""What is known of cells that are known only in part: a range, a grade, or a category.

These are descriptions, in the units of a table; :mod:`rankfall.completion.solvers.augmentation` draws such
cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .problem import Problem


def _none(kind: type) -> np.ndarray:
    return np.zeros(0, kind)


@dataclass(frozen=True, eq=False)
class Ranges:
    """Cells known by a range.

    Attributes
    ----------
    rows, cols : ndarray of int64, shape (k,)
        Positions, sorted by row, then column.
    lower, upper : ndarray, shape (k,)
        Ends of the range, infinite where there is none.
    rounded : ndarray of bool, shape (k,), or None
        Cells that are known up to rounding, such as counts: they may be held out. None: there are none.
    """

    rows: np.ndarray = field(default_factory=lambda: _none(np.int64))
    cols: np.ndarray = field(default_factory=lambda: _none(np.int64))
    lower: np.ndarray = field(default_factory=lambda: _none(np.float64))
    upper: np.ndarray = field(default_factory=lambda: _none(np.float64))
    rounded: np.ndarray | None = None

    def some(self, which: np.ndarray) -> Ranges:
        """Some of them."""
        parts = (self.rows, self.cols, self.lower, self.upper, self.rounded)
        return Ranges(*(None if part is None else part[which] for part in parts))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Grades:
    """A column whose cells hold one of several ordered levels: the place of a value among thresholds.

    Attributes
    ----------
    col : int
    rows, levels : ndarray of int64, shape (k,)
        Rows, ascending, and the level of each, counted from 0.
    thresholds : ndarray, shape (n_levels - 1,)
        Those that a chain begins with. The one nearest 0 stays: the location of the others is relative to it,
        as their scale is to the noise.
    """

    col: int
    rows: np.ndarray
    levels: np.ndarray
    thresholds: np.ndarray

    @property
    def anchor(self) -> int:
        """The threshold that stays."""
        return int(np.argmin(np.abs(self.thresholds)))


@dataclass(frozen=True, eq=False)
class Categories:
    """Neighbouring columns, one for each level of a category but the first.

    Attributes
    ----------
    cols : ndarray of int64, shape (n_levels - 1,)
    rows, levels : ndarray of int64, shape (k,)
        Rows, ascending, and the level of each; 0 is the one without a column.
    offsets : ndarray, shape (n_levels - 1,)
        What is added to a value for its utility.
    """

    cols: np.ndarray
    rows: np.ndarray
    levels: np.ndarray
    offsets: np.ndarray


@dataclass(frozen=True, eq=False)
class Augmentation:
    """The cells of a problem that are drawn anew in every sweep.

    Attributes
    ----------
    ranges : Ranges
    grades : tuple of Grades
    categories : tuple of Categories
    """

    ranges: Ranges = field(default_factory=Ranges)
    grades: tuple[Grades, ...] = ()
    categories: tuple[Categories, ...] = ()

    @property
    def latent_cols(self) -> np.ndarray:
        """Columns without a unit: their noise variance is fixed."""
        cols = [np.array([one.col]) for one in self.grades] + [one.cols for one in self.categories]
        return np.concatenate([_none(np.int64), *cols]).astype(np.int64)

    def held_apart(self, problem: Problem) -> np.ndarray:
        """Entries that stand for what may be held out: a mask of shape (n_observed,).

        Those of ranges may not, but for rounded ones: their values are not known. Of a category the first
        column stands for all.
        """
        keys = problem.rows * problem.n_cols + problem.cols
        r = self.ranges if self.ranges.rounded is None else self.ranges.some(~self.ranges.rounded)
        beside = [one.cols[1:] for one in self.categories]
        others = np.isin(problem.cols, np.concatenate([_none(np.int64), *beside]))
        return ~np.isin(keys, r.rows * problem.n_cols + r.cols) & ~others

    def with_blocks(self, held: Problem, problem: Problem) -> np.ndarray:
        """The entries that are held out with those of `held`: a mask of shape (n_observed,)."""
        n = problem.n_cols
        first = np.arange(n)  # of the columns of a category, the first
        for one in self.categories:
            first[one.cols] = one.cols[0]
        return np.isin(problem.rows * n + first[problem.cols], held.rows * n + held.cols)

    def within(self, problem: Problem) -> Augmentation:
        """Of the entries of a part of the problem."""
        known = problem.rows * problem.n_cols + problem.cols

        def kept(rows: np.ndarray, col: np.ndarray | int) -> np.ndarray:
            keys = rows * problem.n_cols + col
            place = np.minimum(np.searchsorted(known, keys), known.size - 1)
            return known[place] == keys if known.size else np.zeros(keys.size, bool)

        r, here = self.ranges, kept(self.ranges.rows, self.ranges.cols)
        grades = ((one, kept(one.rows, one.col)) for one in self.grades)
        categories = ((one, kept(one.rows, int(one.cols[0]))) for one in self.categories)
        return Augmentation(
            r.some(here),
            tuple(replace(one, rows=one.rows[k], levels=one.levels[k]) for one, k in grades),
            tuple(replace(one, rows=one.rows[k], levels=one.levels[k]) for one, k in categories),
        )

    def standardised(self, center: np.ndarray, scale: np.ndarray) -> Augmentation:
        """Ranges and thresholds relative to the center of their column, in units of its scale, shapes
        (n,).
        """
        r = self.ranges
        lower, upper = ((end - center[r.cols]) / scale[r.cols] for end in (r.lower, r.upper))
        return replace(
            self,
            ranges=replace(r, lower=lower, upper=upper),
            grades=tuple(
                replace(one, thresholds=(one.thresholds - center[one.col]) / scale[one.col])
                for one in self.grades
            ),
        )
