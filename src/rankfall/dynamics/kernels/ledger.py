"""The ledger of Theorem 3(c): a running bound on how much each hidden layer can have grown.

One step multiplies ``Z_l = [W_l | W_{l+1}^T]`` from the right by a matrix of norm at most ``q + lr |B_l|``.
For one entry ``|B_l| = |rho| |p_i| |q_j|`` with ``p_i = W_{l+2}^T ... W_L^T e_i`` and
``q_j = W_{l-1} ... W_1 e_j``; for a batch it is at most the mean of these. The step computes these vectors
anyway; no weight is touched. For measurements the unit vectors are u and v.

A chain's ledger has one column per hidden layer and four rows. TOTAL and PEAK hold the sum and the highest
partial sum of the logarithms taken so far; PRODUCT and HIGHEST hold the product and the highest partial
product since then, because a logarithm at every step would cost a third of a short step.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...compute.njit_options import LOOP
from ...compute.vector_loops import dot

TOTAL, PEAK, PRODUCT, HIGHEST = 0, 1, 2, 3
_LARGE, _SMALL = 1e100, 1e-100


def blank(n_chains: int, n_layers: int) -> np.ndarray:
    """Ledgers before the first step, shape (n_chains, 4, n_layers)."""
    out = np.zeros((n_chains, 4, n_layers))
    out[:, PRODUCT:] = 1.0
    return out


def read(ledgers: np.ndarray) -> np.ndarray:
    """Sum and highest partial sum (at least 0) of ``log(q + lr |B_l|)``, shape (n_chains, 2, n_layers)."""
    total = ledgers[:, TOTAL] + np.log(ledgers[:, PRODUCT])
    peak = np.maximum(ledgers[:, PEAK], ledgers[:, TOTAL] + np.log(ledgers[:, HIGHEST]))
    return np.stack([total, peak], axis=1)


@njit(**LOOP)
def multiply(ledger, layer, factor):
    """Multiply one layer's product by the bound of a step."""
    product = ledger[PRODUCT, layer] * factor
    ledger[PRODUCT, layer] = product
    if product > ledger[HIGHEST, layer]:
        ledger[HIGHEST, layer] = product
    if not (_SMALL < product < _LARGE):
        total = ledger[TOTAL, layer]
        ledger[PEAK, layer] = max(ledger[PEAK, layer], total + np.log(ledger[HIGHEST, layer]))
        ledger[TOTAL, layer] = total + np.log(product)
        ledger[PRODUCT, layer] = 1.0
        ledger[HIGHEST, layer] = 1.0


@njit(**LOOP)
def record_step(ledger, inputs, outputs, gain, q):
    """Record a step of one entry.

    `inputs` and `outputs` hold ``|f_l|^2`` and ``|b_l|^2`` (1 where the bound does not need it); `gain` is
    ``lr |rho|`` times the powers of the decay scalar that f and b lack.
    """
    for layer in range(1, ledger.shape[1] + 1):
        multiply(ledger, layer - 1, q + gain * np.sqrt(inputs[layer - 1] * outputs[layer + 1]))


@njit(**LOOP)
def record_batch(ledger, widths, F, B, residuals, count, gain, q):
    """Record a step of several entries. B contains the residuals; the last layer needs them by themselves."""
    depth = widths.size - 1
    for layer in range(1, depth):
        below, above = widths[layer - 1], widths[layer + 1]
        total = 0.0
        for e in range(count):
            size = 1.0
            if layer > 1:
                size *= np.float64(dot(F[layer - 1], e * below, F[layer - 1], e * below, below))
            if layer < depth - 1:
                size *= np.float64(dot(B[layer + 1], e * above, B[layer + 1], e * above, above))
            else:
                size *= residuals[e] * residuals[e]
            total += np.sqrt(size)
        multiply(ledger, layer - 1, q + gain * total / count)


@njit(**LOOP)
def record_measurements(ledger, widths, F, B, residuals, left, right, picked, count, gain, q):
    """Record a step of several measurements, as :func:`record_batch`, with their own u and v."""
    depth = widths.size - 1
    for layer in range(1, depth):
        below, above = widths[layer - 1], widths[layer + 1]
        total = 0.0
        for e in range(count):
            if layer > 1:
                size = np.float64(dot(F[layer - 1], e * below, F[layer - 1], e * below, below))
            else:
                size = squared_length(right, picked[e])
            if layer < depth - 1:
                size *= np.float64(dot(B[layer + 1], e * above, B[layer + 1], e * above, above))
            else:
                size *= residuals[e] * residuals[e] * squared_length(left, picked[e])
            total += np.sqrt(size)
        multiply(ledger, layer - 1, q + gain * total / count)


@njit(**LOOP)
def squared_length(vectors, k):
    """``|x_k|^2`` of one row."""
    total = 0.0
    for i in range(vectors.shape[1]):
        total += vectors[k, i] * vectors[k, i]
    return total
