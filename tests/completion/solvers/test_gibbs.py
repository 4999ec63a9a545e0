"""The Gibbs sampler: its kernel against the twin, its draws against distributions known otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import rankfall as rf
from rankfall.completion.solvers.factor_prior import _PRIOR_ROWS, _SPREAD, draw_prior
from rankfall.completion.solvers.gaps import Gaps, gaps
from rankfall.completion.solvers.gibbs import Average, Sampler
from rankfall.completion.solvers.kernels import gibbs as sampling_kernels
from rankfall.completion.solvers.kernels import reference
from rankfall.completion.solvers.kernels import variational as posterior_kernels
from rankfall.completion.solvers.noise_model import EQUAL, NoiseModel
from rankfall.completion.solvers.variational import VariationalFit
from rankfall.compute.threads import threads


def noisy(shape=(60, 50), rank=3, observed=0.5, noise=0.3, seed=0):
    problem, truth = rf.datasets.low_rank(shape, rank=rank, observed=observed, noise=noise, seed=seed)
    unit = np.sqrt(np.mean(problem.values**2))
    return problem.with_values(problem.values / unit), truth / unit


def begun(problem, rank, noise_model=EQUAL, effects=(False, False), seed=0):
    fitter = VariationalFit(problem, *effects, np.ones(problem.n_cols))
    V = 0.3 * np.random.default_rng(seed).standard_normal((problem.n_cols, rank))
    return fitter, fitter.start(V, 0.5, noise_model)


def sampled(fitter, start, sweeps=60, burn=20, seed=(0,), cells=None):
    sampler, average = Sampler(fitter, start, seed), Average(start.rank, cells or fitter.problem)
    for _ in range(sweeps):
        pairs = sampler.sweep()
        if sampler.sweeps > burn:
            average.add(pairs, sampler)
    return sampler, average


@settings(max_examples=25)
@given(
    st.integers(2, 40),
    st.integers(2, 80),
    st.integers(0, 10),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.2, 0.5, 0.8]),
    st.integers(0, 1000),
)
def test_the_kernel_agrees_with_its_twin(m, n, r, with_fixed, weighted, hidden, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    X[rng.random((m, n)) < hidden] = np.nan
    X[0, 0] = 1.0
    problem = rf.Problem.from_dense(X)
    free, fixed = (np.arange(r), r) if with_fixed else (np.arange(r + 1), -1)
    S = rng.standard_normal((free.size, free.size))
    missing = gaps(problem)
    entry_weights = np.ones(problem.n_observed)
    if weighted:
        missing, entry_weights = Gaps.none(m), rng.uniform(0.5, 2, problem.n_observed)
    arguments = (
        np.concatenate([[0], np.cumsum(problem.row_counts)]),
        problem.cols,
        problem.values,
        entry_weights,
        missing.by_gaps,
        missing.indptr,
        missing.indices,
        rng.standard_normal((n, r + 1)),
        rng.uniform(0.5, 2, n),
        free,
        fixed,
        rng.uniform(0.2, 1, m),
        rng.standard_normal(free.size),
        S @ S.T + np.eye(free.size),
        rng.standard_normal((m, free.size)),
    )
    results = []
    for module in (sampling_kernels, reference):
        mean, draw = np.ones((m, r + 1)), np.ones((m, r + 1))
        module.draw_rows(*arguments, mean, draw)
        results.append((mean, draw))
    for fast, slow in zip(*results, strict=True):
        np.testing.assert_allclose(fast, slow, atol=1e-8, rtol=1e-8)
    entries, (crossing, quiet) = arguments[:4], arguments[7:9]
    for module in (sampling_kernels, reference):
        results.append(module.row_squares(*entries, results[0][0], crossing, quiet))
    np.testing.assert_allclose(*results[2:], rtol=1e-9)
    cells = (problem.rows, problem.cols, results[0][0], crossing)
    np.testing.assert_allclose(
        posterior_kernels.cell_products(*cells), reference.cell_products(*cells), atol=1e-12
    )


def test_sums_over_missing_cells_are_those_over_the_observed_ones():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 20))
    X[rng.random(X.shape) < 0.35] = np.nan
    problem = rf.Problem.from_dense(X)
    missing = gaps(problem)
    few = np.isnan(X).sum(axis=1) < 10
    np.testing.assert_array_equal(missing.by_gaps, few)
    listed = [np.flatnonzero(np.isnan(row)) for row in X[few]]
    np.testing.assert_array_equal(missing.indices, np.concatenate(listed))
    assert missing.summed == np.isnan(X)[few].sum() + np.isfinite(X)[~few].sum()
    V, indptr = rng.standard_normal((20, 3)), problem.compressed_rows()[0]
    draws = []
    for own in (missing, Gaps.none(50)):
        mean, draw = np.zeros((50, 3)), np.zeros((50, 3))
        sampling_kernels.draw_rows(
            indptr, problem.cols, problem.values, np.ones(problem.n_observed),
            own.by_gaps, own.indptr, own.indices, V, np.linspace(0.5, 2, 20), np.arange(3), -1,
            np.linspace(0.1, 1, 50), np.zeros(3), np.eye(3), np.ones((50, 3)), mean, draw,
        )  # fmt: skip
        draws.append(draw)
    np.testing.assert_allclose(*draws, rtol=1e-10, atol=1e-12)


@pytest.mark.stat
def test_prior_draws_have_the_moments_of_the_normal_wishart_posterior():
    """4000 draws; every bound is about five standard errors wide (false alarms: about one in 10^5)."""
    lines = np.random.default_rng(0).normal([1.0, 0.0, -1.0], 1.0, (12, 3))
    rng = np.random.default_rng(1)
    centers, precisions = map(np.array, zip(*(draw_prior(lines, rng) for _ in range(4000)), strict=True))
    k, F = lines.shape
    prior = _PRIOR_ROWS * (F + 1)
    rest = lines - lines.mean(axis=0)
    spread = rest.T @ rest + k / (k + 1) * np.outer(lines.mean(axis=0), lines.mean(axis=0))
    spread += prior / k * np.diag(np.diag(spread)) + _SPREAD * np.eye(F)
    oracle = stats.wishart(k + prior, np.linalg.inv(spread))
    error = np.sqrt(oracle.var() / 4000)
    assert np.all(np.abs(precisions.mean(axis=0) - oracle.mean()) < 5 * error)
    np.testing.assert_allclose(precisions.var(axis=0), oracle.var(), rtol=0.25)
    # the mean's covariance is that of the rows over k + 1
    covariance = spread / (k + prior - F - 1) / (k + 1)
    assert np.all(
        np.abs(centers.mean(axis=0) - lines.sum(axis=0) / (k + 1)) < 5 * np.sqrt(np.diag(covariance) / 4000)
    )
    np.testing.assert_allclose(np.var(centers, axis=0), np.diag(covariance), rtol=0.25)


def test_the_prior_of_few_rows_has_their_variances_but_hardly_their_covariances():
    rng = np.random.default_rng(0)
    lines = rng.standard_normal((30, 20)) @ np.diag(np.linspace(0.1, 2, 20))
    lines -= lines.mean(axis=0)
    mean = np.mean([np.linalg.inv(draw_prior(lines, rng)[1]) for _ in range(2000)], axis=0)
    sample = lines.T @ lines / len(lines)
    assert np.all(np.abs(np.log(np.diag(mean) / np.diag(sample))) < 0.7)
    off = ~np.eye(20, dtype=bool)
    assert np.sum(mean[off] * sample[off]) < 0.7 * np.sum(sample[off] ** 2)


@pytest.mark.stat
def test_truth_and_draws_are_exchangeable():
    """Ranks of a known truth among draws are uniform if the sampler is right (Cook, Gelman and Rubin 2006).

    Columns are drawn from their prior, data are made from rows and columns, and columns are drawn again given
    the data: truth and draws are exchangeable. 400 repeats; a Kolmogorov-Smirnov test of the truth's rank
    among 19 draws, for one cell, at 1e-4.
    """
    rng = np.random.default_rng(7)
    ranks = []
    for repeat in range(400):
        U, V = rng.standard_normal((15, 2)), rng.standard_normal((6, 2))
        center, precision = draw_prior(V, rng)
        V = center + rng.standard_normal((6, 2)) @ np.linalg.inv(np.linalg.cholesky(precision))
        X = U @ V.T + 0.5 * rng.standard_normal((15, 6))
        problem = rf.Problem.from_dense(X)
        indptr = np.arange(0, 91, 15)
        everywhere = (np.zeros(6, bool), np.zeros(7, int), np.zeros(0, int))
        draws = []
        for _ in range(19):
            mean, draw = V.copy(), V.copy()
            sampling_kernels.draw_rows(
                indptr,
                problem.T.cols,
                problem.T.values,
                np.ones(90),
                *everywhere,
                U,
                np.ones(15),
                np.arange(2),
                -1,
                np.full(6, 0.25),
                center,
                precision,
                rng.standard_normal((6, 2)),
                mean,
                draw,
            )
            draws.append(U[3] @ draw[repeat % 6])
        ranks.append(np.sum(np.array(draws) < U[3] @ V[repeat % 6]) + rng.random())
    assert stats.kstest(np.array(ranks) / 20, "uniform").pvalue > 1e-4


@pytest.mark.stat
def test_noise_and_noise_scales_are_found():
    """Half of the rows are ten times as noisy: 50 rows of 56 cells know their share within a fifth or so."""
    rng = np.random.default_rng(3)
    _, truth = rf.datasets.low_rank((100, 80), rank=2, observed=1.0, seed=4)
    truth /= truth.std()
    loud = np.where(np.arange(100) < 50, 0.1, 1.0)
    X = truth + loud[:, None] * rng.standard_normal(truth.shape)
    X[rng.random(X.shape) < 0.3] = np.nan
    fitter, start = begun(rf.Problem.from_dense(X), 2, noise_model=NoiseModel(20.0))
    sampler, average = sampled(fitter, start)
    fit = average.deliver(fitter, start, sampler.sweeps, 2)
    share = fit.rows.noise_scale
    assert share[50:].min() > 3 * share[:50].max()
    even = begun(rf.Problem.from_dense(X), 2)
    alike = sampled(*even)[1].deliver(*even, 60, 2)
    rows, cols = np.nonzero(np.ones(truth.shape))
    errors = [np.linalg.norm(f.at(rows, cols) - truth.ravel()) for f in (fit, alike)]
    assert errors[0] < 0.8 * errors[1]


def test_rows_that_are_copies_of_each_other_do_not_take_all_the_noise():
    """They fit without error, sweep after sweep.

    The noise of the others must not become endless shares of nothing.
    """
    rng = np.random.default_rng(5)
    X = rng.standard_normal((80, 30))
    X[:, 1:6] = X[:, :1]
    fitter, start = begun(rf.Problem.from_dense(X), 8, noise_model=NoiseModel(20.0))
    sampler, average = sampled(fitter, start, sweeps=150)
    assert sampler.noise > 1e-6
    assert max(sampler.row_scale.max(), sampler.col_scale.max()) <= 1e4
    assert np.isfinite(average.at_cells).all()


def test_the_mean_of_draws_predicts_better_than_a_variational_fit_of_too_large_a_rank():
    problem, truth = noisy((80, 60), rank=4, observed=0.3, noise=1.0)
    fitter, start = begun(problem, 12)
    sampler, average = sampled(fitter, start)
    fit = average.deliver(fitter, start, sampler.sweeps, 12)
    rows, cols = np.nonzero(np.ones(problem.shape))

    def error(fit):
        return np.linalg.norm(fit.at(rows, cols) - truth.ravel())

    assert fit.rank == 12
    assert error(fit) < error(fitter.improve(start, 60))


def test_the_delivered_fit_is_close_to_the_mean_it_stands_for():
    problem, _ = noisy(noise=0.3)
    for effects in ((False, False), (True, True)):
        fitter, start = begun(problem, 4, effects=effects)
        sampler, average = sampled(fitter, start)
        fit = average.deliver(fitter, start, sampler.sweeps, 4)
        gap = fit.at(problem.rows, problem.cols) - average.at_cells
        # cut to the rank and folded in: a small part of the noise is lost
        assert np.sqrt(np.mean(gap**2)) < 0.2 * np.sqrt(fit.noise)
        assert fit.converged and fit.sweeps == 60


def test_the_bits_do_not_depend_on_the_number_of_threads():
    problem, _ = noisy()
    results = []
    for n_threads in (1, None):
        with threads(n_threads):
            fitter, start = begun(problem, 3, noise_model=NoiseModel(20.0))
            sampler, _ = sampled(fitter, start, sweeps=10, burn=5)
        results.append((sampler.rows, sampler.cols, sampler.noise))
    for one, many in zip(*results, strict=True):
        np.testing.assert_array_equal(one, many)


def test_known_effect_units_are_never_drawn():
    problem, _ = noisy((30, 25), rank=1)
    fitter, start = begun(problem, 1, effects=(True, True))
    sampler, _ = sampled(fitter, start, sweeps=5, burn=1)
    np.testing.assert_array_equal(sampler.cols[:, start.cols.fixed], 1.0)
    np.testing.assert_array_equal(sampler.rows[:, start.rows.fixed], 1.0)


def test_a_chain_with_the_same_noise_everywhere_forgets_the_noise_scales_of_its_start():
    problem, _ = noisy()
    fitter, start = begun(problem, 2, noise_model=NoiseModel(20.0))
    start = fitter.improve(start, 5)
    assert np.ptp(start.rows.noise_scale) > 0
    sampler = Sampler(fitter, replace(start, noise_model=EQUAL), (0,))
    sampler.sweep()
    assert np.all(sampler.row_scale == 1) and np.all(sampler.col_scale == 1)


def test_dead_factors_are_counted_out():
    problem, _ = noisy((80, 60), rank=2, noise=0.2)
    held = np.random.default_rng(1).random(problem.n_observed) < 0.1
    fitter, start = begun(problem.subset(~held), 8)
    assert sampled(fitter, start, cells=problem.subset(held))[1].living(0.02) == 2
