"""Bounds of the tail's growth that need less than all tail directions: the robust flag and Lemma A.

The step in expectation is governed by ``Bbar_l = P_{l+1}^T Rbar Q_l^T``, ``Rbar = (1/N) sum rho_ij e_i
e_j^T``, and by the symmetric block matrix with ``Bbar_l`` below and ``Bbar_l^T`` above the diagonal, whose
eigenvalues are ``+-sigma_i(Bbar_l)`` and zeros.
"""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..declared_arguments import declared
from ..network import Network
from ..problem import Problem
from .requirements import (
    check_batch,
    check_depth_and_ridge,
    check_point,
    check_step,
    require_bounds,
    require_positive,
    require_whole,
)
from .tail import side_products, sparse, spread_share


@dataclass(frozen=True, eq=False)
class MeanStep:
    """First and second moment of the stretching ``K_l`` of one hidden layer.

    Attributes
    ----------
    B : ndarray, shape (w_{l+1}, w_{l-1})
        ``Bbar_l``.
    lower, upper : ndarray, shapes (w_{l-1}, w_{l-1}) and (w_{l+1}, w_{l+1})
        ``E B_l^T B_l`` and ``E B_l B_l^T``, the two blocks of the second moment.
    """

    B: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @property
    def spread(self) -> float:
        """Norm of the second moment, the larger of the two blocks' norms."""
        return float(max(np.linalg.norm(self.lower, 2), np.linalg.norm(self.upper, 2)))


@declared
def mean_steps(
    problem: Problem, network: Network, batch_size: int = 1, sampling: str = "replacement"
) -> list[MeanStep]:
    """``Bbar_l`` and the second moments for l = 1..L-1, in O(sum w^3 + N w).

    For single entries ``E B_l^T B_l = Q_l diag_j(mean of rho^2 |p_i|^2) Q_l^T``; for batches the formula of
    ``rankfall.theory.tail.spread_share``.
    """
    check_point(problem, network)
    check_batch(problem, batch_size, sampling)
    residual = network.predict(problem.rows, problem.cols).astype(np.float64) - problem.values
    R = sparse(problem, residual / problem.n_observed)
    R2 = sparse(problem, residual**2 / problem.n_observed)
    share = spread_share(problem.n_observed, batch_size, sampling)
    out: list[MeanStep] = []
    for Q, P in zip(*side_products(network), strict=True):
        Q = np.eye(problem.n_cols) if Q is None else Q
        P = np.eye(problem.n_rows) if P is None else P
        B = P.T @ (R @ Q.T)
        lower = (Q * (R2.T @ np.sum(P**2, axis=1))) @ Q.T
        upper = (P.T * (R2 @ np.sum(Q**2, axis=0))) @ P
        rest = 1 - share
        out.append(MeanStep(B, share * lower + rest * (B.T @ B), share * upper + rest * (B @ B.T)))
    return out


@declared
def robust_factors(
    problem: Problem,
    network: Network,
    rank: int,
    *,
    ridge: float,
    lr: float,
    batch_size: int = 1,
    sampling: str = "replacement",
) -> np.ndarray:
    """The robust flag: ``Lambda^_l``, largest eigenvalue of ``E K_l^2`` off the top right directions of
    ``Z_l``.

    It depends on the r leading directions only, not on the tail, and ``Lambda_l <= Lambda^_l``; below 1 it
    says that *any* tail beside these leading directions shrinks in the mean. Costs O(w^3) for the sizes of
    ``Z_l``, that is O(n^3) in the first hidden layer.

    Parameters and errors are those of :func:`rankfall.theory.tail_factors`.

    Returns
    -------
    ndarray, shape (L - 1,)
    """
    ridge, lr, batch_size = check_step(problem, ridge, lr, batch_size, sampling)
    require_whole(0, rank=rank)
    rank = int(rank)
    q = 1 - 2 * lr * ridge
    out: list[float] = []
    for Z, step in zip(
        network.hidden_spaces(), mean_steps(problem, network, batch_size, sampling), strict=True
    ):
        split = step.lower.shape[0]
        moment = q**2 * np.eye(Z.shape[1])
        moment[split:, :split] -= 2 * lr * q * step.B
        moment[:split, split:] -= 2 * lr * q * step.B.T
        moment[:split, :split] += lr**2 * step.lower
        moment[split:, split:] += lr**2 * step.upper
        # an orthonormal basis of what is perpendicular to the top right directions
        rest = np.linalg.svd(Z)[2][rank:].T
        out.append(float(np.linalg.eigvalsh(rest.T @ moment @ rest)[-1]) if rest.shape[1] else q**2)
    return np.array(out)


