"""Rubin's rules against their formulas, an exact posterior, and limits that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rankfall import InputError, pool

NUMBERS = st.lists(st.floats(-5, 5), min_size=2, max_size=12)


def test_by_hand():
    """W = 1, B = 1, T = 7/3; r = 4/3, s = 4/7: a = 2 (7/4)^2 = 6.125; with 10 degrees of freedom
    b = 3/7 110/13 = 330/91.
    """
    pooled = pool([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    assert (pooled.m, pooled.estimate, pooled.within, pooled.between) == (3, 2.0, 1.0, 1.0)
    assert pooled.variance == pytest.approx(7 / 3)
    assert pooled.standard_error == pytest.approx(np.sqrt(7 / 3))
    assert pooled.dof == pytest.approx(6.125)
    assert pooled.missing_information == pytest.approx((4 / 3 + 2 / 9.125) / (7 / 3))
    half = stats.t.ppf(0.975, 6.125) * np.sqrt(7 / 3)
    assert pooled.interval() == pytest.approx((2 - half, 2 + half))
    small = pool([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], dof_complete=10)
    assert small.dof == pytest.approx(1 / (1 / 6.125 + 91 / 330))
    assert "Pooled(estimate 2." in repr(small)


@given(NUMBERS, st.floats(0.1, 3), st.floats(1, 1e4))
def test_barnard_and_rubin_lie_below_both_limits(estimates, variance, dof):
    pooled = pool(estimates, np.full(len(estimates), variance), dof_complete=dof)
    large = pool(estimates, np.full(len(estimates), variance))
    assert pooled.dof <= min(large.dof, dof) * (1 + 1e-12)
    assert large.dof >= (len(estimates) - 1) * (1 - 1e-12)
    assert 0 < pooled.missing_information <= 1 + 1e-12


@given(NUMBERS, st.floats(-3, 3), st.floats(0.1, 10))
def test_units_and_offsets_go_through(estimates, offset, unit):
    estimates, variances = np.array(estimates), np.linspace(0.5, 1, len(estimates))
    one, other = pool(estimates, variances), pool(unit * estimates + offset, unit**2 * variances)
    assert other.estimate == pytest.approx(unit * one.estimate + offset, abs=1e-9)
    assert other.variance == pytest.approx(unit**2 * one.variance)
    assert other.missing_information == pytest.approx(one.missing_information, abs=1e-6)


def test_equal_estimates_say_all():
    pooled = pool([2.0, 2.0], [0.5, 0.7])
    assert (pooled.variance, pooled.dof, pooled.missing_information) == (0.6, np.inf, 0.0)
    assert pooled.interval(0.9) == pytest.approx(
        (2 - stats.norm.ppf(0.95) * 0.6**0.5, 2 + stats.norm.ppf(0.95) * 0.6**0.5)
    )
    # Barnard and Rubin: without missing information (n + 1) n / (n + 3) of n degrees of freedom
    assert pool([2.0, 2.0], [0.5, 0.7], dof_complete=20).dof == pytest.approx(21 * 20 / 23)


def test_vectors_and_covariance_matrices():
    rng = np.random.default_rng(0)
    estimates = rng.standard_normal((6, 3))
    roots = rng.standard_normal((6, 3, 3))
    covariances = roots @ roots.transpose(0, 2, 1)
    pooled = pool(estimates, covariances, dof_complete=50)
    for k in range(3):
        alone = pool(estimates[:, k], covariances[:, k, k], dof_complete=50)
        for name in ("estimate", "variance", "dof", "missing_information", "standard_error"):
            assert getattr(pooled, name)[k] == pytest.approx(getattr(alone, name))
        assert np.array(pooled.interval(0.8))[:, k] == pytest.approx(alone.interval(0.8))
    total = covariances.mean(axis=0) + 7 / 6 * np.cov(estimates.T)
    assert np.allclose(pooled.covariance, total) and np.allclose(np.diag(total), pooled.variance)
    diagonal = pool(estimates, np.diagonal(covariances, axis1=1, axis2=2), dof_complete=50)
    assert diagonal.covariance is None and np.allclose(diagonal.variance, pooled.variance)
    assert pool(estimates[:, :1], covariances[:, :1, :1]).covariance.shape == (1, 1)


@pytest.mark.stat
def test_pooled_intervals_of_a_normal_mean_cover():
    """Where imputations are drawn from the exact posterior of a mean the 95% intervals cover 95%: of 3000
    tables, with a standard error of 0.4%; the bound is three and a half of them.
    """
    rng = np.random.default_rng(1)
    n, seen, m, covered = 40, 24, 10, 0
    for _ in range(3000):
        data = rng.standard_normal(seen)
        estimates, variances = [], []
        for _ in range(m):
            variance = data.var(ddof=1) * (seen - 1) / rng.chisquare(seen - 1)
            mean = data.mean() + np.sqrt(variance / seen) * rng.standard_normal()
            whole = np.append(data, mean + np.sqrt(variance) * rng.standard_normal(n - seen))
            estimates.append(whole.mean())
            variances.append(whole.var(ddof=1) / n)
        low, high = pool(estimates, variances, dof_complete=n - 1).interval()
        covered += low <= 0 <= high
    assert covered / 3000 == pytest.approx(0.95, abs=0.014)


@pytest.mark.parametrize(
    ("estimates", "variances", "settings", "match"),
    [
        ([1.0], [1.0], {}, "at least two"),
        (3.0, 1.0, {}, "at least two"),
        ([1.0, 2.0], [1.0], {}, "variances must have the shape"),
        ([[1.0], [2.0]], np.ones((2, 2, 2)), {}, "variances must have the shape"),
        ([1.0, np.nan], [1.0, 1.0], {}, "estimates must be finite"),
        ([1.0, 2.0], [1.0, 0.0], {}, "variances must be positive"),
        (["a", "b"], [1.0, 1.0], {}, "estimates must be numbers"),
        ([1.0, 2.0], [1.0, 1.0], {"dof_complete": 0}, "dof_complete must be a positive number"),
        ([1.0, 2.0], [1.0, 1.0], {"dof_complete": "many"}, "dof_complete must be a positive number"),
    ],
)
def test_bad_input_is_refused(estimates, variances, settings, match):
    with pytest.raises(InputError, match=match):
        pool(estimates, variances, **settings)


@pytest.mark.parametrize("coverage", [0, 1, "most"])
def test_an_interval_needs_a_coverage(coverage):
    with pytest.raises(InputError, match="coverage"):
        pool([1.0, 2.0], [1.0, 1.0]).interval(coverage)
