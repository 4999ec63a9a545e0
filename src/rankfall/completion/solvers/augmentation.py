"""Cells that are known only in part: a Gibbs sampler draws their values anew in every sweep.

A cell may be known by a range (a limit of detection, a grade between two thresholds, a yes above one), or a
run of cells by which of them is the largest (a category). Given factors and noise its value has a truncated
normal distribution, and given all values the factors have the distribution that they have in a table of
numbers: drawn in turn, both have the joint posterior of the partly known cells.

References
----------
J. H. Albert and S. Chib, "Bayesian analysis of binary and polychotomous response data", JASA 88 (1993).
M. K. Cowles, "Accelerating Monte Carlo Markov chain convergence for cumulative-link generalized linear
models", Statistics and Computing 6 (1996).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from scipy.special import ndtr

from ...compute.threads import threads_for
from ...problem import Problem
from .kernels import truncated as kernels
from .products import products

# standard deviation of a threshold's prior around its first value, in standard deviations of the noise: wide,
# but a level that no cell holds does not run away
_THRESHOLD_PRIOR = 5.0
# proposals of a threshold, in standard deviations of the noise over the root of the cells next to it: a third
# to two thirds of them were accepted on grades of 3 to 6 levels
_PROPOSAL = 2.0
# multiplications that a truncated draw is worth
_DRAW = 50.0


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
    """

    rows: np.ndarray = field(default_factory=lambda: _none(np.int64))
    cols: np.ndarray = field(default_factory=lambda: _none(np.int64))
    lower: np.ndarray = field(default_factory=lambda: _none(np.float64))
    upper: np.ndarray = field(default_factory=lambda: _none(np.float64))


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
            Ranges(r.rows[here], r.cols[here], r.lower[here], r.upper[here]),
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


