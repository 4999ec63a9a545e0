"""minima(): sections 6.5 and 9, closed forms, an outside optimiser, and invariances."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import rankfall as rf
from rankfall import theory
from rankfall.theory.fixed_rank import FixedRankLoss, Point
from theory.landscapes import RIDGE, S_STAR, bisect, five_by_five, limit_window, numerical_hessian

seeds = st.integers(0, 2**32 - 1)


# -- derivatives on the set of one rank


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize(("shape", "rank"), [((7, 5), 3), ((4, 6), 1), ((3, 3), 3)])
def test_derivatives_along_the_retraction(depth, shape, rank):
    problem, _ = rf.datasets.low_rank(shape, rank=2, observed=0.7, noise=0.3, seed=1, min_entries=1)
    loss = FixedRankLoss(problem, depth, 0.02)
    rng = np.random.default_rng(0)
    point = Point.truncated(rng.standard_normal(shape), rank)
    at = loss.derivatives(point)
    assert at.gradient.size == rank * (sum(shape) - rank)
    for _ in range(5):
        step = rng.standard_normal(at.gradient.size)
        step *= 1e-4 * point.s[-1] / np.linalg.norm(step)
        low, mid, high = (loss.value(loss.move(point, at, t * step)) for t in (-1, 0, 1))
        assert (high - low) / 2 == pytest.approx(at.gradient @ step, rel=1e-5)
        assert high - 2 * mid + low == pytest.approx(step @ at.hessian @ step, rel=1e-3, abs=1e-15)


def test_hessian_where_singular_values_coincide():
    """The divided differences have their limits there."""
    problem, _ = rf.datasets.low_rank((5, 5), rank=2, observed=0.8, seed=1)
    loss = FixedRankLoss(problem, 3, 0.02)
    U, V = (np.linalg.qr(np.random.default_rng(k).standard_normal((5, 2)))[0] for k in (1, 2))
    same, near = (loss.derivatives(Point(U, np.array([2.0, 2.0 - gap]), V.T)).hessian for gap in (0.0, 1e-7))
    np.testing.assert_allclose(same, near, atol=1e-8)


# -- section 6.5


@pytest.mark.parametrize("depth", [3, 4])
def test_section_6_5(depth):
    """One minimum for each rank 0 to 3, as in closed form; none for rank 4 and 5."""
    X = five_by_five()
    problem = rf.Problem.from_dense(X)
    found = theory.minima(problem, depth, RIDGE)
    assert found.ranks == (0, 1, 2, 3)
    assert len(found) == 4
    for point, exact in zip(found, theory.closed_form_minima(X, depth, RIDGE), strict=True):
        np.testing.assert_allclose(point.matrix(), exact.matrix(), atol=1e-12)
        assert point.loss == pytest.approx(exact.loss, rel=1e-13)
        assert point.kind == "minimum"
        assert point.gradient_norm < 1e-13
        assert point.balancedness < 1e-13
        H = numerical_hessian(problem, point.network(5), RIDGE)
        assert np.linalg.eigvalsh(H)[0] > -1e-9
    assert [search.n_fell == search.n_starts for search in found.searches] == [False] * 4 + [True] * 2


def test_another_pair_than_the_first_is_a_saddle():
    """Section 6.5: keeping only the second pair; eigenvalue about -5e-2 in the weights."""
    X = five_by_five()
    problem = rf.Problem.from_dense(X)
    U, s, Vt = np.linalg.svd(X)
    kept = float(theory.s_plus(s[1], RIDGE, 25, 3))
    A = kept * np.outer(U[:, 1], Vt[1])
    point = theory.critical_point(problem, A, 1, 3, RIDGE)
    assert point.kind == "saddle"
    assert point.gradient_norm < 1e-14
    # the block of section 4c, per unit of length: (s_j* - s_i*) / (N s_i)
    assert point.curvature == pytest.approx((S_STAR[1] - S_STAR[0]) / (25 * kept), rel=1e-9)
    H = numerical_hessian(problem, point.network(5), RIDGE)
    assert np.linalg.eigvalsh(H)[0] == pytest.approx(-5e-2, rel=0.1)


def test_the_smaller_root_is_a_saddle():
    """``s + 2 ridge N s^(2/L-1) = s*`` has a second root, where a minimum and the fall to zero part."""
    s = np.linspace(1e-3, theory.s_plus(4.0, RIDGE, 25, 3) / 2, 100_000)
    lower = s[np.argmin(np.abs(s + 2 * RIDGE * 25 * s ** (-1 / 3) - 4))]
    problem = rf.Problem.from_dense(five_by_five())
    U, _, Vt = np.linalg.svd(five_by_five())
    for _ in range(5):
        lower -= (lower + lower ** (-1 / 3) - 4) / (1 - lower ** (-4 / 3) / 3)
    point = theory.critical_point(problem, lower * np.outer(U[:, 0], Vt[0]), 1, 3, RIDGE)
    assert point.kind == "saddle"
    assert point.gradient_norm < 1e-13


# -- closed forms, rectangular


@pytest.mark.parametrize(
    ("shape", "depth", "ridge"), [((8, 5), 3, 3e-3), ((6, 20), 4, 1e-3), ((12, 12), 5, 3e-3)]
)
def test_fully_observed_as_in_closed_form(shape, depth, ridge):
    X, _ = rf.datasets.low_rank(shape, rank=4, observed=1.0, condition=5.0, noise=0.1, seed=3)
    exact = theory.closed_form_minima(X.to_dense(), depth, ridge)
    found = theory.minima(X, depth, ridge, range(6))
    assert len(exact) > 2
    assert [point.rank for point in found] == [point.rank for point in exact][:6]
    for point, known in zip(found, exact, strict=False):
        np.testing.assert_allclose(point.matrix(), known.matrix(), atol=1e-9)


def test_depth_two_is_convex():
    """One minimum, the soft threshold; stationary points of other ranks leave ``|E|_op > 2 ridge``."""
    X, ridge = five_by_five(), 0.018
    found = theory.minima(rf.Problem.from_dense(X), 2, ridge)
    (exact,) = theory.closed_form_minima(X, 2, ridge)
    assert found.ranks == (4,)
    np.testing.assert_allclose(found.lowest.matrix(), exact.matrix(), atol=1e-12)
    for point in found:
        if point.rank < 4:
            assert point.kind == "saddle"
            assert point.free_gradient > 2 * ridge
            assert point.curvature > 0
            H = numerical_hessian(rf.Problem.from_dense(X), point.network(point.rank + 1), ridge)
            assert np.linalg.eigvalsh(H)[0] < -1e-6


def test_depth_two_with_holes_reaches_the_nuclear_norm_minimum():
    """The unique minimum of the convex problem, certified by the subgradient: ``|dC/dA|_op = 2 ridge``."""
    problem, _ = rf.datasets.low_rank((9, 7), rank=2, observed=0.7, noise=0.2, seed=4)
    found = theory.minima(problem, 2, 0.02, range(8))
    assert sum(point.is_minimum for point in found) == 1
    slope = theory.landscape.data_gradient(problem, found.lowest.matrix())
    assert np.linalg.norm(slope, 2) == pytest.approx(0.04, rel=1e-9)


# -- with holes


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize(
    ("shape", "ridge"), [((5, 5), 1e-2), ((8, 6), 1e-3), ((15, 12), 3e-3), ((20, 20), 1e-4)]
)
def test_every_reported_minimum_is_critical_balanced_and_large_enough(shape, ridge, depth):
    problem, _ = rf.datasets.low_rank(shape, rank=2, observed=0.7, noise=0.2, seed=6)
    found = theory.minima(problem, depth, ridge, range(5), n_starts=8)
    assert len(found) > 1
    size = np.linalg.norm(problem.values)
    least = (2 * ridge * problem.n_observed / size) ** (depth / (depth - 2))
    largest_cost = size**2 / (8 * ridge * problem.n_observed)
    for point in found:
        assert point.gradient_norm < 1e-9
        assert point.balancedness < 1e-9
        # section 4b(iii): smallest singular value and largest cost of a critical point
        assert np.all(point.s >= least)
        assert np.sum(point.s ** (2 / depth)) <= largest_cost
        # section 4b(i): no part of the gradient but E leaves the row and column spaces
        slope = -theory.landscape.data_gradient(problem, point.matrix())
        E = slope - (point.U * (2 * ridge * point.s ** (2 / depth - 1))) @ point.Vt
        assert np.linalg.norm(point.U.T @ E) + np.linalg.norm(E @ point.Vt.T) < 1e-10
        assert np.linalg.norm(E, 2) == pytest.approx(point.free_gradient, abs=1e-10)
        wide = point.network(point.rank + 2)
        norm = np.sqrt(sum(np.sum(G**2) for G in theory.weight_gradient(problem, wide, ridge)))
        assert norm < 1e-9


@pytest.mark.parametrize("depth", [3, 4])
def test_minima_in_the_weights_by_their_hessian(depth):
    """No negative eigenvalue in the weights, with room for two more directions than the rank."""
    problem, _ = rf.datasets.low_rank((5, 4), rank=2, observed=0.8, noise=0.1, seed=2, min_entries=1)
    for point in theory.minima(problem, depth, 0.01, range(4)):
        assert point.kind == "minimum"
        assert np.linalg.eigvalsh(numerical_hessian(problem, point.network(point.rank + 2), 0.01))[0] > -1e-8


@pytest.mark.parametrize("depth", [3, 4])
def test_no_lower_minimum_by_an_outside_optimiser(depth):
    """scipy's BFGS on the weights ends in minima that are in the list."""
    problem, _ = rf.datasets.low_rank((4, 4), rank=2, observed=0.8, noise=0.1, seed=8, min_entries=1)
    found = theory.minima(problem, depth, 0.01, range(5), n_starts=40)
    losses = np.array([point.loss for point in found if point.is_minimum])
    shapes = [(4, 4)] * depth

    def both(theta):
        network = rf.Network(tuple(theta.reshape(-1, 4, 4)))
        gradient = theory.weight_gradient(problem, network, 0.01)
        return float(rf.measures.regularised_loss(problem, network, ridge=0.01)), np.concatenate(
            [G.ravel() for G in gradient]
        )

    ends = []
    for seed in range(12):
        start = np.random.default_rng(seed).standard_normal(16 * len(shapes))
        end = minimize(both, start, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000})
        if np.linalg.norm(end.jac) < 1e-6:
            ends.append(end.fun)
            assert np.abs(losses - end.fun).min() < 1e-8
    assert len(ends) > 6
    assert min(ends) >= losses.min() - 1e-10


