"""Costs, thresholds and closed forms of section 4, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall import theory
from rankfall.theory.landscape import data_gradient
from theory.landscapes import RIDGE, S_STAR, bisect, five_by_five

seeds = st.integers(0, 2**32 - 1)
depths = st.integers(3, 6)


def scalar_loss(s, s_star, ridge, n_observed, depth):
    """Section 4c for one singular pair, times N."""
    return 0.5 * (s - s_star) ** 2 + ridge * n_observed * depth * s ** (2 / depth)


# -- the effective loss


@settings(max_examples=30)
@given(seeds, st.integers(2, 6))
def test_no_weights_are_cheaper_than_the_cost(seed, depth):
    """Section 4a: the balanced lift has this squared norm, and other weights with the same product more."""
    network = rf.Network.gaussian((5,) + (4,) * (depth - 1) + (6,), scale=1.0, seed=seed)
    A = network.product()
    cost = theory.schatten_cost(A, depth=depth)
    assert rf.measures.squared_norm(network) >= cost * (1 - 1e-12)
    lifted = rf.Network.lift(A, depth=depth)
    assert rf.measures.squared_norm(lifted) == pytest.approx(cost, rel=1e-9)
    # A has rank 4 of 5: the power 2 / depth makes much of a last singular value that is but rounding; the
    # others are rounded, too
    rounding = depth * (1e-15 * np.linalg.norm(A, 2)) ** (2 / depth)
    assert theory.schatten_cost(A.T, depth=depth) == pytest.approx(cost, rel=1e-12, abs=rounding)
    assert theory.schatten_cost(8 * A, depth=depth) == pytest.approx(8 ** (2 / depth) * cost)


def test_effective_loss_is_the_regularised_loss_of_the_balanced_weights():
    problem, _ = rf.datasets.low_rank((7, 5), rank=2, observed=0.7, noise=0.2, seed=0)
    for depth in (2, 3, 5):
        network = rf.Network.gaussian((5,) + (5,) * (depth - 1) + (7,), scale=1.0, seed=1)
        loss = theory.effective_loss(problem, network.product(), depth, 0.03)
        assert rf.measures.regularised_loss(problem, network.balance(), ridge=0.03) == pytest.approx(
            loss, rel=1e-10
        )


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_weight_gradient_is_the_derivative(depth):
    problem, _ = rf.datasets.low_rank((4, 3), rank=2, observed=0.8, seed=2)
    network = rf.Network.gaussian((3,) + (2,) * (depth - 1) + (4,), scale=1.0, seed=3)
    direction = rf.Network.gaussian(network.widths, scale=1.0, seed=4)
    gradient = theory.weight_gradient(problem, network, 0.1)
    h = 1e-5
    ends = [
        rf.Network(tuple(W + t * V for W, V in zip(network.weights, direction.weights, strict=True)))
        for t in (-h, h)
    ]
    low, high = (float(rf.measures.regularised_loss(problem, end, ridge=0.1)) for end in ends)
    slope = sum(np.sum(G * V) for G, V in zip(gradient, direction.weights, strict=True))
    assert (high - low) / (2 * h) == pytest.approx(slope, rel=1e-7)


def test_data_gradient_is_zero_where_nothing_was_observed():
    problem = rf.Problem.from_dense(np.array([[1.0, np.nan], [2.0, 3.0]]))
    np.testing.assert_allclose(data_gradient(problem, np.zeros((2, 2))), [[-1 / 3, 0], [-2 / 3, -1]])


# -- thresholds


@pytest.mark.parametrize(("depth", "local", "overall"), [(3, 1.754765, 2.0), (4, 1.889882, 2.381102)])
def test_thresholds_of_section_6_5(depth, local, overall):
    assert theory.s_loc(RIDGE, 25, depth) == pytest.approx(local, abs=1e-6)
    assert theory.s_glob(RIDGE, 25, depth) == pytest.approx(overall, abs=1e-6)


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_thresholds_by_brute_force(depth):
    s = np.linspace(1e-4, 4, 40_001)

    def no_minimum(s_star):
        loss = scalar_loss(s, s_star, RIDGE, 25, depth)
        return not np.any((loss[1:-1] < loss[:-2]) & (loss[1:-1] < loss[2:]))

    def zero_is_best(s_star):
        return scalar_loss(s, s_star, RIDGE, 25, depth).min() >= s_star**2 / 2

    local = bisect(no_minimum, 0.5, 4, 1e-5)
    overall = bisect(zero_is_best, 0.5, 4, 1e-5)
    assert theory.s_loc(RIDGE, 25, depth) == pytest.approx(local, abs=1e-4)
    assert theory.s_glob(RIDGE, 25, depth) == pytest.approx(overall, abs=1e-4)


@settings(max_examples=50)
@given(depths, st.floats(1e-5, 1), st.integers(1, 1000), st.floats(1.001, 100))
def test_s_plus_is_the_minimum(depth, ridge, n_observed, times):
    local, overall = (f(ridge, n_observed, depth) for f in (theory.s_loc, theory.s_glob))
    assert 0 < local < overall
    s_star = times * local
    s = float(theory.s_plus(s_star, ridge, n_observed, depth))
    assert local * (depth - 2) / (2 * depth - 2) <= s < s_star
    assert s + 2 * ridge * n_observed * s ** (2 / depth - 1) == pytest.approx(s_star, rel=1e-12)
    assume(abs(s_star - overall) > 1e-6 * overall)
    kept, dropped = (scalar_loss(x, s_star, ridge, n_observed, depth) for x in (s, 0.0))
    assert (kept < dropped) == (s_star > overall)


def test_s_plus_below_the_threshold_and_at_depth_two():
    local = theory.s_loc(RIDGE, 25, 3)
    np.testing.assert_array_equal(theory.s_plus([0.0, 0.5 * local, local], RIDGE, 25, 3), 0.0)
    np.testing.assert_allclose(theory.s_plus(S_STAR, RIDGE, 25, 2), np.maximum(S_STAR - 1, 0))
    assert theory.s_loc(RIDGE, 25, 2) == theory.s_glob(RIDGE, 25, 2) == pytest.approx(1.0)
    at_global = theory.s_plus(theory.s_glob(RIDGE, 25, 5), RIDGE, 25, 5)
    assert at_global == pytest.approx((2 * RIDGE * 25 * 3) ** (5 / 8))


# -- basins


@settings(max_examples=50)
@given(depths, st.floats(1e-4, 1), st.floats(1e-3, 10))
def test_radius_and_barrier_are_those_of_one_singular_value(depth, ridge, slope):
    """``ridge L s^(2/L) - g s`` is positive up to the radius, and the barrier is its maximum."""
    radius = theory.basin_radius(slope, depth, ridge)
    s = radius * np.linspace(0, 1, 20_001)
    gain = ridge * depth * s ** (2 / depth) - slope * s
    assert np.all(gain[1:-1] > 0)
    assert abs(gain[-1]) <= 1e-9 * gain.max()
    assert gain.max() == pytest.approx(theory.barrier(slope, depth, ridge), rel=1e-6)


@pytest.mark.parametrize("function", [theory.basin_radius, theory.barrier])
def test_radius_and_barrier_at_depth_two_and_without_a_slope(function):
    assert function(0.0, 3, 0.1) == np.inf
    assert function(0.19, 2, 0.1) == np.inf
    assert function(0.21, 2, 0.1) == 0.0


def test_truncation_lowers_the_loss_inside_the_basin():
    """Section 4b(ii), with the slope at the truncated matrix, for any matrix."""
    problem, _ = rf.datasets.low_rank((8, 6), rank=2, observed=0.6, noise=0.1, seed=5)
    rng = np.random.default_rng(0)
    for _ in range(200):
        depth, k = int(rng.integers(3, 6)), int(rng.integers(0, 6))
        U, s, Vt = np.linalg.svd(3 * rng.standard_normal((8, 6)), full_matrices=False)
        low = (U[:, :k] * s[:k]) @ Vt[:k]
        slope = float(np.linalg.norm(data_gradient(problem, low), 2))
        tail = theory.basin_radius(slope, depth, 0.02) * rng.uniform(0, 1, 6 - k)
        A = low + (U[:, k:] * tail) @ Vt[k:]
        before, after = (theory.effective_loss(problem, M, depth, 0.02) for M in (A, low))
        assert after <= before * (1 + 1e-12)


# -- fully observed


@pytest.mark.parametrize("depth", [3, 4, 7])
def test_closed_forms_are_critical(depth):
    X = five_by_five()
    problem = rf.Problem.from_dense(X)
    found = theory.closed_form_minima(X, depth, RIDGE)
    assert [point.rank for point in found] == list(range(1 + np.sum(theory.s_loc(RIDGE, 25, depth) < S_STAR)))
    for point in found:
        seen = theory.critical_point(problem, point.matrix(), point.rank, depth, RIDGE)
        assert seen.kind == "minimum"
        assert seen.gradient_norm < 1e-14
        assert seen.loss == pytest.approx(point.loss, rel=1e-12)


def test_closed_form_with_a_narrow_layer_and_at_depth_two():
    X = five_by_five()
    assert [point.rank for point in theory.closed_form_minima(X, 3, RIDGE, width=2)] == [0, 1, 2]
    (only,) = theory.closed_form_minima(X, 2, 0.018)
    np.testing.assert_allclose(only.s, [3.1, 2.1, 1.1, 0.1], atol=1e-12)
    (capped,) = theory.closed_form_minima(X, 2, 0.018, width=2)
    np.testing.assert_allclose(capped.s, [3.1, 2.1], atol=1e-12)


# -- refusals


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.schatten_cost(np.array([[np.nan]]), depth=3),
        lambda: theory.schatten_cost(np.ones(3), depth=3),
        lambda: theory.schatten_cost(np.eye(2), depth=1),
        lambda: theory.schatten_cost(np.eye(2), depth=2.5),  # type: ignore[arg-type]
        lambda: theory.effective_loss(rf.Problem.from_dense(np.eye(2)), np.eye(3), 3, 0.1),
        lambda: theory.effective_loss(rf.Problem.from_dense(np.eye(2)), np.eye(2), 3, 0.0),
        lambda: theory.s_plus(-1.0, 0.1, 4, 3),
        lambda: theory.s_plus(np.nan, 0.1, 4, 3),
        lambda: theory.s_plus(1.0, -0.1, 4, 3),
        lambda: theory.s_loc(0.1, 0, 3),
        lambda: theory.s_glob(np.inf, 4, 3),
        lambda: theory.s_glob(np.nan, 4, 3),
        lambda: theory.closed_form_minima(np.full((2, 2), np.nan), 3, 0.1),
        lambda: theory.closed_form_minima(np.eye(3), 3, 1e-4),
        lambda: theory.closed_form_minima(np.eye(3), 3, 1e-4, width=0),
        lambda: theory.closed_form_minima(np.eye(3), 3, 0),
    ],
)
def test_what_is_not_covered_is_refused(call):
    with pytest.raises(rf.InputError) as caught:
        call()
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (4, 4)])
@pytest.mark.parametrize("depth", [2, 3, 5])
def test_where_nothing_can_be_kept_zero_is_the_only_minimum(shape, depth):
    X = np.random.default_rng(1).standard_normal(shape)
    (only,) = theory.closed_form_minima(X, depth, ridge=100.0)
    assert (only.rank, only.loss) == (0, pytest.approx(0.5 * np.mean(X**2)))
    np.testing.assert_array_equal(only.matrix(), np.zeros(shape))


def test_weights_are_refused():
    weighted = rf.Problem.from_dense(np.eye(2)).with_weights(np.array([1.0, 2.0, 3.0, 4.0]))
    for call in (
        lambda: theory.minima(weighted),
        lambda: theory.effective_loss(weighted, np.eye(2), 3, 0.1),
        lambda: theory.critical_point(weighted, np.eye(2), 1),
    ):
        with pytest.raises(rf.InputError, match="weights"):
            call()
