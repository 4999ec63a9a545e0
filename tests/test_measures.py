"""Measures against closed forms, and ensembles against their members."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankfall as rf
from rankfall import measures

seeds = st.integers(0, 2**32 - 1)


def some_problem(m, n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    X[rng.random((m, n)) < 0.4] = np.nan
    X[0, 0] = 1.0
    return rf.Problem.from_dense(X)


# -- spectra


def test_numerical_rank_counts_above_the_tolerance():
    s = np.array([[10.0, 1.0, 0.11, 0.1, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(measures.numerical_rank(s), [3, 0])
    np.testing.assert_array_equal(measures.numerical_rank(s, rank_tol=0.5), [1, 0])


def test_a_dead_network_has_rank_zero():
    problem = some_problem(4, 3)
    alive = np.array([1e-11, 1e-12]) * np.linalg.norm(problem.values)
    assert measures.numerical_rank(alive, problem) == 1
    assert measures.numerical_rank(alive / 100, problem) == 0
    assert measures.numerical_rank(alive / 100) == 2


def test_numerical_rank_of_no_singular_values():
    assert measures.numerical_rank(np.zeros(0)) == 0


def test_numerical_rank_is_the_one_a_trace_records():
    from rankfall.dynamics import Record
    from rankfall.dynamics.record import measure

    problem = some_problem(6, 5)
    network = rf.Network.gaussian((5, 4, 6), scale=0.3, seed=0, chains=7)
    recorded = measure(problem, network, Record(what=("rank",), rank_tol=0.3))["rank"]
    np.testing.assert_array_equal(
        measures.numerical_rank(network.singular_values(), problem, rank_tol=0.3), recorded
    )


@pytest.mark.parametrize(
    ("s", "expected"),
    [([2.0, 1.0], 2.0), ([0.0], 0.0), ([0.5], 1 - 0.75**2), ([5.0, 0.5, 0.0], 2 - 0.75**2)],
)
def test_soft_rank(s, expected):
    assert measures.soft_rank(np.array(s), alpha=1.0) == pytest.approx(expected)
    assert measures.soft_rank(1e-3 * np.array(s), alpha=1e-3) == pytest.approx(expected)


@given(st.lists(st.floats(0, 3), min_size=1, max_size=6), st.floats(0.1, 2))
def test_soft_rank_dictionary_of_theory_0(values, alpha):
    """``sigma_{r+1} <= delta`` bounds the soft rank by r plus what the tail can add."""
    s = np.sort(values)[::-1]
    for r in range(s.size):
        tail = measures.soft_rank(s[r : r + 1], alpha=alpha)
        assert measures.soft_rank(s, alpha=alpha) <= r + (s.size - r) * tail + 1e-12


def test_soft_rank_needs_a_positive_scale():
    with pytest.raises(rf.InputError, match="alpha must be a positive number"):
        measures.soft_rank(np.ones(2), alpha=0.0)


def test_stable_rank():
    s = np.array([[2.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1e-200, 1e-200, 0.0]])
    np.testing.assert_allclose(measures.stable_rank(s), [2, 1.25, 0, 2])


def test_schatten_cost():
    s = np.array([8.0, 1.0, 0.0])
    assert measures.schatten_cost(s, depth=3) == pytest.approx(3 * (4 + 1))
    assert measures.schatten_cost(s, depth=2) == pytest.approx(2 * 9)
    assert measures.schatten_cost(s, depth=1) == pytest.approx(65)
    with pytest.raises(rf.InputError, match="depth must be"):
        measures.schatten_cost(s, depth=0)


# -- weights

widths_of = st.lists(st.integers(1, 5), min_size=3, max_size=6)


@given(widths_of, seeds)
def test_schatten_cost_bounds_the_norm_and_balance_reaches_it(widths, seed):
    network = rf.Network.gaussian(widths, seed=seed)
    cost = measures.schatten_cost(network.singular_values(), depth=network.depth)
    assert measures.squared_norm(network) >= cost * (1 - 1e-12)
    np.testing.assert_allclose(measures.squared_norm(network.balance()), cost, rtol=1e-10)


def test_imbalance_by_hand():
    network = rf.Network((np.array([[1.0, 0.0]]), np.array([[3.0]]), np.array([[2.0], [0.0]])))
    np.testing.assert_allclose(measures.imbalance(network), [8, 5])


@given(widths_of, seeds)
def test_balanced_networks_have_no_imbalance(widths, seed):
    network = rf.Network.gaussian(widths, seed=seed).balance()
    np.testing.assert_allclose(
        measures.imbalance(network), 0, atol=1e-12 * (1 + measures.squared_norm(network))
    )


def test_tangent_diagonal_is_the_squared_gradient():
    network = rf.Network.gaussian((4, 3, 5, 2, 6), seed=0)
    rows, cols = np.divmod(np.arange(24), 4)
    expected = np.zeros(24)
    step = 1e-5
    for layer, W in enumerate(network.weights):
        for at in np.ndindex(W.shape):
            moved = [W.copy() for W in network.weights]
            moved[layer][at] += step
            up = rf.Network(tuple(moved)).predict(rows, cols)
            moved[layer][at] -= 2 * step
            expected += ((up - rf.Network(tuple(moved)).predict(rows, cols)) / (2 * step)) ** 2
    np.testing.assert_allclose(measures.tangent_diagonal(network, rows, cols), expected, rtol=1e-8)


def test_tangent_diagonal_of_a_balanced_rank_one_network():
    """``K_ij = (u_i^2 + v_j^2) s^(2-2/L) + (L - 2) u_i^2 v_j^2 s^(2-2/L)`` for A = s u v^T."""
    u, v, s = np.array([0.6, 0.8]), np.array([1.0, 0.0, 0.0]), 5.0
    network = rf.Network.lift(s * np.outer(u, v), depth=4, width=1)
    rows, cols = np.divmod(np.arange(6), 3)
    a, b = u[rows] ** 2, v[cols] ** 2
    expected = s ** (2 - 2 / 4) * (a + b + 2 * a * b)
    np.testing.assert_allclose(measures.tangent_diagonal(network, rows, cols), expected, rtol=1e-12)


# -- losses


def test_losses_by_hand():
    problem = rf.Problem.from_dense([[1.0, np.nan], [2.0, 5.0]])
    network = rf.Network((np.array([[1.0, 2.0]]), np.array([[1.0], [3.0]])))  # A = [[1, 2], [3, 6]]
    assert measures.data_loss(problem, network) == pytest.approx((0 + 1 + 1) / 6)
    assert measures.regularised_loss(problem, network, ridge=0.1) == pytest.approx(1 / 3 + 0.1 * 15)


def test_loss_needs_matching_shapes():
    with pytest.raises(rf.InputError, match="makes 6 x 4 matrices, but the problem is 4 x 6"):
        measures.data_loss(some_problem(4, 6), rf.Network.gaussian((4, 2, 6)))


def test_critical_points_balance_fit_and_norm():
    """For one observed scalar, ``(A - x)^2 / 2 + ridge L A^(2/L)`` is what the regularised loss costs."""
    problem = rf.Problem.from_dense([[2.0]])
    network = rf.Network.lift(np.array([[1.5]]), depth=3)
    expected = 0.125 + 0.2 * 3 * 1.5 ** (2 / 3)
    assert measures.regularised_loss(problem, network, ridge=0.2) == pytest.approx(expected)


# -- ensembles


@pytest.mark.parametrize("widths", [(5, 3, 6), (5, 4, 3, 6)])
def test_ensembles_agree_with_their_chains(widths):
    network = rf.Network.gaussian(widths, seed=0, chains=4)
    problem = some_problem(6, 5)
    rows, cols = np.array([0, 5, 2]), np.array([4, 4, 1])
    checks = [
        measures.squared_norm,
        measures.imbalance,
        lambda network: measures.tangent_diagonal(network, rows, cols),
        lambda network: measures.data_loss(problem, network),
        lambda network: measures.regularised_loss(problem, network, ridge=0.1),
        lambda network: measures.numerical_rank(network.singular_values(), problem),
        lambda network: measures.soft_rank(network.singular_values(), alpha=0.5),
        lambda network: measures.stable_rank(network.singular_values()),
        lambda network: measures.schatten_cost(network.singular_values(), depth=network.depth),
    ]
    for check in checks:
        together = check(network)
        assert together.shape[0] == 4
        np.testing.assert_allclose(
            together, [check(network.chain(k)) for k in range(4)], rtol=1e-12, atol=1e-14
        )
