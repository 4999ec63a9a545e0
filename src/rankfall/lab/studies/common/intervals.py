"""Exact intervals for counts: rates of rare events, shares, and ratios of two rates."""

from __future__ import annotations

import math
from typing import NamedTuple

from ....analysis.survival import garwood
from ....errors import InputError


class Interval(NamedTuple):
    """An estimate and its interval."""

    estimate: float
    low: float
    high: float


def poisson_rate(count: int, exposure: float, error: float = 0.05) -> Interval:
    """Rate of events from their number in an exposure, with Garwood's exact interval.

    When nothing was seen the interval runs from 0 to ``-log(error / 2) / exposure``, which is 3.7 / exposure
    at 95%; the one-sided bound at the same level is the familiar 3 / exposure.

    Parameters
    ----------
    count : int
        Events seen.
    exposure : float
        Steps (or epochs) during which one could have been seen; with 0 nothing is known.
    error : float
        One minus the coverage.
    """
    _check(count, error)
    low, high = garwood(count, exposure, 1 - error)
    return Interval(count / exposure if exposure else math.nan, low, high)


def none_seen(exposure: float) -> float:
    """Upper 95% bound of a rate after `exposure` without an event: 3 / exposure (``-log 0.05 = 2.9957``)."""
    return -math.log(0.05) / exposure if exposure > 0 else math.inf


def binomial_share(count: int, total: int, error: float = 0.05) -> Interval:
    """Probability of success from `count` of `total` trials, with Clopper and Pearson's exact interval."""
    _check(count, error)
    if count > total:
        raise InputError(f"{count} successes do not fit into {total} trials.")
    if not total:
        return Interval(math.nan, 0.0, 1.0)
    from scipy.stats import beta

    low = float(beta.ppf(error / 2, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - error / 2, count + 1, total - count)) if count < total else 1.0
    return Interval(count / total, low, high)


def rate_ratio(
    count: int, exposure: float, other_count: int, other_exposure: float, error: float = 0.05
) -> Interval:
    """Ratio of two Poisson rates, the first over the second, with the exact conditional interval.

    Given their sum, the first count is binomial with probability ``p = r T / (r T + T')``, where r is the
    ratio and T, T' are the exposures: Clopper and Pearson's interval for p is one for r.
    """
    _check(count, error)
    _check(other_count, error)
    if not (count + other_count and exposure > 0 and other_exposure > 0):
        return Interval(math.nan, 0.0, math.inf)
    share = binomial_share(count, count + other_count, error)
    return Interval(*(_odds(p) * other_exposure / exposure for p in share))


def paired_signs(better: int, worse: int, error: float = 0.05) -> Interval:
    """Share of the pairs that differ in which the first is better, with its exact interval (McNemar's test).

    It lies above one half exactly if the two-sided exact test rejects equality in that direction.
    """
    return binomial_share(better, better + worse, error)


def _odds(p: float) -> float:
    return p / (1 - p) if p < 1 else math.inf


def _check(count: int, error: float) -> None:
    if count < 0 or int(count) != count:
        raise InputError(f"A count is a whole number, 0 or more, not {count}.")
    if not 0 < error < 1:
        raise InputError(f"error must lie between 0 and 1, not {error}.")
