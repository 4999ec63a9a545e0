"""Shared by the tests of the landscape: the fixture of section 6.5, and the 2 x 2 family without a ridge."""

from __future__ import annotations

import numpy as np

import rankfall as rf

S_STAR = np.array([4.0, 3.0, 2.0, 1.0, 0.5])
RIDGE = 0.02


def five_by_five(seed: int = 0) -> np.ndarray:
    """The fully observed matrix of section 6.5, with random singular vectors."""
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((5, 5)))[0] for _ in range(2))
    return (U * S_STAR) @ V.T


def numerical_hessian(problem: rf.Problem, network: rf.Network, ridge: float, h: float = 1e-5) -> np.ndarray:
    """Hessian of the regularised loss in all weights, by central differences of the gradient."""
    shapes = [W.shape for W in network.weights]
    ends = np.cumsum([W.size for W in network.weights])[:-1]
    theta = np.concatenate([W.ravel() for W in network.weights])

    def gradient(theta: np.ndarray) -> np.ndarray:
        layers = [part.reshape(shape) for part, shape in zip(np.split(theta, ends), shapes, strict=True)]
        parts = rf.theory.weight_gradient(problem, rf.Network(tuple(layers)), ridge)
        return np.concatenate([G.ravel() for G in parts])

    steps = h * np.eye(theta.size)
    H = np.array([(gradient(theta + e) - gradient(theta - e)) / (2 * h) for e in steps])
    return (H + H.T) / 2


def limit_cost(x: np.ndarray, e: float, depth: int) -> np.ndarray:
    """``sum_i s_i^(2/L)`` of ``[[1, e], [x, 1]]``, from trace and determinant."""
    square, det = 2 + e**2 + x**2, np.abs(1 - e * x)
    large = (np.sqrt(square + 2 * det) + np.sqrt(np.maximum(square - 2 * det, 0))) / 2
    return large ** (2 / depth) + (det / large) ** (2 / depth)


def limit_window(depth: int) -> tuple[float, float]:
    """Section 9 by a scan over the missing entry: (rank two exists up to, rank one cheaper from).

    A rank-two local minimum is one of :func:`limit_cost` away from the cusp at ``x = 1/e``, where the rank is
    1.
    """

    def rank_two(e: float) -> np.ndarray:
        x = np.linspace(-0.5, 0.99 / e, 8001)
        cost = limit_cost(x, e, depth)
        return cost[1:-1][(cost[1:-1] < cost[:-2]) & (cost[1:-1] < cost[2:])]

    exists = bisect(lambda e: bool(rank_two(e).size), 0.02, 0.9, 1e-5)
    cheaper = bisect(
        lambda e: bool(rank_two(e).min() < (e + 1 / e) ** (2 / depth)), 0.02, exists - 1e-3, 1e-5
    )
    return exists, cheaper


def bisect(holds, low: float, high: float, tol: float) -> float:
    """Where a statement that holds at `low` and not at `high` ends to hold."""
    while high - low > tol:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return (low + high) / 2
