"""The law of Eyring and Kramers with the noise of SGD in the softest directions."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...network import Network
from ...problem import Problem
from ..weight_hessian import entry_gradients, weight_hessian

# Singular values of the derivative of A in the weights up to this, relative to the largest, are zero.
_FLAT = 1e-9


@dataclass(frozen=True, eq=False)
class Softest:
    """At a critical point: the Hessian where the matrix moves, and the noise along its softest direction.

    Attributes
    ----------
    log_determinant : float
        Of the Hessian in the weights, in absolute value, on the directions in which the matrix moves: the
        rotations of the hidden layers and the imbalances, in which SGD makes no noise, are left out.
    curvature : float
        Its least eigenvalue.
    noise : float
        ``v^T Sigma v``, v the eigenvector and Sigma the covariance of the gradient of one entry.
    """

    log_determinant: float
    curvature: float
    noise: float

    @classmethod
    def at(cls, problem: Problem, network: Network, ridge: float) -> Softest:
        rows, cols = np.indices(problem.shape)
        everywhere = Problem(rows.ravel(), cols.ravel(), np.zeros(rows.size), problem.shape)
        _, sizes, directions = np.linalg.svd(entry_gradients(everywhere, network), full_matrices=False)
        moving = directions[sizes > _FLAT * sizes[0]].T
        values, vectors = np.linalg.eigh(moving.T @ weight_hessian(problem, network, ridge) @ moving)
        softest = moving @ vectors[:, 0]
        residuals = network.product()[problem.rows, problem.cols] - problem.values
        steps = residuals * (entry_gradients(problem, network) @ softest)
        return cls(float(np.sum(np.log(np.abs(values)))), float(values[0]), float(np.var(steps)))


def eyring_kramers(low: Softest, top: Softest, barrier: float) -> tuple[float, float]:
    """The action V and the logarithm of c in the rate ``c exp(-V / lr)`` per unit of time lr.

        V = barrier (1 / T_low + 1 / T_top) / 2,   T = v^T Sigma v / 2,
        c = |lambda| / (2 pi) sqrt(det H_low / |det H_top|)

    The temperature lr T is that of the noise in the direction of the way out; of its two ends the mean of
    1 / T is taken, the trapezoidal rule for ``int dF / T``.
    """
    action = barrier * (1 / low.noise + 1 / top.noise)
    ratio = (low.log_determinant - top.log_determinant) / 2
    return action, float(np.log(-top.curvature / (2 * np.pi))) + ratio
