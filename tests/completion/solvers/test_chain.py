"""Rows that follow each other: kernels against their twins, the smoother and the coefficients against outside
oracles.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, optimize

import rankfall as rf
from dense_products import products
from rankfall.completion.solvers.chain import _HALF_LIVES, Chain
from rankfall.completion.solvers.gaps import Gaps, gaps
from rankfall.completion.solvers.kernels import chain as kernels
from rankfall.completion.solvers.kernels import reference
from rankfall.completion.solvers.kernels import variational as independent
from rankfall.completion.solvers.noise_model import EQUAL, NoiseModel
from rankfall.completion.solvers.posterior import compressed
from rankfall.completion.solvers.smoothing import following, smoothed
from rankfall.completion.solvers.variational import VariationalFit
from rankfall.compute.threads import threads

# distance between two coefficients that are compared, as logarithms of half-lives
_SPACING = np.log(_HALF_LIVES[1] / _HALF_LIVES[0])


def table(m, n, rng, hidden=0.4, empty=0.2):
    """Numbers with cells missing, and some rows without entries."""
    X = rng.standard_normal((m, n))
    X[rng.random((m, n)) < hidden] = np.nan
    X[rng.random(m) < empty] = np.nan
    X[0, 0] = 1.0
    return rf.Problem.from_dense(X)


def random_chain(m, F, rng, several=True, irregular=True):
    """Rows in any order; several series, steps that differ."""
    steps = rng.uniform(0.2, 3, m) if irregular else np.ones(m)
    steps[rng.random(m) < 0.15 * several] = np.inf
    steps[0] = np.inf
    return Chain(rng.permutation(m), steps, rng.uniform(0.1, 0.99, F))


def covariances(k, F, rng):
    """Packed covariances of full rank."""
    roots = rng.standard_normal((k, F, F)) / 2
    return np.array([(R @ R.T + 0.1 * np.eye(F))[np.tril_indices(F)] for R in roots]).reshape(k, -1)


def ordered(problem, rank, rng, effects=(False, False), noise_model=EQUAL, chain=None):
    """Column factors, prior and noise scales of all kinds, with rows that follow each other."""
    m, n = problem.shape
    fitter = VariationalFit(problem, *effects, rng.uniform(0.5, 2, n))
    fit = fitter.start(rng.standard_normal((n, rank)), 0.3, noise_model)
    F = fit.cols.free.size
    if effects[1]:
        fit.cols.mean[:, fit.rows.fixed] = rng.standard_normal(n)
    scales = [np.ones((size, 2)) for size in (m, n)]
    if not noise_model.is_equal:
        scales = [rng.uniform(0.5, 2, (size, 2)) for size in (m, n)]
    cols = replace(fit.cols, cov=covariances(n, F, rng), axis_noise=scales[1])
    rows = replace(
        fit.rows,
        prior=rng.uniform(0.5, 2, fit.rows.free.size),
        axis_noise=scales[0],
        chain=chain or random_chain(m, fit.rows.free.size, rng),
    )
    return fitter, replace(fit, rows=rows, cols=cols)


def solved(fitter, fit):
    """All rows, and the covariances of each with the one before."""
    return smoothed(fitter.sides[0], fitter.gaps[0], fit.cols, fit.rows, fit, 1)


def stationary(chain, prior):
    """Covariance of all rows' coordinates (k, F, k, F), by their number: ``P a^|distance|`` in a series."""
    k, F = chain.order.size, prior.size
    at, series = np.zeros(k), np.zeros(k)
    position, number = 0.0, 0
    for row, step in zip(chain.order, chain.steps, strict=True):
        position, number = (0.0, number + 1) if np.isinf(step) else (position + step, number)
        at[row], series[row] = position, number
    out = np.zeros((k, F, k, F))
    for z in range(F):
        decays = chain.coefficients[z] ** np.abs(at[:, None] - at)
        out[:, z, :, z] = np.where(series[:, None] == series, decays / prior[z], 0.0)
    return out


