"""Kernels against their twins, and the fit on matrices of fixed rank against outside oracles."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall.completion.solvers import tangent_system
from rankfall.completion.solvers.kernels import least_squares as kernels
from rankfall.completion.solvers.kernels import reference
from rankfall.completion.solvers.least_squares import fit_least_squares
from rankfall.compute import threads as parallel
from rankfall.compute.threads import threads
from rankfall.geometry import thin_svd


def start(problem, truth, rank, distance, seed=0):
    """Frames of a matrix at some relative distance from the truth."""
    rng = np.random.default_rng(seed)
    noisy = truth + distance * truth.std() * rng.standard_normal(truth.shape)
    U, s, Vt = np.linalg.svd(noisy)
    return U[:, :rank], s[:rank], Vt[:rank].T


@settings(max_examples=20)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 3), st.integers(0, 1000))
def test_kernels_agree_with_their_twins(m, n, r, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    X[rng.random((m, n)) < 0.4] = np.nan
    X[0, 0] = 1.0
    problem = rf.Problem.from_dense(X)
    indptr = np.concatenate([[0], np.cumsum(problem.row_counts)])
    U, V = rng.standard_normal((m, r)), rng.standard_normal((n, r))
    H = kernels.gram_blocks(indptr, problem.cols, V)
    np.testing.assert_allclose(H, reference.gram_blocks(indptr, problem.cols, V), atol=1e-12)
    H_inverse = np.linalg.inv(H + 0.1 * np.eye(r))
    fast = kernels.schur_complement(indptr, problem.cols, U, V, H_inverse, 0.1)
    slow = reference.schur_complement(indptr, problem.cols, U, V, H_inverse, 0.1)
    np.testing.assert_allclose(np.tril(fast), np.tril(slow), atol=1e-10)
    left, right = rng.standard_normal((m, r)), rng.standard_normal((n, r))
    for values in (problem.values, np.empty(0)):
        fast, slow = (
            where.jacobian_transpose(indptr, problem.cols, values, left, right, V)
            for where in (kernels, reference)
        )
        np.testing.assert_allclose(fast, slow, atol=1e-12)


@pytest.fixture(params=["cholesky", "conjugate gradients"])
def solver(request, monkeypatch):
    """Polishing by one way to solve the column system; the test must have used it, and no other."""
    dense = request.param == "cholesky"
    monkeypatch.setattr(tangent_system, "DENSE_CELLS", np.inf if dense else 0.0)
    used = Counter()
    for name in ("_dense", "_conjugate_gradients"):
        count(monkeypatch, name, used)
    yield
    assert set(used) == {"_dense" if dense else "_conjugate_gradients"}


def count(monkeypatch, name, used):
    """Count the calls of a method of the tangent system."""
    method = getattr(tangent_system.TangentSystem, name)

    def counted(*args):
        used[name] += 1
        return method(*args)

    monkeypatch.setattr(tangent_system.TangentSystem, name, counted)


def test_a_fit_has_the_same_bits_for_any_number_of_threads(monkeypatch, solver):
    monkeypatch.setattr(parallel, "_PARALLEL_ABOVE", 0)
    problem, truth = rf.datasets.low_rank((60, 50), rank=3, oversampling=2.0, seed=2)
    fits = []
    for n_threads in (1, None):
        with threads(n_threads):
            fits.append(fit_least_squares(problem, *start(problem, truth, 3, 0.05)))
    for name in ("U", "s", "V"):
        np.testing.assert_array_equal(getattr(fits[0], name), getattr(fits[1], name))


def test_a_fit_makes_no_array_of_cells_times_rank():
    rng = np.random.default_rng(0)
    n, r, n_cells = 400, 8, 150_000
    cells = np.unique(rng.integers(n * n, size=n_cells))
    rows, cols = np.divmod(cells, n)
    U, V = rng.standard_normal((n, r)), rng.standard_normal((n, r))
    values = np.einsum("ij,ij->i", U[rows], V[cols])
    problem = rf.Problem.from_triplets(rows, cols, values, (n, n))
    u, s, vt = thin_svd(U + 0.01 * rng.standard_normal(U.shape), V)
    tracemalloc.start()
    fit = fit_least_squares(problem, u, s, vt.T)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert fit.residual < 1e-12
    # blocks of rank x rank numbers for every line, their inverses, and a few arrays of lines and of cells
    assert peak < 8 * (12 * cells.size + 8 * 2 * n * r**2)


@pytest.mark.parametrize("shape", [(30, 40), (40, 30)])
@pytest.mark.parametrize("condition", [1.0, 100.0])
def test_a_fit_recovers_clean_data_to_machine_precision(shape, condition, solver):
    problem, truth = rf.datasets.low_rank(shape, rank=3, oversampling=2.0, condition=condition, seed=1)
    fit = fit_least_squares(problem, *start(problem, truth, 3, 0.003))
    assert fit.residual < 1e-13
    assert fit.settled
    assert np.linalg.norm((fit.U * fit.s) @ fit.V.T - truth) < 1e-10 * np.linalg.norm(truth)


def test_conjugate_gradients_and_cholesky_agree(monkeypatch):
    problem, truth = rf.datasets.low_rank((40, 30), rank=3, oversampling=1.6, seed=2)
    monkeypatch.setattr(tangent_system, "DENSE_CELLS", np.inf)
    dense = fit_least_squares(problem, *start(problem, truth, 3, 0.05))
    monkeypatch.setattr(tangent_system, "DENSE_CELLS", 0.0)
    iterative = fit_least_squares(problem, *start(problem, truth, 3, 0.05))
    assert iterative.residual < 1e-12
    np.testing.assert_allclose(iterative.s, dense.s, rtol=1e-9)


def test_a_fit_of_noisy_data_is_a_least_squares_solution():
    problem, truth = rf.datasets.low_rank((12, 10), rank=2, observed=0.8, noise=0.1, seed=3)
    fit = fit_least_squares(problem, *start(problem, truth, 2, 0.1))

    def misfit(x):
        U, V = x[:24].reshape(12, 2), x[24:].reshape(10, 2)
        return np.einsum("ij,ij->i", U[problem.rows], V[problem.cols]) - problem.values

    x = np.concatenate([(fit.U * fit.s).ravel(), fit.V.ravel()])
    oracle = scipy.optimize.least_squares(misfit, x, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    assert fit.residual * np.linalg.norm(problem.values) <= np.sqrt(2 * oracle.cost) * (1 + 1e-6)


def test_a_stalled_fit_stops_early():
    problem, truth = rf.datasets.low_rank((30, 30), rank=5, observed=0.9, seed=4)
    fit = fit_least_squares(problem, *start(problem, truth, 2, 0.1), max_iter=200)
    assert len(fit.history) < 30
