"""When a run has diverged, and which learning rate would not have."""

from __future__ import annotations

import numpy as np

from ..network import Network
from ..problem import Problem
from .state import State

# a residual this many times the data (or the start) is not noise any more
EXPLOSION = 1e6


def residual_limits(starts: list[Network], problem: Problem) -> np.ndarray:
    """Residual of every chain from which on the chain counts as diverged."""
    largest = np.abs(problem.values).max()
    limits = np.empty(len(starts))
    known: dict[int, float] = {}
    for k, network in enumerate(starts):
        # chains that share a start share the work
        if id(network) not in known:
            left, right = network.thin_factors()
            reach = np.linalg.norm(left, axis=1).max() * np.linalg.norm(right, axis=0).max()
            known[id(network)] = float(reach)
        limits[k] = EXPLOSION * (largest + known[id(network)])
    return np.where(limits > 0, limits, EXPLOSION)


def tangent_diagonal(network: Network, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Diagonal of the neural tangent kernel: ``K_ij = sum_l |b_l|^2 |f_{l-1}|^2`` at the given entries.

    f and b are the forward and backward vectors of entry (i, j): ``f_l = W_l ... W_1 e_j`` and
    ``b_l = W_{l+1}^T ... W_L^T e_i``.
    """
    forward = [np.ones(network.widths[0])]
    right = np.eye(0)
    for layer, W in enumerate(network.weights[:-1]):
        right = W if layer == 0 else W @ right
        forward.append(np.einsum("kj,kj->j", right, right))
    backward = [np.ones(network.widths[-1])]
    left = np.eye(0)
    for layer, W in enumerate(network.weights[:0:-1]):
        left = W if layer == 0 else left @ W
        backward.append(np.einsum("ik,ik->i", left, left))
    return sum(f[cols] * b[rows] for f, b in zip(forward, backward[::-1], strict=True))  # type: ignore[return-value]


def stable_lr(starts: list[Network], state: State, problem: Problem) -> np.ndarray:
    """For chains that diverged, half of ``1 / max K`` at their start; NaN for the others."""
    out = np.full(state.n_chains, np.nan)
    for k in np.flatnonzero(~state.running):
        out[k] = 0.5 / tangent_diagonal(starts[k], problem.rows, problem.cols).max()
    return out
