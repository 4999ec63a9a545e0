"""The lower bound of the rank of an exact fit: never above the true rank, and sharp where cells are many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall.completion.exact.precision import Precision
from rankfall.completion.exact.rank_bound import least_rank


def bound(X: np.ndarray) -> int:
    problem = rf.Problem.coerce(X)
    return least_rank(problem.with_values(problem.values / np.sqrt(np.mean(problem.values**2))), Precision())


@settings(max_examples=50)
@given(
    st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(2, 12), st.integers(1, 5), st.floats(0.3, 1)
)
def test_never_above_the_rank(seed, m, n, rank, observed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    X[rng.random((m, n)) > observed] = np.nan
    if not np.isnan(X).all():
        assert bound(X) <= min(rank, m, n)
        assert bound(X.T) == bound(X) or m == n
        assert bound(1e6 * X) == bound(X)


@pytest.mark.parametrize("shape", [(30, 8), (8, 30), (12, 12)])
def test_of_a_complete_matrix_it_is_the_rank(shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((shape[0], 3)) @ rng.standard_normal((3, shape[1]))
    assert bound(X) == 3
    assert bound(X + 1e-6 * rng.standard_normal(shape)) == min(shape)
    assert bound(X + 1e-13 * rng.standard_normal(shape)) == 3


def test_noise_in_a_tall_table_leaves_no_exact_fit():
    problem, _ = rf.datasets.low_rank((200, 8), rank=2, observed=0.7, noise=0.2, seed=0)
    assert least_rank(problem, Precision()) > problem.max_oversampled_rank()


def test_single_precision_is_not_taken_for_a_larger_rank():
    problem, _ = rf.datasets.low_rank((60, 10), rank=2, observed=0.8, seed=0)
    single = problem.with_values(problem.values.astype(np.float32).astype(float))
    assert least_rank(single, Precision(single=True)) == 2