def test_over_and_under():
    """Rank two of the 2 x 2 family fits what rank one fits too; rank zero does not fit."""
    problem, _ = rf.datasets.two_by_two(0.48)
    found = theory.minima(problem, 3, 1e-4)
    assert [(point.rank, point.estimate) for point in found if point.misfit < 0.1 or point.rank == 0] == [
        (0, "under"),
        (1, "right"),
        (2, "over"),
    ]


def test_starts_are_used_and_reproducible():
    problem, truth = rf.datasets.low_rank((10, 8), rank=2, observed=0.6, seed=1)
    one, two = (theory.minima(problem, ranks=[2], n_starts=3, seed=5) for _ in range(2))
    assert [point.loss for point in one] == [point.loss for point in two]
    assert np.array_equal(one.points[0].U, two.points[0].U)
    more = theory.minima(problem, ranks=[2], n_starts=3, seed=5, starts=[truth])
    assert more.searches[0].n_starts == one.searches[0].n_starts + 1


def test_tables():
    found = theory.minima(rf.Problem.from_dense(five_by_five()), 3, RIDGE)
    table, summary = found.table(), found.summary()
    assert list(table["rank"]) == [0, 1, 2, 3]
    assert set(table["kind"]) == {"minimum"}
    assert list(summary["n_minima"]) == [1, 1, 1, 1, 0, 0]
    assert summary["loss"].isna().tolist() == [False] * 4 + [True] * 2
    assert (summary["n_found"] + summary["n_fell"] + summary["n_stalled"] == summary["n_starts"]).all()
    assert found.lowest in found.points


