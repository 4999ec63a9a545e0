"""Measures of a network at one step: spectrum, rank, balance, and its losses on a problem.

Plain NumPy, for a single network or an ensemble; the axis of chains comes first in every result.
"""

from __future__ import annotations

import numpy as np

from .argument_checks import instance, number, optional, positive, whole
from .declared_arguments import declared
from .errors import InputError
from .measurements import Measurements
from .network import Network
from .problem import Problem

__all__ = [
    "DEAD",
    "RANK_TOL",
    "data_loss",
    "hidden_singular_values",
    "imbalance",
    "numerical_rank",
    "regularised_loss",
    "schatten_cost",
    "soft_rank",
    "squared_norm",
    "stable_rank",
    "tangent_diagonal",
]

RANK_TOL = 1e-2
"""The numerical rank counts singular values above this, relative to the largest."""

DEAD = 1e-12
"""The numerical rank counts singular values above this, relative to the norm of the data."""


# -- spectra: functions of singular values, shape (..., k) -----------------------------------------------


@declared
def numerical_rank(
    singular_values: np.ndarray, problem: Problem | Measurements | None = None, *, rank_tol: float = RANK_TOL
) -> np.ndarray:
    """Number of singular values above `rank_tol` times the largest, and above ``DEAD`` of the data.

    Parameters
    ----------
    singular_values : ndarray, shape (..., k)
        Of the product A.
    problem : Problem or Measurements, optional
        The norm of its observed values is the scale of the data. Without it, only a product that is exactly
        zero has rank 0.
    rank_tol : float

    Returns
    -------
    ndarray of int, shape (...)
    """
    if not isinstance(problem, Measurements):
        problem = optional(instance, "problem", problem, Problem)
    rank_tol = number("rank_tol", rank_tol, least=0, below=1)
    s = np.asarray(singular_values, dtype=np.float64)
    scale = 0.0 if problem is None else float(np.linalg.norm(problem.values))
    floor = np.maximum(rank_tol * s.max(axis=-1, keepdims=True, initial=0.0), DEAD * scale)
    return np.count_nonzero(s > floor, axis=-1)


@declared
def soft_rank(singular_values: np.ndarray, *, alpha: float) -> np.ndarray:
    """``sum_i f(s_i)`` with ``f(x) = 1 - (1 - x^2 / alpha^2)_+^2``, shape (...).

    A singular value above `alpha` counts as one, a smaller one as a smooth fraction: docs/theory.md, section
    0.
    """
    alpha = positive("alpha", alpha)
    x = np.square(np.asarray(singular_values, dtype=np.float64) / alpha)
    return np.sum(1 - np.square(np.maximum(1 - x, 0)), axis=-1)


@declared
def stable_rank(singular_values: np.ndarray) -> np.ndarray:
    """``|A|_F^2 / |A|_op^2``, at most the rank; 0 for the zero matrix. Shape (...)."""
    relative = _relative(singular_values)
    return np.sum(np.square(relative), axis=-1)


@declared
def schatten_cost(singular_values: np.ndarray, *, depth: int) -> np.ndarray:
    """``L sum_i s_i^(2/L)``: the minimal squared norm of the weights of depth L with this product.

    See docs/theory.md, section 4a.

    Parameters
    ----------
    singular_values : ndarray, shape (..., k)
    depth : int
        Number of layers L.

    Returns
    -------
    ndarray, shape (...)
    """
    depth = whole("depth", depth, least=1)
    s = np.asarray(singular_values, dtype=np.float64)
    return depth * np.sum(s ** (2 / depth), axis=-1)


def _relative(singular_values: np.ndarray) -> np.ndarray:
    """Singular values divided by the largest, so that squares neither overflow nor underflow."""
    s = np.asarray(singular_values, dtype=np.float64)
    largest = s.max(axis=-1, keepdims=True, initial=0.0)
    return np.divide(s, largest, out=np.zeros_like(s), where=largest > 0)


# -- weights --------------------------------------------------------------------------------------------


@declared
def squared_norm(network: Network) -> np.ndarray:
    """``sum_l |W_l|_F^2``, shape () or (n_chains,)."""
    return np.sum([np.sum(np.square(W, dtype=np.float64), axis=(-2, -1)) for W in network.weights], axis=0)


