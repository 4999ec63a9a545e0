"""Noise with heavy tails: weights, variational fits and draws against formulas, scipy and integrals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

import rankfall as rf
from rankfall.completion.solvers.gibbs import Sampler
from rankfall.completion.solvers.heavy_tails import HeavyTailedSampler, sampler_of
from rankfall.completion.solvers.noise_model import EQUAL, HEAVY, NoiseModel, with_tails_of
from rankfall.completion.solvers.ordered_gibbs import any_sampler
from rankfall.completion.solvers.variational import VariationalFit, expected_weights


def table(m=40, n=12, seed=0, weighted=False):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, 2)) @ rng.standard_normal((2, n)) + 0.3 * rng.standard_t(3, (m, n))
    X[rng.random((m, n)) < 0.3] = np.nan
    problem = rf.Problem.from_dense(X)
    return problem.with_weights(rng.uniform(0.5, 2, problem.n_observed)) if weighted else problem


def begun(problem, rank=2, noise_model=HEAVY):
    fitter = VariationalFit(problem, False, True, np.ones(problem.n_cols))
    V = np.random.default_rng(0).standard_normal((problem.n_cols, rank))
    return fitter, fitter.start(V, 0.3, noise_model)


@pytest.mark.parametrize("weighted", [False, True])
def test_expected_weights_are_those_of_the_mixture(weighted):
    problem = table(weighted=weighted)
    fitter, start = begun(problem, noise_model=NoiseModel(20.0, 4.0))
    fit = fitter.improve(start, 3)
    weights = expected_weights(fit, problem)
    for k in range(0, problem.n_observed, 50):
        i, j = problem.rows[k : k + 1], problem.cols[k : k + 1]
        misfit = float(fit.at(i, j)[0] - problem.values[k])
        square = misfit**2 + float(fit.variance(i, j)[0])
        variance = fit.noise * fit.rows.noise_scale[i[0]] * fit.cols.noise_scale[j[0]]
        variance /= 1.0 if problem.weights is None else problem.weights[k]
        assert weights[k] == pytest.approx(5 / (4 + square / variance), rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_reweighted_fit_is_that_of_the_entries_with_these_weights(weighted):
    problem = table(weighted=weighted)
    weights = np.random.default_rng(1).uniform(0.1, 2, problem.n_observed)
    own = 1.0 if problem.weights is None else problem.weights
    given = replace(problem, weights=weights * own)
    fitter, start = begun(problem, noise_model=EQUAL)
    other = VariationalFit(given, False, True, np.ones(problem.n_cols))
    one = fitter.reweighted(weights).improve(start, 3)
    two = other.improve(start, 3)
    assert np.allclose(one.cols.mean, two.cols.mean, atol=1e-12) and one.noise == pytest.approx(two.noise)


def test_location_and_scale_are_those_of_largest_likelihood():
    """Columns of Student-t numbers without factors: scipy's estimates with the same degrees of freedom."""
    rng = np.random.default_rng(0)
    X = 0.7 * rng.standard_t(4, (3000, 2)) + np.array([1.0, -2.0])
    fitter = VariationalFit(rf.Problem.from_dense(X), False, True, np.ones(2))
    fit = fitter.improve(fitter.start(np.zeros((2, 0)), 1.0, HEAVY), 100, tol=1e-8)
    rest = X - fit.cols.mean[:, 0]
    location = [stats.t.fit(column, fix_df=4)[1] for column in X.T]
    # the posterior variance of 3000 entries is 3e-4 of the noise
    assert fit.cols.mean[:, 0] == pytest.approx(location, abs=2e-3)
    assert fit.noise**0.5 == pytest.approx(stats.t.fit(rest.ravel(), fix_df=4, floc=0)[2], rel=2e-3)


@pytest.mark.stat
def test_draws_of_the_noise_have_the_posterior_of_a_scale():
    """Nothing but noise: the mean of the logarithm over 6000 draws, against an integral. The autocorrelation
    time is about two sweeps, which makes the standard error 0.002; the bound is five of them.
    """
    values = 0.7 * np.random.default_rng(2).standard_t(4, (60, 2))
    fitter = VariationalFit(rf.Problem.from_dense(values), False, False, np.ones(2))
    sampler = HeavyTailedSampler(fitter, fitter.start(np.zeros((2, 0)), 0.5, HEAVY), (1,))
    logs = []
    for _ in range(6000):
        sampler.sweep()
        logs.append(np.log(sampler.noise))

    def density(log, power):
        scale = np.exp(log / 2)
        return log**power * np.exp(np.sum(stats.t.logpdf(values / scale, 4)) - values.size * log / 2 + 130)

    total, first = (integrate.quad(density, -4, 3, args=(power,), limit=200)[0] for power in (0, 1))
    assert np.mean(logs) == pytest.approx(first / total, abs=0.01)


def test_rows_are_folded_in_alike_whatever_they_began_with():
    problem = table()
    fitter, start = begun(problem)
    fit = fitter.fold_rows(fitter.improve(start, 20))
    moved = replace(fit, rows=replace(fit.rows, mean=np.where(True, fit.rows.mean + 1.0, 0.0)))
    moved.rows.mean[:, fit.rows.fixed] = 1.0
    assert np.array_equal(fitter.fold_rows(moved).rows.mean, fit.rows.mean)


def test_a_gross_error_moves_a_row_by_little():
    """With normal noise the effect grows with the error; with heavy tails it vanishes."""
    problem = table(seed=3)
    far = problem.values.copy()
    far[5] += 50.0
    moves = {}
    for noise_model in (EQUAL, HEAVY):
        fitter, start = begun(problem, noise_model=noise_model)
        fit = fitter.fold_rows(fitter.improve(start, 30))
        other = VariationalFit(problem.with_values(far), False, True, np.ones(problem.n_cols))
        moved = other.fold_rows(fit)
        moves[noise_model] = np.linalg.norm(moved.rows.mean - fit.rows.mean)
    assert moves[HEAVY] < 0.05 * moves[EQUAL]


def test_the_sampler_is_chosen_by_the_noise_model():
    fitter, start = begun(table())
    assert isinstance(sampler_of(fitter, start, (0,)), HeavyTailedSampler)
    assert type(sampler_of(fitter, replace(start, noise_model=EQUAL), (0,))) is Sampler
    assert isinstance(any_sampler(fitter, start, (0,)), HeavyTailedSampler)
    assert with_tails_of(HEAVY)[0] == HEAVY and not with_tails_of(EQUAL)[2].is_heavy


def test_a_fork_draws_the_same_weights():
    fitter, start = begun(table())
    chain = sampler_of(fitter, start, (0,))
    chain.sweep()
    fork = chain.fork()
    chain.sweep()
    fork.sweep()
    assert np.array_equal(fork.fitter.problem.weights, chain.fitter.problem.weights)


def test_a_gross_error_moves_the_chain_by_little():
    """Rank 1 with noise 0.1; with equal weights a draw at the wrong cell would lie far off."""
    rng = np.random.default_rng(4)
    truth = np.outer(rng.normal(size=40), rng.normal(size=12))
    values = truth + 0.1 * rng.normal(size=truth.shape)
    values[3, 5] += 30.0
    fitter, start = begun(rf.Problem.from_dense(values), rank=1)
    chain = sampler_of(fitter, start, [0])
    found = []
    for sweep in range(200):
        chain.sweep()
        if sweep >= 100:
            found.append(chain.rows[3] @ chain.cols[5])
    assert np.mean(found) == pytest.approx(truth[3, 5], abs=0.5)
