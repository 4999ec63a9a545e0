"""Intervals on the allowed side of a limit, against distributions whose quantiles scipy knows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import rankfall as rf
from rankfall.completion.result.limit_cells import LimitCells


def cells(lower, upper, mean, sd) -> LimitCells:
    k = len(mean)
    return LimitCells(np.arange(k), np.zeros(k, int), lower, upper, np.array(mean), np.array(sd))


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_moments_of_a_truncated_normal_give_its_quantiles(side: int, coverage: float) -> None:
    means = np.array([-50.0, -5.0, -2.0, -0.5, 0.0, 1.0, 3.0, 20.0])
    known = [stats.truncnorm(-np.inf, -mean, mean, 1.0) for mean in means]
    mean, sd = side * np.array([-one.mean() for one in known]), np.array([one.std() for one in known])
    edge, free = np.zeros(8), np.full(8, np.inf)
    some = cells(edge, free, mean, sd) if side > 0 else cells(-free, edge, mean, sd)
    low, high = some.interval(np.arange(8), coverage)
    tail = (1 - coverage) / 2
    quantiles = [np.array([one.ppf(p) for one in known]) for p in (tail, 1 - tail)]
    wanted = quantiles if side < 0 else [-quantiles[1], -quantiles[0]]
    assert np.allclose(low, wanted[0], rtol=1e-3, atol=1e-4)
    assert np.allclose(high, wanted[1], rtol=1e-3, atol=1e-4)


def test_far_beyond_a_limit_the_distribution_is_exponential() -> None:
    low, high = cells(np.zeros(1), np.full(1, np.inf), [2.0], [2.0]).interval(np.arange(1), 0.9)
    assert np.allclose([low[0], high[0]], stats.expon(scale=2.0).ppf([0.05, 0.95]), rtol=1e-2)


def test_between_two_limits_it_is_a_beta_distribution() -> None:
    known = stats.beta(2.0, 3.0, loc=4.0, scale=2.0)
    some = cells(np.full(1, 4.0), np.full(1, 6.0), [known.mean()], [known.std()])
    low, high = some.interval(np.arange(1), 0.8)
    assert np.allclose([low[0], high[0]], known.ppf([0.1, 0.9]))


def test_cells_are_found_by_their_place() -> None:
    some = LimitCells(*(np.array(part) for part in ([0, 2, 2], [3, 0, 1])), *[np.zeros(3)] * 4)
    assert some.places(np.array([2, 0, 2, 5]), np.array([1, 3, 3, 0])).tolist() == [2, 0, -1, -1]
    empty = LimitCells(*[np.zeros(0, int)] * 2, *[np.zeros(0)] * 4)
    assert empty.places(np.array([1]), np.array([1])).tolist() == [-1]


def test_observed_cells_stay_as_given_on_a_logarithmic_scale():
    rng = np.random.default_rng(3)
    truth = np.exp(rng.normal(size=(20, 6)))
    low = truth < 0.4
    limits = np.where(low, 0.4, np.nan)
    result = rf.complete(np.where(low, np.nan, truth), scale="log", censored=(None, limits))
    assert np.array_equal(result.to_dense()[~low], truth[~low])
