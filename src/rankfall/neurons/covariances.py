"""What a network costs as a function of its activations: attraction and repulsion of covariances."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..argument_checks import array, fraction
from ..declared_arguments import declared
from .conversion import read
from .spaces import RANK_TOL, Frame


@declared
def layer_cost(K: object, K_sigma: object, *, tol: float = 1e-10) -> float:
    """``Tr[K K_sigma^+]``: least ``|W|^2`` with ``W H = Z``, where ``K = Z^T Z`` and ``K_sigma = H^T H``.

    K is drawn towards `K_sigma` of the layer below, whose own size pays to be large: attraction and
    repulsion (Jacot et al. 2022).

    Parameters
    ----------
    K, K_sigma : array_like, shape (N, N)
        Covariances over the samples of a layer's pre-activations, and of the activations below.
    tol : float
        Eigenvalues of `K_sigma` up to this times the largest count as 0.

    Returns
    -------
    float
        Infinite if K is not supported on the range of `K_sigma`.

    Raises
    ------
    InputError
        If the shapes do not fit.
    """
    K, K_sigma = array("K", K, ("N", "N")), array("K_sigma", K_sigma, ("N", "N"))
    K = array("K", K, K_sigma.shape)
    tol = fraction("tol", tol)
    values, vectors = np.linalg.eigh((K_sigma + K_sigma.T) / 2)
    kept = values > tol * max(float(values[-1]), 0.0) if values.size else values > 0
    inside = np.einsum("ni,nm,mi->i", vectors, K, vectors)
    if np.trace(K) - inside[kept].sum() > tol * max(np.trace(K), 0.0):
        return float("inf")
    return float(np.sum(inside[kept] / values[kept]))


@dataclass(frozen=True, eq=False)
class CovarianceCost:
    """Norms of the layers, and the least ones with the same pre-activations of all layers.

    Attributes
    ----------
    least : ndarray, shape (L,)
        ``Tr[K_l (K^sigma_{l-1})^+]``.
    actual : ndarray, shape (L,)
        What the penalty counts: ``|W_l|^2``, with the bias where it is penalised.
    """

    least: np.ndarray
    actual: np.ndarray

    @property
    def excess(self) -> float:
        """What the weights cost beyond the least; 0 at every local minimum."""
        return float(np.sum(self.actual - self.least))


@declared
def covariance_cost(
    network: object, X: object, *, tol: float = RANK_TOL, activation: object = None
) -> CovarianceCost:
    """Cost of a network's pre-activations on some samples (section 3.1).

    For given pre-activations ``Z_l`` the cheapest weights are ``Z_l H_{l-1}^+``, so that minimising over
    weights is minimising ``C(Z_L) + ridge sum_l Tr[K_l (K^sigma_{l-1})^+]``, ``K_l = Z_l^T Z_l``,
    ``K^sigma_l = H_l^T H_l``, over what activations can be. With penalised biases ``1 1^T`` is added to
    ``K^sigma``; without penalty both are centred.

    Parameters
    ----------
    network : HomogeneousNetwork, list of weights or of (weights, bias), or torch.nn.Sequential
    X : array_like, shape (N, w_0)
    tol : float
        Singular values up to this times the largest count as 0.
    activation
        For lists: see :class:`HomogeneousNetwork`; "relu" by default.

    Returns
    -------
    CovarianceCost

    Raises
    ------
    InputError
        If the network or the samples cannot be used.
    """
    given = read(network, activation).network
    columns = given.check_inputs(X)
    given.check_range(columns)
    activities = given.activities(columns)
    least: list[float] = []
    actual: list[float] = []
    for l, (W, H) in enumerate(zip(given.weights, activities, strict=True), 1):
        b = given.bias(l)
        A, cheapest = Frame.of(H, tol).cheapest(W, b, penalised=given.penalise_biases)
        cost, cheaper = float(np.sum(W**2)), float(np.sum(A**2))
        if given.penalise_biases and b is not None and cheapest is not None:
            cost, cheaper = cost + float(np.sum(b**2)), cheaper + float(np.sum(cheapest**2))
        least.append(cheaper)
        actual.append(cost)
    return CovarianceCost(np.array(least), np.array(actual))
