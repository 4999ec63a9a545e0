"""An MLP on scikit-learn's digits in plain NumPy, trained by SGD with its log and its factors."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sklearn.datasets import load_digits

from rankfall.memory import FactorMemory

WIDTHS = (64, 48, 48, 10)


@dataclass
class Run:
    """A trained network: weights, factors, singular values at the start, spectral norms of the last steps."""

    weights: list[np.ndarray]
    factors: list[FactorMemory]
    start: list[np.ndarray]
    last_norms: np.ndarray
    a: float


def train(lr: float, weight_decay: float, batch_size: int, n_steps: int, seed: int = 0, log: int = 0) -> Run:
    """He start, squared loss on one-hot labels, samples with replacement (docs/memory.md)."""
    digits = load_digits()
    X, Y = digits.data / 16, np.eye(10)[digits.target]
    rng = np.random.default_rng(seed)
    W = [rng.standard_normal((m, n)) * np.sqrt(2 / n) for n, m in pairwise(WIDTHS)]
    factors = [FactorMemory(w.shape) for w in W]
    start = [np.linalg.svd(w, compute_uv=False) for w in W]
    a, norms = 1 - lr * weight_decay, []
    for step in range(n_steps + 1):
        if step >= n_steps - log:
            norms.append([np.linalg.norm(w, 2) for w in W])
        if step == n_steps:
            break
        k = rng.integers(len(X), size=batch_size)
        h = [X[k]]
        for w in W[:-1]:
            h.append(np.maximum(h[-1] @ w.T, 0))
        delta = h[-1] @ W[-1].T - Y[k]
        for l in (2, 1, 0):
            before = (delta @ W[l]) * (h[l] > 0)
            W[l] = a * W[l] - lr / batch_size * delta.T @ h[l]
            factors[l].advance(a, lr, delta, h[l])
            delta = before
    return Run(W, factors, start, np.array(norms), a)
