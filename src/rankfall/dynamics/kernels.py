"""SGD with one entry per step: all chains advance inside one parallel call.

Storage of a chain (``layout``): one row of a flat buffer holds W_1 transposed (n_cols x w_1), then
W_2, ..., W_L by rows. Lazy weight decay: the true weights are ``scale`` times the stored ones, the
same scalar for every layer because every layer decays by the same ``q = 1 - 2 lr ridge``. With
``W_l = s V_l`` and the vectors f, b computed from the stored V,

    A_ij = s^L <b_{L-1}, f_{L-1}>,      V_l' = V_l - (lr rho s^(L-2) / q) b_l f_{l-1}^T,      s' = q s,

so one step touches one row of V_L, one row of the transposed V_1 and the hidden-to-hidden layers only.
Those are gone through once per step: the update of step t together with the products of step t + 1.

The scalar is folded into the weights at global steps that are multiples of ``FOLD_EVERY``, and
whenever it falls below ``SMALLEST_SCALE``; both depend on the step number and on the chain's own
history only, so the bits of a chain do not depend on how the run is cut into calls.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .ledger import charge
from .passes import (
    FASTMATH,
    OPTIONS,
    backward,
    dot,
    fold,
    subtract,
    update_forward,
    update_forward_backward,
)
from .streams import random_below, shuffle_ahead

FOLD_EVERY = 4096
SMALLEST_SCALE = 1e-3

# how the entry of a step is chosen
REPLACEMENT, DISTINCT, EPOCHS, PRESCRIBED = 0, 1, 2, 3


@njit(**OPTIONS)
def layers_of(flat, widths):
    """The hidden-to-hidden layers W_2..W_{L-1} of a chain, as a list of arrays that share its memory."""
    depth = widths.size - 1
    offset = widths[0] * widths[1]
    layers = [flat[:0].reshape((0, 0))]
    for layer in range(2, depth):
        size = widths[layer] * widths[layer - 1]
        layers.append(flat[offset : offset + size].reshape((widths[layer], widths[layer - 1])))
        offset += size
    return layers


@njit(**OPTIONS)
def n_stored(widths):
    """Number of weights of a chain."""
    total = 0
    for layer in range(1, widths.size):
        total += widths[layer] * widths[layer - 1]
    return total


@njit(**OPTIONS)
def run_chain(
    flat, widths, scale, limit, tiny, rows, cols, values, order, entries, lr, ridge, start, n_steps, key,
    chain, sampling, ledger,
):  # fmt: skip
    """Advance one chain by single-entry steps.

    Returns
    -------
    scale : float
        The decay scalar after the last step.
    done : int
        Steps made; fewer than `n_steps` if the residual reached `limit` or was not a number.
    """
    depth = widths.size - 1
    n_entries = values.size
    first = flat[: widths[0] * widths[1]].reshape((widths[0], widths[1]))
    end = n_stored(widths)
    last = flat[end - widths[depth] * widths[depth - 1] : end].reshape((widths[depth], widths[depth - 1]))
    hidden = layers_of(flat, widths)
    widest = widths[1:depth].max()
    # forward and backward vectors of the step before and of this one
    F = np.zeros((2, depth, widest), flat.dtype)
    B = np.zeros((2, depth, widest), flat.dtype)
    bottom, top = widths[1], widths[depth - 1]
    now = 0
    coef = flat.dtype.type(0)
    step = 0
    flush = False
    row = 0
    col = 0
    target = 0.0
    while True:
        old = 1 - now
        if not flush:
            index = start + step
            if sampling == REPLACEMENT:
                entry = random_below(key, chain, index, n_entries)
            elif sampling == EPOCHS:
                epoch, position = index // n_entries, index % n_entries
                shuffle_ahead(order, key, chain, epoch, position, 1)
                entry = np.int64(order[position])
            else:
                entry = entries[step, 0]
            row, col, target = rows[entry], cols[entry], values[entry]
            F[now, 1, :bottom] = first[col]
            B[now, depth - 1, :top] = last[row]
        # the only call sites: a flush goes through the same machine code as a step, so that the
        # weights do not depend on where a run is cut
        for layer in range(2, depth):
            W = hidden[layer - 1]
            if layer < depth - 1:
                update_forward(W, coef, B[old, layer], F[old, layer - 1], F[now, layer - 1], F[now, layer])
            else:
                update_forward_backward(
                    W, coef, B[old, layer], F[old, layer - 1], B[now, layer], F[now, layer - 1],
                    F[now, layer], B[now, layer - 1],
                )  # fmt: skip
        for back in range(depth - 3):
            layer = depth - 2 - back
            backward(hidden[layer - 1], B[now, layer], B[now, layer - 1])
        if flush:
            coef = flat.dtype.type(0)
            flush = False
            if (start + step) % FOLD_EVERY == 0 or scale < SMALLEST_SCALE:
                fold(flat[:end], scale, tiny)
                scale = 1.0
            if step == n_steps:
                return scale, step
            continue
        lr_now = lr[step] if lr.size > 1 else lr[0]
        ridge_now = ridge[step] if ridge.size > 1 else ridge[0]
        power = 1.0
        for _ in range(depth - 2):
            power *= scale
        rho = power * scale * scale * dot(B[now, depth - 1], F[now, depth - 1], top) - target
        if not (abs(rho) < limit):
            return scale, step
        q = 1.0 - 2.0 * lr_now * ridge_now
        if ledger.shape[1] > 0:
            charge(ledger, widths, F[now], B[now], lr_now * abs(rho) * power, q)
        coef = flat.dtype.type(lr_now * rho * power / q)
        subtract(last[row], coef, F[now, depth - 1], top)
        subtract(first[col], coef, B[now, 1], bottom)
        scale *= q
        step += 1
        now = old
        flush = step == n_steps or (start + step) % FOLD_EVERY == 0 or scale < SMALLEST_SCALE


@njit(parallel=True, cache=True, nogil=True, fastmath=FASTMATH)
def advance_single(
    buffer, widths, scales, clock, running, limits, tiny, rows, cols, values, orders, entries, lr, ridge,
    n_steps, key, chains, sampling, ledgers,
):  # fmt: skip
    """Advance every running chain by `n_steps` steps of one entry; a chain that diverges stops running."""
    for c in prange(chains.size):
        if running[c]:
            scale, done = run_chain(
                buffer[c], widths[c], scales[c], limits[c], tiny, rows, cols, values, orders[c], entries,
                lr, ridge, clock[c], n_steps, key, chains[c], sampling, ledgers[c],
            )  # fmt: skip
            scales[c] = scale
            clock[c] += done
            running[c] = done == n_steps
