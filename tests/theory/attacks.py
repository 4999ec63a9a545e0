"""Attempts to leave B_r in one step: hill-climbing over its points, over the batches and over the data.

Only the definition of B_r is the package's; steps are taken here, literally and for whole populations.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
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


def blocks(shape: tuple[int, int], bound: float, block: tuple[int, int]) -> Batches:
    """Every batch that fills a rectangle of this size, with one observed value in it: -a, 0 or a.

    These are the batches of different entries whose residual matrix is as large as ``sqrt(nu S)`` allows.
    """
    rows, cols = (list(combinations(range(n), k)) for n, k in zip(shape, block, strict=True))
    weight = np.zeros((len(rows) * len(cols), *shape))
    for cells, (i, j) in zip(weight, cartesian(rows, cols), strict=True):
        cells[np.ix_(i, j)] = 1 / np.prod(block)
    values = np.repeat([-bound, 0.0, bound], len(weight))
    return Batches(np.tile(weight, (3, 1, 1)), values[:, None, None] * np.ones(shape))


def drawn(
    shape: tuple[int, int], bound: float, size: int, sampling: str, count: int, rng: np.random.Generator
) -> Batches:
    """Random batches of `size` cells against random matrices of entries -a, 0 and a."""
    m, n = shape
    weight = np.zeros((count, m * n))
    for batch in weight:
        np.add.at(batch, rng.choice(m * n, size, replace=sampling == "replacement"), 1 / size)
    return Batches(weight.reshape(-1, m, n), bound * rng.integers(-1, 2, (count, m, n)))


def together(one: Batches, other: Batches) -> Batches:
    """The batches of both."""
    return Batches(np.concatenate([one.weight, other.weight]), np.concatenate([one.target, other.target]))


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


def aligned(widths: tuple[int, ...], sizes: np.ndarray, block: tuple[int, int]) -> Layers:
    """One network whose layers carry the coordinates k with singular values sizes[l, k].

    The first coordinate enters and leaves through the constant vectors on the first cells of a block.
    """
    layers = [np.zeros((1, up, low)) for low, up in pairwise(widths)]
    for W, row in zip(layers, sizes, strict=True):
        for k, size in enumerate(row):
            W[0, k, k] = size
    layers[0] = layers[0] @ _turn(widths[0], block[1])
    layers[-1] = _turn(widths[-1], block[0]) @ layers[-1]
    return tuple(layers)


def _turn(width: int, length: int) -> np.ndarray:
    """The reflection that exchanges the first coordinate and the constant vector on `length` coordinates."""
    v = np.where(np.arange(width) < length, -1 / np.sqrt(length), 0.0)
    v[0] += 1
    return np.eye(width) - 2 * np.outer(v, v) / max(v @ v, 1e-300)


def start(
    inside: AbsorbingSet, widths: tuple[int, ...], goal: str, block: tuple[int, int] = (1, 1)
) -> Layers:
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
            sizes[layer, 0] = np.sqrt(max(min(square, k.C - r * other**2), first**2))
    else:
        sizes = np.full((depth, 1), np.sqrt(k.C))
        if goal == "V":
            sizes[0] = np.sqrt(k.C - (k.eps - k.kappa * k.C))
    return onto_boundary(inside, aligned(widths, sizes, block))


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
