"""SGD with one entry per step: all chains advance inside one parallel call.

Storage of a chain: one row of the buffer, see :mod:`.layout`. Lazy weight decay: the true weights are ``scale``
times the stored ones, the same scalar for every layer because every layer decays by the same
``q = 1 - 2 lr ridge``. With ``W_l = s V_l`` and the vectors f, b computed from the stored V,

    A_ij = s^L <b_{L-1}, f_{L-1}>,      V_l' = V_l - (lr rho s^(L-2) / q) b_l f_{l-1}^T,      s' = q s,

so one step touches one row of V_L, one row of the transposed V_1 and the hidden-to-hidden layers only. Those are
only read: their rank-one updates wait and are carried out `DELAY` at a time, which takes a quarter of the traffic.
Until then ``V f`` is the product with what is stored, put right by two short vectors for every update that waits.
Since entries are known ahead, a single hidden layer that is larger than the nearest cache is gone through once for all
`DELAY` steps between two updates; only where one of them meets a row or a column of an earlier one is it asked alone.

Updates are carried out at global steps that are multiples of `DELAY`. The scalar is folded into the weights at
multiples of `FOLD_EVERY`, and whenever it falls below `SMALLEST_SCALE`. All this depends on the step number and
on the chain's own history only, and what waits is part of the chain's row, so the bits of a chain do not depend on
how the run is cut into calls.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...compute.cache_lines import DELAY, LINE
from ...compute.njit_options import LOOP
from ...compute.vector_loops import add, assign, clear, dot, fetch
from .layout import layout as plain_layout
from .ledger import charge
from .passes import (
    ask_together,
    corrected,
    fold,
    hidden_pass,
    settle,
    times,
    times_transposed,
)
from .streams import random_below, shuffle_ahead

FOLD_EVERY = 4096
SMALLEST_SCALE = 1e-3
# entries are drawn this many steps ahead, a multiple of DELAY; rows of larger networks (bytes) are fetched one step ahead
AHEAD = 64
NEAR = 1 << 19
# a hidden layer of more bytes than this does not stay in the nearest cache, and one pass serves several steps
LARGE_LAYER = 1 << 15

# how the entry of a step is chosen
REPLACEMENT, DISTINCT, EPOCHS, PRESCRIBED = 0, 1, 2, 3


layout = njit(**LOOP)(plain_layout)


@njit(**LOOP)
def lanes_of(flat):
    """Numbers in a cache line."""
    return LINE // flat.itemsize


@njit(**LOOP)
def draw(picked, order, entries, step, start, n_entries, key, chain, sampling):
    """The entries of the steps `step`, `step + 1`, ... of a call that began at global step `start`."""
    for k in range(picked.size):
        index = start + step + k
        if sampling == REPLACEMENT:
            picked[k] = random_below(key, chain, index, n_entries)
        elif sampling == EPOCHS:
            epoch, position = index // n_entries, index % n_entries
            shuffle_ahead(order, key, chain, epoch, position, 1)
            picked[k] = order[position]
        else:
            picked[k] = entries[step + k, 0]


@njit(**LOOP)
def among(numbers, wanted):
    """Whether a number is one of some."""
    found = False
    for number in numbers:
        found |= number == wanted
    return found


@njit(**LOOP)
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
    padded, layers, inputs, outputs, end, top, bottom, _ = layout(widths, lanes_of(flat))
    low, high = padded[1], padded[depth - 1]
    first, last = layers[1], layers[depth]
    ledger_inputs, ledger_outputs = np.ones(depth + 1), np.ones(depth + 1)
    picked, rows_ahead, cols_ahead = (
        np.zeros(AHEAD, np.int64),
        np.zeros(AHEAD, np.int64),
        np.zeros(AHEAD, np.int64),
    )
    drawn, ahead = 0, -1
    targets = np.zeros(AHEAD)
    distant = flat.nbytes > NEAR
    together = depth == 3 and low * high * flat.itemsize > LARGE_LAYER
    room = DELAY if together else 0
    forth, back = np.zeros(room * high, flat.dtype), np.zeros(room * low, flat.dtype)
    asked = False
    step = 0
    while step < n_steps:
        ahead += 1
        if ahead == drawn:
            ahead = 0
            # all steps between two updates are drawn together
            drawn = min(AHEAD - (start + step) % DELAY, n_steps - step)
            draw(picked[:drawn], order, entries, step, start, values.size, key, chain, sampling)
            for k in range(drawn):
                entry = picked[k]
                rows_ahead[k], cols_ahead[k] = last + rows[entry] * high, first + cols[entry] * low
                targets[k] = values[entry]
        row, col, target = rows_ahead[ahead], cols_ahead[ahead], targets[ahead]
        if distant and ahead + 1 < drawn:
            fetch(flat, rows_ahead[ahead + 1], high)
            fetch(flat, cols_ahead[ahead + 1], low)
        slot = (start + step) % DELAY
        down = ((start + step) // DELAY + slot) % 2 == 1
        if depth > 2:
            assign(flat, inputs[2] + slot * low, 1, flat, col, low)
            assign(flat, outputs[depth - 1] + slot * high, 1, flat, row, high)
        if together:
            if slot == 0 and not asked and ahead + DELAY <= drawn:
                ask_together(
                    flat, layers[2], widths[2], low, high, cols_ahead[ahead:], rows_ahead[ahead:], forth, back,
                    inputs[2], outputs[2], False,
                )  # fmt: skip
                asked = True
            # a row or a column that has moved since is asked for again
            if not asked or among(cols_ahead[ahead - slot : ahead], col):
                times(flat, layers[2], widths[2], low, flat[col:], forth[slot * high :], high, 1)
            if not asked or among(rows_ahead[ahead - slot : ahead], row):
                times_transposed(flat, layers[2], widths[2], low, flat[row:], high, back[slot * low :], 1)
            corrected(flat, padded, inputs, outputs, slot, top, bottom, forth, back)
        elif depth > 2:
            hidden_pass(flat, widths, padded, layers, inputs, outputs, slot, top, bottom, down)
        else:
            assign(flat, top, 1, flat, col, low)
            assign(flat, bottom, 1, flat, row, high)
        lr_now = lr[step] if lr.size > 1 else lr[0]
        ridge_now = ridge[step] if ridge.size > 1 else ridge[0]
        power = 1.0
        for _ in range(depth - 2):
            power *= scale
        rho = power * scale * scale * dot(flat, row, flat, top, high) - target
        if not (abs(rho) < limit):
            for layer in range(2, depth):
                clear(flat, outputs[layer] + slot * padded[layer], padded[layer])
            break
        q = 1.0 - 2.0 * lr_now * ridge_now
        if ledger.shape[1] > 0:
            for layer in range(2, depth):
                f, b = inputs[layer] + slot * padded[layer - 1], outputs[layer] + slot * padded[layer]
                ledger_inputs[layer - 1] = dot(flat, f, flat, f, padded[layer - 1])
                ledger_outputs[layer] = dot(flat, b, flat, b, padded[layer])
            charge(ledger, ledger_inputs, ledger_outputs, lr_now * abs(rho) * power, q)
        coef = flat.dtype.type(lr_now * rho * power / q)
        for layer in range(2, depth):
            place = outputs[layer] + slot * padded[layer]
            assign(flat, place, coef, flat, place, padded[layer])
        add(flat, row, -coef, flat, top, high)
        add(flat, col, -coef, flat, bottom, low)
        scale *= q
        step += 1
        folding = (start + step) % FOLD_EVERY == 0 or scale < SMALLEST_SCALE
        if folding or slot == DELAY - 1:
            following = ahead + 1
            asked = together and not folding and following + DELAY <= drawn
            if asked:
                ask_together(
                    flat, layers[2], widths[2], low, high, cols_ahead[following:], rows_ahead[following:], forth,
                    back, inputs[2], outputs[2], True,
                )  # fmt: skip
            else:
                settle(flat, widths, padded, layers, inputs, outputs, together or not down)
        if folding:
            fold(flat[:end], scale, tiny)
            scale = 1.0
    clear(flat, top, high + low)
    return scale, step


@njit(**LOOP)
def advance_single(
    begin, end, buffer, widths, scales, clock, running, limits, tiny, rows, cols, values, orders, entries, lr, ridge,
    n_steps, key, chains, sampling, ledgers,
):  # fmt: skip
    """Advance the running ones of chains `begin` to `end` by `n_steps` steps of one entry; one that diverges stops running."""
    for c in range(begin, end):
        if running[c]:
            scale, done = run_chain(
                buffer[c], widths[c], scales[c], limits[c], tiny, rows, cols, values, orders[c], entries,
                lr, ridge, clock[c], n_steps, key, chains[c], sampling, ledgers[c],
            )  # fmt: skip
            scales[c] = scale
            clock[c] += done
            running[c] = done == n_steps
