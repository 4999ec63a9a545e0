"""Cells known only to lie below or above a limit, in a completed matrix: what is filled in, and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import betaincinv, log_ndtr, ndtr, ndtri

from ...partly_known import Ranges

# standard deviations from the middle of the normal distribution to the limit at most, and steps of the table
_FARTHEST, _STEPS = 30.0, 6001


@dataclass(frozen=True, eq=False)
class LimitCells:
    """Cells with limits and the moments of their posterior draws, on the scale of the fit.

    Attributes
    ----------
    rows, cols : ndarray of int64, shape (k,)
        Positions, sorted by row, then column.
    lower, upper : ndarray, shape (k,)
        Infinite where there is no limit.
    mean, sd : ndarray, shape (k,)
        Mean, which is what the cell is filled with, and standard deviation.
    """

    rows: np.ndarray
    cols: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    def __len__(self) -> int:
        return int(self.rows.size)

    def as_ranges(self) -> Ranges:
        """What is known of them, for a chain that draws them."""
        return Ranges(self.rows, self.cols, self.lower, self.upper)

    def places(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Which of these cells the given ones are, -1 for others; of the shape of `rows`."""
        width = 1 + int(max(np.max(cols, initial=0), np.max(self.cols, initial=0)))
        keys, wanted = self.rows * width + self.cols, rows.astype(np.int64) * width + cols
        place = np.minimum(np.searchsorted(keys, wanted), max(keys.size - 1, 0))
        return np.where(keys[place] == wanted, place, -1) if keys.size else np.full(wanted.shape, -1)

    def interval(self, which: np.ndarray, coverage: float) -> tuple[np.ndarray, np.ndarray]:
        """Central intervals of the distribution on the allowed side that has these moments.

        With one limit a truncated normal distribution, with two a beta distribution.
        """
        lower, upper, mean, sd = (part[which] for part in (self.lower, self.upper, self.mean, self.sd))
        tail = 0.5 * (1 - coverage)
        below, above = np.isinf(lower), np.isinf(upper)
        edge = np.where(below, upper, lower)
        distance = np.abs(edge - mean)
        near, far = (
            distance * _relative_quantile(sd / np.maximum(distance, 1e-300), p) for p in (tail, 1 - tail)
        )
        low = np.where(below, edge - far, edge + near)
        high = np.where(below, edge - near, edge + far)
        both = ~below & ~above
        if both.any():
            ends = _between(lower[both], upper[both], mean[both], sd[both], tail)
            low[both], high[both] = ends
        return np.maximum(low, lower), np.minimum(high, upper)


def _between(
    lower: np.ndarray, upper: np.ndarray, mean: np.ndarray, sd: np.ndarray, tail: float
) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of a beta distribution between two limits."""
    width = upper - lower
    share = np.clip((mean - lower) / width, 1e-9, 1 - 1e-9)
    variance = np.clip((sd / width) ** 2, 1e-12, 0.99 * share * (1 - share))
    size = share * (1 - share) / variance - 1
    low, high = (betaincinv(share * size, (1 - share) * size, p) for p in (tail, 1 - tail))
    return lower + width * low, lower + width * high


@cache
def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficient of variation and mean of ``z - a`` for standard normal z beyond a, by a."""
    a = np.linspace(-_FARTHEST, _FARTHEST, _STEPS)
    hazard = np.exp(-0.5 * a**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(-a))
    mean = hazard - a
    variance = np.maximum(1 + a * hazard - hazard**2, 1e-12)
    return np.maximum.accumulate(np.sqrt(variance) / mean), mean, a


def _relative_quantile(variation: np.ndarray, p: float) -> np.ndarray:
    """Quantile, over the mean, of a normal distribution truncated to positive numbers, by its coefficient of
    variation; exponential where that is 1.
    """
    known, means, edges = _table()
    a, mean = np.interp(variation, known, edges), np.interp(variation, known, means)
    quantile = -ndtri((1 - p) * ndtr(-a)) - a
    exponential = -np.log1p(-p)
    normal = 1 + ndtri(p) * variation
    out = np.where(a < _FARTHEST - 1, quantile / mean, exponential)
    return np.maximum(np.where(a > -_FARTHEST + 1, out, normal), 0.0)
