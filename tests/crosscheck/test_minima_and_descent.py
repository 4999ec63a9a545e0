"""Minima of the theory are where the dynamics stay: gradient descent returns to them from nearby."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall import theory


def disturbed(point: theory.Minimum, width: int, seed: int) -> rf.Network:
    """Weights with room to spare, moved by 1%, or until the next singular value is half the basin's radius.

    The radius is about ``s_{k+1}`` of the product (section 4b(ii)).
    """
    network = point.network(width)
    rng = np.random.default_rng(seed)
    noise = [rng.standard_normal(W.shape) for W in network.weights]
    size = max(np.sqrt(float(rf.measures.squared_norm(network))), 1e-2)
    distance = 0.01 * size / np.sqrt(sum(np.sum(N**2) for N in noise))
    while True:
        moved = rf.Network(tuple(W + distance * N for W, N in zip(network.weights, noise, strict=True)))
        if point.rank >= width or moved.singular_values()[point.rank] <= point.basin_radius / 2:
            return moved
        distance /= 2


def check_returns(shape, depth, ridge, lr, n_steps, ranks, noise=0.2, seed=6):
    problem, _ = rf.datasets.low_rank(shape, rank=2, observed=0.7, noise=noise, seed=seed)
    found = theory.minima(problem, depth, ridge, ranks, n_starts=10)
    width = min(shape)
    points = [point for point in found if point.is_minimum]
    assert len(points) >= 2
    for point in points:
        assert point.kind == "minimum"
        assert point.gradient_norm < 1e-9
        start = disturbed(point, width, seed=point.rank)
        scale = max(np.linalg.norm(point.matrix()), 1e-3)
        before = np.linalg.norm(start.product() - point.matrix())
        trace = rf.train(problem, start, rf.GD(lr=lr, ridge=ridge, n_steps=n_steps))
        end = trace.final(0)
        after = np.linalg.norm(end.product() - point.matrix())
        assert after < max(1e-2 * before, 1e-9 * scale), (point.rank, before, after)
        loss = float(rf.measures.regularised_loss(problem, end, ridge=ridge))
        assert loss == pytest.approx(point.loss, rel=1e-6)


@pytest.mark.parametrize("depth", [3, 4])
def test_gradient_descent_returns(depth):
    check_returns((8, 6), depth, ridge=1e-2, lr=0.2, n_steps=20_000, ranks=range(4))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "depth", "ridge", "n_steps"),
    [
        ((5, 5), 3, 1e-2, 40_000),
        ((5, 5), 4, 1e-2, 40_000),
        ((12, 9), 3, 3e-3, 60_000),
        ((12, 9), 4, 3e-3, 60_000),
        ((15, 15), 3, 1e-3, 100_000),
        ((15, 15), 4, 1e-3, 100_000),
        ((30, 30), 3, 1e-3, 60_000),
    ],
)
def test_gradient_descent_returns_at_other_sizes(shape, depth, ridge, n_steps):
    check_returns(shape, depth, ridge, lr=0.2, n_steps=n_steps, ranks=range(5))


def test_gradient_descent_leaves_a_saddle():
    """The contrast: the second singular pair alone, moved by as little, ends in the first."""
    X = np.diag([4.0, 3.0, 2.0, 1.0, 0.5])
    problem = rf.Problem.from_dense(X)
    A = np.zeros((5, 5))
    A[1, 1] = theory.s_plus(3.0, 0.02, 25, 3)
    point = theory.critical_point(problem, A, 1, 3, 0.02)
    assert point.kind == "saddle"
    trace = rf.train(problem, disturbed(point, 5, 0), rf.GD(lr=0.2, ridge=0.02, n_steps=20_000))
    best = theory.minima(problem, 3, 0.02, [1]).lowest
    np.testing.assert_allclose(trace.final(0).product(), best.matrix(), atol=1e-6)


def test_gradient_descent_falls_where_theory_finds_no_minimum():
    """Rank 4 of section 6.5 has no stationary point: from balanced weights of rank 4 the rank falls to 3."""
    X = np.diag([4.0, 3.0, 2.0, 1.0, 0.5])
    problem = rf.Problem.from_dense(X)
    assert not theory.minima(problem, 3, 0.02, [4]).points
    start = rf.Network.lift(np.diag([4.0, 3.0, 2.0, 1.0, 0.0]), depth=3)
    end = rf.train(problem, start, rf.GD(lr=0.2, ridge=0.02, n_steps=20_000)).final(0)
    np.testing.assert_allclose(end.product(), theory.minima(problem, 3, 0.02, [3]).lowest.matrix(), atol=1e-9)
