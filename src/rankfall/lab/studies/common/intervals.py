"""Exact intervals for counts: rates of rare events, shares, and ratios of two rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def clustered_rate(counts: Sequence[int], exposures: Sequence[float], error: float = 0.05) -> Interval:
    """Rate of events in clusters (the chains from one minimum, or on one problem), its interval by cluster.

    Garwood's interval of ``count / phi`` events in ``exposure / phi``, with the dispersion of the clusters
    ``phi = sum (k_c - r T_c)^2 / (r T_c) / (n - 1)``, at least 1 (quasi-Poisson). Where no event was seen
    there is no dispersion to be estimated: the interval is then that for these clusters alone.

    Parameters
    ----------
    counts : sequence of int
        Events of every cluster.
    exposures : sequence of float
        Its steps at risk.
    error : float
    """
    for each in counts:
        _check(each, error)
    count, exposure = float(sum(counts)), float(sum(exposures))
    if not exposure:
        return Interval(math.nan, 0.0, math.inf)
    rate, phi = count / exposure, 1.0
    at_risk = [(k, T) for k, T in zip(counts, exposures, strict=True) if T > 0]
    if count and len(at_risk) > 1:
        phi = max(1.0, sum((k - rate * T) ** 2 / (rate * T) for k, T in at_risk) / (len(at_risk) - 1))
    from scipy.stats import chi2

    k, T = count / phi, exposure / phi
    low = float(chi2.ppf(error / 2, 2 * k)) / (2 * T) if count else 0.0
    return Interval(rate, low, float(chi2.ppf(1 - error / 2, 2 * k + 2)) / (2 * T))


def clustered_share(counts: Sequence[int], totals: Sequence[int], error: float = 0.05) -> Interval:
    """Probability of success in clusters, with an interval by cluster.

    Clopper and Pearson's interval at the effective number of trials ``n* = p (1 - p) / v``, v the variance
    of ``p = sum k_c / sum n_c`` between clusters (Korn and Graubard), which is at most the number of trials
    and at least that of clusters; that of clusters where all trials ended alike.

    Parameters
    ----------
    counts, totals : sequences of int
        Successes and trials of every cluster.
    error : float
    """
    kept = [(k, n) for k, n in zip(counts, totals, strict=True) if n]
    count, total, n = sum(k for k, _ in kept), sum(n for _, n in kept), len(kept)
    binomial_share(count, total, error)  # checks
    if not total:
        return Interval(math.nan, 0.0, 1.0)
    from scipy.stats import beta

    p, effective = count / total, float(n)
    if 0 < p < 1 and n > 1:
        v = n / (n - 1) * sum((k - p * m) ** 2 for k, m in kept) / total**2
        effective = min(max(p * (1 - p) / v, n), total) if v > 0 else total
    k = p * effective
    low = float(beta.ppf(error / 2, k, effective - k + 1)) if count else 0.0
    high = float(beta.ppf(1 - error / 2, k + 1, effective - k)) if count < total else 1.0
    return Interval(p, low, high)


def _odds(p: float) -> float:
    return p / (1 - p) if p < 1 else math.inf


def _check(count: int, error: float) -> None:
    if count < 0 or int(count) != count:
        raise InputError(f"A count is a whole number, 0 or more, not {count}.")
    if not 0 < error < 1:
        raise InputError(f"error must lie between 0 and 1, not {error}.")