@declared
def growth_bound(slope: float, sigma: np.ndarray, sigma_b: np.ndarray, rank: int, ridge: float) -> float:
    """Lemma A: how negative the mean step can be off the r leading directions of ``Z_l``.

    With ``m = |[grad_l | grad_{l+1}^T]|``, ``nu = sigma_{k+1}(Bbar_l)`` and
    ``x = m / sigma_k(Z_l) < 2 ridge - nu``, the
    symmetric block matrix of ``Bbar_l`` is at least ``-(nu + x^2 / (2 ridge - nu - x))`` there; the best
    k <= r is
    taken, k = 0 giving ``sigma_1(Bbar_l)``. (In the text x is m / t for a threshold t; ``t = sigma_k`` is the
    best one.)

    Parameters
    ----------
    slope : float
        m, an upper bound of it will do.
    sigma, sigma_b : ndarray
        Singular values of ``Z_l`` and of ``Bbar_l``, decreasing.
    rank : int
        r.
    ridge : float
        Positive.

    Raises
    ------
    InputError
        If a number is out of range.
    """
    require_positive(ridge=ridge)
    require_bounds(slope=slope)
    require_whole(0, rank=rank)
    padded = np.append(sigma_b, np.zeros(max(rank + 1 - sigma_b.size, 1)))
    best = float(padded[0])
    for k in range(1, min(rank, sigma.size) + 1):
        nu = float(padded[k])
        if sigma[k - 1] > 0 and (x := slope / float(sigma[k - 1])) < 2 * ridge - nu:
            best = min(best, nu + x**2 / (2 * ridge - nu - x))
    return best


@declared
def sufficient_factors(
    problem: Problem,
    network: Network,
    rank: int,
    *,
    ridge: float,
    lr: float,
    batch_size: int = 1,
    sampling: str = "replacement",
) -> np.ndarray:
    """Upper bounds of ``Lambda_l`` from Lemma A: ``q^2 + 2 lr q mu_l + lr^2 |E B_l^2|``.

    ``mu_l`` is :func:`growth_bound`, from the gradient's norm and the singular values of ``Z_l`` and
    ``Bbar_l`` alone: a sufficient test of ``Lambda_l < 1``, useful near critical points. ``Lambda_l <=
    Lambda^_l <=`` this bound.

    Parameters and errors are those of :func:`rankfall.theory.tail_factors`, but depth and ridge must be those
    of Theorem 3.

    Returns
    -------
    ndarray, shape (L - 1,)
    """
    check_depth_and_ridge(network.depth, ridge)
    ridge, lr, batch_size = check_step(problem, ridge, lr, batch_size, sampling)
    require_whole(0, rank=rank)
    rank = int(rank)
    q = 1 - 2 * lr * ridge
    out: list[float] = []
    for Z, step in zip(
        network.hidden_spaces(), mean_steps(problem, network, batch_size, sampling), strict=True
    ):
        split = step.lower.shape[0]
        # (I3): [grad_l | grad_{l+1}^T] = Z_l (2 ridge + block matrix of Bbar_l)
        gradient = 2 * ridge * Z + np.hstack([Z[:, split:] @ step.B, Z[:, :split] @ step.B.T])
        slope = float(np.linalg.norm(gradient, 2))
        sigma, sigma_b = (np.linalg.svd(M, compute_uv=False) for M in (Z, step.B))
        mu = growth_bound(slope, sigma, sigma_b, rank, ridge)
        out.append(q**2 + 2 * lr * q * mu + lr**2 * step.spread)
    return np.array(out)
