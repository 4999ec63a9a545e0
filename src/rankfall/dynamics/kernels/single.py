"""SGD with one entry per step: all chains advance inside one parallel call.

Each chain is one row of the buffer, see :mod:`.layout`. Weight decay is lazy: the true weights are ``scale``
times the stored ones, with the same scalar for every layer because every layer decays by the same
``q = 1 - 2 lr ridge``. With ``W_l = s V_l`` and the vectors f, b computed from the stored V,

    A_ij = s^L <b_{L-1}, f_{L-1}>,      V_l' = V_l - (lr rho s^(L-2) / q) b_l f_{l-1}^T,      s' = q s,

so one step touches one row of V_L, one row of the transposed V_1, and the hidden-to-hidden layers. The latter
are only read: their rank-one updates are deferred and flushed `DEFERRED` at a time, which takes a quarter of
the memory traffic. Until then ``V f`` is the product with the stored matrix, corrected by two short vectors
per deferred update. The entries are drawn ahead; so if there is a single hidden matrix, larger than the
fastest cache, one pass over it computes the products for all `DEFERRED` steps until the next flush. Only a
step that meets a row or a column of an earlier one needs a pass of its own.

Updates are flushed at global steps that are multiples of `DEFERRED`. The scalar is absorbed into the weights
at multiples of `ABSORB_EVERY`, and whenever it falls below `SMALLEST_SCALE`. All this depends only on the
step number and the chain's own history, and deferred updates are part of the chain's row. So the bits of a
chain do not depend on how the run is cut into calls.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...compute.cache_lines import CACHE_LINE, DEFERRED
from ...compute.njit_options import LOOP
from ...compute.vector_loops import add, assign, clear, dot, prefetch
from .displacement import is_watched, leaves_ball, note_step
from .layout import layout as plain_layout
from .ledger import record_step
from .passes import (
    absorb_scale,
    flush_updates,
    hidden_pass,
    hidden_pass_from_products,
    products_ahead,
    times,
    times_transposed,
)
from .streams import random_below, shuffle_ahead

ABSORB_EVERY = 4096
SMALLEST_SCALE = 1e-3
# entries are drawn up to this many steps ahead; a multiple of DEFERRED
DRAW_AHEAD = 64
# in networks of more bytes than this, the rows of the next step are prefetched
PREFETCH_ABOVE = 1 << 19
# a hidden layer of more bytes than this does not stay in the fastest cache, and one pass serves several steps
LARGE_LAYER = 1 << 15

# how the entry of a step is drawn
REPLACEMENT, DISTINCT, EPOCHS, PRESCRIBED = 0, 1, 2, 3


layout = njit(**LOOP)(plain_layout)


@njit(**LOOP)
def lanes_of(flat):
    """How many numbers fill one cache line."""
    return CACHE_LINE // flat.itemsize


@njit(**LOOP)
def draw(picked, order, entries, step, start, n_entries, key, chain, sampling):
    """Draw the entries of steps `step`, `step + 1`, ... of a call that began at global step `start`."""
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
def contains(numbers, wanted):
    """Whether `wanted` is one of `numbers`."""
    found = False
    for number in numbers:
        found |= number == wanted
    return found


@njit(**LOOP)
def run_chain(
    flat, widths, scale, limit, tiny, rows, cols, values, order, entries, lr, ridge, start, n_steps, key,
    chain, sampling, ledger, ball, anchor,
):  # fmt: skip
    """Advance one chain by single-entry steps.

    Returns
    -------
    scale : float
        The decay scalar after the last step.
    done : int
        Steps made; fewer than `n_steps` if the residual reached `limit` or was NaN.
    left : bool
        Whether the last step left the ball, which ends the run.
    """
    depth = widths.size - 1
    padded, layers, inputs, outputs, end, top, bottom, _ = layout(widths, lanes_of(flat))
    low, high = padded[1], padded[depth - 1]
    first, last = layers[1], layers[depth]
    ledger_inputs, ledger_outputs = np.ones(depth + 1), np.ones(depth + 1)
    picked, rows_ahead, cols_ahead = (
        np.zeros(DRAW_AHEAD, np.int64), np.zeros(DRAW_AHEAD, np.int64), np.zeros(DRAW_AHEAD, np.int64),
    )  # fmt: skip
    drawn, ahead = 0, -1
    targets = np.zeros(DRAW_AHEAD)
    prefetching = flat.nbytes > PREFETCH_ABOVE
    pass_ahead = depth == 3 and low * high * flat.itemsize > LARGE_LAYER
    n_ahead = DEFERRED if pass_ahead else 0
    forward, backward = np.zeros(n_ahead * high, flat.dtype), np.zeros(n_ahead * low, flat.dtype)
    have_products = False
    watched, left = is_watched(ball), False
    step = 0
    while step < n_steps and not left:
        ahead += 1
        if ahead == drawn:
            ahead = 0
            # the steps until a flush are drawn in one batch
            drawn = min(DRAW_AHEAD - (start + step) % DEFERRED, n_steps - step)
            draw(picked[:drawn], order, entries, step, start, values.size, key, chain, sampling)
            for k in range(drawn):
                entry = picked[k]
                rows_ahead[k], cols_ahead[k] = last + rows[entry] * high, first + cols[entry] * low
                targets[k] = values[entry]
        row, col, target = rows_ahead[ahead], cols_ahead[ahead], targets[ahead]
        if prefetching and ahead + 1 < drawn:
            prefetch(flat, rows_ahead[ahead + 1], high)
            prefetch(flat, cols_ahead[ahead + 1], low)
        slot = (start + step) % DEFERRED
        reverse = ((start + step) // DEFERRED + slot) % 2 == 1
        if depth > 2:
            assign(flat, inputs[2] + slot * low, 1, flat, col, low)
            assign(flat, outputs[depth - 1] + slot * high, 1, flat, row, high)
        if pass_ahead:
            if slot == 0 and not have_products and ahead + DEFERRED <= drawn:
                products_ahead(
                    flat, layers[2], widths[2], low, high, cols_ahead[ahead:], rows_ahead[ahead:],
                    forward, backward, inputs[2], outputs[2], False,
                )  # fmt: skip
                have_products = True
            # a row or a column that an earlier step has moved needs new products
            if not have_products or contains(cols_ahead[ahead - slot : ahead], col):
                times(flat, layers[2], widths[2], low, flat[col:], forward[slot * high :], high, 1)
            if not have_products or contains(rows_ahead[ahead - slot : ahead], row):
                times_transposed(flat, layers[2], widths[2], low, flat[row:], high, backward[slot * low :], 1)
            hidden_pass_from_products(flat, padded, inputs, outputs, slot, top, bottom, forward, backward)
        elif depth > 2:
            hidden_pass(flat, widths, padded, layers, inputs, outputs, slot, top, bottom, reverse)
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
            record_step(ledger, ledger_inputs, ledger_outputs, lr_now * abs(rho) * power, q)
        if watched:
            note_step(
                ball, anchor, flat, padded, inputs, outputs, slot, top, bottom, row, col,
                lr_now * rho * power * scale, q, lr_now * rho * (rho + target),
            )  # fmt: skip
        coef = flat.dtype.type(lr_now * rho * power / q)
        for layer in range(2, depth):
            place = outputs[layer] + slot * padded[layer]
            assign(flat, place, coef, flat, place, padded[layer])
        add(flat, row, -coef, flat, top, high)
        add(flat, col, -coef, flat, bottom, low)
        scale *= q
        step += 1
        absorbing = (start + step) % ABSORB_EVERY == 0 or scale < SMALLEST_SCALE
        if absorbing or slot == DEFERRED - 1:
            next_ahead = ahead + 1
            have_products = pass_ahead and not absorbing and next_ahead + DEFERRED <= drawn
            if have_products:
                products_ahead(
                    flat, layers[2], widths[2], low, high, cols_ahead[next_ahead:], rows_ahead[next_ahead:],
                    forward, backward, inputs[2], outputs[2], True,
                )  # fmt: skip
            else:
                flush_updates(flat, widths, padded, layers, inputs, outputs, pass_ahead or not reverse)
        if absorbing:
            absorb_scale(flat[:end], scale, tiny)
            scale = 1.0
        if watched:
            left = leaves_ball(ball, anchor, flat, widths, padded, layers, inputs, outputs, scale)
    clear(flat, top, high + low)
    return scale, step, left


@njit(**LOOP)
def advance_single(
    begin, end, buffer, widths, scales, clock, running, limits, tiny, rows, cols, values, orders, entries, lr,
    ridge, n_steps, key, chains, sampling, ledgers, balls, anchors,
):  # fmt: skip
    """Advance the running chains among `begin` to `end` by `n_steps` steps; divergence stops a chain.

    A chain that leaves its ball stops there, and may go on.
    """
    for c in range(begin, end):
        if running[c]:
            scale, done, left = run_chain(
                buffer[c], widths[c], scales[c], limits[c], tiny, rows, cols, values, orders[c], entries,
                lr, ridge, clock[c], n_steps, key, chains[c], sampling, ledgers[c], balls[c], anchors[c],
            )  # fmt: skip
            scales[c] = scale
            clock[c] += done
            running[c] = done == n_steps or left
