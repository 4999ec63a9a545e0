"""The Hessian of the regularised loss in all weights, and its directions along the orbit of rotations."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..network import Network
from ..problem import Problem
from .landscape import data_gradient


def entry_gradients(problem: Problem, network: Network) -> np.ndarray:
    """``dA_ij / dtheta`` of every observed entry, shape (N, n_parameters): layer by layer, row by row."""
    below, above = products_around(network.weights)
    blocks = [
        (above[l][problem.rows][:, :, None] * below[l][:, problem.cols].T[:, None, :]).reshape(
            problem.n_observed, -1
        )
        for l in range(network.depth)
    ]
    return np.concatenate(blocks, axis=1)


def weight_hessian(problem: Problem, network: Network, ridge: float) -> np.ndarray:
    """Hessian of ``C(W_L ... W_1) + ridge sum_l |W_l|_F^2``, shape (n_parameters, n_parameters).

    ``1/N sum grad A_ij grad A_ij^T + 2 ridge I`` plus the second derivative of the product, weighted by the
    residuals: for layers ``l < k`` the block ``<dW_k, (W_L..W_{k+1})^T G (W_{l-1}..W_1)^T dW_l^T
    (W_{k-1}..W_{l+1})^T>`` with ``G = dC/dA``.
    """
    J = entry_gradients(problem, network)
    H = J.T @ J / problem.n_observed + 2 * ridge * np.eye(J.shape[1])
    G = data_gradient(problem, network.product())
    below, above = products_around(network.weights)
    sizes = [W.size for W in network.weights]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for l in range(network.depth):
        between = np.eye(network.widths[l + 1])  # W_{k-1} ... W_{l+1}, of layers counted from 1
        for k in range(l + 1, network.depth):
            outer = above[k].T @ G @ below[l].T
            # A''[dW_k, dW_l] = P_k dW_k between dW_l Q_l
            block = np.einsum("ad,bc->abcd", outer, between).reshape(sizes[k], sizes[l])
            H[starts[k] : starts[k + 1], starts[l] : starts[l + 1]] += block
            H[starts[l] : starts[l + 1], starts[k] : starts[k + 1]] += block.T
            between = network.weights[k] @ between
    return H


def orbit_dimension(rank: int, depth: int) -> int:
    """``(L - 1) k (k - 1) / 2``: dimension of the rotations of L - 1 hidden layers of width k."""
    return (depth - 1) * rank * (rank - 1) // 2


def products_around(weights: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """``Q_l = W_{l-1} ... W_1`` and ``P_l = W_L ... W_{l+1}`` for l = 1..L."""
    below = [np.eye(weights[0].shape[1])]
    for W in weights[:-1]:
        below.append(W @ below[-1])
    above = [np.eye(weights[-1].shape[0])]
    for W in weights[:0:-1]:
        above.insert(0, above[0] @ W)
    return below, above