def conditioned(problem, fit):
    """Means, joint covariance and expected misfits of the rows by conditioning the process on the entries.

    No precision is used: the covariance of the process, and the Kalman gain of all entries at once. That a
    column of the table has a covariance is one more observation, of 0, for each column of its root.
    """
    rows, cols = fit.rows, fit.cols
    (m, K), F = rows.mean.shape, rows.free.size
    weights = np.ones(problem.n_observed) if problem.weights is None else problem.weights
    designs, targets, variances, at = [], [], [], []
    for i, j, x, w in zip(problem.rows, problem.cols, problem.values, weights, strict=True):
        root = np.zeros((K, cols.free.size))
        root[cols.free] = np.linalg.cholesky(reference.unpack(cols.cov[j], cols.free.size))
        for design, value in [(cols.mean[j], x), *((column, 0.0) for column in root.T)]:
            known = design[rows.fixed] * rows.mean[i, rows.fixed] if rows.has_known else 0.0
            designs.append(design[rows.free])
            targets.append(value - known)
            variances.append(fit.noise * rows.noise_scale[i] * cols.noise_scale[j] / w)
            at.append(i)
    designs, targets, variances, at = map(np.array, (designs, targets, variances, at))
    A = np.zeros((at.size, m, F))
    A[np.arange(at.size), at] = designs
    A = A.reshape(at.size, m * F)
    S = stationary(rows.chain, rows.prior).reshape(m * F, m * F)
    gain = linalg.solve(A @ S @ A.T + np.diag(variances), A @ S, assume_a="pos").T
    mean, joint = (gain @ targets).reshape(m, F), (S - gain @ A @ S).reshape(m, F, m, F)
    own = joint[at, :, at]
    squares = (targets - np.sum(designs * mean[at], axis=1)) ** 2
    squares += np.einsum("xa,xab,xb->x", designs, own, designs)
    misfit = np.bincount(at, squares / variances, m) * fit.noise * rows.noise_scale
    return mean, joint, misfit


def close(one, other, tolerance):
    """Relative to the largest number."""
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.max(np.abs(other), initial=1e-300))