def test_networks_of_a_minimum():
    found = theory.minima(rf.Problem.from_dense(five_by_five()), 3, RIDGE)
    for point in found:
        for width in (None, 5, 7):
            network = point.network(width)
            assert network.widths[1:-1] == (max(point.rank, 1) if width is None else width,) * 2
            np.testing.assert_allclose(network.product(), point.matrix(), atol=1e-13)
            assert rf.measures.squared_norm(network) == pytest.approx(
                theory.schatten_cost(point.matrix(), depth=3)
            )
    with pytest.raises(rf.InputError, match="at least 3"):
        found.points[3].network(2)


def test_equal_singular_values_give_flat_minima():
    """The identity: which directions are kept is free, so the minima of rank 1 to 3 are not isolated."""
    problem = rf.Problem.from_dense(np.eye(4))
    found = theory.minima(problem, 3, 1e-3)
    assert [(point.rank, point.kind) for point in found] == [
        (0, "minimum"),
        (1, "degenerate"),
        (2, "degenerate"),
        (3, "degenerate"),
        (4, "minimum"),
    ]
    kept = float(theory.s_plus(1.0, 1e-3, 16, 3))
    for point in found:
        np.testing.assert_allclose(point.s, kept, atol=1e-10)


@pytest.mark.parametrize("depth", [2, 3])
def test_data_of_zeros_and_a_ridge_that_is_too_large_leave_rank_zero(depth):
    data = rf.datasets.low_rank((6, 5), rank=2, observed=0.7, seed=0)[0]
    for problem, ridge in ((rf.Problem.from_dense(np.zeros((4, 3))), 1e-3), (data, 10.0)):
        found = theory.minima(problem, depth, ridge)
        assert [(point.rank, point.kind) for point in found] == [(0, "minimum")]
        assert all(search.n_stalled == 0 for search in found.searches)


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_the_search_knows_no_units(size):
    """Data times c, ridge times c^(2 - 2/L): the same table, also far from one."""
    problem, _ = rf.datasets.low_rank((8, 7), rank=2, observed=0.7, seed=1)
    one = theory.minima(problem, 3, 1e-3, n_starts=5).table()
    other = theory.minima(
        problem.with_values(size * problem.values), 3, 1e-3 * size ** (4 / 3), n_starts=5
    ).table()
    assert list(one["kind"]) == list(other["kind"])
    assert list(one["hits"]) == list(other["hits"])
    np.testing.assert_allclose(other["loss"], size**2 * one["loss"], rtol=1e-9)
    np.testing.assert_allclose(other["misfit"], one["misfit"], rtol=1e-6)


