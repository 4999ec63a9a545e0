"""The identities and lemmas under Theorem 1, at random networks and steps."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import rankfall as rf

EPS = np.finfo(float).eps


def product(layers: list[np.ndarray], width: int) -> np.ndarray:
    """``... W_2 W_1`` of the layers given from the bottom up; the identity of an empty list."""
    return reduce(lambda below, W: W @ below, layers, np.eye(width))


def data_gradients(weights: list[np.ndarray], R: np.ndarray) -> list[np.ndarray]:
    """``G_l = P_l^T R Q_l^T``."""
    return [
        product(weights[k + 1 :], W.shape[0]).T @ R @ product(weights[:k], weights[0].shape[1]).T
        for k, W in enumerate(weights)
    ]


@st.composite
def steps(draw: st.DrawFn) -> tuple[list[np.ndarray], np.ndarray, float, float]:
    widths = draw(st.lists(st.integers(1, 6), min_size=3, max_size=6))
    weights = list(
        rf.Network.gaussian(widths, scale=draw(st.sampled_from([0.3, 1.0])), seed=draw(st.integers(0, 10**6)))
    )
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    R = rng.standard_normal((widths[-1], widths[0]))
    return weights, R, draw(st.sampled_from([1e-3, 0.1, 0.7])), draw(st.sampled_from([1e-3, 0.2]))


@given(steps())
def test_I1_balance(case):
    """``D_l' = q^2 D_l + lr^2 (G_l^T G_l - G_{l-1} G_{l-1}^T)``, and the second form with the full
    gradient.
    """
    weights, R, lr, ridge = case
    q = 1 - 2 * lr * ridge
    G = data_gradients(weights, R)
    after = [q * W - lr * g for W, g in zip(weights, G, strict=True)]
    full = [g + 2 * ridge * W for W, g in zip(weights, G, strict=True)]
    size = max(np.linalg.norm(W) for W in [*weights, *after, *full]) ** 2
    for k in range(1, len(weights)):
        D, Dn = (W[k].T @ W[k] - W[k - 1] @ W[k - 1].T for W in (weights, after))
        first = q**2 * D + lr**2 * (G[k].T @ G[k] - G[k - 1] @ G[k - 1].T)
        second = (1 - 4 * lr * ridge) * D + lr**2 * (full[k].T @ full[k] - full[k - 1] @ full[k - 1].T)
        assert np.abs(Dn - first).max() <= 100 * EPS * size
        assert np.abs(Dn - second).max() <= 100 * EPS * size


@given(steps())
def test_I2_hidden_spaces_move_by_a_factor_on_the_right(case):
    """``Z_l' = Z_l K_l``: the rank of Z_l cannot rise, whatever the step."""
    weights, R, lr, ridge = case
    q = 1 - 2 * lr * ridge
    G = data_gradients(weights, R)
    after = [q * W - lr * g for W, g in zip(weights, G, strict=True)]
    for k in range(len(weights) - 1):
        B = (
            product(weights[k + 2 :], weights[k + 1].shape[0]).T
            @ R
            @ product(weights[:k], weights[0].shape[1]).T
        )
        lower, upper = B.shape[1], B.shape[0]
        K = q * np.eye(lower + upper) - lr * np.block(
            [[np.zeros((lower, lower)), B.T], [B, np.zeros((upper, upper))]]
        )
        Z, Zn = (np.hstack([W[k], W[k + 1].T]) for W in (weights, after))
        assert np.abs(Zn - Z @ K).max() <= 100 * EPS * (np.abs(Z).max() * np.linalg.norm(K) + 1)


def tail_gain(weights: list[np.ndarray], rank: int) -> tuple[float, float]:
    """``|P_1 U_2|`` and ``sigma_{r+1}(W_1)``, U_2 the left singular vectors beyond the first r."""
    U, s, _ = np.linalg.svd(weights[0])
    above = product(weights[1:], weights[0].shape[0])
    return float(np.linalg.norm(above @ U[:, rank:], 2)), float(s[rank])


@settings(max_examples=300)
@given(st.data())
def test_lemma_3(data):
    """``|P_1 U_2| <= a_L``, at balanced networks, disturbed ones, and arbitrary ones."""
    depth = data.draw(st.integers(2, 6))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    width = int(rng.integers(2, 6))
    rank = int(rng.integers(0, width))
    A = rng.standard_normal((width, width))
    noise = data.draw(st.sampled_from([0.0, 1e-4, 1e-2, 1.0]))
    weights = [W + noise * rng.standard_normal(W.shape) for W in rf.Network.lift(A, depth=depth)]
    gain, delta = tail_gain(weights, rank)
    assume(delta > 1e-8)
    eps = float(rf.measures.imbalance(rf.Network(tuple(weights))).max())
    omega = max(float(np.linalg.norm(W, 2)) for W in weights)
    bound = float(rf.theory.a_bound(depth, delta, eps, omega))
    assert gain <= bound * (1 + 1e-12)
    assert np.linalg.svd(product(weights, width), compute_uv=False)[rank] <= bound * delta * (1 + 1e-12)


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_lemma_3_is_tight_at_balanced_networks(depth):
    weights = list(rf.Network.lift(np.diag([2.0, 0.7, 0.4]), depth=depth))
    gain, delta = tail_gain(weights, 1)
    assert gain == pytest.approx(float(rf.theory.a_bound(depth, delta, 0.0, 2.0)), rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3])
def test_lemma_3_is_tight_where_layers_grow(depth):
    delta, eps = 0.3, 0.05
    sizes = np.sqrt(delta**2 + eps * np.arange(depth))
    weights = [np.diag([1.0, size]) for size in sizes]
    gain, tail = tail_gain(weights, 1)
    assert tail == pytest.approx(delta)
    assert gain == pytest.approx(float(rf.theory.a_bound(depth, delta, eps, 1.0)), rel=1e-12)
