"""When a run has diverged, and which learning rate would not have."""

from __future__ import annotations

import numpy as np

from ...measures import tangent_diagonal
from ...network import Network
from ...problem import Problem
from ..optimisers import GD, SGD
from ..schedules import largest
from .state import State

# a residual this many times larger than the data (or the start) is no longer noise
EXPLOSION = 1e6


def residual_limits(problem: Problem, starts: list[Network]) -> np.ndarray:
    """For every chain, the residual at which it counts as diverged."""
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


def typical_network(problem: Problem, depth: int) -> Network:
    """A balanced network about as large as one that fits the data.

    Its product has the leading singular values of the observed matrix (missing cells set to zero), divided by
    the fraction of observed cells.
    """
    from scipy.sparse.linalg import svds

    filled = problem.to_sparse() * (problem.shape[0] * problem.shape[1] / problem.n_observed)
    k = min(5, max(1, min(problem.shape) - 1))
    if min(problem.shape) <= 10 or not problem.values.any():
        U, s, Vt = np.linalg.svd(filled.toarray(), full_matrices=False)
        U, s, Vt = U[:, :k], s[:k], Vt[:k]
    else:
        # a fixed starting vector makes the result reproducible
        U, s, Vt = svds(filled, k=k, v0=np.ones(min(problem.shape)))
        assert U is not None
        assert Vt is not None
    root = s ** (1 / depth)
    inner = [np.diag(root) for _ in range(depth - 2)]
    return Network((root[:, None] * Vt, *inner, U * root))


def stable_lr(problem: Problem, starts: list[Network], optimiser: SGD | GD, state: State) -> np.ndarray:
    """For chains that diverged, a learning rate that would probably be stable; NaN for the others.

    ``1 / max K`` with the larger of the tangent kernels at the start of the chain and at a network that fits
    the data, and at most half of the learning rate used.
    """
    out = np.full(state.n_chains, np.nan)
    diverged = np.flatnonzero(~state.running)
    if diverged.size:
        entries = problem.rows, problem.cols
        typical = tangent_diagonal(typical_network(problem, starts[0].depth), *entries).max()
        for k in diverged:
            kernel = max(typical, tangent_diagonal(starts[k], *entries).max())
            out[k] = min(1.0 / kernel, 0.5 * largest(optimiser.lr))
    return out
