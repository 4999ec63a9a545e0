"""Steps of several entries, of one with label noise, and of all.

Storage and decay scalar as in :mod:`.single`.

All products are loops of our own rather than BLAS: a multithreaded BLAS inside a parallel kernel
oversubscribes the machine, and its bits depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...compute.cache_lines import DEFERRED
from ...compute.njit_options import LOOP
from ...compute.vector_loops import add, assign, dot
from .displacement import is_watched, leaves_ball, note_batch
from .ledger import record_batch
from .passes import absorb_scale, flush_updates, subtract_products, times, times_transposed
from .single import ABSORB_EVERY, DISTINCT, EPOCHS, REPLACEMENT, SMALLEST_SCALE, lanes_of, layout
from .streams import LABEL_NOISE, distinct_below, random_below, random_normal, shuffle_ahead

# how gradient descent draws the entries of a step, after those of :mod:`.single`
ALL = 4


@njit(**LOOP)
def zero_vectors(count, widths, flat):
    """Zeros for `count` vectors in every layer, rounded up to a multiple of `DEFERRED`."""
    rounded = (count + DEFERRED - 1) // DEFERRED * DEFERRED
    return [np.zeros(rounded * widths[layer], flat.dtype) for layer in range(widths.size - 1)]


@njit(**LOOP)
def draw_batch(picked, table, order, entries, step, index, n_entries, key, chain, sampling):
    """Draw the entries of global step `index` into `picked`; returns their number."""
    size = picked.size
    if sampling == REPLACEMENT:
        for e in range(size):
            picked[e] = random_below(key, chain, index * size + e, n_entries)
        return size
    if sampling == DISTINCT:
        distinct_below(picked, table, key, chain, index * size, n_entries)
        return size
    if sampling == EPOCHS:
        per_epoch = (n_entries + size - 1) // size
        first = (index % per_epoch) * size
        count = min(size, n_entries - first)
        shuffle_ahead(order, key, chain, index // per_epoch, first, count)
        for e in range(count):
            picked[e] = order[first + e]
        return count
    for e in range(size):
        picked[e] = e if sampling == ALL else entries[step, e]
    return size


@njit(**LOOP)
def read_targets(targets, values, picked, count, label_noise, index, key, chain):
    """The observed values of the entries of global step `index`, with fresh label noise."""
    for e in range(count):
        targets[e] = values[picked[e]]
        if label_noise > 0:
            targets[e] += label_noise * random_normal(key, chain, index * picked.size + e, LABEL_NOISE)


@njit(**LOOP)
def run_batches(
    flat, widths, scale, limit, tiny, rows, cols, values, order, entries, lr, ridge, start, n_steps, key,
    chain, sampling, ledger, ball, anchor, label_noise, batch_size,
):  # fmt: skip
    """Advance one chain by steps of `batch_size` entries; returns as :func:`.single.run_chain`."""
    depth = widths.size - 1
    padded, layers, inputs, outputs, end, _, _, _ = layout(widths, lanes_of(flat))
    # single-entry steps may have left deferred updates in the row
    flush_updates(flat, widths, padded, layers, inputs, outputs, False)
    low, high = padded[1], padded[depth - 1]
    first, last = layers[1], layers[depth]
    F, B = zero_vectors(batch_size, padded, flat), zero_vectors(batch_size, padded, flat)
    picked = np.zeros(batch_size, np.int64)
    targets, residuals = np.zeros(batch_size), np.zeros(batch_size)
    table_size = 2
    while sampling == DISTINCT and table_size < 2 * batch_size:
        table_size *= 2
    table = np.zeros(table_size, np.int64)
    watched = is_watched(ball)
    for step in range(n_steps):
        index = start + step
        count = draw_batch(picked, table, order, entries, step, index, values.size, key, chain, sampling)
        read_targets(targets, values, picked, count, label_noise, index, key, chain)
        for e in range(count):
            assign(F[1], e * low, 1, flat, first + cols[picked[e]] * low, low)
        for layer in range(2, depth):
            size, stride = padded[layer - 1], padded[layer]
            times(flat, layers[layer], widths[layer], size, F[layer - 1], F[layer], stride, count)
        power = 1.0
        for _ in range(depth - 2):
            power *= scale
        for e in range(count):
            row = last + rows[picked[e]] * high
            rho = power * scale * scale * dot(flat, row, F[depth - 1], e * high, high) - targets[e]
            if not (abs(rho) < limit):
                return scale, step, False
            assign(B[depth - 1], e * high, rho, flat, row, high)
            # the update of the last layer needs the factor rho that B contains
            residuals[e] = rho
        for layer in range(depth - 1, 1, -1):
            size, stride = padded[layer - 1], padded[layer]
            times_transposed(flat, layers[layer], widths[layer], size, B[layer], stride, B[layer - 1], count)
        lr_now = lr[step] if lr.size > 1 else lr[0]
        ridge_now = ridge[step] if ridge.size > 1 else ridge[0]
        q = 1.0 - 2.0 * lr_now * ridge_now
        if ledger.shape[1] > 0:
            record_batch(ledger, padded, F, B, residuals, count, lr_now * power, q)
        if watched:
            inner = 0.0
            for e in range(count):
                inner += lr_now * residuals[e] * (residuals[e] + targets[e]) / count
            note_batch(
                ball, anchor, padded, F, B, residuals, rows, cols, picked, first, last, count,
                lr_now * power * scale, q, inner,
            )  # fmt: skip
        coef = lr_now * power / (q * count)
        take_step(flat, widths, padded, layers, F, B, coef, count)
        for e in range(count):
            entry = picked[e]
            add(flat, last + rows[entry] * high, -coef * residuals[e], F[depth - 1], e * high, high)
            add(flat, first + cols[entry] * low, -1, B[1], e * low, low)
        scale *= q
        if (index + 1) % ABSORB_EVERY == 0 or scale < SMALLEST_SCALE:
            absorb_scale(flat[:end], scale, tiny)
            scale = 1.0
        if watched and leaves_ball(ball, anchor, flat, widths, padded, layers, inputs, outputs, scale):
            return scale, step + 1, True
    return scale, n_steps, False


@njit(**LOOP)
def take_step(flat, widths, padded, layers, F, B, coef, count):
    """Multiply all backward vectors by `coef` and update the hidden-to-hidden layers."""
    depth = widths.size - 1
    for layer in range(1, depth):
        size = padded[layer]
        assign(B[layer], 0, coef, B[layer], 0, count * size)
        # after a short batch, vectors of the previous one remain
        B[layer][count * size : (count + DEFERRED - 1) // DEFERRED * DEFERRED * size] = 0
        if layer > 1:
            n_cols = padded[layer - 1]
            subtract_products(flat, layers[layer], widths[layer], n_cols, B[layer], size, F[layer - 1], count)


@njit(**LOOP)
def run_full(flat, widths, scale, limit, tiny, rows, cols, values, lr, ridge, start, n_steps):
    """Advance one chain by gradient descent; returns the decay scalar and the steps made.

    Vectors are kept per column j of A: ``F_l[j] = W_l ... W_1 e_j`` and
    ``B_l[j] = sum_i rho_ij W_{l+1}^T ... W_L^T e_i``, so that the gradient of W_l is ``B_l^T F_{l-1}``.
    """
    depth = widths.size - 1
    n_cols = widths[0]
    padded, layers, inputs, outputs, end, _, _, _ = layout(widths, lanes_of(flat))
    # single-entry steps may have left deferred updates in the row
    flush_updates(flat, widths, padded, layers, inputs, outputs, False)
    low, high = padded[1], padded[depth - 1]
    first, last = layers[1], layers[depth]
    F, B = zero_vectors(n_cols, padded, flat), zero_vectors(n_cols, padded, flat)
    residuals = np.zeros(values.size)
    for step in range(n_steps):
        F[1][: n_cols * low] = flat[first : first + n_cols * low]
        for layer in range(2, depth):
            size, stride = padded[layer - 1], padded[layer]
            times(flat, layers[layer], widths[layer], size, F[layer - 1], F[layer], stride, n_cols)
        power = 1.0
        for _ in range(depth - 2):
            power *= scale
        for e in range(values.size):
            fitted = dot(flat, last + rows[e] * high, F[depth - 1], cols[e] * high, high)
            residuals[e] = power * scale * scale * fitted - values[e]
            if not (abs(residuals[e]) < limit):
                return scale, step
        B[depth - 1][:] = 0
        for e in range(values.size):
            add(B[depth - 1], cols[e] * high, residuals[e], flat, last + rows[e] * high, high)
        for layer in range(depth - 1, 1, -1):
            size, stride = padded[layer - 1], padded[layer]
            times_transposed(flat, layers[layer], widths[layer], size, B[layer], stride, B[layer - 1], n_cols)
        lr_now = lr[step] if lr.size > 1 else lr[0]
        ridge_now = ridge[step] if ridge.size > 1 else ridge[0]
        q = 1.0 - 2.0 * lr_now * ridge_now
        coef = lr_now * power / (q * values.size)
        for e in range(values.size):
            add(flat, last + rows[e] * high, -coef * residuals[e], F[depth - 1], cols[e] * high, high)
        take_step(flat, widths, padded, layers, F, B, coef, n_cols)
        add(flat, first, -1, B[1], 0, n_cols * low)
        scale *= q
        if (start + step + 1) % ABSORB_EVERY == 0 or scale < SMALLEST_SCALE:
            absorb_scale(flat[:end], scale, tiny)
            scale = 1.0
    return scale, n_steps


@njit(**LOOP)
def advance_batches(
    begin, end, buffer, widths, scales, clock, running, limits, tiny, rows, cols, values, orders, entries, lr,
    ridge, n_steps, key, chains, sampling, ledgers, balls, anchors, label_noise, batch_size,
):  # fmt: skip
    """Advance the running chains among `begin` to `end` by `n_steps` batches, as :func:`.advance_single`."""
    for c in range(begin, end):
        if running[c]:
            scale, done, left = run_batches(
                buffer[c], widths[c], scales[c], limits[c], tiny, rows, cols, values, orders[c], entries,
                lr, ridge, clock[c], n_steps, key, chains[c], sampling, ledgers[c], balls[c], anchors[c],
                label_noise, batch_size,
            )  # fmt: skip
            scales[c] = scale
            clock[c] += done
            running[c] = done == n_steps or left


@njit(**LOOP)
def advance_full(
    begin, end, buffer, widths, scales, clock, running, limits, tiny, rows, cols, values, lr, ridge, n_steps
):  # fmt: skip
    """Advance the running chains among `begin` to `end` by `n_steps` steps of gradient descent."""
    for c in range(begin, end):
        if running[c]:
            scale, done = run_full(
                buffer[c], widths[c], scales[c], limits[c], tiny, rows, cols, values, lr, ridge, clock[c],
                n_steps,
            )  # fmt: skip
            scales[c] = scale
            clock[c] += done
            running[c] = done == n_steps
