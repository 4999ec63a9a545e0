"""Attempts to leave B_r in one step: hill-climbing over its points, over the batches and over the data.

Only the definition of B_r is the package's; steps are taken here, literally and for whole populations.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as cartesian

import numpy as np

import rankfall as rf
from rankfall.theory import AbsorbingSet

Layers = tuple[np.ndarray, ...]  # every layer with a leading axis: a population of networks


@dataclass(frozen=True)
class Batches:
    """K batches: how much each cell counts, and what is observed there; both (K, m, n)."""

    weight: np.ndarray
    target: np.ndarray


def single_entries(shape: tuple[int, int], bound: float) -> Batches:
    """Every cell alone, with A* = -a, 0 and a there."""
    m, n = shape
    cells = np.eye(m * n).reshape(-1, m, n)
    pairs = list(cartesian(cells, (-bound, 0.0, bound)))
    return Batches(np.stack([E for E, _ in pairs]), np.stack([np.full(shape, value) for _, value in pairs]))


def drawn(
    shape: tuple[int, int], bound: float, size: int, sampling: str, count: int, rng: np.random.Generator
) -> Batches:
    """Random batches of `size` cells against random matrices of entries -a, 0 and a."""
    m, n = shape
    weight = np.zeros((count, m * n))
    for batch in weight:
        np.add.at(batch, rng.choice(m * n, size, replace=sampling == "replacement"), 1 / size)
    return Batches(weight.reshape(-1, m, n), bound * rng.integers(-1, 2, (count, m, n)))


def step(layers: Layers, lr: float, ridge: float, batches: Batches) -> Layers:
    """The networks after each batch, from each network: leading axis P K."""
    A = rf.Network(layers).product()
    R = batches.weight * (A[:, None] - batches.target)
    depth = len(layers)
    out = []
    for index, W in enumerate(layers):
        above = np.eye(layers[-1].shape[-2])
        for V in layers[depth - 1 : index : -1]:
            above = above @ V
        below = np.eye(layers[0].shape[-1])
        for V in layers[:index]:
            below = V @ below
        P = np.broadcast_to(above, (len(W), *above.shape[-2:]))[:, None]
        Q = np.broadcast_to(below, (len(W), *below.shape[-2:]))[:, None]
        G = np.swapaxes(P, -1, -2) @ R @ np.swapaxes(Q, -1, -2)
        out.append(((1 - 2 * lr * ridge) * W[:, None] - lr * G).reshape(-1, *W.shape[-2:]))
    return tuple(out)


def ratios(inside: AbsorbingSet, layers: Layers) -> dict[str, np.ndarray]:
    """Largest level over limit of (C), (V) and (T), one number per network."""
    levels, limits = inside.levels(rf.Network(layers)), inside.limits
    return {name: np.reshape(levels[name], (len(layers[0]), -1)).max(1) / limits[name] for name in limits}


def onto_boundary(inside: AbsorbingSet, layers: Layers) -> Layers:
    """Scale every network to the largest multiple that lies in B_r."""
    k, found = inside.constants, ratios(inside, layers)
    energy = k.beta * np.sum(np.square(layers[0]), axis=(-2, -1))
    tail = found["T"] * k.delta - energy
    # t tail + t^2 energy = delta, in the form without cancellation
    t = np.minimum(
        2 * k.delta / (tail + np.sqrt(tail**2 + 4 * energy * k.delta)),
        1 / np.sqrt(np.maximum(found["C"], found["V"])),
    )
    return tuple((t * (1 - 1e-13))[:, None, None] * W for W in layers)


def aligned(widths: tuple[int, ...], sizes: np.ndarray) -> Layers:
    """One network whose layers carry the coordinates k with singular values sizes[l, k]."""
    layers = [np.zeros((1, up, low)) for low, up in zip(widths, widths[1:], strict=False)]
    for W, row in zip(layers, sizes, strict=True):
        for k, size in enumerate(row):
            W[0, k, k] = size
    return tuple(layers)


def start(inside: AbsorbingSet, widths: tuple[int, ...], goal: str) -> Layers:
    """A network near the boundary where the bound on `goal` is most in danger."""
    k, r = inside.constants, inside.rank
    depth, room = k.depth, min(widths)
    if goal == "C" and r == 0:
        sizes = np.full((depth, room), np.sqrt(k.C / room))
    elif goal == "T" or r == 0:
        # the tail in the first coordinate, where the layers above grow as fast as (V) allows; the r others
        # as small as they may be if the tail is still to come after them when they have shrunk by q
        energy = k.beta * (1 + r / k.q**2)
        first = 2 * k.delta / (1 + np.sqrt(1 + 4 * energy * k.delta))
        other = (1 + 1e-9) * first / k.q
        sizes = np.full((depth, 1 + r), other)
        sizes[0, 0] = first
        for layer in range(1, depth):
            square = (sizes[layer - 1, 0] ** 2 + k.eps - k.kappa * r * other**2) / (1 + k.kappa)
            sizes[layer, 0] = np.sqrt(min(square, k.C - r * other**2))
    else:
        sizes = np.full((depth, 1), np.sqrt(k.C))
        if goal == "V":
            sizes[0] = np.sqrt(k.C - (k.eps - k.kappa * k.C))
    return onto_boundary(inside, aligned(widths, sizes))


def proposals(layers: Layers, size: float, count: int, rng: np.random.Generator) -> Layers:
    """Perturbed copies of one network: of all weights, of some, or of whole layers."""
    out = []
    for W in layers:
        spread = size * np.linalg.norm(W) / np.sqrt(W.size)
        noise = rng.standard_normal((count, *W.shape[1:])) * spread
        some = rng.random((count, *W.shape[1:])) < rng.choice([0.15, 1.0], (count, 1, 1))
        scale = 1 + size * rng.standard_normal((count, 1, 1)) * (rng.random((count, 1, 1)) < 0.3)
        out.append(W * scale + noise * some)
    return tuple(out)


@dataclass
class Found:
    """The largest ratios met by a climb: of any point of B_r before, and after a step from it."""

    before: float
    after: float
    layers: Layers


def climb(
    inside: AbsorbingSet,
    layers: Layers,
    goal: str,
    batches: Batches,
    rounds: int,
    rng: np.random.Generator,
    lr: float | None = None,
    count: int = 24,
) -> Found:
    """Raise the level of `goal` after the worst step, from points on the boundary of B_r."""
    k = inside.constants
    lr = k.lr if lr is None else lr

    def judge(candidates: Layers) -> np.ndarray:
        after = ratios(inside, step(candidates, lr, k.ridge, batches))[goal]
        return after.reshape(len(candidates[0]), -1).max(1)

    found = Found(float(ratios(inside, layers)[goal][0]), float(judge(layers)[0]), layers)
    size = 0.1
    for _ in range(rounds):
        candidates = onto_boundary(inside, proposals(found.layers, size, count, rng))
        before, after = ratios(inside, candidates), judge(candidates)
        assert max(level.max() for level in before.values()) <= 1
        found.before = max(found.before, float(before[goal].max()))
        best = int(after.argmax())
        if after[best] > found.after:
            found.after, found.layers = float(after[best]), tuple(W[best : best + 1] for W in candidates)
            size = min(1.5 * size, 0.3)
        else:
            size = max(0.8 * size, 1e-6)
    return found
