"""The tail of the hidden layers and what one step of SGD does to it (Theorem 3, equation (3.1)).

Hidden layer l has ``Z_l = [W_l | W_{l+1}^T]``. One step multiplies it from the right, ``Z_l' = Z_l K_l``
(I2), so that the part of ``Z_l`` beyond its r leading directions, of squared size ``Phi_l``, can only be
stretched, never fed from outside. Everything here says by how much.
"""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Protocol

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from ..network import Network
from ..problem import Problem
from .requirements import (
    check_depth_and_ridge,
    check_point,
    check_step,
    require_alike,
    require_whole,
)

# entries whose tail signals are held in memory at once
_CHUNK = 1 << 16


# -- what critical points allow ----------------------------------------------------------------------------


@declared
def phi_threshold(problem: Problem, depth: int, ridge: float) -> float:
    """``Phi_thr = 2 (2 ridge N / |A*_obs|_F)^(2/(L-2))``: no critical point has a smaller nonzero
    ``sigma(Z_l)^2``.

    At a critical point ``sigma(Z_l)^2 = 2 s^(2/L)`` for the singular values s of A, and section 4b(iii)
    bounds these from below.

    Parameters
    ----------
    problem : Problem
    depth : int
        L, at least 3.
    ridge : float
        Positive.

    Returns
    -------
    float
        Infinite if all observed entries are zero (then 0 is the only critical point).

    Raises
    ------
    InputError
        For depth 2, a ridge that is not positive, a weighted problem, or if the number is too large or too
        small for floating point.
    """
    require_alike(problem)
    depth, ridge = check_depth_and_ridge(depth, ridge)
    size = float(np.linalg.norm(problem.values))
    if size == 0:
        return float("inf")
    with np.errstate(over="ignore", under="ignore"):
        threshold = float(2 * np.float64(2 * ridge * problem.n_observed / size) ** (2 / (depth - 2)))
    if not 0 < threshold < inf:
        raise InputError(
            f"With ridge {ridge:.3g} and data of norm {size:.3g}, Phi_thr is beyond the range of "
            "floating-point numbers; bring the entries to unit size."
        )
    return threshold


@declared
def rank_upper_bound(problem: Problem, depth: int, ridge: float) -> int:
    """Largest rank a critical point can have (end of section 4b(iii)).

    ``rank <= |A*_obs|^2 / (8 ridge N) (|A*_obs| / (2 ridge N))^(2/(L-2))``, and at most that of the shape.

    Parameters
    ----------
    problem : Problem
    depth : int
        L, at least 3.
    ridge : float
        Positive.

    Raises
    ------
    InputError
        For depth 2, a ridge that is not positive, or a weighted problem.
    """
    require_alike(problem)
    depth, ridge = check_depth_and_ridge(depth, ridge)
    size, n = float(np.linalg.norm(problem.values)), problem.n_observed
    with np.errstate(over="ignore", under="ignore"):
        bound = size**2 / (8 * ridge * n) * np.float64(size / (2 * ridge * n)) ** (2 / (depth - 2))
    # a bound that is a whole number may come out just below it
    return int(min(np.floor(bound * (1 + 1e-12)), *problem.shape))


# -- one step ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class TailFactors:
    """What one step does to the tail of every hidden layer, at one point and for one rank.

    Attributes
    ----------
    rank : int
        r: singular values of ``Z_l`` beyond the r-th are the tail.
    phi : ndarray, shape (L - 1,)
        ``Phi_l = sum_{i>r} sigma_i(Z_l)^2``.
    mean_factor : ndarray, shape (L - 1,)
        ``Lambda_l``: ``E[Phi_l' | theta] <= Lambda_l Phi_l``. It is ``q^2`` where ``Phi_l = 0``.
    max_factor : ndarray, shape (L - 1,)
        ``Lambda_l^max``: ``Phi_l' <= Lambda_l^max Phi_l`` for every batch.
    singular_values : tuple of ndarray
        ``sigma(Z_l)``, decreasing.
    """

    rank: int
    phi: np.ndarray
    mean_factor: np.ndarray
    max_factor: np.ndarray
    singular_values: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class TailTable:
    """``Phi_l`` and ``Lambda_l`` at one point for every rank at once.

    Attributes
    ----------
    phi, mean_factor : ndarray, shape (L - 1, R + 1)
        Column r belongs to rank r; R is the smallest width, from which on a rank says nothing about A.
    singular_values : tuple of ndarray
        ``sigma(Z_l)``, decreasing.
    """

    phi: np.ndarray
    mean_factor: np.ndarray
    singular_values: tuple[np.ndarray, ...]

    @declared
    def numerical_rank(self, phi_thr: float) -> int:
        """Largest number of singular values above ``sqrt(phi_thr)`` in any hidden layer."""
        return max(int(np.count_nonzero(s**2 > phi_thr)) for s in self.singular_values)


