"""When a run has diverged, and which learning rate would not have."""

from __future__ import annotations

import numpy as np

from ...measurements import Measurements
from ...measures import tangent_diagonal
from ...network import Network
from ...problem import Problem
from ..optimisers import GD, SGD
from ..schedules import largest
from .state import State

# a residual this many times larger than the data (or the start) is no longer noise
EXPLOSION = 1e6


def residual_limits(problem: Problem | Measurements, starts: list[Network]) -> np.ndarray:
    """For every chain, the residual at which it counts as diverged."""
    largest = np.abs(problem.values).max()
    limits = np.empty(len(starts))
    known: dict[int, float] = {}
    for k, network in enumerate(starts):
        # chains that share a start share the work
        if id(network) not in known:
            left, right = network.thin_factors()
            if isinstance(problem, Measurements):
                left, right = problem.U @ left, right @ problem.V.T
            reach = np.linalg.norm(left, axis=1).max() * np.linalg.norm(right, axis=0).max()
            known[id(network)] = float(reach)
        limits[k] = EXPLOSION * (largest + known[id(network)])
    return np.where(limits > 0, limits, EXPLOSION)


def typical_network(problem: Problem | Measurements, depth: int) -> Network:
    """A balanced network about as large as one that fits the data.

    Its product has the leading singular values of the observed matrix (missing cells set to zero), divided by
    the fraction of observed cells. For measurements that matrix is ``mean(y_k u_k v_k^T)``, times
    ``m n / (mean |u_k|^2 mean |v_k|^2)``: the same for unit vectors, and unbiased for isotropic ones.
    """
    from scipy.sparse.linalg import ArpackError, svds

    if isinstance(problem, Measurements):
        return Network.lift(_back_projection(problem), depth=depth, width=min(5, *problem.shape))
    filled = problem.to_sparse() * (problem.shape[0] * problem.shape[1] / problem.n_observed)
    k = min(5, max(1, min(problem.shape) - 1))
    if min(problem.shape) <= 10 or not problem.values.any():
        U, s, Vt = np.linalg.svd(filled.toarray(), full_matrices=False)
        U, s, Vt = U[:, :k], s[:k], Vt[:k]
    else:
        try:
            # a fixed starting vector makes the result reproducible
            U, s, Vt = svds(filled, k=k, v0=np.ones(min(problem.shape)))
        except ArpackError:
            # it gives up where many singular values are equal
            U, s, Vt = np.linalg.svd(filled.toarray(), full_matrices=False)
            U, s, Vt = U[:, :k], s[:k], Vt[:k]
        assert U is not None
        assert Vt is not None
    root = s ** (1 / depth)
    inner = [np.diag(root) for _ in range(depth - 2)]
    return Network((root[:, None] * Vt, *inner, U * root))


def stable_lr(
    problem: Problem | Measurements, starts: list[Network], optimiser: SGD | GD, state: State
) -> np.ndarray:
    """For chains that diverged, a learning rate that would probably be stable; NaN for the others.

    ``1 / max K`` with the larger of the tangent kernels at the start of the chain and at a network that fits
    the data, and at most half of the learning rate used.
    """
    out = np.full(state.n_chains, np.nan)
    diverged = np.flatnonzero(~state.running)
    if diverged.size:
        typical = _largest_tangent(problem, typical_network(problem, starts[0].depth))
        for k in diverged:
            kernel = max(typical, _largest_tangent(problem, starts[k]))
            out[k] = min(1.0 / kernel, 0.5 * largest(optimiser.lr))
    return out


def _largest_tangent(problem: Problem | Measurements, network: Network) -> float:
    """The largest diagonal entry of the tangent kernel, ``max_k sum_l |b_l|^2 |f_{l-1}|^2``."""
    if isinstance(problem, Problem):
        return float(tangent_diagonal(network, problem.rows, problem.cols).max())
    forward, backward = [problem.V.T], [problem.U.T]
    for lower, upper in zip(network.weights[:-1], network.weights[:0:-1], strict=True):
        forward.append(lower @ forward[-1])
        backward.append(upper.T @ backward[-1])
    pairs = zip(forward, reversed(backward), strict=True)
    return float(np.sum([np.sum(f**2, axis=0) * np.sum(b**2, axis=0) for f, b in pairs], axis=0).max())


def _back_projection(problem: Measurements) -> np.ndarray:
    m, n = problem.shape
    sizes = [np.mean(np.sum(vectors**2, axis=1)) for vectors in (problem.U, problem.V)]
    if 0 in sizes:
        return np.zeros((m, n))
    mean = (problem.U * problem.values[:, None]).T @ problem.V / problem.n_observed
    return mean * (m * n / (sizes[0] * sizes[1]))
