"""Steps of several entries, and of all of them. Storage and decay scalar as in :mod:`.kernels`.

All products are small loops of our own rather than BLAS: a BLAS with threads inside a parallel kernel
oversubscribes the machine, and its bits depend on how many threads it was given.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .kernels import (
    DISTINCT,
    EPOCHS,
    FOLD_EVERY,
    REPLACEMENT,
    SMALLEST_SCALE,
    layers_of,
    n_stored,
)
from .ledger import charge_batch
from .passes import (
    FASTMATH,
    OPTIONS,
    dot,
    fold,
    subtract,
    subtract_products,
    times,
    times_transposed,
)
from .streams import distinct_below, random_below, shuffle_ahead


@njit(**OPTIONS)
def choose(picked, table, order, entries, step, index, n_entries, key, chain, sampling):
    """Write the entries of global step `index` into `picked`; returns how many there are."""
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
        picked[e] = entries[step, e]
    return size


@njit(**OPTIONS)
def run_batches(
    flat, widths, scale, limit, tiny, rows, cols, values, order, entries, lr, ridge, start, n_steps, key,
    chain, sampling, ledger, batch_size,
):  # fmt: skip
    """Advance one chain by steps of `batch_size` entries; returns the decay scalar and the steps made."""
    depth = widths.size - 1
    first = flat[: widths[0] * widths[1]].reshape((widths[0], widths[1]))
    end = n_stored(widths)
    last = flat[end - widths[depth] * widths[depth - 1] : end].reshape((widths[depth], widths[depth - 1]))
    hidden = layers_of(flat, widths)
    F = [np.zeros((batch_size, widths[layer]), flat.dtype) for layer in range(depth)]
    B = [np.zeros((batch_size, widths[layer]), flat.dtype) for layer in range(depth)]
    picked = np.zeros(batch_size, np.int64)
    gaps = np.zeros(batch_size)
    table_size = 2
    while sampling == DISTINCT and table_size < 2 * batch_size:
        table_size *= 2
    table = np.zeros(table_size, np.int64)
    bottom, top = widths[1], widths[depth - 1]
    for step in range(n_steps):
        index = start + step
        count = choose(picked, table, order, entries, step, index, values.size, key, chain, sampling)
        for e in range(count):
            F[1][e] = first[cols[picked[e]]]
        for layer in range(2, depth):
            times_transposed(F[layer - 1], hidden[layer - 1], F[layer], count)
        power = 1.0
        for _ in range(depth - 2):
            power *= scale
        for e in range(count):
            row = rows[picked[e]]
            rho = power * scale * scale * dot(last[row], F[depth - 1][e], top) - values[picked[e]]
            if not (abs(rho) < limit):
                return scale, step
            for k in range(top):
                B[depth - 1][e, k] = rho * last[row, k]
            # the factor rho that B carries is wanted in the update of the last layer too
            gaps[e] = rho
        for layer in range(depth - 1, 1, -1):
            times(B[layer], hidden[layer - 1], B[layer - 1], count)
        lr_now = lr[step] if lr.size > 1 else lr[0]
        ridge_now = ridge[step] if ridge.size > 1 else ridge[0]
        q = 1.0 - 2.0 * lr_now * ridge_now
        if ledger.shape[1] > 0:
            charge_batch(ledger, widths, F, B, gaps, count, lr_now * power, q)
        coef = lr_now * power / (q * count)
        for layer in range(2, depth):
            subtract_products(hidden[layer - 1], flat.dtype.type(coef), B[layer], F[layer - 1], count)
        for e in range(count):
            subtract(last[rows[picked[e]]], flat.dtype.type(coef * gaps[e]), F[depth - 1][e], top)
            subtract(first[cols[picked[e]]], flat.dtype.type(coef), B[1][e], bottom)
        scale *= q
        if (index + 1) % FOLD_EVERY == 0 or scale < SMALLEST_SCALE:
            fold(flat[:end], scale, tiny)
            scale = 1.0
    return scale, n_steps


@njit(**OPTIONS)
def run_full(flat, widths, scale, limit, tiny, rows, cols, values, lr, ridge, start, n_steps):
    """Advance one chain by gradient descent; returns the decay scalar and the steps made.

    Vectors are kept per column j of A: ``F_l[j] = W_l ... W_1 e_j`` and
    ``B_l[j] = sum_i rho_ij W_{l+1}^T ... W_L^T e_i``, so that the gradient of W_l is ``B_l^T F_{l-1}``.
    """
    depth = widths.size - 1
    n_cols = widths[0]
    first = flat[: n_cols * widths[1]].reshape((n_cols, widths[1]))
    end = n_stored(widths)
    last = flat[end - widths[depth] * widths[depth - 1] : end].reshape((widths[depth], widths[depth - 1]))
    hidden = layers_of(flat, widths)
    F = [np.zeros((n_cols, widths[layer]), flat.dtype) for layer in range(depth)]
    B = [np.zeros((n_cols, widths[layer]), flat.dtype) for layer in range(depth)]
    F[1] = first
    gaps = np.zeros(values.size)
    bottom, top = widths[1], widths[depth - 1]
    for step in range(n_steps):
        for layer in range(2, depth):
            times_transposed(F[layer - 1], hidden[layer - 1], F[layer], n_cols)
        power = 1.0
        for _ in range(depth - 2):
            power *= scale
        for e in range(values.size):
            gaps[e] = power * scale * scale * dot(last[rows[e]], F[depth - 1][cols[e]], top) - values[e]
            if not (abs(gaps[e]) < limit):
                return scale, step
        B[depth - 1][:] = 0
        for e in range(values.size):
            subtract(B[depth - 1][cols[e]], flat.dtype.type(-gaps[e]), last[rows[e]], top)
        for layer in range(depth - 1, 1, -1):
            times(B[layer], hidden[layer - 1], B[layer - 1], n_cols)
        lr_now = lr[step] if lr.size > 1 else lr[0]
        ridge_now = ridge[step] if ridge.size > 1 else ridge[0]
        q = 1.0 - 2.0 * lr_now * ridge_now
        coef = lr_now * power / (q * values.size)
        for e in range(values.size):
            subtract(last[rows[e]], flat.dtype.type(coef * gaps[e]), F[depth - 1][cols[e]], top)
        # from the top down: F[1] is the first layer itself, which moves last
        for layer in range(depth - 1, 1, -1):
            subtract_products(hidden[layer - 1], flat.dtype.type(coef), B[layer], F[layer - 1], n_cols)
        for j in range(n_cols):
            subtract(first[j], flat.dtype.type(coef), B[1][j], bottom)
        scale *= q
        if (start + step + 1) % FOLD_EVERY == 0 or scale < SMALLEST_SCALE:
            fold(flat[:end], scale, tiny)
            scale = 1.0
    return scale, n_steps


@njit(parallel=True, cache=True, nogil=True, fastmath=FASTMATH)
def advance_batches(
    buffer, widths, scales, clock, running, limits, tiny, rows, cols, values, orders, entries, lr, ridge,
    n_steps, key, chains, sampling, ledgers, batch_size,
):  # fmt: skip
    """Advance every running chain by `n_steps` batches; a chain that diverges stops running."""
    for c in prange(chains.size):
        if running[c]:
            scale, done = run_batches(
                buffer[c], widths[c], scales[c], limits[c], tiny, rows, cols, values, orders[c], entries,
                lr, ridge, clock[c], n_steps, key, chains[c], sampling, ledgers[c], batch_size,
            )  # fmt: skip
            scales[c] = scale
            clock[c] += done
            running[c] = done == n_steps


@njit(parallel=True, cache=True, nogil=True, fastmath=FASTMATH)
def advance_full(
    buffer, widths, scales, clock, running, limits, tiny, rows, cols, values, lr, ridge, n_steps
):
    """Advance every running chain by `n_steps` steps of gradient descent."""
    for c in prange(clock.size):
        if running[c]:
            scale, done = run_full(
                buffer[c],
                widths[c],
                scales[c],
                limits[c],
                tiny,
                rows,
                cols,
                values,
                lr,
                ridge,
                clock[c],
                n_steps,
            )
            scales[c] = scale
            clock[c] += done
            running[c] = done == n_steps
