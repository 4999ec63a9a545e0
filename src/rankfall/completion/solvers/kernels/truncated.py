"""Compiled draws of cells that are known by ranges or as the largest of several; twins in :mod:`.reference`.

Every cell has a uniform number of its own, so that no bit depends on the number of threads.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ....compute.njit_options import IN_ORDER
from ....compute.threads import parallel_for

_ROOT2, _ROOT2PI = math.sqrt(2.0), math.sqrt(2.0 * math.pi)
# standard deviations beyond which tail probabilities leave the range of floats
_FAR = 37.0


def draw_ranges(
    at: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    noise: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    uniforms: np.ndarray,
    values: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> None:
    """Draw cells from ``N(u_i . v_j, noise)`` truncated to a range each.

    Parameters
    ----------
    at : ndarray of int64, shape (k,)
        Which entries of `values` they are.
    rows, cols : ndarray of int64, shape (k,)
        Their positions.
    left, right : ndarray, shapes (m, K), (n, K)
        Factors.
    noise : ndarray, shape (k,)
        Noise variance of each.
    lower, upper : ndarray, shape (k,)
        Ends of the range, infinite where there is none.
    uniforms : ndarray, shape (k,)
        Numbers between 0 and 1: the draw is the quantile of the truncated distribution.
    values : ndarray, shape (N,)
        Entries `at` are filled with the draws.
    first, second : ndarray, shape (k,)
        Filled with the mean and the mean square of the truncated distribution.
    """
    parallel_for(
        _draw_ranges, at.size, at, rows, cols, left, right, noise, lower, upper, uniforms, values, first,
        second,
    )  # fmt: skip


@njit(**IN_ORDER)
def _draw_ranges(
    begin, end, at, rows, cols, left, right, noise, lower, upper, uniforms, values, first, second
):  # pragma: no cover (compiled)
    for k in range(begin, end):
        mean, sd = 0.0, math.sqrt(noise[k])
        for a in range(left.shape[1]):
            mean += left[rows[k], a] * right[cols[k], a]
        low, high = (lower[k] - mean) / sd, (upper[k] - mean) / sd
        draw = _truncated(low, high, uniforms[k])
        center, square = _moments(low, high)
        values[at[k]] = min(max(mean + sd * draw, lower[k]), upper[k])
        first[k] = min(max(mean + sd * center, lower[k]), upper[k])
        second[k] = mean * mean + 2.0 * mean * sd * center + sd * sd * square


def draw_largest(
    begins: np.ndarray,
    sizes: np.ndarray,
    levels: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    noise: np.ndarray,
    offsets: np.ndarray,
    units: np.ndarray,
    uniforms: np.ndarray,
    values: np.ndarray,
) -> None:
    """Draw the cells of blocks of which one, or none, is the largest and positive.

    A block is a run of entries of one row. With the utilities ``offset + unit value`` of its entries, and 0
    for the level without an entry, its level has the largest; every entry in turn is drawn from its
    distribution given the others, a truncated normal one.

    Parameters
    ----------
    begins, sizes : ndarray of int64, shape (b,)
        First entry and number of entries of every block.
    levels : ndarray of int64, shape (b,)
        0 where no utility is positive, else 1 plus the place of the largest.
    rows, cols, noise, offsets, units, uniforms, values : ndarray, shape (N,)
        As in :func:`draw_ranges`, for all entries of the problem; `values` changes in place.
    """
    parallel_for(
        _draw_largest, begins.size, begins, sizes, levels, rows, cols, left, right, noise, offsets, units,
        uniforms, values,
    )  # fmt: skip


@njit(**IN_ORDER)
def _draw_largest(
    begin, end, begins, sizes, levels, rows, cols, left, right, noise, offsets, units, uniforms, values
):  # pragma: no cover (compiled)
    for b in range(begin, end):
        chosen = begins[b] + levels[b] - 1
        for x in range(begins[b], begins[b] + sizes[b]):
            mean, sd = 0.0, math.sqrt(noise[x])
            for a in range(left.shape[1]):
                mean += left[rows[x], a] * right[cols[x], a]
            low, high = -math.inf, math.inf
            if levels[b] and x != chosen:
                high = offsets[chosen] + units[chosen] * values[chosen]
            elif levels[b]:
                low = 0.0
                for y in range(begins[b], begins[b] + sizes[b]):
                    if y != x:
                        low = max(low, offsets[y] + units[y] * values[y])
            else:
                high = 0.0
            low, high = (low - offsets[x]) / units[x], (high - offsets[x]) / units[x]
            draw = mean + sd * _truncated((low - mean) / sd, (high - mean) / sd, uniforms[x])
            values[x] = min(max(draw, low), high)


@njit(**IN_ORDER)
def _truncated(low, high, uniform):  # pragma: no cover (compiled)
    """Quantile of the standard normal distribution truncated to a range."""
    if low + high < 0.0:  # the tail is to the left: its probabilities are exact
        return -_truncated_right(-high, -low, 1.0 - uniform)
    return _truncated_right(low, high, uniform)


@njit(**IN_ORDER)
def _truncated_right(low, high, uniform):  # pragma: no cover (compiled)
    if low > _FAR:  # there the distribution is exponential, to a share of 1 / low^2
        rate = low * (high - low)
        return low - math.log1p(uniform * math.expm1(-rate)) / low
    above, beyond = _survival(low), _survival(high)
    return min(max(-_quantile(above - uniform * (above - beyond)), low), high)


@njit(**IN_ORDER)
def _survival(x):  # pragma: no cover (compiled)
    return 0.5 * math.erfc(x / _ROOT2)


@njit(**IN_ORDER)
def _density(x):  # pragma: no cover (compiled)
    return math.exp(-0.5 * x * x) / _ROOT2PI if abs(x) < _FAR else 0.0


@njit(**IN_ORDER)
def _moments(low, high):  # pragma: no cover (compiled)
    """Mean and mean square of the standard normal distribution truncated to a range."""
    if low + high < 0.0:
        center, square = _moments_right(-high, -low)
        return -center, square
    return _moments_right(low, high)


@njit(**IN_ORDER)
def _moments_right(low, high):  # pragma: no cover (compiled)
    if low > _FAR:
        center = min(low + 1.0 / low, 0.5 * (low + high))
        return center, center * center
    mass = _survival(low) - _survival(high)
    if not mass > 0.0:
        center = 0.5 * (low + high)
        return center, center * center
    at_low, at_high = _density(low), _density(high)
    center = min(max((at_low - at_high) / mass, low), high)
    square = 1.0
    if at_low:
        square += low * at_low / mass
    if at_high:
        square -= high * at_high / mass
    return center, max(square, center * center)


@njit(**IN_ORDER)
def _quantile(p):  # pragma: no cover (compiled)
    """Inverse of the standard normal distribution function.

    P. J. Acklam's rational approximation (relative error 1e-9) and a step of Halley's method.
    """
    if p <= 0.0:
        return -math.inf
    if p >= 1.0:
        return math.inf
    if p > 0.5:
        return -_lower_quantile(1.0 - p)
    return _lower_quantile(p)


@njit(**IN_ORDER)
def _lower_quantile(p):  # pragma: no cover (compiled)
    if p < 0.02425:
        q = math.sqrt(-2.0 * math.log(p))
        x = (
            ((((-7.784894002430293e-03 * q - 3.223964580411365e-01) * q - 2.400758277161838e00) * q
              - 2.549732539343734e00) * q + 4.374664141464968e00) * q + 2.938163982698783e00
        ) / (
            (((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996e00) * q
             + 3.754408661907416e00) * q + 1.0
        )  # fmt: skip
    else:
        q = p - 0.5
        r = q * q
        x = (
            (((((-3.969683028665376e01 * r + 2.209460984245205e02) * r - 2.759285104469687e02) * r
               + 1.383577518672690e02) * r - 3.066479806614716e01) * r + 2.506628277459239e00) * q
        ) / (
            ((((-5.447609879822406e01 * r + 1.615858368580409e02) * r - 1.556989798598866e02) * r
              + 6.680131188771972e01) * r - 1.328068155288572e01) * r + 1.0
        )  # fmt: skip
    error = 0.5 * math.erfc(-x / _ROOT2) - p
    step = error * _ROOT2PI * math.exp(0.5 * x * x)
    return x - step / (1.0 + 0.5 * x * step)
