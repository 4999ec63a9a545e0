"""Draws of factors where rows follow each other, and of new rows, against dense Gaussian oracles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import rankfall as rf
from completion.ordered.series import series
from rankfall.completion.solvers.cell_normals import cell_normals
from rankfall.completion.solvers.chain import Chain
from rankfall.completion.solvers.gibbs import Sampler
from rankfall.completion.solvers.new_rows import draw_new_rows
from rankfall.completion.solvers.noise_model import EQUAL, NoiseModel
from rankfall.completion.solvers.ordered_gibbs import OrderedSampler, prior_walk
from rankfall.completion.solvers.variational import VariationalFit
from rankfall.compute.threads import threads


def ordered(m=12, n=5, rank=2, seed=0, noise_model=EQUAL):
    """A start with known columns and rows that follow each other in two series."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    X[rng.random((m, n)) < 0.4] = np.nan
    X[3] = np.nan
    problem = rf.Problem.from_dense(X)
    fitter = VariationalFit(problem, False, False, np.ones(n))
    start = fitter.start(rng.standard_normal((n, rank)), 0.3, noise_model)
    steps = np.ones(m)
    steps[[0, 7]] = np.inf
    chain = Chain(rng.permutation(m), steps, np.array([0.9, 0.5])[:rank])
    rows = replace(start.rows, chain=chain, prior=np.array([0.5, 2.0])[:rank])
    if not noise_model.is_equal:
        scales = np.column_stack([rng.uniform(0.5, 2, n), np.zeros(n)])
        start = replace(start, cols=replace(start.cols, axis_noise=scales))
    return fitter, replace(start, rows=rows)


def conditional(fitter, start):
    """Mean and covariance of all row factors given the columns, dense."""
    problem, chain, V = fitter.problem, start.rows.chain, start.cols.mean
    m, F = problem.n_rows, V.shape[1]
    precision = np.zeros((m, F, m, F))
    rhs = np.zeros((m, F))
    for k in range(F):
        covariance = np.zeros((m, m))
        where, series_of = np.empty(m), chain.series()
        where[chain.order] = np.cumsum(np.where(np.isinf(chain.steps), 0.0, chain.steps))
        same = series_of[:, None] == series_of
        distance = np.abs(where[:, None] - where)
        covariance = np.where(same, chain.coefficients[k] ** distance, 0.0) / start.rows.prior[k]
        precision[:, k, :, k] += np.linalg.inv(covariance)
    for i, j, x in zip(problem.rows, problem.cols, problem.values, strict=True):
        noise = start.noise * start.rows.noise_scale[i] * start.cols.noise_scale[j]
        precision[i, :, i, :] += np.outer(V[j], V[j]) / noise
        rhs[i] += V[j] * x / noise
    covariance = np.linalg.inv(precision.reshape(m * F, m * F))
    return covariance @ rhs.ravel(), covariance


@pytest.mark.stat
@pytest.mark.parametrize("noise_model", [EQUAL, NoiseModel(20.0)])
def test_rows_in_order_are_drawn_from_their_conditional_distribution(noise_model):
    """Squared Mahalanobis distances of 3000 draws are chi-squared, and so is that of their mean."""
    fitter, start = ordered(noise_model=noise_model)
    mean, covariance = conditional(fitter, start)
    sampler = OrderedSampler(fitter, start, (3,))
    draws = np.array([sampler._draw(0)[0].ravel() for _ in range(3000)])
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (draws - mean).T).T
    # each fails by chance in one of a thousand seeds
    assert stats.kstest(np.sum(whitened**2, axis=1), stats.chi2(mean.size).cdf).pvalue > 1e-3
    assert stats.chi2(mean.size).sf(3000 * np.sum(whitened.mean(axis=0) ** 2)) > 1e-3


def test_a_process_from_its_prior_has_its_covariances():
    _, start = ordered()
    rng = np.random.default_rng(0)
    walks = np.array([prior_walk(start.rows.chain, start.rows.prior, rng) for _ in range(4000)])
    order = start.rows.chain.order
    first = walks[:, order, 0]
    # standard errors are 0.05: four of them
    assert first.var(axis=0) == pytest.approx(np.full(12, 2.0), abs=0.2)
    assert np.mean(first[:, 2] * first[:, 1]) == pytest.approx(0.9 * 2, abs=0.2)
    assert np.mean(first[:, 7] * first[:, 6]) == pytest.approx(0.0, abs=0.2)


