"""The data class of rank-one measurements."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import rankfall as rf


def test_predictions_are_the_products():
    rng = np.random.default_rng(0)
    data = rf.Measurements(rng.standard_normal((9, 4)), rng.standard_normal((9, 5)), np.zeros(9))
    networks = rf.Network.gaussian((5, 3, 4), seed=0, chains=2)
    expected = np.einsum("ki,cij,kj->ck", data.U, networks.product(), data.V)
    np.testing.assert_allclose(data.predict(networks), expected, atol=1e-13)
    np.testing.assert_allclose(data.predict(networks.chain(1)), expected[1], atol=1e-13)
    np.testing.assert_allclose(
        rf.measures.data_loss(data, networks), 0.5 * np.mean(expected**2, axis=1), rtol=1e-12
    )
    assert (data.shape, data.n_rows, data.n_cols, data.n_observed) == ((4, 5), 4, 5, 9)
    assert repr(data) == "Measurements(9 of a 4 x 5 matrix)"


def test_entries_are_measurements_with_unit_vectors():
    problem = rf.Problem.from_dense(np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, 4.0]]))
    data = rf.Measurements.from_problem(problem)
    network = rf.Network.gaussian((2, 2, 3), seed=0)
    np.testing.assert_allclose(data.predict(network), network.predict(problem.rows, problem.cols))
    np.testing.assert_array_equal(data.values, problem.values)
    with pytest.raises(rf.InputError, match="this problem has weights"):
        rf.Measurements.from_problem(problem.with_weights(np.array([1.0, 2.0, 1.0, 1.0])))


def test_regression_of_several_outputs():
    rng = np.random.default_rng(1)
    A, X = rng.standard_normal((3, 4)), rng.standard_normal((6, 4))
    data = rf.Measurements.from_regression(X, X @ A.T)
    assert data.shape == (3, 4) and data.n_observed == 18
    np.testing.assert_allclose(np.einsum("ki,ij,kj->k", data.U, A, data.V), data.values, atol=1e-13)


def test_numbers_are_copied_and_read_only():
    U = np.ones((2, 3))
    data = rf.Measurements(U, np.ones((2, 4)), [1, 2])
    U[:] = 0
    assert data.U.all() and not data.values.flags.writeable
    again = pickle.loads(pickle.dumps(data.with_values([3.0, 4.0])))
    assert again.values.tolist() == [3.0, 4.0] and not again.U.flags.writeable


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.ones((2, 3)), np.ones((3, 4)), np.ones(2)), "there are 2, 3 and 2"),
        ((np.ones(3), np.ones((3, 4)), np.ones(3)), r"U must have shape \(N, m\)"),
        ((np.ones((2, 3)), np.ones((2, 4)), [1.0, np.nan]), "values must hold finite numbers"),
        ((np.ones((0, 3)), np.ones((0, 4)), []), "no measurement"),
        (("a", np.ones((2, 4)), [1.0, 2.0]), "U must be an array of numbers"),
    ],
)
def test_bad_measurements(arguments, sentence):
    with pytest.raises(rf.InputError, match=sentence):
        rf.Measurements(*arguments)


def test_bad_regressions():
    with pytest.raises(rf.InputError, match="X has 5 samples, Y has 4"):
        rf.Measurements.from_regression(np.ones((5, 2)), np.ones(4))
