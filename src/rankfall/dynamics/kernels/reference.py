"""The literal twin of the kernels: the formulas, line by line, in NumPy and Python integers.

Slow on purpose: no lazy decay, no fused passes, no shared storage. The tests compare every kernel with it.
"""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from ...measurements import Measurements
from ...network import Network
from ...problem import Problem
from ..optimisers import GD, SGD
from .streams import ENTRIES, LABEL_NOISE, stream_key

_LOW = 0xFFFFFFFF


def philox(key: int, chain: int, index: int, purpose: int = ENTRIES) -> tuple[int, int]:
    """Twice 64 bits of Philox4x32-10: draw number `index` of a chain's stream."""
    counter = [index & _LOW, index >> 32, chain & _LOW, purpose]
    words = philox_words(counter, key & _LOW, key >> 32)
    return words[0] | words[1] << 32, words[2] | words[3] << 32


def philox_words(counter: list[int], k0: int, k1: int) -> list[int]:
    """The four output words of Philox4x32-10."""
    c0, c1, c2, c3 = counter
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & _LOW, (p0 >> 32) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + 0x9E3779B9) & _LOW, (k1 + 0xBB67AE85) & _LOW
    return [c0, c1, c2, c3]


def below(key: int, chain: int, index: int, bound: int) -> int:
    """Draw number `index` as an integer in 0..bound-1."""
    return philox(key, chain, index)[0] * bound >> 64


def normal(key: int, chain: int, index: int, purpose: int) -> float:
    """Draw number `index` of a chain's stream of another purpose, by the formula of Box and Muller."""
    first, second = philox(key, chain, index, purpose)
    radius, turn = ((first >> 11) + 0.5) / 2**53, (second >> 11) / 2**53
    return math.sqrt(-2 * math.log(radius)) * math.cos(2 * math.pi * turn)


