"""Gradient descent plus Gaussian noise in three forms, for many chains at once.

With ``g_k`` the gradient of entry k over all layers, one step of SGD moves by the mean of b of the ``g_k``.
Its covariance is ``Sigma = f^2 / b * (1/N sum_k g_k g_k^T - gbar gbar^T)``, with ``f^2 = 1`` with replacement
and ``(N - b) / (N - 1)`` for distinct entries. The steps here move by ``gbar`` plus Gaussian noise:

- "joint": of covariance ``Sigma``. It is a step with a Gaussian residual matrix
  ``R = sum_k rho_k (1/N + f (xi_k - mean xi) / sqrt(N b)) e_i e_j^T``, the same in all layers.
- "layers": of the diagonal blocks of ``Sigma``: the same with other, independent ``xi`` in every layer.
- "isotropic": of covariance ``trace(Sigma) / n_parameters`` times the identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ....errors import InputError
from ....problem import Problem

FORMS = ("joint", "layers", "isotropic")


@dataclass(frozen=True, eq=False)
class Parts:
    """What a step needs to know about the chains' networks, leading axis of chains everywhere.

    Attributes
    ----------
    below, above : list of ndarray
        ``Q_l = W_{l-1} ... W_1`` and ``P_l^T = W_{l+1}^T ... W_L^T`` for l = 1..L.
    residual : ndarray, shape (n_chains, N)
        ``A_ij - x_ij`` at the observed entries.
    """

    below: list[np.ndarray]
    above: list[np.ndarray]
    residual: np.ndarray


def parts(problem: Problem, weights: list[np.ndarray]) -> Parts:
    """Products of layers and residuals of networks with weights of shape (n_chains, w_l, w_{l-1})."""
    chains = weights[0].shape[0]
    below = [np.broadcast_to(np.eye(problem.n_cols), (chains, problem.n_cols, problem.n_cols)), weights[0]]
    for W in weights[1:-1]:
        below.append(W @ below[-1])
    above = [
        np.broadcast_to(np.eye(problem.n_rows), (chains, problem.n_rows, problem.n_rows)),
        _T(weights[-1]),
    ]
    for W in weights[-2:0:-1]:
        above.append(_T(W) @ above[-1])
    above.reverse()
    A = weights[-1] @ below[-1]
    return Parts(below, above, A[:, problem.rows, problem.cols] - problem.values)


def residual_matrix(problem: Problem, numbers: np.ndarray) -> np.ndarray:
    """Matrices of shape (n_chains, n_rows, n_cols) from values at the observed entries, (n_chains, N)."""
    R = np.zeros((numbers.shape[0], *problem.shape))
    R[:, problem.rows, problem.cols] = numbers
    return R


def gradients(at: Parts, R: list[np.ndarray]) -> list[np.ndarray]:
    """``G_l = P_l^T R_l Q_l^T``, with one residual matrix for every layer."""
    layers = zip(at.above, R, at.below, strict=True)
    return [_moved(P, S, Q) for P, S, Q in layers]


def noise_trace(problem: Problem, at: Parts, batch_size: int, factor: float = 1.0) -> np.ndarray:
    """``trace(Sigma)`` of every chain, shape (n_chains,)."""
    squares = np.zeros_like(at.residual)
    for P, Q in zip(at.above, at.below, strict=True):
        rows, cols = np.sum(P**2, axis=1), np.sum(Q**2, axis=1)
        squares += rows[:, problem.rows] * cols[:, problem.cols]
    mean = residual_matrix(problem, at.residual / problem.n_observed)
    bars = gradients(at, [mean] * len(at.above))
    total = np.mean(squares * at.residual**2, axis=1) - sum(np.sum(G**2, axis=(1, 2)) for G in bars)
    return factor**2 * np.maximum(total, 0.0) / batch_size


@dataclass(frozen=True, eq=False)
class NoisyDescent:
    """Gradient descent plus noise.

    Parameters
    ----------
    problem : Problem
    lr, ridge : float
    form : {"joint", "layers", "isotropic"}
    batch_size : int
        Of the SGD whose covariance the noise has.
    distinct : bool
        Whether that SGD draws different entries.
    """

    problem: Problem
    lr: float
    ridge: float
    form: str
    batch_size: int = 1
    distinct: bool = False

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise InputError(f"The form of the noise is one of {', '.join(FORMS)}, not {self.form!r}.")

    @property
    def factor(self) -> float:
        """f: 1 with replacement, ``sqrt((N - b) / (N - 1))`` for distinct entries."""
        N = self.problem.n_observed
        return float(np.sqrt((N - self.batch_size) / max(N - 1, 1))) if self.distinct else 1.0

    def gradient(self, weights: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """Mean gradient plus noise, without weight decay."""
        problem, at = self.problem, parts(self.problem, weights)
        N, depth = problem.n_observed, len(weights)
        if self.form == "isotropic":
            mean = residual_matrix(problem, at.residual / N)
            size = sum(W[0].size for W in weights)
            sd = np.sqrt(noise_trace(problem, at, self.batch_size, self.factor) / size)[:, None, None]
            return [G + sd * rng.standard_normal(G.shape) for G in gradients(at, [mean] * depth)]
        draws = depth if self.form == "layers" else 1
        xi = rng.standard_normal((draws, *at.residual.shape))
        xi -= xi.mean(axis=2, keepdims=True)
        shares = 1 / N + xi * (self.factor / np.sqrt(N * self.batch_size))
        R = [residual_matrix(problem, at.residual * share) for share in shares]
        return gradients(at, R if self.form == "layers" else R * depth)

    def iterate(
        self, weights: list[np.ndarray], n_steps: int, every: int, rng: np.random.Generator
    ) -> Iterator[tuple[int, list[np.ndarray]]]:
        """The weights after 0, every, 2 every, ... steps; a chain whose residual explodes is set to NaN."""
        q = 1 - 2 * self.lr * self.ridge
        weights = [np.array(W, dtype=np.float64) for W in weights]
        yield 0, weights
        for step in range(1, n_steps + 1):
            with np.errstate(over="ignore", invalid="ignore"):  # of chains that explode before the next look
                moves = self.gradient(weights, rng)
                weights = [q * W - self.lr * G for W, G in zip(weights, moves, strict=True)]
            if step % every == 0:
                weights = _without_exploded(weights)
                yield step, weights


def _without_exploded(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Chains with weights that are infinite, not a number or above 1e6 become NaN in all layers."""
    largest = [np.abs(W).max(axis=(1, 2)) for W in weights]
    good = np.all([size < 1e6 for size in largest], axis=0)
    return [np.where(good[:, None, None], W, np.nan) for W in weights]


def _moved(P: np.ndarray, R: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """``P R Q^T``."""
    return P @ R @ _T(Q)


def _T(W: np.ndarray) -> np.ndarray:
    return np.swapaxes(W, -1, -2)
