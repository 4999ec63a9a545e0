"""Theorem 3(a) for rank-one measurements: what one step does to the tails.

(3.1) is about any residual matrix of rank one: with u for ``e_i`` and v for ``e_j`` its proof stands as it
is, for vectors of any length.
"""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

import numpy as np

from ..argument_checks import instance
from ..declared_arguments import declared
from ..measurements import Measurements
from ..network import Network
from .requirements import check_step, check_where, require_whole
from .tail import TailFactors, side_products, spread_share


@declared
def measured_tail_factors(
    measurements: Measurements,
    network: Network,
    rank: int,
    *,
    ridge: float,
    lr: float,
    batch_size: int = 1,
    sampling: str = "replacement",
) -> TailFactors:
    """:func:`tail_factors` for :class:`rankfall.Measurements`, in O(sum w^3 + N w (m + n)).

    For the single measurement ``(u, v)``, with the top r directions of ``Z_l`` removed,

        Phi_l' <= q^2 Phi_l + s,
        s = -4 lr q rho <x, y> + lr^2 rho^2 (|x|^2 |p|^2 + |y|^2 |q|^2),

    where ``x = U_2^T Q_{l+1} v``, ``y = U_2^T P_l^T u``, ``p = P_{l+1}^T u`` and ``q = Q_l v``.

    Parameters
    ----------
    measurements : Measurements
    network : Network
        One network.
    rank, ridge, lr, batch_size, sampling
        As of :func:`tail_factors`.

    Returns
    -------
    TailFactors

    Raises
    ------
    InputError
        If the network does not fit the measurements, or an argument is out of range.
    """
    measurements = instance("measurements", measurements, Measurements)
    check_where(measurements, network)
    check_step(measurements, ridge, lr, batch_size, sampling)
    require_whole(0, rank=rank)
    q, N = 1 - 2 * lr * ridge, measurements.n_observed
    share = spread_share(N, batch_size, sampling)
    rho = measurements.predict(network).astype(np.float64) - measurements.values
    phi: list[float] = []
    mean: list[float] = []
    most: list[float] = []
    spectra: list[np.ndarray] = []
    for Z, Q, P in zip(network.hidden_spaces(), *side_products(network), strict=True):
        _, sigma, right = np.linalg.svd(Z.astype(np.float64, copy=False), full_matrices=False)
        inner = measurements.V if Q is None else measurements.V @ Q.T  # rows q_k = Q_l v_k
        outer = measurements.U if P is None else measurements.U @ P  # rows p_k = P_{l+1}^T u_k
        tail = sigma[rank:, None] * right[rank:]
        X, Y = tail[:, : inner.shape[1]], tail[:, inner.shape[1] :]  # U_2^T Z_l in its two blocks
        x, y = inner @ X.T, outer @ Y.T
        first = rho * np.sum(x * y, axis=1)
        p2, q2 = np.sum(outer**2, axis=1), np.sum(inner**2, axis=1)
        second = rho**2 * (np.sum(x**2, axis=1) * p2 + np.sum(y**2, axis=1) * q2)
        B = (rho[:, None] * outer).T @ inner / N  # the mean of rho p q^T
        full = float(np.sum((X @ B.T) ** 2) + np.sum((Y @ B) ** 2))
        size = float(np.sum(sigma[rank:] ** 2))
        moment = share * float(second.mean()) + (1 - share) * full
        phi.append(size)
        spectra.append(sigma)
        change = -4 * lr * q * first
        mean.append(q**2 + ((change.mean() + lr**2 * moment) / size if size > 0 else 0.0))
        most.append(q**2 + ((change + lr**2 * second).max() / size if size > 0 else 0.0))
    return TailFactors(int(rank), np.array(phi), np.array(mean), np.array(most), tuple(spectra))
