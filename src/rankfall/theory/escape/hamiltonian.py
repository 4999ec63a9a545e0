"""The Hamiltonian of rare paths of steps that are small, independent and drawn from a finite list."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Noise = Literal["exact", "gaussian"]

# Second derivatives are central differences of first ones, whose own error is rounding: of the order of
# 1e-10 at this step in coordinates of order one.
_STEP = 1e-5


class Steps(Protocol):
    """Steps ``x' = x + lr xi_e(x)``, e uniform on 1..N: see :class:`.matrix_steps.MatrixSteps`."""

    def jumps(self, x: np.ndarray) -> np.ndarray:
        """``xi_e(x)``, shape (B, N, d), for x of shape (B, d)."""
        ...

    def pulled(self, x: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``sum_e weights_e d (p . xi_e) / dx``, shape (B, d)."""
        ...


@dataclass(frozen=True, eq=False)
class Hamiltonian:
    """H of the steps, whose paths of zero energy are those that rare events follow as lr tends to zero.

    For ``noise="exact"`` it is ``mean_e exp(p . xi_e(x)) - 1``, which has the zeros of the cumulant function
    ``log mean_e exp(p . xi_e)``, hence the same paths and actions; only the parametrisation in time differs,
    which no rate depends on. For ``noise="gaussian"`` it is ``p . b + p^T a p / 2`` with mean b and
    covariance a of the steps. A batch of size n drawn with replacement has the same paths, and n times p and
    the action.
    """

    steps: Steps
    noise: Noise = "exact"

    def tilted(self, x: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The steps, shape (B, N, d), and their weights along the path, shape (B, N)."""
        xi = self.steps.jumps(x)
        if self.noise == "exact":
            return xi, np.exp(np.einsum("bed,bd->be", xi, p)) / xi.shape[1]
        y = np.einsum("bed,bd->be", xi - xi.mean(axis=1, keepdims=True), p)
        return xi, (1 + y) / xi.shape[1]

    def flow(self, x: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``H_p`` and ``H_x``, shape (B, d); both are means with the same weights in either case."""
        xi, weights = self.tilted(x, p)
        return np.einsum("be,bed->bd", weights, xi), self.steps.pulled(x, p, weights)

    def energy(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """H, shape (B,)."""
        xi, weights = self.tilted(x, p)
        if self.noise == "exact":
            return weights.sum(axis=1) - 1
        b = xi.mean(axis=1)
        return np.sum(p * (np.einsum("be,bed->bd", weights, xi) + b), axis=1) / 2

    def spread(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """``H_pp``, shape (B, d, d)."""
        xi, weights = self.tilted(x, p)
        if self.noise == "gaussian":
            xi, weights = xi - xi.mean(axis=1, keepdims=True), np.full_like(weights, 1 / xi.shape[1])
        return np.swapaxes(xi * weights[:, :, None], 1, 2) @ xi

    def linearised(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """``[[H_px, H_pp], [-H_xx, -H_xp]]``, shape (B, 2d, 2d): the flow beside a path."""
        d = x.shape[1]
        M = np.empty((x.shape[0], 2 * d, 2 * d))
        M[:, :d, d:] = self.spread(x, p)
        for k, e in enumerate(_STEP * np.eye(d)):
            forward, backward = self.flow(x + e, p), self.flow(x - e, p)
            M[:, :d, k] = (forward[0] - backward[0]) / (2 * _STEP)
            M[:, d:, k] = (backward[1] - forward[1]) / (2 * _STEP)
        M[:, d:, :d] = (M[:, d:, :d] + np.swapaxes(M[:, d:, :d], 1, 2)) / 2
        M[:, d:, d:] = -np.swapaxes(M[:, :d, :d], 1, 2)
        return M

    def drift_jacobian(self, x: np.ndarray) -> np.ndarray:
        """Derivative of the mean step, shape (d, d)."""
        d, N = x.size, self.steps.jumps(x[None]).shape[1]
        return self.steps.pulled(np.repeat(x[None], d, axis=0), np.eye(d), np.full((d, N), 1 / N))

    def covariance(self, x: np.ndarray) -> np.ndarray:
        """Second moments of the steps, their covariance where the mean step is zero, shape (d, d)."""
        return self.spread(x[None], np.zeros((1, x.size)))[0]
