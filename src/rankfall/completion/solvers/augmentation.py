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

from copy import copy
from itertools import pairwise
from typing import Self

import numpy as np
from scipy.special import ndtr

from ...compute.threads import threads_for
from ...partly_known import Augmentation, Grades
from ...problem import Problem
from .kernels import truncated as kernels
from .products import products

# noise variance of columns without a unit, which is free, where the first thresholds are made for a variance
# of 1: with a quarter, a half or two, log losses of categories were larger by 8%, 2% and 1%
LATENT_NOISE = 1.0
# standard deviation of a threshold's prior around its first value, in standard deviations of the noise: wide,
# but a level that no cell holds does not run away
_THRESHOLD_PRIOR = 5.0
# proposals of a threshold, in standard deviations of the noise over the root of the cells next to it: a third
# to two thirds of them were accepted on grades of 3 to 6 levels
_PROPOSAL = 2.0
# multiplications that a truncated draw is worth
_DRAW = 50.0


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
        self._begins = np.concatenate([np.zeros(0, np.int64), *begins])
        sizes = [np.full(one.rows.size, one.cols.size) for one in categories]
        self._sizes = np.concatenate([np.zeros(0, np.int64), *sizes])
        self._levels = np.concatenate([np.zeros(0, np.int64), *(one.levels for one in categories)])
        by_col = center.copy()
        for one in categories:
            by_col[one.cols] += one.offsets
        self._by_col, self._scale = by_col, scale
        self._offsets, self._units = by_col[self.problem.cols], scale[self.problem.cols]

    def fork(self) -> Self:
        """The state as it stands, for a chain that goes on by itself."""
        other = copy(self)
        # what a sweep changes in place
        other.thresholds = [one.copy() for one in self.thresholds]
        other._lower, other._upper = self._lower.copy(), self._upper.copy()
        other.first, other.second = self.first.copy(), self.second.copy()
        return other

    def utility(self, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The utility of a level is ``offset + unit value``: both, for the columns of a category."""
        return self._by_col[cols], self._scale[cols]

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