# -- kernels -----------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    st.integers(1, 30),
    st.integers(1, 12),
    st.integers(0, 10),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.2, 0.5, 0.8]),
    st.integers(0, 1000),
)
def test_kernels_agree_with_their_twins(
    m, n, r, with_fixed, weighted, several, irregular, by_products, hidden, seed
):
    rng = np.random.default_rng(seed)
    problem = table(m, n, rng, hidden)
    K, F = r + 1, r + (not with_fixed)
    free, fixed = (np.delete(np.arange(K), r // 2), r // 2) if with_fixed else (np.arange(K), -1)
    missing, weights = gaps(problem), np.ones(problem.n_observed)
    if weighted:
        missing, weights = Gaps.none(m), rng.uniform(0.5, 2, problem.n_observed)
    mean = rng.standard_normal((n, K))
    second = reference.second_moments(mean, covariances(n, r, rng), np.arange(r))
    cells = (*problem.compressed_rows(), weights, missing.by_gaps, missing.indptr, missing.indices)
    moments_of_columns = (rng.uniform(0.5, 2, n), mean, second)
    with products(by_products):
        results = [module.row_sums(*cells, *moments_of_columns) for module in (kernels, reference)]
    for fast, slow in zip(*results, strict=True):
        close(fast, slow, 1e-12)
    chain, noise = random_chain(m, F, rng, several, irregular), rng.uniform(0.2, 1, m)
    process = chain.precisions(rng.uniform(0.5, 2, F))
    sums, results = results[1], []
    for module in (kernels, reference):
        out, cov, misfit = np.ones((m, K)), np.ones((m, F * (F + 1) // 2)), np.ones(m)
        cross = module.smooth(chain.order, *sums, free, fixed, *process, noise, out, cov, misfit)
        results.append((out, cov, misfit, cross))
    for fast, slow in zip(*results, strict=True):
        close(fast, slow, 1e-10)


def test_the_bits_do_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setattr("rankfall.compute.threads.max_threads", lambda: 3)
    rng = np.random.default_rng(0)
    # enough work that more than one thread shares it
    fitter, fit = ordered(table(500, 60, rng), 20, rng, (True, True))
    results = []
    for n_threads in (1, 2, 3):
        with threads(n_threads):
            rows, cross = solved(fitter, fit)
        results.append((rows.mean, rows.cov, rows.axis_noise, cross))
    for one, two, three in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("with_fixed", [False, True])
def test_rows_without_links_are_independent(with_fixed):
    rng = np.random.default_rng(1)
    m, n, K = 30, 12, 4
    problem = table(m, n, rng)
    free, fixed = (np.arange(K - 1), K - 1) if with_fixed else (np.arange(K), -1)
    F = free.size
    weights, q, noise_scale = rng.uniform(0.5, 2, problem.n_observed), np.ones(n), rng.uniform(0.5, 2, m)
    mean = rng.standard_normal((n, K))
    second = reference.second_moments(mean, covariances(n, K, rng), np.arange(K))
    prior = rng.uniform(0.5, 2, F)
    chain = Chain(rng.permutation(m), np.full(m, np.inf), rng.uniform(0.1, 0.99, F))
    none = Gaps.none(m)
    cells = (*problem.compressed_rows(), weights)
    sums = kernels.row_sums(*cells, none.by_gaps, none.indptr, none.indices, q, mean, second)
    out, cov, misfit = np.ones((m, K)), np.ones((m, F * (F + 1) // 2)), np.ones(m)
    cross = kernels.smooth(
        chain.order, *sums, free, fixed, *chain.precisions(prior), 0.3 * noise_scale, out, cov, misfit
    )
    np.testing.assert_array_equal(cross, 0.0)
    alone, packed = np.ones((m, K)), np.empty_like(cov)
    row_noise = np.column_stack([noise_scale, np.ones(m)])
    independent.update_rows(
        *cells, mean, second, free, fixed, prior, np.zeros(F), 0.3, np.inf, 1, alone, packed, row_noise
    )
    close(out, alone, 1e-12)
    close(cov, packed, 1e-12)
    close(misfit, row_noise[:, 1], 1e-12)


# -- the smoother ------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.integers(1, 15), st.integers(1, 3), st.booleans(), st.booleans(), st.integers(0, 1000))
def test_the_precision_of_the_process_is_that_of_its_covariance(k, F, several, irregular, seed):
    rng = np.random.default_rng(seed)
    chain, prior = random_chain(k, F, rng, several, irregular), rng.uniform(0.5, 2, F)
    covariance = stationary(chain, prior)[chain.order][:, :, chain.order]
    diagonal, link = chain.precisions(prior)
    for z in range(F):
        precision = np.diag(diagonal[:, z]) - np.diag(link[1:, z], 1) - np.diag(link[1:, z], -1)
        close(precision, np.linalg.inv(covariance[:, z, :, z]), 1e-10)
    np.testing.assert_array_equal(link[np.isinf(chain.steps)], 0.0)


@settings(max_examples=15)
@given(
    st.integers(2, 14),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1000),
)
def test_smoothed_rows_are_the_posterior_of_the_model(
    m, rank, row_effects, col_effects, weighted, by_line, seed
):
    """Rows that are made from their missing cells, too; both routes of the fit."""
    rng = np.random.default_rng(seed)
    problem = table(m, 6, rng, hidden=0.3)
    if weighted:
        problem = problem.with_weights(rng.uniform(0.5, 2, problem.n_observed))
    noise_model = NoiseModel(20.0) if by_line else EQUAL
    fitter, fit = ordered(problem, rank, rng, (row_effects, col_effects), noise_model)
    mean, joint, misfit = conditioned(problem, fit)
    rows, cross = solved(fitter, fit)
    F, chain = rows.free.size, rows.chain
    close(rows.mean[:, rows.free], mean, 1e-10)
    for i in range(m):
        close(reference.unpack(rows.cov[i], F), joint[i, :, i], 1e-10)
    close(rows.axis_noise[:, 1], misfit, 1e-10)
    for t in range(1, m):
        together = np.diag(joint[chain.order[t], :, chain.order[t - 1]])
        np.testing.assert_allclose(cross[t], together, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(cross[0], 0.0)
    np.testing.assert_array_equal(rows.noise_scale, fit.rows.noise_scale)
    if fit.noise_model.is_equal:
        # folded in, rows forget their noise scales
        folded = fitter.fold_rows(fit).rows
        close(folded.mean, rows.mean, 1e-10)
        close(folded.cov, rows.cov, 1e-10)


@pytest.mark.parametrize("noise_model", [EQUAL, NoiseModel(20.0)])
def test_columns_beside_rows_in_order_are_found_as_without_order(noise_model):
    rng = np.random.default_rng(2)
    fitter, fit = ordered(table(40, 10, rng), 2, rng, (True, True), noise_model)
    assert fit.has_order
    unordered = replace(fit, rows=replace(fit.rows, chain=None))
    assert not unordered.has_order
    one, other = fitter._turn(fit, 1), fitter._turn(unordered, 1)
    close(one.cols.mean, other.cols.mean, 1e-10)
    close(one.cols.cov, other.cols.cov, 1e-10)
    close(one.cols.axis_noise, other.cols.axis_noise, 1e-10)
    close(one.cols.prior, other.cols.prior, 1e-10)
    assert one.noise == pytest.approx(other.noise, rel=1e-10)


def test_sums_are_made_from_observed_cells_where_rounding_is_more_than_the_prior():
    rng = np.random.default_rng(3)
    fitter, fit = ordered(table(40, 10, rng, hidden=0.1), 2, rng)
    assert fitter.gaps[0].by_gaps.any()
    fit = replace(fit, noise=1e-12)
    everywhere = smoothed(fitter.sides[0], Gaps.none(40), fit.cols, fit.rows, fit, 1)[0]
    np.testing.assert_array_equal(solved(fitter, fit)[0].mean, everywhere.mean)


@settings(max_examples=10)
@given(st.booleans(), st.integers(0, 1000))
def test_rows_without_entries_only_add_up_their_steps(several, seed):
    rng = np.random.default_rng(seed)
    problem = table(30, 8, rng, empty=0.5)
    chain = random_chain(30, 2, rng, several)
    fitter, fit = ordered(problem, 2, rng, chain=chain)
    rows, _ = solved(fitter, fit)
    kept = np.flatnonzero(problem.row_counts)
    fewer = rf.Problem.from_dense(problem.to_dense()[kept])
    order, steps, step = [], [], 0.0
    for row, distance in zip(chain.order, chain.steps, strict=True):
        step += distance  # stays infinite until the series has a row
        if problem.row_counts[row]:
            order.append(np.searchsorted(kept, row))
            steps.append(step)
            step = 0.0
    short = replace(chain, order=np.array(order), steps=np.array(steps))
    own = replace(
        fit.rows,
        mean=fit.rows.mean[kept],
        cov=fit.rows.cov[kept],
        axis_noise=fit.rows.axis_noise[kept],
        chain=short,
    )
    fitter = VariationalFit(fewer, False, False, np.ones(8))
    others, _ = solved(fitter, replace(fit, rows=own))
    close(others.mean, rows.mean[kept], 1e-10)
    close(others.cov, rows.cov[kept], 1e-10)


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_rows_may_be_numbered_in_any_way(seed):
    rng = np.random.default_rng(seed)
    problem, moved = table(30, 8, rng), rng.permutation(30)
    fitter, fit = ordered(problem, 2, rng)
    rows, cross = solved(fitter, fit)
    other = rf.Problem.from_triplets(moved[problem.rows], problem.cols, problem.values, problem.shape)
    chain = replace(fit.rows.chain, order=moved[fit.rows.chain.order])
    fitter = VariationalFit(other, False, False, np.ones(8))
    others, other_cross = solved(fitter, replace(fit, rows=replace(fit.rows, chain=chain)))
    close(others.mean[moved], rows.mean, 1e-12)
    close(others.cov[moved], rows.cov, 1e-12)
    close(other_cross, cross, 1e-12)


# -- coefficients ------------------------------------------------------------------------------------


def simulated(coefficient, steps, rng):
    """One process of stationary variance 1, shape (k, 1)."""
    out = np.zeros((steps.size, 1))
    for t, decay in enumerate(coefficient**steps):
        out[t] = decay * out[t - 1] + np.sqrt(1 - decay**2) * rng.standard_normal()
    return out


def moments(values):
    """Squares, and products with the row before, of processes that are known."""
    return values**2, np.vstack([np.zeros((1, values.shape[1])), values[1:] * values[:-1]])


@pytest.mark.parametrize("irregular", [False, True])
def test_coefficients_are_those_of_largest_expected_likelihood(irregular):
    """Against a search over the density of the whole process, from its covariance matrix."""
    rng = np.random.default_rng(4)
    k, truths = 60, (0.1, 0.6, 0.95)
    chain = replace(random_chain(k, 3, rng, True, irregular), order=np.arange(k))
    process = np.hstack([simulated(a, chain.steps, rng) for a in truths])
    squares, products = moments(process)
    squares = squares + 0.2  # the posterior has a variance
    products[1:] += 0.1
    found, variances = chain.likeliest(squares, products)

    def profile(log_half_life, z):
        """Minus the expected log likelihood, and the variance that makes it largest."""
        one = replace(chain, coefficients=np.array([2 ** (-1 / np.exp(log_half_life))]))
        R = stationary(one, np.ones(1))[:, 0, :, 0]
        expected = np.diag(squares[:, z]) + np.diag(products[1:, z], 1) + np.diag(products[1:, z], -1)
        # the inverse is tridiagonal in the order of the chain: other products do not count
        variance = np.trace(np.linalg.solve(R, expected)) / k
        return 0.5 * (k * np.log(variance) + np.linalg.slogdet(R)[1] + k), variance

    for z in range(3):
        best = optimize.minimize_scalar(
            lambda x, z=z: profile(x, z)[0], bounds=np.log(_HALF_LIVES[[0, -1]]), method="bounded"
        )
        at = np.log(found.half_lives[z])
        assert abs(at - best.x) <= _SPACING
        cost, variance = profile(at, z)
        assert variances[z] == pytest.approx(variance, rel=1e-9)
        assert cost <= min(profile(at + _SPACING, z)[0], profile(at - _SPACING, z)[0])


@pytest.mark.stat
@pytest.mark.parametrize("irregular", [False, True])
@pytest.mark.parametrize("coefficient", [0.3, 0.9, 0.99])
def test_coefficients_of_observed_processes_are_found(coefficient, irregular):
    """4000 rows; within four standard errors (from the Fisher information; false alarms: one in 16,000) and a
    half of the distance to the next coefficient that is compared.
    """
    rng = np.random.default_rng(int(100 * coefficient))
    steps = rng.uniform(0.2, 2, 4000) if irregular else np.ones(4000)
    steps[0] = np.inf
    chain = Chain(np.arange(4000), steps, np.zeros(1))
    found, variances = chain.likeliest(*moments(simulated(coefficient, steps, rng)))
    a, h = coefficient, steps[1:]
    decays, slopes = a**h, h * a ** (h - 1)
    rest = 1 - decays**2
    information = np.sum(slopes**2 * (2 * decays**2 / rest**2 + 1 / rest))
    crossing = np.sum(slopes * decays / rest)
    alone = 2000.0  # that of the logarithm of the variance
    error = 1 / np.sqrt(information - crossing**2 / alone)
    spacing = a * np.log(1 / a) * (np.exp(_SPACING / 2) - 1)
    assert abs(found.coefficients[0] - a) < 4 * error + spacing
    error = 1 / np.sqrt(alone - crossing**2 / information)
    assert abs(np.log(variances[0])) < 4 * error + crossing / alone * spacing


def test_coefficients_do_not_depend_on_the_scale():
    rng = np.random.default_rng(5)
    steps = rng.uniform(0.2, 2, 200)
    steps[0] = np.inf
    chain = Chain(np.arange(200), steps, np.zeros(2))
    process = np.hstack([simulated(a, steps, rng) for a in (0.5, 0.97)])
    found, variances = chain.likeliest(*moments(process))
    other, larger = chain.likeliest(*moments(1000.0 * process))
    np.testing.assert_array_equal(other.coefficients, found.coefficients)
    np.testing.assert_allclose(larger, 1e6 * variances, rtol=1e-12)


# -- fits --------------------------------------------------------------------------------------------


def evidence_bound(problem, half, fit):
    """The variational bound, written out from the model's densities.

    The distribution of the rows is that given what there was before their turn (`half`).
    """
    expected = (fit.at(problem.rows, problem.cols) - problem.values) ** 2
    expected = expected + fit.variance(problem.rows, problem.cols)
    total = -0.5 * np.sum(expected / fit.noise + np.log(2 * np.pi * fit.noise))
    cols, rows = fit.cols, fit.rows
    F = cols.free.size
    for mean, packed in zip(cols.mean[:, cols.free], cols.cov, strict=True):
        S = reference.unpack(packed, F)
        total += 0.5 * (np.linalg.slogdet(S)[1] + np.sum(np.log(cols.prior)) + F)
        total -= 0.5 * np.sum(cols.prior * (mean**2 + np.diag(S)))
    mean, joint, _ = conditioned(problem, half)
    size = mean.size
    mean, joint = mean.ravel(), joint.reshape(size, size)
    process = stationary(rows.chain, rows.prior).reshape(size, size)
    total += 0.5 * (np.linalg.slogdet(joint)[1] - np.linalg.slogdet(process)[1] + size)
    return total - 0.5 * np.trace(np.linalg.solve(process, joint + np.outer(mean, mean)))


def test_every_sweep_raises_the_evidence_bound():
    """From the first coefficients that are among those compared."""
    rng = np.random.default_rng(6)
    chain = random_chain(25, 3, rng)
    process = np.hstack([simulated(a, chain.steps, rng) for a in (0.95, 0.5)])[np.argsort(chain.order)]
    X = process @ rng.standard_normal((2, 10)) + 0.5 * rng.standard_normal((25, 10))
    X[rng.random(X.shape) < 0.4] = np.nan
    problem = rf.Problem.from_dense(X)
    fitter = VariationalFit(problem, True, True, np.ones(10))
    fit = fitter.start(rng.standard_normal((10, 2)), 1.0, EQUAL)
    fit = fitter.fold_rows(replace(fit, rows=replace(fit.rows, chain=chain.begun(3))))
    np.testing.assert_array_equal(fit.rows.chain.coefficients, 0.8)
    bounds = []
    for _ in range(15):
        half = fitter._turn(fit, 1)
        fit = fitter._turn(half, 0)
        bounds.append(evidence_bound(problem, half, fit))
    assert np.all(np.diff(bounds) > -1e-8 * np.abs(bounds[0]))
    assert bounds[-1] > bounds[0] + 1


def held_out_errors(coefficient, seed):
    """Errors at hidden cells of a fit of rows in order, and of one of rows without order."""
    rng = np.random.default_rng(seed)
    steps = np.append(np.inf, np.ones(299))
    U = np.hstack([simulated(coefficient, steps, rng) for _ in range(2)])
    truth = U @ rng.standard_normal((2, 8))
    truth /= truth.std()
    X = truth + 0.3 * rng.standard_normal(truth.shape)
    hidden = rng.random(X.shape) < 0.3
    problem = rf.Problem.from_dense(np.where(hidden, np.nan, X))
    fitter = VariationalFit(problem, False, False, np.ones(8))
    start = fitter.start(0.3 * rng.standard_normal((8, 2)), 0.5, EQUAL)
    chain = Chain(np.arange(300), steps, np.zeros(0)).begun(2)
    in_order = replace(start, rows=replace(start.rows, chain=chain))
    fits = [fitter.improve(fit, 100) for fit in (in_order, start)]
    i, j = np.nonzero(hidden)
    return [np.sqrt(np.mean((fit.at(i, j) - truth[i, j]) ** 2)) for fit in fits]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hidden_cells_are_predicted_better_where_rows_resemble_their_neighbours(seed):
    in_order, without = held_out_errors(0.95, seed)
    assert in_order < 0.75 * without
    in_order, without = held_out_errors(0.0, seed)
    assert in_order == pytest.approx(without, rel=0.02)


# -- rows that come after the last one ---------------------------------------------------------------


@pytest.mark.parametrize("noise_model", [EQUAL, NoiseModel(20.0)])
@pytest.mark.parametrize("effects", [(False, False), (True, True)])
def test_rows_that_follow_are_those_of_the_longer_table(effects, noise_model):
    """Their known coordinates may differ, as those of columns do."""
    rng = np.random.default_rng(7)
    m, k, n = 20, 6, 8
    problem = table(m + k, n, rng)
    # the last series goes on; its rows come last in the order
    old = replace(random_chain(m, 2 + effects[0], rng), order=rng.permutation(m))
    longer = replace(
        old, order=np.append(old.order, m + np.arange(k)), steps=np.append(old.steps, np.ones(k))
    )
    fitter, fit = ordered(problem, 2, rng, effects, noise_model, longer)
    if effects[1]:
        fit.rows.mean[:, fit.rows.fixed] = rng.uniform(0.5, 2, m + k)
    fit.rows.axis_noise[m:] = 1.0
    whole, _ = solved(fitter, fit)
    X = problem.to_dense()

    def part(side, at):
        return replace(side, mean=side.mean[at], cov=side.cov[at], axis_noise=side.axis_noise[at])

    before = VariationalFit(rf.Problem.from_dense(X[:m]), *effects, np.ones(n))
    before_rows, _ = solved(before, replace(fit, rows=replace(part(fit.rows, slice(m)), chain=old)))
    cells = compressed(rf.Problem.from_dense(X[m:]))
    units = fit.rows.mean[m:, fit.rows.fixed] if effects[1] else np.ones(k)
    new = following(cells, fit.cols, before_rows, fit, units)
    close(new.mean, whole.mean[m:], 1e-9)
    close(new.cov, whole.cov[m:], 1e-9)
    close(new.axis_noise[:, 1], whole.axis_noise[m:, 1], 1e-9)
    np.testing.assert_array_equal(new.noise_scale, 1.0)
    assert new.chain.order.size == k


def nothing(k, n):
    """Cells of rows without entries."""
    return compressed(rf.Problem(np.zeros(0, int), np.zeros(0, int), np.zeros(0), (k, n)))


def test_rows_that_follow_without_entries_forget_the_last_one():
    rng = np.random.default_rng(8)
    chain = Chain(np.arange(20), np.append(np.inf, np.ones(19)), np.array([0.5, 0.9]))
    fitter, fit = ordered(table(20, 8, rng, empty=0), 2, rng, chain=chain)
    rows, _ = solved(fitter, fit)
    new = following(nothing(300, 8), fit.cols, rows, fit, np.ones(300))
    decays = chain.coefficients ** np.arange(1, 301)[:, None]
    close(new.mean, decays * rows.mean[-1], 1e-10)
    last = reference.unpack(rows.cov[-1], 2)
    for decay, packed in zip(decays, new.cov, strict=True):
        expected = last * np.outer(decay, decay) + np.diag((1 - decay**2) / fit.rows.prior)
        close(reference.unpack(packed, 2), expected, 1e-10)
    variances = new.cov[:, [0, 2]]
    assert np.all(np.diff(np.abs(new.mean), axis=0) < 0) and np.all(np.abs(new.mean[-1]) < 1e-12)
    assert np.all(np.diff(variances, axis=0) > -1e-12) and np.all(variances[0] < 1 / fit.rows.prior)
    np.testing.assert_allclose(variances[-1], 1 / fit.rows.prior, rtol=1e-10)
    np.testing.assert_array_equal(new.axis_noise, [[1.0, 0.0]] * 300)


def test_no_rows_may_follow():
    rng = np.random.default_rng(9)
    fitter, fit = ordered(table(20, 8, rng), 2, rng)
    new = following(nothing(0, 8), fit.cols, solved(fitter, fit)[0], fit, np.zeros(0))
    assert new.mean.shape == (0, 2) and new.chain.order.size == 0


# -- the chain ---------------------------------------------------------------------------------------


def test_a_series_of_its_own_has_the_same_process():
    chain = Chain(np.array([2, 0, 1]), np.array([np.inf, 2.0, np.inf]), np.array([0.5]), 60.0, True)
    own = chain.of_its_own(4)
    np.testing.assert_array_equal(own.order, np.arange(4))
    np.testing.assert_array_equal(own.steps, [np.inf, 1, 1, 1])
    assert own.coefficients is chain.coefficients and own.step == 60.0 and own.is_time
    assert chain.of_its_own(0).order.size == chain.of_its_own(0).steps.size == 0


def test_series_are_numbered_in_the_order_of_the_chain():
    steps = np.array([np.inf, 1.0, np.inf, 0.5, np.inf])
    np.testing.assert_array_equal(
        Chain(np.array([3, 0, 4, 1, 2]), steps, np.zeros(0)).series(), [0, 1, 2, 0, 1]
    )


def test_half_lives_are_distances_over_which_correlations_fall_to_a_half():
    chain = Chain(np.arange(2), np.array([np.inf, 3.0]), np.array([0.5, 0.9]))
    np.testing.assert_allclose(chain.half_lives, [1.0, np.log(0.5) / np.log(0.9)])
    np.testing.assert_allclose(chain.coefficients**chain.half_lives, 0.5)
    np.testing.assert_allclose(chain.decays(), [[0.0, 0.0], [0.125, 0.729]])


def test_steps_of_nothing_leave_an_innovation():
    chain = Chain(np.arange(2), np.array([np.inf, 0.0]), np.array([0.5]))
    diagonal, link = chain.precisions(np.ones(1))
    assert np.all(np.isfinite(diagonal)) and link[1] > 1e6


@pytest.mark.parametrize(
    ("step", "is_time", "distance", "words"),
    [
        (1.0, False, 2.5, "2.5"),
        (10.0, False, 1.234, "12.3"),
        (86400.0, True, 7.0, "7 days"),
        (3600.0, True, 36.0, "1.5 days"),
        (3600.0, True, 5.0, "5 hours"),
        (60.0, True, 1.5, "1.5 minutes"),
        (0.1, True, 2.0, "0.2 seconds"),
    ],
)
def test_distances_are_told_in_the_units_of_the_positions(step, is_time, distance, words):
    chain = Chain(np.arange(1), np.array([np.inf]), np.zeros(0), step, is_time)
    assert chain.in_words(distance) == words
