"""The factor map, its derivative, and the retraction."""

import numpy as np
import pytest

import rankfall as rf
from rankfall.geometry import jacobian, observe, retract


def case(m=7, n=5, rank=2, observed=0.6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    X[rng.random((m, n)) > observed] = np.nan
    return rf.Problem.from_dense(X), rng.standard_normal((m, rank)), rng.standard_normal((n, rank))


def test_observe_reads_the_cells_of_the_product():
    problem, U, V = case()
    np.testing.assert_allclose(observe(problem, U, V), (U @ V.T)[problem.rows, problem.cols], rtol=1e-14)


@pytest.mark.parametrize("shape", [(7, 5), (4, 9), (1, 3)])
def test_jacobian_agrees_with_finite_differences(shape):
    problem, U, V = case(*shape, rank=2 if min(shape) > 1 else 1)
    J = jacobian(problem, U, V).toarray()
    step = 1e-6
    for k, column in enumerate(J.T):
        move = np.zeros(U.size + V.size)
        move[k] = step
        dU, dV = move[: U.size].reshape(U.shape), move[U.size :].reshape(V.shape)
        # the map is bilinear, so central differences are exact up to rounding
        difference = observe(problem, U + dU, V + dV) - observe(problem, U - dU, V - dV)
        np.testing.assert_allclose(column, difference / (2 * step), atol=1e-8)


def test_gauge_directions_are_not_seen():
    problem, U, V = case()
    G = np.random.default_rng(1).standard_normal((2, 2))
    gauge = np.concatenate([(U @ G).ravel(), (-V @ G.T).ravel()])
    np.testing.assert_allclose(jacobian(problem, U, V) @ gauge, 0, atol=1e-14)


@pytest.mark.parametrize("bad", ["rows", "rank", "nan"])
def test_factors_that_do_not_fit_are_refused(bad):
    problem, U, V = case()
    if bad == "rows":
        U = U[1:]
    elif bad == "rank":
        V = V[:, :1]
    else:
        V = V * np.nan
    with pytest.raises(rf.InputError, match=r"^[UV] must (have shape|hold finite)"):
        jacobian(problem, U, V)


def test_retract_is_the_nearest_matrix_of_the_rank():
    _, U, V = case(8, 6, rank=2)
    rng = np.random.default_rng(2)
    dU, dV = rng.standard_normal(U.shape), rng.standard_normal(V.shape)
    target = U @ V.T + dU @ V.T + U @ dV.T
    left, s, right = np.linalg.svd(target)
    got_U, got_s, got_Vt = retract(U, V, dU, dV)
    np.testing.assert_allclose(got_s, s[:2], rtol=1e-12)
    np.testing.assert_allclose((got_U * got_s) @ got_Vt, (left[:, :2] * s[:2]) @ right[:2], atol=1e-12)
    np.testing.assert_allclose(got_U.T @ got_U, np.eye(2), atol=1e-13)


def test_retract_agrees_with_the_straight_step_to_first_order():
    _, U, V = case(8, 6, rank=2)
    rng = np.random.default_rng(3)
    dU, dV = rng.standard_normal(U.shape), rng.standard_normal(V.shape)
    errors = []
    for t in (1e-2, 1e-3):
        left, s, right = retract(U, V, t * dU, t * dV)
        errors.append(np.linalg.norm((left * s) @ right - U @ V.T - t * (dU @ V.T + U @ dV.T)))
    assert errors[1] < 1.5e-2 * errors[0]


def test_retract_does_not_depend_on_the_factors():
    _, U, V = case(8, 6, rank=2)
    rng = np.random.default_rng(4)
    dU, dV, G = rng.standard_normal(U.shape), rng.standard_normal(V.shape), rng.standard_normal((2, 2))
    inverse = np.linalg.inv(G).T
    one, other = retract(U, V, dU, dV), retract(U @ G, V @ inverse, dU @ G, dV @ inverse)
    np.testing.assert_allclose((one[0] * one[1]) @ one[2], (other[0] * other[1]) @ other[2], atol=1e-11)


def test_retract_of_thin_matrices():
    """More columns than rows after stacking: 2r > min(m, n)."""
    _, U, V = case(3, 4, rank=2)
    left, s, right = retract(U, V, np.zeros_like(U), np.zeros_like(V))
    np.testing.assert_allclose((left * s) @ right, U @ V.T, atol=1e-13)
