"""The variational refit: kernels against their twins, and the fit against outside oracles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

import rankfall as rf
from dense_products import products
from rankfall.completion.result.fitted_model import noise_scales
from rankfall.completion.solvers.kernels import reference
from rankfall.completion.solvers.kernels import variational as kernels
from rankfall.completion.solvers.noise_model import EQUAL, NoiseModel
from rankfall.completion.solvers.variational import VariationalFit


def compressed(problem):
    return np.concatenate([[0], np.cumsum(problem.row_counts)]), problem.cols, problem.values


def noisy(shape=(60, 50), rank=3, observed=0.5, noise=0.3, seed=0):
    problem, truth = rf.datasets.low_rank(shape, rank=rank, observed=observed, noise=noise, seed=seed)
    unit = np.sqrt(np.mean(problem.values**2))
    return problem.with_values(problem.values / unit), truth / unit


def plain(problem, rank, seed=0, noise_model=EQUAL, effects=(False, False), sweeps=200, tol=1e-7):
    fitter = VariationalFit(problem, *effects, np.ones(problem.n_cols))
    V = 0.3 * np.random.default_rng(seed).standard_normal((problem.n_cols, rank))
    return fitter, fitter.improve(fitter.start(V, 1.0, noise_model), sweeps, tol)


@settings(max_examples=25)
@given(
    st.integers(2, 40),
    st.integers(2, 12),
    st.integers(0, 10),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1000),
)
def test_kernels_agree_with_their_twins(m, n, r, with_fixed, by_line, by_products, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    X[rng.random((m, n)) < 0.4] = np.nan
    X[0, 0] = 1.0
    problem = rf.Problem.from_dense(X)
    K = r + 1
    free, fixed = (np.arange(r), r) if with_fixed else (np.arange(K), -1)
    mean = rng.standard_normal((n, K))
    cov = np.array(
        [(S @ S.T)[np.tril_indices(r)] for S in rng.standard_normal((n, r, r))]
    )  # only some coordinates vary
    cov = cov.reshape(n, r * (r + 1) // 2)
    varying = np.arange(r)
    second = kernels.second_moments(mean, cov, varying)
    np.testing.assert_allclose(second, reference.second_moments(mean, cov, varying), atol=1e-12)
    weights = rng.uniform(0.5, 2, problem.n_observed)
    prior, prior_rhs = rng.uniform(0.5, 2, free.size), rng.standard_normal(free.size)
    shrinkage = 10.0 if by_line else np.inf
    results = []
    for module in (kernels, reference):
        out, line = np.ones((m, K)), np.ones((m, 2))
        packed = np.empty((m, free.size * (free.size + 1) // 2))
        priors = prior, prior_rhs, 0.3, shrinkage
        with products(by_products):
            module.update_rows(
                *compressed(problem), weights, mean, second, free, fixed, *priors, 3, out, packed, line
            )
        results.append((out, packed, line))
    for fast, slow in zip(*results, strict=True):
        np.testing.assert_allclose(fast, slow, atol=1e-8, rtol=1e-8)
    left = results[0][0]
    left_second = kernels.second_moments(left, results[0][1], free)
    cells = (problem.rows, problem.cols, left, left_second, mean, second)
    slow = np.maximum(reference.cell_variances(*cells), 0)
    np.testing.assert_allclose(kernels.cell_variances(*cells), slow, atol=1e-8, rtol=1e-8)
    with products(by_products):
        np.testing.assert_allclose(kernels.entry_variances(*cells), slow, atol=1e-8, rtol=1e-8)


def test_rows_are_bayesian_ridge_regressions_on_known_columns():
    problem, _ = noisy()
    rng = np.random.default_rng(1)
    V = rng.standard_normal((problem.n_cols, 2))
    fitter = VariationalFit(problem, False, False, np.ones(problem.n_cols))
    fit = fitter.start(V, 0.2, EQUAL)
    row = problem.rows == 7
    design, target = V[problem.cols[row]], problem.values[row]
    # one step from prior precision 1 and noise 0.2: a ridge of 0.2
    np.testing.assert_allclose(
        fit.rows.mean[7], Ridge(alpha=0.2, fit_intercept=False).fit(design, target).coef_, rtol=1e-9
    )
    covariance = np.linalg.inv(design.T @ design / 0.2 + np.eye(2))
    np.testing.assert_allclose(reference.unpack(fit.rows.cov[7], 2), covariance, rtol=1e-9)


def test_every_turn_raises_the_evidence_bound():
    """Variational steps never lower the bound; it is written out here from the model's densities."""
    problem, _ = noisy((20, 15), rank=2)
    fitter = VariationalFit(problem, True, True, np.ones(15))
    fit = fitter.start(0.3 * np.random.default_rng(0).standard_normal((15, 2)), 1.0, EQUAL)
    bounds = []
    for _ in range(30):
        fit = fitter.improve(fit, 1)
        bounds.append(evidence_bound(problem, fit))
    assert np.all(np.diff(bounds) > -1e-8 * np.abs(bounds[0]))


