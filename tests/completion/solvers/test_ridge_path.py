"""Least squares along a falling ridge, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.solvers import ridge_path
from rankfall.completion.solvers.ridge_path import fit_along_ridge, ridge_of_network
from rankfall.completion.solvers.tangent_system import Cells


@pytest.mark.parametrize("rank", [1, 3])
def test_at_one_ridge_a_full_matrix_has_its_singular_values_lowered_by_that(rank):
    """The nuclear norm's proximal map, cut to the rank: singular values are thresholded softly."""
    rng = np.random.default_rng(rank)
    X = rng.standard_normal((12, 9))
    U, s, Vt = np.linalg.svd(X)
    problem, ridge = rf.Problem.from_dense(X), 0.5 * s[rank - 1]
    cells = Cells.of(problem)
    point = ridge_path._Factors.at(cells, *begin(rng, problem.shape, rank))
    damping = 0.0
    for _ in range(100):
        point, damping = ridge_path._step(cells, point, ridge, damping)
    expected = (U[:, :rank] * (s[:rank] - ridge)) @ Vt[:rank]
    np.testing.assert_allclose(point.B @ point.C.T, expected, atol=1e-4 * s[0])


def begin(rng, shape, rank):
    U, s, Vt = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    return U[:, :rank], s[:rank], Vt[:rank].T


@pytest.mark.parametrize("shape", [(60, 40), (40, 60)])
def test_a_shrunken_matrix_leads_to_the_exact_one(shape):
    problem, truth = rf.datasets.low_rank(shape, rank=3, oversampling=1.8, mask="guaranteed", seed=1)
    U, s, Vt = np.linalg.svd(truth, full_matrices=False)
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(Q + 0.1 * rng.standard_normal(Q.shape))[0] for Q in (U[:, :3], Vt[:3].T))
    fit = fit_along_ridge(problem, U, 0.7 * s[:3], V, 0.05 * s[2])
    assert fit.residual < 1e-12
    np.testing.assert_allclose((fit.U * fit.s) @ fit.V.T, truth, atol=1e-9 * np.abs(truth).max())


def test_no_step_raises_the_cost():
    problem, _ = rf.datasets.low_rank((30, 20), rank=2, observed=0.5, noise=0.3, seed=2)
    cells, rng, damping = Cells.of(problem), np.random.default_rng(2), 0.0
    point = ridge_path._Factors.at(cells, *begin(rng, problem.shape, 3))
    for ridge in np.geomspace(3.0, 1e-4, 15):
        before = point.cost(ridge)
        point, damping = ridge_path._step(cells, point, float(ridge), damping)
        assert point.cost(ridge) <= before * (1 + 1e-12)


def test_the_ridge_of_a_network_pulls_as_hard_as_that_of_factors():
    """Derivatives of both penalties at equal singular values, relative to half of the sum of squares."""
    s, ridge, n, depth = np.full(4, 7.0), 1e-3, 500, 3
    step = 1e-5
    up, down = (n * depth * ridge * np.sum((s + k * step) ** (2 / depth)) for k in (1, -1))
    pull = (up - down) / (2 * step) / s.size
    assert ridge_of_network(ridge, s, n, depth) == pytest.approx(pull, rel=1e-6)
