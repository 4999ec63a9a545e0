"""Steps that change every weight: with momentum, or of measurements that are no single entries.

Storage as in :mod:`.layout`. All weights change at every step, so nothing is gained by lazy decay or deferred
updates: the decay scalar stays 1. With momentum one step is

    V' = momentum V + G + 2 ridge W,      W' = W - lr V'

(heavy ball, as torch.optim.SGD has it with ``weight_decay = 2 ridge``), with V = 0 before the first step;
without it, ``W' = (1 - 2 lr ridge) W - lr G``. Weights and velocities below `tiny` become zero at every step,
because products of them would be subnormal.

A measurement ``u^T A v`` begins its forward vectors at ``W_1 v`` and its backward vectors at ``W_L^T u``:
combinations of stored rows, of which an entry takes a single one. The vectors u and v are rows of `left` and
`right`, which have no columns if entries are measured, at `rows` and `cols`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...compute.njit_options import LOOP
from ...compute.vector_loops import add, assign, clear, dot
from .batches import draw_batch, read_targets, take_step, zero_vectors
from .ledger import record_measurements
from .passes import absorb_scale, times, times_transposed
from .single import DISTINCT, lanes_of, layout


@njit(**LOOP)
def run_dense(
    flat, velocity, widths, limit, tiny, rows, cols, values, left, right, order, entries, lr, ridge, momentum,
    label_noise, start, n_steps, key, chain, sampling, ledger, batch_size,
):  # fmt: skip
    """Advance one chain by steps of `batch_size` measurements; returns the steps made."""
    depth = widths.size - 1
    padded, layers, _, _, end, _, _, _ = layout(widths, lanes_of(flat))
    low, high = padded[1], padded[depth - 1]
    first, last = layers[1], layers[depth]
    F, B = zero_vectors(batch_size, padded, flat), zero_vectors(batch_size, padded, flat)
    picked = np.zeros(batch_size, np.int64)
    targets, residuals = np.zeros(batch_size), np.zeros(batch_size)
    table_size = 2
    while sampling == DISTINCT and table_size < 2 * batch_size:
        table_size *= 2
    table = np.zeros(table_size, np.int64)
    moving = velocity.size > 0
    changed = velocity if moving else flat
    for step in range(n_steps):
        index = start + step
        count = draw_batch(picked, table, order, entries, step, index, values.size, key, chain, sampling)
        read_targets(targets, values, picked, count, label_noise, index, key, chain)
        for e in range(count):
            combine_rows(F[1], e * low, flat, first, low, cols, right, picked[e])
        for layer in range(2, depth):
            size, stride = padded[layer - 1], padded[layer]
            times(flat, layers[layer], widths[layer], size, F[layer - 1], F[layer], stride, count)
        for e in range(count):
            combine_rows(B[depth - 1], e * high, flat, last, high, rows, left, picked[e])
            residuals[e] = dot(B[depth - 1], e * high, F[depth - 1], e * high, high) - targets[e]
            if not (abs(residuals[e]) < limit):
                return step
            assign(B[depth - 1], e * high, residuals[e], B[depth - 1], e * high, high)
        for layer in range(depth - 1, 1, -1):
            size, stride = padded[layer - 1], padded[layer]
            times_transposed(flat, layers[layer], widths[layer], size, B[layer], stride, B[layer - 1], count)
        lr_now = lr[step] if lr.size > 1 else lr[0]
        ridge_now = ridge[step] if ridge.size > 1 else ridge[0]
        q = 1.0 - 2.0 * lr_now * ridge_now
        if ledger.shape[1] > 0:
            record_measurements(ledger, padded, F, B, residuals, left, right, picked, count, lr_now, q)
        if moving:
            coef = -1.0 / count
            slow_down(velocity[:end], flat[:end], momentum, 2.0 * ridge_now, tiny)
        else:
            coef = lr_now / count
            absorb_scale(flat[:end], q, tiny)
        take_step(changed, widths, padded, layers, F, B, coef, count)
        for e in range(count):
            factor = -coef * residuals[e]
            add_to_rows(changed, last, high, factor, F[depth - 1], e * high, rows, left, picked[e])
            add_to_rows(changed, first, low, -1.0, B[1], e * low, cols, right, picked[e])
        if moving:
            move(flat[:end], velocity[:end], lr_now, tiny)
    return n_steps


@njit(**LOOP)
def combine_rows(out, place, flat, start, size, positions, vectors, k):
    """``out = sum_i x_i row_i`` with x row `k` of `vectors`, or the unit vector at ``positions[k]``."""
    if vectors.shape[1] == 0:
        assign(out, place, 1, flat, start + positions[k] * size, size)
    else:
        clear(out, place, size)
        for i in range(vectors.shape[1]):
            if vectors[k, i] != 0:
                add(out, place, vectors[k, i], flat, start + i * size, size)


@njit(**LOOP)
def add_to_rows(flat, start, size, factor, source, place, positions, vectors, k):
    """``row_i += factor x_i source`` with x as in :func:`combine_rows`."""
    if vectors.shape[1] == 0:
        add(flat, start + positions[k] * size, factor, source, place, size)
    else:
        for i in range(vectors.shape[1]):
            if vectors[k, i] != 0:
                add(flat, start + i * size, factor * vectors[k, i], source, place, size)


@njit(**LOOP)
def slow_down(velocity, weights, momentum, decay, tiny):
    """``V = momentum V + decay W``, without numbers near underflow."""
    kept, pull = velocity.dtype.type(momentum), velocity.dtype.type(decay)
    for k in range(velocity.size):
        v = kept * velocity[k] + pull * weights[k]
        velocity[k] = velocity.dtype.type(0) if abs(v) < tiny else v


@njit(**LOOP)
def move(weights, velocity, lr, tiny):
    """``W -= lr V``, without numbers near underflow."""
    factor = weights.dtype.type(lr)
    for k in range(weights.size):
        w = weights[k] - factor * velocity[k]
        # with this comparison a NaN remains one, and the next residual shows it
        weights[k] = weights.dtype.type(0) if abs(w) < tiny else w


@njit(**LOOP)
def advance_dense(
    begin, end, buffer, velocities, widths, clock, running, limits, tiny, rows, cols, values, left, right,
    orders, entries, lr, ridge, momentum, label_noise, n_steps, key, chains, sampling, ledgers, batch_size,
):  # fmt: skip
    """Advance the running chains among `begin` to `end` by `n_steps` steps; divergence stops a chain."""
    for c in range(begin, end):
        if running[c]:
            done = run_dense(
                buffer[c], velocities[c], widths[c], limits[c], tiny, rows, cols, values, left, right,
                orders[c], entries, lr, ridge, momentum, label_noise, clock[c], n_steps, key, chains[c],
                sampling, ledgers[c], batch_size,
            )  # fmt: skip
            clock[c] += done
            running[c] = done == n_steps
