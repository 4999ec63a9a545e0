"""Partly known cells in the Gibbs sampler: kernels against their twins, draws against what is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import rankfall as rf
from rankfall.completion.solvers.augmentation import PartlyKnown
from rankfall.completion.solvers.gibbs import Sampler
from rankfall.completion.solvers.kernels import reference
from rankfall.completion.solvers.kernels import truncated as kernels
from rankfall.completion.solvers.noise_model import EQUAL, NoiseModel
from rankfall.completion.solvers.variational import VariationalFit
from rankfall.compute.threads import threads
from rankfall.partly_known import Augmentation, Categories, Grades, Ranges


def both_ranges(lower, upper, mean, noise, uniforms):
    """Draws, means and mean squares by the kernel and by its twin."""
    k = len(mean)
    out = []
    for module in (kernels, reference):
        values, first, second = np.zeros(k), np.zeros(k), np.zeros(k)
        module.draw_ranges(
            np.arange(k), np.arange(k), np.zeros(k, int), mean[:, None], np.ones((1, 1)), noise, lower,
            upper, uniforms, values, first, second,
        )  # fmt: skip
        out.append((values, first, second))
    return out


@settings(max_examples=25)
@given(st.integers(1, 60), st.floats(0.1, 8), st.integers(0, 1000))
def test_draws_from_ranges_agree_with_their_twin(k, size, seed):
    rng = np.random.default_rng(seed)
    mean, noise = size * rng.standard_normal(k), rng.uniform(0.5, 2, k)
    lower = np.where(rng.random(k) < 0.4, -np.inf, rng.standard_normal(k))
    upper = np.where(rng.random(k) < 0.4, np.inf, np.maximum(lower, -5) + rng.uniform(0.5, 3, k))
    fast, slow = both_ranges(lower, upper, mean, noise, rng.uniform(0.01, 0.99, k))
    for a, b in zip(fast, slow, strict=True):
        assert np.allclose(a, b, rtol=1e-6, atol=1e-6)
    assert np.all((fast[0] >= lower) & (fast[0] <= upper))


def test_draws_far_in_the_tail_stay_in_their_range():
    lower = np.array([5.0, 20.0, 36.0, 50.0, 500.0, -np.inf, 30.0])
    upper = np.array([np.inf, np.inf, np.inf, np.inf, 500.5, -60.0, 30.001])
    fast, _ = both_ranges(lower, upper, np.zeros(7), np.ones(7), np.full(7, 0.5))
    draws, first, second = fast
    assert np.all((draws >= lower) & (draws <= upper) & (first >= lower) & (first <= upper))
    # the mean of the tail beyond a is a + 1 / a - 2 / a^3 + ...
    a = np.array([20.0, 36.0, 50.0])
    assert np.allclose(first[1:4], a + 1 / a - 2 / a**3, rtol=1e-5)
    assert np.all(second >= first**2 - 1e-9 * first**2)


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 1000))
def test_draws_of_the_largest_agree_with_their_twin(m, size, seed):
    rng = np.random.default_rng(seed)
    n = m * size
    rows, cols = np.repeat(np.arange(m), size), np.tile(np.arange(size), m)
    offsets, units = np.tile(rng.standard_normal(size), m), np.tile(rng.uniform(0.5, 2, size), m)
    levels = rng.integers(0, size + 1, m)
    utilities = -rng.exponential(1.0, (m, size))
    utilities[levels > 0, levels[levels > 0] - 1] = 1.0
    start = (utilities.ravel() - offsets) / units
    left, right = rng.standard_normal((m, 2)), rng.standard_normal((size, 2))
    uniforms, out = rng.uniform(0.01, 0.99, n), []
    for module in (kernels, reference):
        values = start.copy()
        module.draw_largest(
            np.arange(m) * size, np.full(m, size), levels, rows, cols, left, right, np.full(n, 0.7), offsets,
            units, uniforms, values,
        )  # fmt: skip
        out.append(values)
    assert np.allclose(*out, rtol=1e-6, atol=1e-6)
    drawn = (offsets + units * out[0]).reshape(m, size)
    largest = np.where(drawn.max(axis=1) > 1e-12, drawn.argmax(axis=1) + 1, 0)
    assert np.array_equal(largest, levels)


def table(seed=0, shape=(60, 20), noise_model=EQUAL):
    problem, truth = rf.datasets.low_rank(shape, rank=2, observed=0.7, noise=0.4, seed=seed)
    unit = np.sqrt(np.mean(problem.values**2))
    problem, truth = problem.with_values(problem.values / unit), truth / unit
    fitter = VariationalFit(problem, False, False, np.ones(shape[1]))
    V = 0.3 * np.random.default_rng(seed).standard_normal((shape[1], 2))
    return fitter, fitter.start(V, 0.5, noise_model), truth


def plain(n):
    return np.zeros(n), np.ones(n)


@pytest.mark.parametrize("noise_model", [EQUAL, NoiseModel(20.0)])
def test_nothing_that_is_partly_known_leaves_the_draws_as_they_are(noise_model):
    fitter, start, _ = table(noise_model=noise_model)
    nothing = PartlyKnown(Augmentation(), fitter.problem, *plain(20), start.noise)
    without, with_nothing = Sampler(fitter, start, (3,)), Sampler(fitter, start, (3,), nothing)
    for _ in range(5):
        without.sweep()
        with_nothing.sweep()
    assert np.array_equal(without.rows, with_nothing.rows)
    assert np.array_equal(without.cols, with_nothing.cols)
    assert without.noise == with_nothing.noise


def limited(problem, share=0.3):
    """The lowest entries of the first columns, known by a limit only."""
    limit = np.quantile(problem.values, share)
    below = (problem.values < limit) & (problem.cols < problem.n_cols // 2)
    upper = np.full(np.count_nonzero(below), limit)
    ranges = Ranges(problem.rows[below], problem.cols[below], np.full_like(upper, -np.inf), upper)
    return below, limit, Augmentation(ranges)


def test_no_bit_depends_on_the_number_of_threads():
    fitter, start, _ = table(shape=(900, 60))
    _, _, augmentation = limited(fitter.problem)
    found = []
    for count in (1, 2):
        with threads(count):
            known = PartlyKnown(augmentation, fitter.problem, *plain(60), start.noise)
            sampler = Sampler(fitter, start, (1,), known)
            for _ in range(3):
                sampler.sweep()
        found.append((sampler.rows, known.values))
    assert np.array_equal(found[0][0], found[1][0]) and np.array_equal(found[0][1], found[1][1])


def test_values_below_a_limit_are_found_from_the_limit():
    fitter, start, _ = table(shape=(200, 30))
    below, limit, augmentation = limited(fitter.problem)
    wrong = np.where(below, limit, fitter.problem.values)
    fitter = VariationalFit(fitter.problem.with_values(wrong), False, False, np.ones(30))
    known = PartlyKnown(augmentation, fitter.problem, *plain(30), start.noise)
    sampler, means = Sampler(fitter, start, (5,), known), []
    for sweep in range(60):
        sampler.sweep()
        if sweep >= 20:
            means.append(known.first.copy())
    given = table(shape=(200, 30))[0].problem.values[below]
    mean = np.mean(means, axis=0)
    assert known.values[below].max() <= limit
    # taking the limit itself has a mean error of about 0.4
    assert abs(np.mean(mean - given)) < 0.05 < np.mean(limit - given)
    assert np.array_equal(known.values[~below], fitter.problem.values[~below])


def test_thresholds_of_grades_are_found_in_units_of_the_noise():
    rng = np.random.default_rng(7)
    m, n, noise = 1500, 8, 0.25
    X = rng.standard_normal((m, 1)) @ rng.uniform(0.5, 1, (1, n)) + np.sqrt(noise) * rng.standard_normal(
        (m, n)
    )
    thresholds = np.array([-0.8, 0.0, 0.5])
    levels = np.searchsorted(thresholds, X[:, 0])
    begun = np.array([-0.4, 0.0, 0.9])
    X[:, 0] = np.array([-0.8, -0.2, 0.45, 1.3])[levels]
    problem = rf.Problem.from_dense(X)
    fitter = VariationalFit(problem, False, False, np.ones(n))
    start = fitter.start(np.full((n, 1), 0.7), noise, EQUAL)
    grades = Augmentation(grades=(Grades(0, np.arange(m), levels, begun),))
    known = PartlyKnown(grades, problem, *plain(n), noise)
    sampler, found = Sampler(fitter, start, (2,), known), []
    for sweep in range(300):
        sampler.sweep()
        if sweep >= 100:
            found.append(known.thresholds[0].copy())
    assert known.thresholds[0][1] == 0.0
    # posterior standard deviations are about 0.02
    assert np.allclose(np.mean(found, axis=0), thresholds, atol=0.09)
    assert np.isclose(sampler.noise * sampler.col_scale[0], noise)


def test_probabilities_of_a_yes_and_of_a_category_are_those_of_the_posterior():
    """With one column of ones as known factor nothing but the noise varies: the mean of a probit's latent
    values given its share of yes is known.
    """
    rng = np.random.default_rng(0)
    m = 4000
    values = np.zeros((m, 3))
    problem = rf.Problem.from_dense(values)
    levels = rng.integers(0, 3, m)
    yes = rng.integers(0, 2, m)
    augmentation = Augmentation(
        grades=(Grades(0, np.arange(m), yes, np.zeros(1)),),
        categories=(Categories(np.array([1, 2]), np.arange(m), levels, np.zeros(2)),),
    )
    known = PartlyKnown(augmentation, problem, *plain(3), 1.0)
    one = np.ones(m), np.ones(3)
    for _ in range(20):
        known.draw(np.zeros((m, 1)), np.zeros((3, 1)), 1.0, *one, rng)
    drawn = known.values.reshape(m, 3)
    half_normal = np.sqrt(2 / np.pi)
    assert np.isclose(drawn[yes == 1, 0].mean(), half_normal, atol=0.05)
    # utilities of level 0: both below 0; of level 1: the first is the largest and positive
    assert np.allclose(drawn[levels == 0, 1:].mean(axis=0), -half_normal, atol=0.06)
    samples = rng.standard_normal((200_000, 2))
    first = (samples[:, 0] > 0) & (samples[:, 0] > samples[:, 1])
    assert np.allclose(drawn[levels == 1, 1:].mean(axis=0), samples[first].mean(axis=0), atol=0.08)
    assert np.all(drawn[levels == 0, 1:] <= 0)
    assert stats.kstest(-drawn[yes == 0, 0], stats.halfnorm.cdf).pvalue > 1e-3


def test_a_part_of_the_entries_keeps_what_is_known_of_them():
    problem = rf.Problem.from_dense(np.arange(12.0).reshape(4, 3))
    ranges = Ranges(np.array([0, 2]), np.array([1, 2]), np.full(2, -np.inf), np.array([1.0, 9.0]))
    grades = (Grades(0, np.arange(4), np.array([0, 0, 1, 1]), np.zeros(1)),)
    part = Augmentation(ranges, grades).within(problem.subset(problem.rows != 2))
    assert part.ranges.rows.tolist() == [0] and part.ranges.upper.tolist() == [1.0]
    assert part.grades[0].rows.tolist() == [0, 1, 3] and part.grades[0].levels.tolist() == [0, 0, 1]
    scaled = part.standardised(np.full(3, 1.0), np.full(3, 2.0))
    assert scaled.ranges.upper.tolist() == [0.0] and scaled.grades[0].thresholds.tolist() == [-0.5]
