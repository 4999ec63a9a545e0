"""Exact intervals against scipy's tests and the tails of the distributions themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, poisson

from rankfall.analysis.survival import garwood
from rankfall.errors import InputError
from rankfall.lab.studies.common.intervals import (
    binomial_share,
    clustered_rate,
    clustered_share,
    none_seen,
    paired_signs,
    poisson_rate,
    rate_ratio,
)


@given(st.integers(0, 200), st.floats(1e-3, 1e9), st.floats(1e-3, 0.5))
def test_poisson_ends_have_the_stated_tails(count, exposure, error):
    rate = poisson_rate(count, exposure, error)
    assert poisson.cdf(count, rate.high * exposure) == pytest.approx(error / 2, rel=1e-6)
    if count:
        assert poisson.sf(count - 1, rate.low * exposure) == pytest.approx(error / 2, rel=1e-6)
    else:
        assert rate.low == 0
    assert rate.low <= rate.estimate <= rate.high


@given(st.integers(0, 60), st.integers(0, 60))
def test_binomial_is_clopper_and_pearsons(good, bad):
    share = binomial_share(good, good + bad)
    if good + bad:
        exact = binomtest(good, good + bad).proportion_ci(0.95, "exact")
        assert share[1:] == pytest.approx((exact.low, exact.high), abs=1e-9)
    else:
        assert math.isnan(share.estimate) and share[1:] == (0.0, 1.0)


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0.1, 10), st.floats(0.1, 10))
def test_ratio_is_the_conditional_interval(a, b, S, T):
    ratio = rate_ratio(a, S, b, T)
    if not a + b:
        assert math.isnan(ratio.estimate) and ratio[1:] == (0.0, math.inf)
        return
    p = ratio.high * S / (ratio.high * S + T) if ratio.high < math.inf else 1.0
    assert b == 0 or binom.cdf(a, a + b, p) == pytest.approx(0.025, rel=1e-6)
    back = rate_ratio(b, T, a, S)
    assert ratio.low == pytest.approx(1 / back.high if back.high else math.inf, rel=1e-9)


def test_nothing_seen():
    assert none_seen(1000) == pytest.approx(3e-3, rel=2e-3)
    assert none_seen(0) == math.inf
    assert poisson_rate(0, 0)[1:] == (0.0, math.inf)


def test_pairs():
    assert paired_signs(6, 0).low > 0.5 > paired_signs(5, 0).low


@pytest.mark.parametrize(
    "bad", [lambda: poisson_rate(-1, 1.0), lambda: binomial_share(3, 2), lambda: poisson_rate(1, 1.0, 0.0)]
)
def test_refusals(bad):
    with pytest.raises(InputError):
        bad()


def test_alike_clusters_have_the_plain_interval() -> None:
    assert clustered_rate([5, 5, 5], [100.0] * 3) == pytest.approx(poisson_rate(15, 300))
    assert clustered_rate([0, 0], [100.0, 50.0]) == pytest.approx(poisson_rate(0, 150))
    assert clustered_rate([3], [100.0]) == pytest.approx(poisson_rate(3, 100))
    assert clustered_share([3, 3, 3], [10] * 3) == pytest.approx(binomial_share(9, 30))


def test_unlike_clusters_widen_it() -> None:
    # three clusters of which one has all events: phi = 30, one event that counts
    wide = clustered_rate([30, 0, 0], [100.0] * 3)
    assert wide.estimate == 0.1
    assert wide[1:] == pytest.approx([x / 10 for x in garwood(1, 1.0, 0.95)])
    # phi is 10/3 here: three events count
    assert clustered_rate([10, 0], [75.0, 25.0]).low < poisson_rate(10, 100).low
    # chains of a cluster that all end alike are as good as one
    assert clustered_share([10, 0, 10], [10] * 3) == pytest.approx(binomial_share(2, 3), abs=1e-12)
    assert clustered_share([10, 10], [10, 10]) == (1.0, *binomial_share(2, 2)[1:])
    assert clustered_share([0, 0, 0], [10] * 3) == (0.0, *binomial_share(0, 3)[1:])
    assert np.isnan(clustered_share([], []).estimate)


@pytest.mark.stat
def test_intervals_by_cluster_cover() -> None:
    # 12 clusters of 10 trials whose probability is 0.1 or 0.7; 400 tables, coverage 95%: below 91.5% has
    # probability 0.2%, and the plain interval is far below
    rng = np.random.default_rng(5)
    p = rng.choice([0.1, 0.7], size=(400, 12))
    counts = rng.binomial(10, p)
    held = [low <= 0.4 <= high for _, low, high in (clustered_share(list(k), [10] * 12) for k in counts)]
    plain = [low <= 0.4 <= high for _, low, high in (binomial_share(int(k.sum()), 120) for k in counts)]
    assert np.mean(held) >= 0.915
    assert np.mean(plain) < 0.75