# -- invariances


@settings(max_examples=8)
@given(seeds, st.integers(3, 5), st.floats(0.1, 10))
def test_invariances(seed, depth, factor):
    """Transposing, permuting rows, and scaling the data by c with the ridge by c^(2 - 2/L)."""
    problem, truth = rf.datasets.low_rank((6, 5), rank=2, observed=0.8, noise=0.05, seed=seed, min_entries=1)
    rng = np.random.default_rng(seed)
    X, rows = problem.to_dense(), rng.permutation(6)
    for rank in (1, 2):
        base = theory.minima(problem, depth, 2e-3, [rank], n_starts=6, starts=[truth])
        for point in base:
            A = point.matrix()
            others = [
                (rf.Problem.from_dense(X.T), A.T, 2e-3, 1.0),
                (rf.Problem.from_dense(X[rows]), A[rows], 2e-3, 1.0),
                (rf.Problem.from_dense(factor * X), factor * A, 2e-3 * factor ** (2 - 2 / depth), factor**2),
            ]
            for other, B, ridge, scale in others:
                same = theory.critical_point(other, B, rank, depth, ridge)
                assert same.kind == point.kind
                assert same.loss == pytest.approx(scale * point.loss, rel=1e-9)
                assert same.curvature == pytest.approx(point.curvature, rel=1e-5, abs=1e-9)
                assert same.barrier == pytest.approx(scale * point.barrier, rel=1e-6)
                # the search itself finds it again
                again = theory.minima(other, depth, ridge, [rank], n_starts=2, starts=[B])
                assert min(np.linalg.norm(q.matrix() - B) for q in again) < 1e-6 * np.linalg.norm(B)


