"""Networks without biases on scikit-learn's digits, in NumPy: starts, gradients and factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ....memory import FactorMemory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# rows that are collected before one large product; the choice does not change the result beyond rounding
_ROWS = 256


def digits(n: int, seed: int) -> tuple[Array, Array]:
    """Some of scikit-learn's digits, pixels from 0 to 1, and one-hot labels."""
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    chosen = np.random.default_rng(seed).permutation(len(data.data))[:n]
    return data.data[chosen] / 16, np.eye(10)[data.target[chosen]]


def he_start(hidden: Sequence[int], rng: np.random.Generator) -> list[Array]:
    """Gaussian weights of variance ``2 / inputs``, from 64 pixels through hidden layers to ten outputs."""
    widths = [64, *hidden, 10]
    return [rng.standard_normal((up, low)) * math.sqrt(2 / low) for low, up in pairwise(widths)]


def outputs(weights: list[Array], X: Array, smooth: bool = False) -> Array:
    """The network's outputs, shape (b, 10); the activation is ReLU, or tanh if it is to be smooth."""
    for W in weights[:-1]:
        X = np.tanh(X @ W.T) if smooth else np.maximum(X @ W.T, 0)
    return X @ weights[-1].T


def signals(weights: list[Array], X: Array, Y: Array, smooth: bool = False) -> list[tuple[Array, Array]]:
    """Backward signals and features of every layer for the squared loss ``|f(x) - y|^2 / 2`` of each sample.

    The gradient of the mean loss of the b samples is ``deltas.T @ features / b``, that of one sample a
    product of two vectors.

    Returns
    -------
    list of (deltas, features)
        Shapes (b, outputs) and (b, inputs) of each layer.
    """
    features = [X]
    for W in weights[:-1]:
        before = features[-1] @ W.T
        features.append(np.tanh(before) if smooth else np.maximum(before, 0))
    delta = features[-1] @ weights[-1].T - Y
    out = [(delta, features[-1])]
    for l in range(len(weights) - 1, 0, -1):
        slope = 1 - features[l] ** 2 if smooth else features[l] > 0
        delta = (delta @ weights[l]) * slope
        out.append((delta, features[l - 1]))
    return out[::-1]


def count_above(values: NDArray[np.floating[Any]], tolerance: float) -> int:
    """How many of the numbers exceed the tolerance."""
    return int(np.count_nonzero(values > tolerance))


def violation(values: Array, bounds: Array) -> float:
    """Largest singular value relative to its bound; numbers below 1e-12 of the largest are rounding."""
    seen = values > 1e-12 * max(float(values[0]), np.finfo(float).tiny)
    with np.errstate(divide="ignore"):
        return float(np.max(values[seen] / bounds[: values.size][seen], initial=0.0))


class CollectedFactors:
    """The factors of Theorem S1 for plain SGD at constant settings, added up for many steps at once.

    After K steps ``M <- |a|^K M + lr/b sum_s |a|^(K-1-s) sum_k delta delta^T``: one step of
    :class:`~rankfall.memory.FactorMemory` with a factor ``|a|^K`` and signals that are scaled.
    """

    def __init__(self, W: Array, a: float, lr: float) -> None:
        self.memory = FactorMemory((W.shape[0], W.shape[1]))
        self.start = np.linalg.svd(W, compute_uv=False)
        self.a, self.lr = a, lr
        self._steps: list[tuple[Array, Array]] = []

    def collect(self, deltas: Array, features: Array) -> None:
        """The signals of one step."""
        self._steps.append((deltas, features))
        if len(self._steps) * len(deltas) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        K = len(self._steps)
        if not K:
            return
        counts = [len(deltas) for deltas, _ in self._steps]
        roots = np.repeat(abs(self.a) ** ((K - 1 - np.arange(K)) / 2), counts)[:, None]
        deltas, features = (np.concatenate([step[side] for step in self._steps]) * roots for side in (0, 1))
        self.memory.advance(abs(self.a) ** K, self.lr * K, deltas, features)
        self._steps.clear()

    def bound(self) -> Array:
        """Upper bounds of the singular values now."""
        self._flush()
        return self.memory.bound(self.start)
