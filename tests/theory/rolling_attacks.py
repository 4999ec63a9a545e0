"""Steps of SGD from given networks, literally: every batch of a kind, and every sequence of samples."""

from __future__ import annotations

from itertools import combinations, pairwise
from itertools import product as cartesian

import numpy as np

import rankfall as rf

Layers = list[np.ndarray]


def all_batches(n_cells: int, size: int, sampling: str) -> np.ndarray:
    """Every equally likely batch, as positions of cells, shape (K, size)."""
    if sampling == "distinct":
        return np.array(list(combinations(range(n_cells), size)))
    return np.array(list(cartesian(range(n_cells), repeat=size)))


def step(weights: Layers, problem: rf.Problem, batches: np.ndarray, lr: float, ridge: float) -> Layers:
    """The networks after each batch; every layer with a leading axis of batches."""
    A = weights[0]
    for W in weights[1:]:
        A = W @ A
    residual = A[problem.rows, problem.cols] - problem.values
    R = np.zeros((len(batches), *problem.shape))
    for k, batch in enumerate(batches):
        np.add.at(R[k], (problem.rows[batch], problem.cols[batch]), residual[batch] / len(batch))
    out = []
    for l in range(len(weights)):
        left, right = np.eye(problem.n_rows), np.eye(problem.n_cols)
        for W in weights[:l:-1]:
            left = left @ W
        for W in weights[:l]:
            right = W @ right
        out.append((1 - 2 * lr * ridge) * weights[l] - lr * left.T @ R @ right.T)
    return out


def tails(weights: Layers, rank: int) -> np.ndarray:
    """``Phi_l`` of every hidden layer, shape (..., L - 1)."""
    out = []
    for W, V in pairwise(weights):
        s = np.linalg.svd(np.concatenate([W, np.swapaxes(V, -1, -2)], axis=-1), compute_uv=False)
        out.append(np.sum(s[..., rank:] ** 2, axis=-1))
    return np.stack(out, axis=-1)


def displaced(weights: Layers, direction: np.ndarray, radius: float) -> Layers:
    """The weights moved by `radius` along a direction in the space of all of them."""
    moved = direction * (radius / np.linalg.norm(direction))
    ends = np.cumsum([W.size for W in weights])[:-1]
    parts = zip(weights, np.split(moved, ends), strict=True)
    return [W + part.reshape(W.shape) for W, part in parts]


def displacement(one: Layers, other: Layers) -> float:
    """Frobenius norm of the difference over all layers."""
    return float(np.sqrt(sum(np.sum((W - V) ** 2) for W, V in zip(one, other, strict=True))))


def bad_probability(
    problem: rf.Problem,
    weights: Layers,
    *,
    lr: float,
    ridge: float,
    layer: int,
    rank: int,
    radius: float,
    n_steps: int,
    threshold: float,
) -> float:
    """Probability that ``Phi_l >= threshold`` at a step up to the exit from the ball, the exit included.

    By the tree of all samples of single cells.
    """
    n = problem.n_observed
    batches = all_batches(n, 1, "replacement")
    alive, bad = [(weights, 1.0)], 0.0
    for _ in range(n_steps):
        grown = []
        for inside, mass in alive:
            after = step(inside, problem, batches, lr, ridge)
            reached = tails(after, rank)[:, layer - 1] >= threshold
            bad += mass * np.count_nonzero(reached) / n
            for k in np.flatnonzero(~reached):
                child = [W[k] for W in after]
                if displacement(child, weights) <= radius:
                    grown.append((child, mass / n))
        alive = grown
    return bad