@declared
def tail_factors(
    problem: Problem,
    network: Network,
    rank: int,
    *,
    ridge: float,
    lr: float,
    batch_size: int = 1,
    sampling: str = "replacement",
) -> TailFactors:
    """Expected and largest growth of the tail in one step (Theorem 3(a)), in O(sum w^3 + N w).

    For the single entry (i, j), with the top r directions of ``Z_l = U_1 S_1 V_1^T + U_2 S_2 V_2^T`` removed,

        Phi_l' <= q^2 Phi_l + s_ij,
        s_ij = -4 lr q rho_ij <x_j, y_i> + lr^2 rho_ij^2 (|x_j|^2 |p_i|^2 + |y_i|^2 |q_j|^2),      (3.1)

    where ``x_j = U_2^T Q_{l+1} e_j``, ``y_i = U_2^T P_l^T e_i``, ``p_i = P_{l+1}^T e_i``, ``q_j = Q_l e_j``
    and
    ``q = 1 - 2 lr ridge``. ``Lambda_l`` takes the mean of ``s_ij`` over the observed entries, with the
    second-order
    term of a batch where ``batch_size > 1``; ``Lambda_l^max`` takes the largest, for any batch.

    Parameters
    ----------
    problem : Problem
    network : Network
        One network.
    rank : int
        r, 0 or more.
    ridge, lr : float
        0 or more.
    batch_size : int
    sampling : {"replacement", "distinct"}
        How the entries of a batch are drawn, uniformly given the past.

    Returns
    -------
    TailFactors

    Raises
    ------
    InputError
        If the problem has weights, the network does not fit it, or an argument is out of range; for
        ``sampling="epochs"``, whose steps are not uniform given the past.
    """
    require_whole(0, rank=rank)
    signals = layer_signals(problem, network, ridge, lr, batch_size, sampling)
    rank = int(rank)
    phi = np.array([float(np.sum(layer.sigma[rank:] ** 2)) for layer in signals])
    grown = np.array([float(np.sum(layer.grown[rank:])) for layer in signals])
    q2 = signals[0].q ** 2
    most = np.array([layer.largest_change(problem, rank) for layer in signals])
    return TailFactors(
        rank,
        phi,
        _ratio(grown, phi, q2),
        q2 + _ratio(most, phi, 0.0),
        tuple(layer.sigma for layer in signals),
    )


@declared
def tail_table(
    problem: Problem,
    network: Network,
    *,
    ridge: float,
    lr: float,
    batch_size: int = 1,
    sampling: str = "replacement",
) -> TailTable:
    """:func:`tail_factors` for all ranks at the price of one: all sums run over tail directions.

    Parameters and errors are those of :func:`tail_factors`.
    """
    signals = layer_signals(problem, network, ridge, lr, batch_size, sampling)
    top = min(network.widths)
    phi = np.stack([_tail_sums(layer.sigma**2, top) for layer in signals])
    grown = np.stack([_tail_sums(layer.grown, top) for layer in signals])
    return TailTable(phi, _ratio(grown, phi, signals[0].q ** 2), tuple(layer.sigma for layer in signals))


@dataclass(frozen=True, eq=False)
class LayerSignals:
    """One hidden layer seen through its singular directions u_k of ``Z_l``.

    Attributes
    ----------
    sigma : ndarray, shape (k,)
        ``sigma_k(Z_l)``.
    right : ndarray, shape (k, w_{l-1} + w_{l+1})
        ``V^T``, the right singular vectors as rows.
    x, y : ndarray, shapes (k, n) and (k, m)
        ``u_k^T Q_{l+1} e_j`` and ``u_k^T P_l^T e_i``, computed as ``sigma_k v_k^T`` times the neighbours'
        products, which keeps small tails as accurate as the decomposition has them.
    p2, q2 : ndarray, shapes (m,) and (n,)
        ``|p_i|^2`` and ``|q_j|^2``.
    grown : ndarray, shape (k,)
        ``E |u_k^T Z_l K_l|^2``; its sum over the tail is ``Lambda_l Phi_l``.
    residual : ndarray, shape (N,)
        ``rho_ij``.
    lr, q : float
    """

    sigma: np.ndarray
    right: np.ndarray
    x: np.ndarray
    y: np.ndarray
    p2: np.ndarray
    q2: np.ndarray
    grown: np.ndarray
    residual: np.ndarray
    lr: float
    q: float

    def largest_change(self, problem: Problem, rank: int) -> float:
        """``max over the observed entries of s_ij``."""
        x, y = self.x[rank:], self.y[rank:]
        x2, y2 = np.sum(x**2, axis=0), np.sum(y**2, axis=0)
        most = -np.inf
        for start in range(0, problem.n_observed, _CHUNK):
            piece = slice(start, start + _CHUNK)
            i, j, rho = problem.rows[piece], problem.cols[piece], self.residual[piece]
            inner = np.einsum("ke,ke->e", x[:, j], y[:, i])
            change = -4 * self.lr * self.q * rho * inner
            change += (self.lr * rho) ** 2 * (x2[j] * self.p2[i] + y2[i] * self.q2[j])
            most = max(most, float(change.max()))
        return most


