"""Random signs: noise is told from structure, exact data are never called noise."""

from __future__ import annotations

import time

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.clock import Clock
from rankfall.completion.exact.noise_test import judge_misfits
from rankfall.completion.exact.precision import Precision


def judge(problem: rf.Problem, top: int | None = None):
    problem = problem.with_values(problem.values / np.sqrt(np.mean(problem.values**2)))
    clock = Clock(None, None, 1.0, time.perf_counter())
    return judge_misfits(problem, top or problem.max_oversampled_rank(), Precision(), clock)


@pytest.mark.parametrize("noise", [1e-3, 0.3])
@pytest.mark.parametrize("shape", [(60, 30), (30, 60)])
def test_noise_around_a_low_rank(shape, noise):
    problem, _ = rf.datasets.low_rank(shape, rank=2, observed=0.6, noise=noise, seed=0)
    assert judge(problem).is_noise


@pytest.mark.parametrize("shape", [(40, 20), (20, 40)])
def test_exact_data_near_the_limit_are_not_noise(shape):
    """rho 1.15: gains are hardly larger than those of noise."""
    cells = 1.15 * 6 * (sum(shape) - 6) / (shape[0] * shape[1])
    for seed in range(3):
        problem, _ = rf.datasets.low_rank(shape, rank=6, observed=cells, seed=seed)
        assert not judge(problem).is_noise


@pytest.mark.parametrize("shape", [(60, 25), (25, 60)])
def test_small_singular_values_are_found_one_by_one(shape):
    problem, truth = rf.datasets.low_rank(shape, rank=5, observed=0.6, condition=1e4, seed=0)
    fit = judge(problem).exact
    assert fit is not None and fit.s.size == 5
    unit = np.sqrt(np.mean(problem.values**2))
    np.testing.assert_allclose((fit.U * fit.s) @ fit.V.T * unit, truth, atol=1e-8 * np.abs(truth).max())


def test_an_ill_conditioned_matrix_is_completed_exactly():
    problem, truth = rf.datasets.low_rank((100, 80), rank=6, observed=0.4, condition=1e3, seed=1)
    result = rf.complete(problem, seed=0)
    assert result.outcome is rf.Outcome.EXACT and result.rank == 6
    np.testing.assert_allclose(result.to_dense(), truth, atol=1e-6 * np.abs(truth).max())


def test_of_a_tall_table_some_rows_are_enough():
    problem, _ = rf.datasets.low_rank((3000, 12), rank=2, observed=0.6, noise=0.3, seed=0)
    assert judge(problem).is_noise


@pytest.mark.parametrize("rank", [6, 9])
def test_noise_beside_a_larger_rank_is_reached(rank):
    """Ranks whose gain is obvious are not compared with random signs, which takes most of the work."""
    problem, _ = rf.datasets.low_rank((150, 120), rank=rank, observed=0.6, noise=0.1, seed=2)
    assert judge(problem).is_noise
