"""Small problems and networks for the tests of the dynamics."""

from __future__ import annotations

import numpy as np

from rankfall.network import Network
from rankfall.problem import Problem


def holed(shape: tuple[int, int], seed: int = 0, observed: float = 0.6, rank: int = 2) -> Problem:
    """A low-rank matrix with holes; the first cell is always there."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    A[rng.random(shape) >= observed] = np.nan
    A[0, 0] = 1.0
    return Problem.from_dense(A)


def gap(one: Network, other: Network) -> float:
    """Largest difference of two networks' weights, relative to the layer."""
    pairs = zip(one.weights, other.weights, strict=True)
    return max(np.abs(V - W).max() / max(np.abs(W).max(), 1e-300) for V, W in pairs)


def same_bits(one: Network, other: Network) -> bool:
    """Whether all weights are equal, bit for bit."""
    pairs = zip(one.weights, other.weights, strict=True)
    return all(V.shape == W.shape and V.tobytes() == W.tobytes() for V, W in pairs)
