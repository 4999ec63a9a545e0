"""A first guess of cells that are known by a range: what the search for a rank takes for their values.

Ranks, data model and noise model are chosen on a table of numbers in which such cells hold their expected
values; the chains of the fits that are delivered draw them.

References
----------
J. Tobin, "Estimation of relationships for limited dependent variables", Econometrica 26 (1958).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import InputError
from ...limits import Limits
from ...partly_known import Augmentation, Ranges
from ...problem import Problem
from ...scale import forward, inverse, scaled
from ..options import Options
from ..seeds import Stream, generator, key
from ..solvers.augmentation import PartlyKnown
from ..solvers.gibbs import Sampler
from ..solvers.kernels.truncated import draw_ranges
from ..solvers.noise_model import EQUAL
from ..solvers.variational import VariationalFit
from ..standardise import Standardisation

# rounds for the mean and spread of columns with such cells: each moves less than a half of the one before
_ROUNDS = 40
# factors and sweeps of the chain, and how many of these are averaged: a few more or less make no difference,
# since the final chains begin anew
_RANK, _SWEEPS, _KEPT = 8, 60, 30


def first_values(problem: Problem, augmentation: Augmentation, seed: int) -> Problem:
    """The problem, on the scale of the fit, with a guess of the entries that are known by a range.

    First from their column alone, then by a short chain with a few factors.
    """
    ranges = augmentation.ranges
    if not ranges.rows.size:
        return problem
    center, spread, values = _from_columns(problem, ranges)
    n = problem.n_cols
    rest = problem.with_values((values - center[problem.cols]) / spread[problem.cols])
    fitter = VariationalFit(rest, False, True, np.ones(n))
    rng = generator(seed, Stream.FIRST_VALUES)
    rank = max(min(_RANK, *(side - 1 for side in problem.shape)), 1)
    start = fitter.start(0.3 * rng.standard_normal((n, rank)), 0.5, EQUAL)
    known = PartlyKnown(Augmentation(ranges), rest, center, spread, start.noise)
    sampler = Sampler(fitter, start, key(seed, Stream.FIRST_VALUES, 1), known)
    total = np.zeros(known.at.size)
    for sweep in range(_SWEEPS):
        sampler.sweep()
        if sweep >= _SWEEPS - _KEPT:
            total += known.first
    if not sampler.finite:
        return problem.with_values(values)
    cols = problem.cols[known.at]
    values = values.copy()
    values[known.at] = center[cols] + spread[cols] * total / _KEPT
    return problem.with_values(values)


def _from_columns(problem: Problem, ranges: Ranges) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and spread of every column by maximum likelihood of a normal distribution, and the values of all
    entries with the expected ones in place of those known by a range.
    """
    n, (rows, cols) = problem.n_cols, (ranges.rows, ranges.cols)
    at = np.searchsorted(problem.rows * n + problem.cols, rows * n + cols)
    exact = np.ones(problem.n_observed, bool)
    exact[at] = False
    known = problem.subset(exact)
    counts = np.maximum(known.col_counts, 1)
    center = np.bincount(known.cols, known.values, n) / counts
    squares = np.bincount(known.cols, (known.values - center[known.cols]) ** 2, n)
    typical = float(np.sqrt(squares.sum() / max(known.n_observed, 1))) or 1.0
    spread = np.sqrt(squares / counts)
    floor = np.where(spread > 0, 0.1 * spread, typical)
    spread = np.maximum(spread, floor)
    sums = np.bincount(known.cols, known.values, n)
    total = np.maximum(problem.col_counts, 1)
    values, first, second = problem.values.copy(), np.zeros(at.size), np.zeros(at.size)
    ones, halves = np.ones((problem.n_rows, 1)), np.full(at.size, 0.5)
    for _ in range(_ROUNDS):
        draw_ranges(
            at, rows, cols, ones, center[:, None], spread[cols] ** 2, ranges.lower, ranges.upper, halves,
            values, first, second,
        )  # fmt: skip
        middle = center
        center = (sums + np.bincount(cols, first, n)) / total
        around = second - 2 * first * center[cols] + center[cols] ** 2
        squares = np.bincount(known.cols, (known.values - center[known.cols]) ** 2, n)
        squares = squares + np.bincount(cols, np.maximum(around, 0.0), n)
        spread = np.maximum(np.sqrt(squares / total), floor)
        if np.all(np.abs(center - middle) <= 1e-3 * spread):
            break
    values[at] = first
    return center, spread, values


def standardised_with_limits(given: Problem, limits: Limits | None, options: Options) -> Standardisation:
    """The standardised cells, those with limits among them.

    Raises
    ------
    InputError
        If a limit has no place on the scale of the fit.
    """
    if limits is None:
        return Standardisation.of(given, options.scale)
    ranges = ranges_on_scale(limits, options.scale)
    augmentation = Augmentation(ranges)
    fitted = first_values(with_entries(scaled(given, options.scale), ranges), augmentation, options.seed)
    values = inverse(fitted.values, options.scale).copy()
    n = given.n_cols  # what was observed stays as it was given, to the bit
    values[np.searchsorted(fitted.rows * n + fitted.cols, given.rows * n + given.cols)] = given.values
    return Standardisation.of(fitted.with_values(values), options.scale, augmentation)


def ranges_on_scale(limits: Limits, scale: str) -> Ranges:
    """Limits on the scale of the fit; a lower one at the end of the scale says nothing."""
    least = {"linear": -np.inf, "log": 0.0, "log1p": -1.0}[scale]
    wrong = np.flatnonzero(limits.upper <= least)
    if wrong.size:
        k = int(wrong[0])
        raise InputError(
            f'scale="{scale}" needs limits above {least:g}, but row {limits.rows[k]}, column '
            f"{limits.cols[k]} is known to lie below {limits.upper[k]:g}."
        )
    lower = np.full(len(limits), -np.inf)
    above = limits.lower > least
    lower[above] = forward(limits.lower[above], scale)
    return Ranges(limits.rows, limits.cols, lower, forward(limits.upper, scale))


def with_entries(problem: Problem, ranges: Ranges) -> Problem:
    """The entries of a problem and those of ranges, which hold no value yet; their weight is 1."""
    n = problem.n_cols
    rows, cols = np.concatenate([problem.rows, ranges.rows]), np.concatenate([problem.cols, ranges.cols])
    order = np.argsort(rows * n + cols, kind="stable")
    values = np.concatenate([problem.values, np.zeros(ranges.rows.size)])[order]
    weights = None
    if problem.weights is not None:
        weights = np.concatenate([problem.weights, np.ones(ranges.rows.size)])[order]
    return replace(problem, rows=rows[order], cols=cols[order], values=values, weights=weights)
