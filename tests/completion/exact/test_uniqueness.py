"""Is an exact fit locally the only one? Against the rank of the Jacobian."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall.completion.exact import uniqueness as isolated
from rankfall.completion.exact.uniqueness import is_isolated
from rankfall.completion.solvers.least_squares import LeastSquaresFit, tangent_from_cells

EXACT = 1e-9


def fit_of(truth, rank):
    """The truth as a fit."""
    U, s, Vt = np.linalg.svd(truth)
    return LeastSquaresFit(U[:, :rank].copy(), s[:rank], Vt[:rank].T.copy(), 0.0, (0.0,), True)


def jacobian(problem, fit):
    """Derivatives of the observed cells by X and Y in ``X V^T + U Y^T``."""
    (m, r), n = fit.U.shape, fit.V.shape[0]
    J = np.zeros((problem.n_observed, (m + n) * r))
    for cell, (i, j) in enumerate(zip(problem.rows, problem.cols, strict=True)):
        J[cell, i * r : (i + 1) * r] = fit.V[j]
        J[cell, (m + j) * r : (m + j + 1) * r] = fit.U[i]
    return J


@settings(max_examples=40)
@given(st.integers(5, 20), st.integers(5, 20), st.integers(1, 3), st.floats(0.9, 2.5), st.integers(0, 1000))
def test_an_exact_fit_is_isolated_where_the_jacobian_has_full_rank(m, n, r, rho, seed):
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((m, r)) @ rng.standard_normal((r, n))
    freedom = r * (m + n - r)
    cells = rng.permutation(m * n)[: min(int(rho * freedom), m * n)]
    mask = np.zeros(m * n, bool)
    mask[cells] = True
    problem = rf.Problem.from_dense(np.where(mask.reshape(m, n), truth, np.nan))
    fit = fit_of(truth, r)
    s = np.linalg.svd(jacobian(problem, fit), compute_uv=False)
    s = np.append(s, np.zeros(freedom))[:freedom] / s[0]
    if 1e-10 < s[-1] < 1e-2:
        return  # in between it depends on what is called free
    assert is_isolated(problem, fit, EXACT) == (s[-1] > 1e-3)


def bumped(problem, truth):
    """A matrix of one rank more that the observed cells do not tell from the truth."""
    missing = np.ones(truth.shape, bool)
    missing[problem.rows, problem.cols] = False
    i, j = np.argwhere(missing)[0]
    other = truth.copy()
    other[i, j] += truth.std()
    return other


@pytest.mark.parametrize("shape", [(30, 20), (20, 30)])
def test_one_rank_too_many_is_not_isolated(shape):
    problem, truth = rf.datasets.low_rank(shape, rank=2, oversampling=3.0, seed=1)
    assert is_isolated(problem, fit_of(truth, 2), EXACT)
    assert not is_isolated(problem, fit_of(bumped(problem, truth), 3), EXACT)


@pytest.mark.parametrize("weight", [1e-9, 1e-7])
def test_a_direction_of_next_to_no_weight_is_kicked(monkeypatch, weight):
    """First order holds no further than its weight."""
    problem, truth = rf.datasets.low_rank((30, 20), rank=2, oversampling=2.5, seed=1)
    rng = np.random.default_rng(0)
    other = truth + weight * np.outer(rng.standard_normal(30), rng.standard_normal(20))
    monkeypatch.setattr(isolated, "_is_found", lambda *_: pytest.fail("first order"))
    is_isolated(problem.with_values(other[problem.rows, problem.cols]), fit_of(other, 3), EXACT)


def test_the_linear_question_is_enough_where_cells_abound(monkeypatch):
    problem, truth = rf.datasets.low_rank((60, 50), rank=3, oversampling=2.5, seed=0)
    monkeypatch.setattr(isolated, "_comes_back", lambda *_: pytest.fail("fitted again"))
    assert is_isolated(problem, fit_of(truth, 3), EXACT)


@pytest.mark.parametrize("oversampling", [1.2, 2.5])
def test_where_the_linear_question_is_not_answered_the_kick_decides(monkeypatch, oversampling):
    problem, truth = rf.datasets.low_rank((60, 50), rank=3, oversampling=oversampling, seed=0)
    monkeypatch.setattr(isolated, "tangent_from_cells", lambda *_: None)
    assert is_isolated(problem, fit_of(truth, 3), EXACT)
    assert not is_isolated(problem, fit_of(bumped(problem, truth), 4), EXACT)


@pytest.mark.parametrize("shape", [(30, 20), (20, 30)])
@pytest.mark.parametrize("oversampling", [1.3, 3.0])
def test_a_tangent_vector_is_found_from_its_values(shape, oversampling):
    problem, truth = rf.datasets.low_rank(shape, rank=2, oversampling=oversampling, seed=3)
    fit, rng = fit_of(truth, 2), np.random.default_rng(0)
    X, Y = rng.standard_normal((shape[0], 2)), rng.standard_normal((shape[1], 2))
    found = tangent_from_cells(problem, fit.U, fit.V, X, Y)
    assert found is not None
    tangent, again = X @ fit.V.T + fit.U @ Y.T, found[0] @ fit.V.T + fit.U @ found[1].T
    assert np.linalg.norm(again - tangent) < 1e-3 * np.linalg.norm(tangent)
