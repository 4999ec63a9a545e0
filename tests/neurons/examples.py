"""Networks whose minima are known."""

from __future__ import annotations

import numpy as np

from rankfall.neurons import HomogeneousNetwork


def bipartite(size: int, ridge: float) -> tuple[HomogeneousNetwork, np.ndarray, np.ndarray]:
    """Section 3.3: a global minimum with ``size^2 / 4`` neurons, the fewest of all; X and targets."""
    half = size // 2
    edges = [(i, j) for i in range(half) for j in range(half, size)]
    W = np.zeros((len(edges), size))
    for row, edge in enumerate(edges):
        W[row, edge] = 1
    K = W.T @ W
    values, vectors = np.linalg.eigh(K)
    P = vectors[:, values > 1e-9] @ vectors[:, values > 1e-9].T
    return HomogeneousNetwork((W, W.T)), np.eye(size), K + 2 * ridge * size * P


def split(network: HomogeneousNetwork, seed: int) -> HomogeneousNetwork:
    """Every hidden neuron as two of its direction, with random shares; the same outputs and norm."""
    share = np.random.default_rng(seed).uniform(0.1, 0.9, network.widths[1])
    roots = np.sqrt(np.concatenate([share, 1 - share]))
    W, V = network.weights
    return HomogeneousNetwork(
        (np.vstack([W, W]) * roots[:, None], np.hstack([V, V]) * roots), None, network.activation
    )
