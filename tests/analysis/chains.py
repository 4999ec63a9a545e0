"""Small Markov chains with exact answers, for the tests of splitting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import rankfall as rf
from rankfall.analysis.multilevel_splitting import States


def uniforms(seed: int, streams: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Uniform numbers, functions of (seed, stream, time): splitmix64, applied once for each of the three."""
    with np.errstate(over="ignore"):
        z = np.full(streams.shape, np.uint64(seed))
        for part in (streams, times):
            z = (z ^ part.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53


@dataclass
class FiniteChain:
    """States 0..S-1 from state 0; the event is the last one, `traps` are stops.

    `odds[i, j]` is the probability of a move from i to j, `scores` any number for each state.
    """

    odds: np.ndarray
    scores: np.ndarray
    traps: tuple[int, ...] = ()
    seed: int = 0

    @property
    def target(self) -> int:
        return self.scores.size - 1

    def begin(self, streams: np.ndarray) -> States:
        return (np.zeros(streams.size, np.int64),)

    def advance(self, states: States, times: np.ndarray, streams: np.ndarray) -> States:
        u = uniforms(self.seed, streams, times)
        edges = np.cumsum(self.odds, axis=1)[states[0]]
        return (np.minimum(np.sum(u[:, None] >= edges, axis=1), self.target),)

    def look(self, states: States) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.scores[states[0]], states[0] == self.target, np.isin(states[0], self.traps)

    def exact(self, horizon: int) -> float:
        """Probability of the event within the horizon, by linear algebra."""
        odds = self.odds.copy()
        for end in (self.target, *self.traps):
            odds[end] = 0
            odds[end, end] = 1
        return float(np.linalg.matrix_power(odds, horizon)[0, self.target])


def ladder(size: int = 6, up: float = 0.25) -> FiniteChain:
    """A walk on 0..size with drift to 0; the score is the height."""
    odds = np.zeros((size + 1, size + 1))
    for k in range(size + 1):
        odds[k, min(k + 1, size)] += up
        odds[k, max(k - 1, 0)] += 1 - up
    return FiniteChain(odds, np.arange(size + 1.0))


def enumerated(
    problem: rf.Problem, network: rf.Network, lr: float, ridge: float, n_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """All N^n_steps paths of SGD with one entry per step, in NumPy.

    Returns
    -------
    lowest : ndarray, shape (N^n_steps, n_steps)
        The smallest ``s_2 / s_1`` of A along each path, up to each step.
    digits : ndarray of int, shape (N^n_steps, n_steps)
        The entries of each path.
    """
    n = problem.n_observed
    weights = [W[None] for W in network.weights]
    lowest, digits = np.zeros((1, 0)), np.zeros((1, 0), np.int64)
    for _ in range(n_steps):
        weights = [np.repeat(W, n, axis=0) for W in weights]
        entry = np.tile(np.arange(n), weights[0].shape[0] // n)
        weights = _step(problem, weights, entry, lr, ridge)
        A = weights[0]
        for W in weights[1:]:
            A = W @ A
        s = np.linalg.svd(A, compute_uv=False)
        lowest = np.column_stack([np.repeat(lowest, n, axis=0), s[:, 1] / s[:, 0]])
        digits = np.column_stack([np.repeat(digits, n, axis=0), entry])
    return np.minimum.accumulate(lowest, axis=1), digits


def _step(
    problem: rf.Problem, weights: list[np.ndarray], entry: np.ndarray, lr: float, ridge: float
) -> list[np.ndarray]:
    """``W_l <- (1 - 2 lr ridge) W_l - lr rho (P_l^T e_i) (Q_l e_j)^T`` for each member of a batch."""
    i, j = problem.rows[entry], problem.cols[entry]
    c = np.arange(entry.size)
    below = [np.broadcast_to(np.eye(problem.shape[1]), (entry.size, *[problem.shape[1]] * 2))]
    for W in weights[:-1]:
        below.append(W @ below[-1])
    above = [np.broadcast_to(np.eye(problem.shape[0]), (entry.size, *[problem.shape[0]] * 2))]
    for W in weights[:0:-1]:
        above.append(above[-1] @ W)
    above.reverse()
    rho = (weights[-1] @ below[-1])[c, i, j] - problem.values[entry]
    q = 1 - 2 * lr * ridge
    return [
        q * W - lr * rho[:, None, None] * P[c, i][:, :, None] * Q[c, :, j][:, None, :]
        for W, P, Q in zip(weights, above, below, strict=True)
    ]
