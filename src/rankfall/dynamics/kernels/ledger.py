"""How far each hidden layer can have been stretched: the ledger of Theorem 3(c), kept on the way.

One step multiplies ``Z_l = [W_l | W_{l+1}^T]`` from the right by a matrix of norm at most ``q + lr |B_l|``, with
``|B_l| = |rho| |p_i| |q_j|`` for one entry, ``p_i = W_{l+2}^T ... W_L^T e_i`` and ``q_j = W_{l-1} ... W_1 e_j``, and at
most the mean of these for a batch. The vectors are the step's own backward and forward vectors; nothing is computed
twice and no weight is touched.

A chain's ledger has one column per hidden layer and the rows TOTAL, PEAK (logarithms: the sum, and the highest partial
sum, of what was folded in), PRODUCT and HIGHEST (the same since then, not yet as logarithms, which would cost a
third of a short step).
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
def enter(ledger, layer, factor):
    """Multiply one layer's product by the factor of a step."""
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
def charge(ledger, inputs, outputs, gain, q):
    """Enter a step of one entry.

    `inputs` and `outputs` hold ``|f_l|^2`` and ``|b_l|^2`` (1 where layer l has no use for it); `gain` is ``lr |rho|``
    times the decay scalars that f and b lack.
    """
    for layer in range(1, ledger.shape[1] + 1):
        enter(ledger, layer - 1, q + gain * np.sqrt(inputs[layer - 1] * outputs[layer + 1]))


@njit(**LOOP)
def charge_batch(ledger, widths, F, B, gaps, count, gain, q):
    """Enter a step of several entries, whose residuals B holds already; `gaps` has them for the last layer."""
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
                size *= gaps[e] * gaps[e]
            total += np.sqrt(size)
        enter(ledger, layer - 1, q + gain * total / count)