# -- section 9

# e up to which rank two exists, e from which rank one is cheaper
TABLE = {
    3: (0.4998, 0.4555),
    4: (0.354, 0.283),
    5: (0.276, 0.189),
    6: (0.2275, 0.1295),
    8: (0.1685, 0.0635),
}


def window(depth: int, ridge: float, tol: float) -> tuple[float, float]:
    """The two columns of section 9 by :func:`minima`."""

    def rank_two_is_cheaper(e):
        points = section_9(e, depth, ridge)
        return points.at(2)[0].loss < points.at(1)[0].loss

    exists = window_end(depth, ridge, tol)
    return exists, bisect(rank_two_is_cheaper, 0.02, exists - 1e-3, tol)


def section_9(e: float, depth: int, ridge: float):
    return theory.minima(rf.datasets.two_by_two(e)[0], depth, ridge, (1, 2), n_starts=8)


def window_end(depth: int, ridge: float, tol: float) -> float:
    """The largest e with a minimum of rank two."""
    return bisect(lambda e: bool(section_9(e, depth, ridge).at(2)), 0.02, 0.9, tol)


def check_window(depth: int, ridge: float, tol: float) -> None:
    measured = window(depth, ridge, tol)
    np.testing.assert_allclose(measured, TABLE[depth], atol=1e-3)
    np.testing.assert_allclose(measured, limit_window(depth), atol=1e-3)


@pytest.mark.parametrize("depth", [3, 5])
def test_section_9(depth):
    check_window(depth, 1e-6, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [4, 6, 8])
def test_section_9_at_other_depths(depth):
    check_window(depth, 1e-6, 1e-5)


def test_section_9_has_no_window_at_depth_two():
    """Convex: one minimum for every e, of rank two or one, never one of each."""
    for e in np.linspace(0.05, 0.95, 7):
        found = theory.minima(rf.datasets.two_by_two(float(e))[0], 2, 1e-4, n_starts=6)
        assert sum(point.is_minimum for point in found) == 1


def test_windows_shrink_with_the_ridge_linearly():
    """What the limit is taken of.

    At ridge 1e-4 and 5e-5 the window's end differs from the limit by O(ridge).
    """
    ends = [window_end(3, ridge, 1e-6) for ridge in (4e-4, 2e-4, 1e-4)]
    first, second = (b - a for a, b in pairwise(ends))
    assert first / second == pytest.approx(2, rel=0.1)
    assert 2 * ends[2] - ends[1] == pytest.approx(0.5, abs=1e-4)


# -- refusals


@pytest.mark.parametrize(
    "settings",
    [
        {"depth": 1},
        {"ridge": 0.0},
        {"ridge": -1.0},
        {"ridge": np.nan},
        {"ranks": [3]},
        {"ranks": [-1]},
        {"ranks": [0.5]},
        {"n_starts": 0},
        {"fit_tol": np.nan},
        {"fit_tol": -0.1},
        {"starts": [np.eye(3)]},
        {"starts": [np.full((2, 2), np.nan)]},
    ],
)
def test_what_is_not_covered_is_refused(settings):
    problem, _ = rf.datasets.two_by_two(0.4)
    with pytest.raises(rf.InputError) as caught:
        theory.minima(problem, **settings)
    assert str(caught.value).endswith(".")


def test_critical_point_refuses_too_low_a_rank():
    problem, _ = rf.datasets.two_by_two(0.4)
    with pytest.raises(rf.InputError, match="rank below 2"):
        theory.critical_point(problem, np.ones((2, 2)), 2)
    assert theory.critical_point(problem, np.ones((2, 2)), 1).kind == "not critical"