def evidence_bound(problem, fit):
    expected = (fit.at(problem.rows, problem.cols) - problem.values) ** 2
    expected = expected + fit.variance(problem.rows, problem.cols)
    total = -0.5 * np.sum(expected / fit.noise + np.log(2 * np.pi * fit.noise))
    for side in (fit.rows, fit.cols):
        F = side.free.size
        for mean, packed in zip(side.mean[:, side.free], side.cov, strict=True):
            S = reference.unpack(packed, F)
            total += 0.5 * (np.linalg.slogdet(S)[1] + np.sum(np.log(side.prior)) + F)
            total -= 0.5 * np.sum(side.prior * (mean**2 + np.diag(S)))
    return total


def test_factors_without_support_shrink_to_nothing():
    problem, _ = noisy((120, 100), rank=3, noise=0.2)
    _, fit = plain(problem, 6)
    U, V = fit.frames()
    s = np.linalg.svd(U @ V.T, compute_uv=False)
    # noise alone would leave directions of a size of about sqrt(noise (m + n) / share observed)
    assert np.all(s[3:6] < 0.05 * s[2])


def test_noise_and_uncertainty_are_right_on_data_of_the_model():
    problem, truth = noisy((150, 120), rank=2, observed=0.4, noise=0.5)
    _, fit = plain(problem, 2)
    assert np.sqrt(fit.noise) == pytest.approx(0.5 * truth.std(), rel=0.05)
    hidden = np.ones(problem.shape, bool)
    hidden[problem.rows, problem.cols] = False
    rows, cols = np.nonzero(hidden)
    error = fit.at(rows, cols) - truth[rows, cols]
    # about 10,000 hidden cells in 270 lines: the mean normalised square is 1 within 15%, more than four
    # standard errors
    ratio = np.mean(error**2 / fit.variance(rows, cols))
    assert 0.85 < ratio < 1.25


def test_lines_find_their_noise():
    rng = np.random.default_rng(3)
    _, truth = rf.datasets.low_rank((100, 80), rank=2, observed=1.0, seed=4)
    truth /= truth.std()
    loud = np.where(np.arange(100) < 50, 0.1, 1.0)
    X = truth + loud[:, None] * rng.standard_normal(truth.shape)
    X[rng.random(X.shape) < 0.3] = np.nan
    problem = rf.Problem.from_dense(X)
    _, even = plain(problem, 2)
    _, lines = plain(problem, 2, noise_model=NoiseModel(10.0))
    share = lines.rows.noise_scale
    assert share[50:].min() > 5 * share[:50].max()

    def error(fit):
        return np.linalg.norm(fit.frames()[0] @ fit.frames()[1].T - truth)

    assert error(lines) < 0.8 * error(even)
    by_row, _ = noise_scales(even, problem)
    assert by_row[50:].min() > 2 * by_row[:50].max()


def test_effects_are_fitted_beside_the_factors():
    rng = np.random.default_rng(5)
    b, c = rng.standard_normal(80), 2 * rng.standard_normal(60)
    X = b[:, None] + c + 0.1 * rng.standard_normal((80, 60))
    X[rng.random(X.shape) < 0.5] = np.nan
    _, fit = plain(rf.Problem.from_dense(X), 0, effects=(True, True))
    effects = fit.rows.mean[:, 0][:, None] + fit.cols.mean[:, 1]
    np.testing.assert_allclose(effects, b[:, None] + c, atol=0.15)


def test_weights_count_like_repeated_cells():
    problem, _ = noisy((30, 25), rank=2)
    weights = np.random.default_rng(0).uniform(0.2, 3, problem.n_observed)
    weighted = problem.with_weights(weights)
    V = np.random.default_rng(1).standard_normal((25, 2))
    fitter = VariationalFit(weighted, False, False, np.ones(25))
    fit = fitter.start(V, 0.3, EQUAL)
    row = weighted.rows == 4
    oracle = Ridge(alpha=0.3, fit_intercept=False)
    oracle.fit(V[weighted.cols[row]], weighted.values[row], sample_weight=weighted.weights[row])
    np.testing.assert_allclose(fit.rows.mean[4], oracle.coef_, rtol=1e-9)


def test_folded_rows_do_not_depend_on_what_rows_were():
    problem, _ = noisy()
    fitter, fit = plain(problem, 2, noise_model=NoiseModel(10.0), sweeps=10)
    folded = fitter.fold_rows(fit)
    other = replace(fit, rows=replace(fit.rows, mean=0 * fit.rows.mean, axis_noise=1 + fit.rows.axis_noise))
    np.testing.assert_array_equal(fitter.fold_rows(other).rows.mean, folded.rows.mean)


@settings(max_examples=10)
@given(st.integers(0, 100))
def test_permuting_rows_permutes_the_fit(seed):
    problem, _ = noisy((25, 20), rank=2, seed=seed)
    order = np.random.default_rng(seed).permutation(25)
    moved = rf.Problem.from_triplets(order[problem.rows], problem.cols, problem.values, problem.shape)
    _, fit = plain(problem, 2, sweeps=5)
    _, other = plain(moved, 2, sweeps=5)
    np.testing.assert_allclose(other.rows.mean[order], fit.rows.mean, atol=1e-8)
