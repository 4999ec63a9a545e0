"""Problems and networks at which the statements of section 3 are tested."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import rankfall as rf
from dynamics.problems import holed


@st.composite
def points(draw: st.DrawFn, min_depth: int = 2) -> tuple[rf.Problem, rf.Network]:
    """A small problem and a rectangular network on it."""
    depth = draw(st.integers(min_depth, 5))
    widths = draw(st.lists(st.integers(2, 6), min_size=depth + 1, max_size=depth + 1))
    problem = holed((widths[-1], widths[0]), seed=draw(st.integers(0, 99)))
    return problem, rf.Network.gaussian(
        widths, scale=draw(st.sampled_from([0.4, 1.0])), seed=draw(st.integers(0, 99))
    )


def rotated(network: rf.Network, seed: int = 0) -> rf.Network:
    """The same function with every hidden space rotated."""
    rng = np.random.default_rng(seed)
    turns = [np.eye(network.widths[0])]
    turns += [np.linalg.qr(rng.standard_normal((w, w)))[0] for w in network.widths[1:-1]]
    turns.append(np.eye(network.widths[-1]))
    return rf.Network(tuple(U @ W @ V.T for V, W, U in zip(turns, network.weights, turns[1:], strict=False)))


def transposed(network: rf.Network) -> rf.Network:
    """The network of the transposed matrix."""
    return rf.Network(tuple(W.T for W in network.weights[::-1]))


def critical(
    depth: int, target: np.ndarray, kept: int, ridge: float, seed: int = 0
) -> tuple[rf.Problem, rf.Network]:
    """A fully observed problem with singular values `target`, and a balanced critical point that keeps
    `kept` of them.

    ``(s* - s) / N = 2 ridge s^(2/L - 1)`` for the kept ones, the larger root (section 4b(i)); the rest is E.
    """
    rng = np.random.default_rng(seed)
    d = target.size
    U, V = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    problem = rf.Problem.from_dense((U * target) @ V.T)
    s = target[:kept].copy()
    for _ in range(500):
        s = target[:kept] - 2 * ridge * d * d * s ** (2 / depth - 1)
    A = (U[:, :kept] * s) @ V[:, :kept].T
    small = rf.Network.lift(
        A, depth=depth, width=kept
    ).weights  # lifted with all d, rounding would leave a tail of 1e-16^(1/L)
    padded = [np.pad(W, [(0, d - size) for size in W.shape]) for W in small]
    return problem, rotated(rf.Network(tuple(padded)), seed)


def gradient(problem: rf.Problem, network: rf.Network, ridge: float) -> list[np.ndarray]:
    """Of the regularised loss, by the literal twin."""
    from rankfall.dynamics.kernels import reference

    G = reference.gradients(list(network.weights), problem.rows, problem.cols, problem.values)
    return [g + 2 * ridge * W for g, W in zip(G, network.weights, strict=True)]