def test_a_chain_in_order_goes_on_with_the_same_bits_for_any_number_of_threads():
    table = series(60, 6, 0)[1]
    problem = rf.Problem.from_dense(table / np.nanstd(table))
    fitter = VariationalFit(problem, False, True, np.ones(6))
    start = fitter.start(np.random.default_rng(0).standard_normal((6, 2)), 0.3, EQUAL)
    chain = Chain(np.arange(60), np.append(np.inf, np.ones(59)), np.full(2, 0.9))
    start = replace(start, rows=replace(start.rows, chain=chain))
    found = []
    for count in (1, 2):
        with threads(count):
            sampler = OrderedSampler(fitter, start, (1,))
            for _ in range(5):
                sampler.sweep()
            fork = sampler.fork()
            fork.sweep()
            before = sampler.rows.copy()
            sampler.sweep()
        assert np.array_equal(fork.rows, sampler.rows) and fork.noise == sampler.noise
        assert not np.array_equal(before, sampler.rows)
        found.append(sampler)
    assert np.array_equal(found[0].rows, found[1].rows) and np.array_equal(found[0].cols, found[1].cols)
    assert np.all(found[0].row_scale == 1)


def test_a_fork_leaves_the_chain_alone():
    problem, _ = rf.datasets.low_rank((20, 15), rank=2, observed=0.6, noise=0.3, seed=0)
    fitter = VariationalFit(problem, True, True, np.ones(15))
    start = fitter.start(np.random.default_rng(0).standard_normal((15, 2)), 0.3, NoiseModel(20.0))
    one, other = (Sampler(fitter, start, (1,)) for _ in range(2))
    for _ in range(3):
        one.sweep()
        other.sweep()
        other.fork().sweep()
    assert np.array_equal(one.rows, other.rows) and np.array_equal(one.row_scale, other.row_scale)


@pytest.mark.stat
def test_new_rows_are_drawn_from_their_conditional_distribution():
    """A thousand equal rows given one state of a chain, against the dense posterior of one row."""
    problem, _ = rf.datasets.low_rank((200, 8), rank=2, observed=0.8, noise=0.3, seed=0)
    fitter = VariationalFit(problem, True, False, np.ones(8))
    start = fitter.start(np.random.default_rng(0).standard_normal((8, 2)), 0.3, EQUAL)
    chain = Sampler(fitter, start, (1,))
    for _ in range(5):
        chain.sweep()
    known = np.zeros((1000, chain.rows.shape[1]))
    cells = rf.Problem.from_dense(
        np.tile([0.5, np.nan, -1.0, np.nan, np.nan, 2.0, np.nan, np.nan], (1000, 1))
    )
    normals = cell_normals((5,), np.arange(3000).reshape(1000, 3))
    rng, again = np.random.default_rng(2), np.random.default_rng(2)
    draws = draw_new_rows(chain, cells, known, normals, rng)
    from rankfall.completion.solvers.factor_prior import draw_prior

    center, precision = draw_prior(chain.rows, again)
    V = chain.cols[[0, 2, 5]]
    H = precision + V.T @ V / chain.noise
    mean = np.linalg.solve(H, precision @ center + V.T @ [0.5, -1.0, 2.0] / chain.noise)
    whitened = (draws - mean) @ np.linalg.cholesky(H)
    assert stats.kstest(whitened.ravel(), "norm").pvalue > 1e-3


def test_normals_of_cells_are_normal_and_known_by_cell():
    cells = np.arange(100_000)
    normals = cell_normals((1, 2), cells)
    assert stats.kstest(normals, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(normals[1:], normals[:-1])[0, 1]) < 0.013  # four standard errors
    assert abs(np.corrcoef(normals, cell_normals((1, 3), cells))[0, 1]) < 0.013
    assert np.array_equal(cell_normals((1, 2), cells[::-7]), normals[::-7])
    assert np.all(np.isfinite(cell_normals((0,), np.array([0, 2**62]))))