class PartlyKnown:
    """The state of the partly known cells in a chain: their values, and the thresholds.

    Parameters
    ----------
    augmentation : Augmentation
        In the units of the table.
    problem : Problem
        The entries, ``(table - center) / scale``; those that are known in part hold what a chain begins with.
    center, scale : ndarray, shape (n,)
    noise : float
        Noise variance of columns without a unit, where their scale is the typical one.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        problem: Problem,
        center: np.ndarray,
        scale: np.ndarray,
        noise: float,
    ) -> None:
        self.augmentation = augmentation.standardised(center, scale)
        self.problem = problem
        self.values = problem.values
        self.thresholds = [one.thresholds.copy() for one in self.augmentation.grades]
        self._to_cols = np.lexsort((problem.rows, problem.cols))
        self.latent = np.zeros(problem.n_cols, bool)
        self.latent[augmentation.latent_cols] = True
        self.latent_noise = noise * (np.median(scale) / scale) ** 2
        self._index(problem.rows * problem.n_cols + problem.cols, center, scale)
        self.first, self.second = np.zeros(self.at.size), np.zeros(self.at.size)

    def _index(self, keys: np.ndarray, center: np.ndarray, scale: np.ndarray) -> None:
        """Where the partly known cells stand among the entries."""
        n, r = self.problem.n_cols, self.augmentation.ranges
        grades, categories = self.augmentation.grades, self.augmentation.categories
        rows = [r.rows, *(one.rows for one in grades)]
        cols = [r.cols, *(np.full(one.rows.size, one.col) for one in grades)]
        self._rows, self._cols = np.concatenate(rows), np.concatenate(cols)
        self.at = np.searchsorted(keys, self._rows * n + self._cols)
        self._lower = np.concatenate([r.lower, *(np.zeros(one.rows.size) for one in grades)])
        self._upper = np.concatenate([r.upper, *(np.zeros(one.rows.size) for one in grades)])
        ends = np.cumsum([r.rows.size, *(one.rows.size for one in grades)])
        self._grade_slices = [slice(a, b) for a, b in pairwise(ends.tolist())]
        begins = [np.searchsorted(keys, one.rows * n + one.cols[0]) for one in categories]
        self._begins = np.concatenate([_none(np.int64), *begins])
        sizes = [np.full(one.rows.size, one.cols.size) for one in categories]
        self._sizes = np.concatenate([_none(np.int64), *sizes])
        self._levels = np.concatenate([_none(np.int64), *(one.levels for one in categories)])
        by_col = center.copy()
        for one in categories:
            by_col[one.cols] += one.offsets
        self._offsets, self._units = by_col[self.problem.cols], scale[self.problem.cols]

    @property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Values of all entries by rows, and by columns."""
        by_cols = self.values[self._to_cols]
        by_cols.flags.writeable = False
        return self.values, by_cols

    @property
    def n_with_unit(self) -> int:
        """Entries that tell the noise variance: those of columns with a unit."""
        return int(np.count_nonzero(~self.latent[self.problem.cols]))

    @property
    def has_latent(self) -> bool:
        """Whether there are columns without a unit."""
        return bool(self.latent.any())

    def draw(
        self,
        left: np.ndarray,
        right: np.ndarray,
        noise: float,
        row_scale: np.ndarray,
        col_scale: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        """New thresholds, and new values of all partly known cells."""
        left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
        weights = 1.0 if self.problem.weights is None else self.problem.weights
        variance = noise * row_scale[self.problem.rows] * col_scale[self.problem.cols] / weights
        for number, grades in enumerate(self.augmentation.grades):
            self._draw_thresholds(number, grades, left, right, variance, rng)
        values = self.values.copy()
        if self.at.size:
            with threads_for(self.at.size * (left.shape[1] + _DRAW)):
                kernels.draw_ranges(
                    self.at, self._rows, self._cols, left, right, variance[self.at], self._lower,
                    self._upper, rng.random(self.at.size), values, self.first, self.second,
                )  # fmt: skip
        if self._begins.size:
            with threads_for(values.size * (left.shape[1] + _DRAW)):
                kernels.draw_largest(
                    self._begins, self._sizes, self._levels, self.problem.rows, self.problem.cols, left,
                    right, variance, self._offsets, self._units, rng.random(values.size), values,
                )  # fmt: skip
        values.flags.writeable = False
        self.values = values

    def _draw_thresholds(
        self,
        number: int,
        grades: Grades,
        left: np.ndarray,
        right: np.ndarray,
        variance: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        """Thresholds given the factors, the values integrated out (as Cowles does): every one in turn is
        proposed between its neighbours.
        """
        part, thresholds = self._grade_slices[number], self.thresholds[number]
        fitted = products(self._rows[part], self._cols[part], left, right)
        sd = np.sqrt(self.latent_noise[grades.col])
        for k in range(thresholds.size):
            if k == grades.anchor:
                continue
            near = (grades.levels == k) | (grades.levels == k + 1)
            edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
            width = _PROPOSAL * sd / np.sqrt(max(np.count_nonzero(near), 1))
            proposed = thresholds[k] + width * rng.standard_normal()
            accept = rng.random()
            if not edges[k] < proposed < edges[k + 2]:
                continue
            others = edges.copy()
            others[k + 1] = proposed
            is_low = grades.levels[near] == k
            gain = np.sum(
                _log_between(others, k, is_low, fitted[near], sd)
                - _log_between(edges, k, is_low, fitted[near], sd)
            )
            prior = (thresholds[k] - grades.thresholds[k]) ** 2 - (proposed - grades.thresholds[k]) ** 2
            gain += 0.5 * prior / (_THRESHOLD_PRIOR * sd) ** 2
            if np.log(accept) < gain:
                thresholds[k] = proposed
        edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
        self._lower[part], self._upper[part] = edges[grades.levels], edges[grades.levels + 1]


def _log_between(edges: np.ndarray, k: int, is_low: np.ndarray, fitted: np.ndarray, sd: float) -> np.ndarray:
    """Logarithms of the probabilities of level k (or k + 1) at some cells."""
    low, high = np.where(is_low, edges[k], edges[k + 1]), np.where(is_low, edges[k + 1], edges[k + 2])
    a, b = (low - fitted) / sd, (high - fitted) / sd
    flip = a > 0  # the tail to the left has exact probabilities
    a, b = np.where(flip, -b, a), np.where(flip, -a, b)
    return np.log(np.maximum(ndtr(b) - ndtr(a), 1e-300))
