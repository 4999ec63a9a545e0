"""Exact intervals against scipy's tests and the tails of the distributions themselves."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, poisson

from rankfall.errors import InputError
from rankfall.lab.studies.common.intervals import (
    binomial_share,
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
