"""Networks on digits: gradients against differences, factors collected against those of every step."""

from __future__ import annotations

import numpy as np
import pytest

from rankfall.lab.studies.common.digits_network import (
    CollectedFactors,
    count_above,
    digits,
    he_start,
    outputs,
    signals,
    violation,
)
from rankfall.memory import FactorMemory


def loss(weights: list[np.ndarray], X: np.ndarray, Y: np.ndarray, smooth: bool) -> float:
    return float(np.sum((outputs(weights, X, smooth) - Y) ** 2) / (2 * len(X)))


def test_digits():
    X, Y = digits(50, seed=1)
    assert X.shape == (50, 64) and X.max() == 1 and np.all(Y.sum(axis=1) == 1)
    assert len(digits(1797, seed=0)[0]) == 1797


@pytest.mark.parametrize("smooth", [False, True])
def test_signals_are_the_gradient(smooth: bool):
    X, Y = digits(5, seed=0)
    rng = np.random.default_rng(0)
    weights = he_start([7, 6], rng)
    for l, (deltas, features) in enumerate(signals(weights, X, Y, smooth)):
        direction = rng.standard_normal(weights[l].shape)
        values = []
        for sign in (1, -1):
            moved = list(weights)
            moved[l] = weights[l] + sign * 1e-6 * direction
            values.append(loss(moved, X, Y, smooth))
        slope = float(np.vdot(deltas.T @ features / len(X), direction))
        # central differences: 1e-12 by truncation, 1e-10 by rounding
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_collected_factors():
    rng = np.random.default_rng(1)
    W = rng.standard_normal((6, 9))
    a, lr = 0.98, 0.1
    plain, collected = FactorMemory((6, 9)), CollectedFactors(W, a, lr)
    # 200 batches of three: more than are collected at once, and some left over
    for _ in range(200):
        deltas, features = rng.standard_normal((3, 6)), rng.standard_normal((3, 9))
        plain.advance(a, lr, deltas, features)
        collected.collect(deltas, features)
    expected = plain.bound(np.linalg.svd(W, compute_uv=False))
    np.testing.assert_allclose(collected.bound(), expected, rtol=1e-10)
    np.testing.assert_allclose(collected.bound(), expected, rtol=1e-10)


def test_counts_and_violations():
    values = np.array([2.0, 1.0, 1e-16])
    assert count_above(values, 1.0) == 1
    assert violation(values, np.array([4.0, 2.0, 0.0])) == 0.5
    assert violation(values, np.array([4.0, 0.0, 0.0])) == np.inf
    assert violation(np.zeros(2), np.zeros(2)) == 0