def layer_signals(
    problem: Problem, network: Network, ridge: float, lr: float, batch_size: int, sampling: str
) -> list[LayerSignals]:
    """The hidden layers l = 1..L-1; arguments as of :func:`tail_factors`."""
    check_point(problem, network)
    ridge, lr, batch_size = check_step(problem, ridge, lr, batch_size, sampling)
    below, above = side_products(network)
    residual = network.predict(problem.rows, problem.cols).astype(np.float64) - problem.values
    R = sparse(problem, residual / problem.n_observed)
    R2 = sparse(problem, residual**2 / problem.n_observed)
    share, q = spread_share(problem.n_observed, batch_size, sampling), 1 - 2 * lr * ridge
    out: list[LayerSignals] = []
    for Z, Q, P in zip(network.hidden_spaces(), below, above, strict=True):
        _, sigma, right = np.linalg.svd(Z.astype(np.float64, copy=False), full_matrices=False)
        split = Z.shape[1] - P.shape[1] if P is not None else Z.shape[1] - problem.n_rows
        scaled = sigma[:, None] * right
        x, y = _times(scaled[:, :split], Q), _times(scaled[:, split:], None if P is None else P.T)
        q2 = np.ones(problem.n_cols) if Q is None else np.sum(Q**2, axis=0)
        p2 = np.ones(problem.n_rows) if P is None else np.sum(P**2, axis=1)
        x_pulled, y_pulled = (R @ x.T).T, (R.T @ y.T).T  # sum_j rho_ij x_kj / N and sum_i rho_ij y_ki / N
        first = np.sum(x_pulled * y, axis=1)
        single = x**2 @ (R2.T @ p2) + y**2 @ (R2 @ q2)
        full = np.sum(_times(y_pulled, None if Q is None else Q.T) ** 2, axis=1)  # |u_k^T W_{l+1}^T E B|^2
        full += np.sum(_times(x_pulled, P) ** 2, axis=1)
        second = share * single + (1 - share) * full
        grown = q**2 * sigma**2 - 4 * lr * q * first + lr**2 * second
        out.append(LayerSignals(sigma, right, x, y, p2, q2, grown, residual, lr, q))
    return out


def side_products(network: Network) -> tuple[list[np.ndarray | None], list[np.ndarray | None]]:
    """``Q_l = W_{l-1} ... W_1`` and ``P_{l+1} = W_L ... W_{l+2}`` for l = 1..L-1.

    None stands for the identity.
    """
    weights = [W.astype(np.float64, copy=False) for W in network.weights]
    below: list[np.ndarray | None] = [None]
    for W in weights[:-2]:
        below.append(_times(W, below[-1]))
    above: list[np.ndarray | None] = [None]
    for W in weights[:1:-1]:
        above.append(W if above[-1] is None else above[-1] @ W)
    return below, above[::-1]


def spread_share(n_entries: int, batch_size: int, sampling: str) -> float:
    """Share of the second moment of single entries in that of a batch mean; the rest is the squared full
    mean.

    ``E |mean of b|^2 = c E |single|^2 + (1 - c) |E single|^2`` with ``c = 1/b`` for independent entries and
    ``c = (N - b) / (b (N - 1))`` for different ones.
    """
    if sampling == "replacement" or n_entries == 1:
        return 1 / batch_size
    return (n_entries - batch_size) / (batch_size * (n_entries - 1))


class SparseMatrix(Protocol):
    """What the theory uses of scipy's sparse arrays, which have no types."""

    @property
    def T(self) -> SparseMatrix: ...

    def __matmul__(self, other: np.ndarray, /) -> np.ndarray: ...


def sparse(problem: Problem, values: np.ndarray) -> SparseMatrix:
    """Some values at the observed positions, as compressed sparse rows."""
    return problem.with_values(values).to_sparse()


# -- helpers -----------------------------------------------------------------------------------------------


def _times(A: np.ndarray, B: np.ndarray | None) -> np.ndarray:
    """``A B``, B = None being the identity."""
    return A if B is None else A @ B


def _tail_sums(values: np.ndarray, top: int) -> np.ndarray:
    """``sum_{k>r} values_k`` for r = 0..top, small values first."""
    sums = np.append(np.cumsum(values[::-1])[::-1], 0.0)
    return np.append(sums, np.zeros(max(top + 1 - sums.size, 0)))[: top + 1]


def _ratio(top: np.ndarray, bottom: np.ndarray, where_zero: float) -> np.ndarray:
    """``top / bottom``, and `where_zero` where the bottom is zero."""
    return np.divide(top, bottom, out=np.full(bottom.shape, where_zero), where=bottom > 0)