def vectors(problem: Problem | Measurements, picked: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The vectors u and v of some measurements, unit vectors for entries."""
    if isinstance(problem, Measurements):
        return problem.U[picked], problem.V[picked]
    return np.eye(problem.n_rows)[problem.rows[picked]], np.eye(problem.n_cols)[problem.cols[picked]]


def targets(
    problem: Problem | Measurements, optimiser: SGD, picked: list[int], chain: int, seed: int, step: int
) -> np.ndarray:
    """The observed values of a step's entries, with their label noise."""
    key, size = int(stream_key(seed)), optimiser.batch_size
    noise = [normal(key, chain, step * size + e, LABEL_NOISE) for e in range(len(picked))]
    return problem.values[picked] + optimiser.label_noise * np.array(noise)


def batch(optimiser: SGD, n_entries: int, seed: int, chain: int, step: int) -> list[int]:
    """The entries of one step."""
    if optimiser.entries is not None:
        return optimiser.entries[step].tolist()
    key, size = int(stream_key(seed)), optimiser.batch_size
    if optimiser.sampling == "replacement":
        return [below(key, chain, step * size + e, n_entries) for e in range(size)]
    if optimiser.sampling == "distinct":
        return _floyd(key, chain, step * size, size, n_entries)
    per_epoch = -(-n_entries // size)
    order = _permutation(key, chain, step // per_epoch, n_entries)
    first = step % per_epoch * size
    return order[first : first + size]


def _floyd(key: int, chain: int, index: int, size: int, bound: int) -> list[int]:
    """`size` different integers below `bound`: Floyd's algorithm."""
    picked: list[int] = []
    for k in range(size):
        last = bound - size + k
        value = below(key, chain, index + k, last + 1)
        picked.append(last if value in picked else value)
    return picked


def _permutation(key: int, chain: int, epoch: int, size: int) -> list[int]:
    """Fisher-Yates shuffle of an epoch."""
    order = list(range(size))
    for k in range(size):
        other = k + below(key, chain, epoch * size + k, size - k)
        order[k], order[other] = order[other], order[k]
    return order


def gradients(
    weights: list[np.ndarray], rows: np.ndarray, cols: np.ndarray, values: np.ndarray
) -> list[np.ndarray]:
    """``G_l = P_l^T R Q_l^T`` with ``R = (1/b) sum_k rho_k e_ik e_jk^T`` over some entries.

    See docs/theory.md, section 0.
    """
    A = reduce(lambda right, W: W @ right, weights)
    R = np.zeros_like(A)
    np.add.at(R, (rows, cols), (A[rows, cols] - values) / len(values))
    return gradients_from(weights, R)


def measured_gradients(
    weights: list[np.ndarray], U: np.ndarray, V: np.ndarray, values: np.ndarray
) -> list[np.ndarray]:
    """The same with ``R = (1/b) sum_k rho_k u_k v_k^T``, ``rho_k = u_k^T A v_k - y_k``, over measurements."""
    A = reduce(lambda right, W: W @ right, weights)
    rho = np.einsum("ki,ij,kj->k", U, A, V) - values
    return gradients_from(weights, np.einsum("k,ki,kj->ij", rho, U, V) / len(values))


def gradients_from(weights: list[np.ndarray], R: np.ndarray) -> list[np.ndarray]:
    """``G_l = P_l^T R Q_l^T`` for any residual matrix R."""
    out = []
    for layer in range(len(weights)):
        P = reduce(lambda right, W: W @ right, weights[layer + 1 :], np.eye(weights[layer].shape[0]))
        Q = reduce(lambda right, W: W @ right, weights[:layer], np.eye(weights[0].shape[1]))
        out.append(P.T @ R @ Q.T)
    return out


def train(
    problem: Problem | Measurements, network: Network, optimiser: SGD | GD, chain: int = 0, seed: int = 0
) -> Network:
    """``W_l <- (1 - 2 lr ridge) W_l - lr G_l``, step after step, for one chain.

    With momentum ``V_l <- momentum V_l + G_l + 2 ridge W_l`` and ``W_l <- W_l - lr V_l``, from ``V_l = 0``.

    Returns
    -------
    Network
        The weights after ``optimiser.n_steps`` steps.
    """
    weights = [W.astype(np.float64) for W in network.weights]
    momentum = optimiser.momentum if isinstance(optimiser, SGD) else 0.0
    velocities = [np.zeros_like(W) for W in weights]
    for step in range(optimiser.n_steps):
        if momentum == 0:
            weights = _step(problem, weights, optimiser, chain, seed, step)
            continue
        lr, ridge = _settings(optimiser, step)
        G = _gradients_of_step(problem, weights, optimiser, chain, seed, step)
        state = zip(velocities, G, weights, strict=True)
        velocities = [momentum * V + g + 2 * ridge * W for V, g, W in state]
        weights = [W - lr * V for W, V in zip(weights, velocities, strict=True)]
    return Network(tuple(weights))


def ledger(
    problem: Problem | Measurements, network: Network, optimiser: SGD, chain: int = 0, seed: int = 0
) -> np.ndarray:
    """``log(q + lr |B_l|)`` of every step and hidden layer (Theorem 3(c)), shape (n_steps, L - 1).

    ``|B_l|`` is the mean over the batch of ``|rho| |P_{l+1}^T u| |Q_l v|``, for entries of
    ``|rho_ij| |P_{l+1}^T e_i| |Q_l e_j|``.
    """
    weights = [W.astype(np.float64) for W in network.weights]
    out = np.zeros((optimiser.n_steps, network.depth - 1))
    for step in range(optimiser.n_steps):
        lr, ridge = _settings(optimiser, step)
        picked = batch(optimiser, problem.n_observed, seed, chain, step)
        U, V = vectors(problem, picked)
        A = reduce(lambda right, W: W @ right, weights)
        rho = np.einsum("ki,ij,kj->k", U, A, V) - targets(problem, optimiser, picked, chain, seed, step)
        for l in range(1, network.depth):
            P = reduce(lambda right, W: W @ right, weights[l + 1 :], np.eye(weights[l].shape[0]))
            Q = reduce(lambda right, W: W @ right, weights[: l - 1], np.eye(weights[0].shape[1]))
            norms = np.abs(rho) * np.linalg.norm(U @ P, axis=1) * np.linalg.norm(V @ Q.T, axis=1)
            out[step, l - 1] = np.log(1 - 2 * lr * ridge + lr * norms.mean())
        weights = _step(problem, weights, optimiser, chain, seed, step)
    return out


def displacements(
    problem: Problem, network: Network, optimiser: SGD, chain: int, seed: int, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Displacement from the start after every step, and its running bound, each of shape (n_steps,).

    The bound has two parts. The displacement of the first and the last layer is exact for a single entry; for
    a batch ``|G|^2`` is replaced by its mean over the entries. That of the layers between is at most
    ``q D + (1 - q) |theta_0| + lr |G|`` with D the bound before, and ``|G|^2`` at most its mean. Where the
    bound exceeds `level` it is the displacement itself.
    """
    weights = start = [W.astype(np.float64) for W in network.weights]
    size = np.sqrt(sum(np.sum(W**2) for W in start[1:-1]))
    exact, bounds = np.zeros(optimiser.n_steps), np.zeros(optimiser.n_steps)
    moved, excess = 0.0, 0.0
    for step in range(optimiser.n_steps):
        lr, ridge = _settings(optimiser, step)
        q = 1 - 2 * lr * ridge
        picked = batch(optimiser, problem.n_observed, seed, chain, step)
        values = targets(problem, optimiser, picked, chain, seed, step)
        single = [
            gradients(weights, problem.rows[[e]], problem.cols[[e]], value)
            for e, value in zip(picked, values[:, None], strict=True)
        ]
        mean = [sum(G) / len(picked) for G in zip(*single, strict=True)]
        weights = _step(problem, weights, optimiser, chain, seed, step)
        gaps = [np.sum((W - V) ** 2) for W, V in zip(weights, start, strict=True)]
        exact[step] = np.sqrt(sum(gaps))
        outer = sum(np.sum(G[0] ** 2) + np.sum(G[-1] ** 2) for G in single) / len(picked)
        excess = q**2 * excess + lr**2 * (outer - np.sum(mean[0] ** 2) - np.sum(mean[-1] ** 2))
        between = sum(np.sum(g**2) for G in single for g in G[1:-1]) / len(picked)
        moved = q * moved + (1 - q) * size + lr * np.sqrt(between)
        bounds[step] = np.sqrt(gaps[0] + gaps[-1] + excess + moved**2)
        if bounds[step] > level:
            bounds[step], moved, excess = exact[step], np.sqrt(sum(gaps[1:-1])), 0.0
    return exact, bounds


def _step(
    problem: Problem | Measurements,
    weights: list[np.ndarray],
    optimiser: SGD | GD,
    chain: int,
    seed: int,
    step: int,
) -> list[np.ndarray]:
    lr, ridge = _settings(optimiser, step)
    G = _gradients_of_step(problem, weights, optimiser, chain, seed, step)
    return [(1 - 2 * lr * ridge) * W - lr * g for W, g in zip(weights, G, strict=True)]


def _gradients_of_step(
    problem: Problem | Measurements,
    weights: list[np.ndarray],
    optimiser: SGD | GD,
    chain: int,
    seed: int,
    step: int,
) -> list[np.ndarray]:
    if isinstance(optimiser, GD):
        picked, values = list(range(problem.n_observed)), problem.values
    else:
        picked = batch(optimiser, problem.n_observed, seed, chain, step)
        values = targets(problem, optimiser, picked, chain, seed, step)
    if isinstance(problem, Measurements):
        return measured_gradients(weights, problem.U[picked], problem.V[picked], values)
    return gradients(weights, problem.rows[picked], problem.cols[picked], values)


def _settings(optimiser: SGD | GD, step: int) -> tuple[float, float]:
    return float(optimiser.lr.values(step, step + 1)[0]), float(optimiser.ridge.values(step, step + 1)[0])
