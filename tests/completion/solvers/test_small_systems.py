"""Small positive definite systems, and decompositions of products, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import rankfall as rf
from rankfall.completion.solvers.kernels import small_systems
from rankfall.completion.solvers.products import leading_svd, shortened
from rankfall.geometry import thin_svd

seeds = st.integers(0, 10_000)


def flat(H, size):
    """A matrix as the kernels want it, with rubbish where they must not read."""
    F = H.shape[0]
    out = np.zeros((size, size))
    out[:F, :F] = np.triu(H)
    below = np.tril(np.ones((F, F), bool), -1)
    out[:F, :F][below] = np.arange(np.count_nonzero(below))
    return out.ravel()


def padded_vector(y, size):
    return np.append(y, np.zeros(size - y.size))


@settings(max_examples=40)
@given(st.integers(1, 30), seeds)
def test_factors_solutions_and_inverses_are_those_of_numpy(F, seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((F + 5, F))
    H, y = A.T @ A + 0.1 * np.eye(F), rng.standard_normal(F)
    size = small_systems.padded(F)
    assert size % 8 == 0 and F <= size < F + 8
    R = flat(H, size)
    order, work = np.arange(size), np.empty(size * size)
    small_systems.factor(R, work, order, F, size)
    L = np.linalg.cholesky(H)
    np.testing.assert_allclose(np.triu(R.reshape(size, size)[:F, :F]), L.T, atol=1e-10)
    assert not R.reshape(size, size)[:F, F:].any()
    half, x = np.empty(size), np.empty(size)
    small_systems.solve_transposed(R, padded_vector(y, size), half, F, size)
    np.testing.assert_allclose(half[:F], np.linalg.solve(L, y), atol=1e-9)
    small_systems.solve(R, half, x, F, size)
    np.testing.assert_allclose(x[:F], np.linalg.solve(H, y), atol=1e-8)
    inverse = np.empty(size * size)
    small_systems.invert(R, work, order, inverse, F, size)
    np.testing.assert_allclose(
        np.triu(inverse.reshape(size, size)[:F, :F]), np.triu(np.linalg.inv(H)), atol=1e-8
    )


@settings(max_examples=20)
@given(st.integers(0, 20), st.integers(0, 9), seeds)
def test_sums_of_products_go_through_the_vectors_in_the_order_of_the_indices(F, count, seed):
    rng = np.random.default_rng(seed)
    size = small_systems.padded(F)
    V = np.zeros((5, size))
    V[:, :F] = rng.standard_normal((5, F))
    indices, weights = rng.integers(5, size=count + 3), rng.random(count)
    B = np.zeros((count, size))
    B[:] = weights[:, None] * V[indices[3:]]
    H = np.zeros(size * size)
    small_systems.add_products(H, B.ravel(), V.ravel(), indices, 3, count, F, size)
    expected = V[indices[3:]].T @ (weights[:, None] * V[indices[3:]])
    np.testing.assert_allclose(np.triu(H.reshape(size, size)), np.triu(expected), atol=1e-12)


def test_a_matrix_that_is_not_definite_gives_no_number():
    for below in (2.0, 1.0):  # indefinite, and singular: a pivot of zero
        R = flat(np.array([[1.0, below], [below, 1.0]]), 8)
        small_systems.factor(R, np.empty(64), np.arange(8), 2, 8)
        assert np.isnan(R[9])


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 6), seeds)
def test_shortened_products_are_the_best_approximations(m, n, rank, seed):
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((m, 8)), rng.standard_normal((n, 8))
    left, right = shortened(U, V, rank)
    assert left.shape[0] == m and right.shape[0] == n and left.shape[1] == right.shape[1] <= rank
    a, s, bt = thin_svd(U, V)
    np.testing.assert_allclose(left @ right.T, (a[:, :rank] * s[:rank]) @ bt[:rank], atol=1e-7)


def test_what_is_shortened_keeps_its_precision():
    """Weak directions that are kept are as exact as strong ones, though their squares are below rounding."""
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((40, 3)) * [1, 1e-5, 1e-10], rng.standard_normal((30, 3))
    left, right = shortened(np.hstack([U, U]), np.hstack([V, V]), 3)
    np.testing.assert_allclose(left @ right.T, 2 * U @ V.T, atol=1e-14)


@pytest.mark.parametrize(
    ("shape", "rank"), [((60, 40), 5), ((40, 60), 3), ((4, 9), 4), ((1, 3), 1), ((7, 5), 5)]
)
def test_leading_triplets_are_those_of_the_full_decomposition(shape, rank):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((shape[0], 6)) * 3.0 ** -np.arange(6) @ rng.standard_normal((6, shape[1]))
    A[rng.random(shape) < 0.3] = 0
    problem = rf.Problem.from_sparse(sparse.csr_array(A))
    U, s, Vt = leading_svd(problem, rank, np.random.default_rng(1))
    u, t, vt = np.linalg.svd(A, full_matrices=False)
    assert U.shape == (shape[0], rank) and Vt.shape == (rank, shape[1])
    np.testing.assert_allclose(s, t[:rank], rtol=1e-3)
    np.testing.assert_allclose((U * s) @ Vt, (u[:, :rank] * t[:rank]) @ vt[:rank], atol=0.05 * t[0])


def test_leading_triplets_of_nothing_and_the_same_seed():
    nothing = rf.Problem.from_dense(np.zeros((5, 4)))
    U, s, Vt = leading_svd(nothing, 2, np.random.default_rng(0))
    assert not s.any() and np.isfinite(U).all() and np.isfinite(Vt).all()
    problem, _ = rf.datasets.low_rank((50, 30), rank=4, observed=0.3, seed=0)
    one, two = (leading_svd(problem, 3, np.random.default_rng(2)) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