@declared
def hidden_singular_values(network: Network) -> np.ndarray:
    """Singular values of ``Z_l = [W_l | W_{l+1}^T]`` for the hidden layers l = 1..L-1, decreasing.

    A hidden direction is dead when its singular value is 0; SGD never revives it: docs/theory.md, section 0.

    Returns
    -------
    ndarray, shape (..., L - 1, k)
        k is that of the widest layer; narrower layers have zeros at the end.
    """
    spectra = [
        np.linalg.svd(Z.astype(np.float64, copy=False), compute_uv=False) for Z in network.hidden_spaces()
    ]
    out = np.zeros((*spectra[0].shape[:-1], len(spectra), max(s.shape[-1] for s in spectra)))
    for layer, s in enumerate(spectra):
        out[..., layer, : s.shape[-1]] = s
    return out


@declared
def imbalance(network: Network) -> np.ndarray:
    """Operator norms of ``D_l = W_l^T W_l - W_{l-1} W_{l-1}^T`` for l = 2..L.

    Zero exactly at balanced weights; all critical points of the regularised loss are balanced:
    docs/theory.md, 4b.

    Returns
    -------
    ndarray, shape (..., L - 1)
    """
    norms = []
    for lower, upper in zip(network.weights, network.weights[1:], strict=False):
        lower, upper = lower.astype(np.float64, copy=False), upper.astype(np.float64, copy=False)
        D = _transpose(upper) @ upper - lower @ _transpose(lower)
        norms.append(np.linalg.norm(D, 2, axis=(-2, -1)))
    return np.stack(norms, axis=-1)


@declared
def tangent_diagonal(network: Network, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Diagonal of the neural tangent kernel at some entries: the squared gradient norm of each.

    ``K_ij = |dA_ij / dtheta|^2 = sum_l |b_l|^2 |f_{l-1}|^2`` with the forward vectors
    ``f_l = W_l ... W_1 e_j`` and the backward vectors ``b_l = W_{l+1}^T ... W_L^T e_i``. A step of SGD on one
    entry is stable when ``lr K_ij`` is below about 1.

    Parameters
    ----------
    network : Network
    rows, cols : ndarray of int, shape (n,)

    Returns
    -------
    ndarray, shape (..., n)
    """
    weights = network.weights
    right, left = weights[0], weights[-1]
    forward = [np.ones(network.widths[0]), np.sum(np.square(right), axis=-2)]
    backward = [np.ones(network.widths[-1]), np.sum(np.square(left), axis=-1)]
    # stops short of the full m x n product
    for lower, upper in zip(weights[1:-1], weights[-2:0:-1], strict=True):
        right, left = lower @ right, left @ upper
        forward.append(np.sum(np.square(right), axis=-2))
        backward.append(np.sum(np.square(left), axis=-1))
    pairs = zip(forward, reversed(backward), strict=True)
    return np.sum([f[..., cols] * b[..., rows] for f, b in pairs], axis=0)


# -- losses ---------------------------------------------------------------------------------------------


@declared
def data_loss(problem: Problem | Measurements, network: Network) -> np.ndarray:
    """``1/(2N) sum over the observed entries of (A_ij - x_ij)^2``, shape () or (n_chains,).

    For measurements ``1/(2N) sum_k (u_k^T A v_k - y_k)^2``.
    """
    _check_shapes(problem, network)
    if isinstance(problem, Measurements):
        predicted = problem.predict(network)
    else:
        predicted = network.predict(problem.rows, problem.cols)
    residual = predicted - problem.values
    return 0.5 * np.mean(np.square(residual), axis=-1)


@declared
def regularised_loss(problem: Problem | Measurements, network: Network, *, ridge: float) -> np.ndarray:
    """:func:`data_loss` plus ``ridge * sum_l |W_l|_F^2``, shape () or (n_chains,)."""
    return data_loss(problem, network) + ridge * squared_norm(network)


def _check_shapes(problem: Problem | Measurements, network: Network) -> None:
    if not isinstance(problem, Measurements):
        instance("problem", problem, Problem)
    instance("network", network, Network)
    if network.shape != problem.shape:
        raise InputError(
            f"The network makes {network.shape[0]} x {network.shape[1]} matrices, but the problem is "
            f"{problem.n_rows} x {problem.n_cols}."
        )


def _transpose(W: np.ndarray) -> np.ndarray:
    return np.swapaxes(W, -1, -2)
