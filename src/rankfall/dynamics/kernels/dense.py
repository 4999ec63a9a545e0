"""Steps that change every weight: with momentum. Storage as in :mod:`.layout`.

A velocity moves all weights at every step, so nothing is gained by lazy decay or deferred updates: the decay
scalar stays 1, and one step is

    V' = momentum V + G + 2 ridge W,      W' = W - lr V'

(heavy ball, as torch.optim.SGD has it with ``weight_decay = 2 ridge``), with V = 0 before the first step.
Weights and velocities below `tiny` become zero at every step, because products of them would be subnormal.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...compute.njit_options import LOOP
from ...compute.vector_loops import add, assign, dot
from .batches import draw_batch, read_targets, take_step, zero_vectors
from .passes import times, times_transposed
from .single import DISTINCT, lanes_of, layout


@njit(**LOOP)
def run_dense(
    flat, velocity, widths, limit, tiny, rows, cols, values, order, entries, lr, ridge, momentum, label_noise,
    start, n_steps, key, chain, sampling, batch_size,
):  # fmt: skip
    """Advance one chain by steps of `batch_size` entries; returns the steps made."""
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
    for step in range(n_steps):
        index = start + step
        count = draw_batch(picked, table, order, entries, step, index, values.size, key, chain, sampling)
        read_targets(targets, values, picked, count, label_noise, index, key, chain)
        for e in range(count):
            assign(F[1], e * low, 1, flat, first + cols[picked[e]] * low, low)
        for layer in range(2, depth):
            size, stride = padded[layer - 1], padded[layer]
            times(flat, layers[layer], widths[layer], size, F[layer - 1], F[layer], stride, count)
        for e in range(count):
            row = last + rows[picked[e]] * high
            residuals[e] = dot(flat, row, F[depth - 1], e * high, high) - targets[e]
            if not (abs(residuals[e]) < limit):
                return step
            assign(B[depth - 1], e * high, residuals[e], flat, row, high)
        for layer in range(depth - 1, 1, -1):
            size, stride = padded[layer - 1], padded[layer]
            times_transposed(flat, layers[layer], widths[layer], size, B[layer], stride, B[layer - 1], count)
        lr_now = lr[step] if lr.size > 1 else lr[0]
        ridge_now = ridge[step] if ridge.size > 1 else ridge[0]
        slow_down(velocity[:end], flat[:end], momentum, 2.0 * ridge_now, tiny)
        coef = -1.0 / count
        take_step(velocity, widths, padded, layers, F, B, coef, count)
        for e in range(count):
            add(velocity, last + rows[picked[e]] * high, -coef * residuals[e], F[depth - 1], e * high, high)
            add(velocity, first + cols[picked[e]] * low, -1, B[1], e * low, low)
        move(flat[:end], velocity[:end], lr_now, tiny)
    return n_steps


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
    begin, end, buffer, velocities, widths, clock, running, limits, tiny, rows, cols, values, orders, entries,
    lr, ridge, momentum, label_noise, n_steps, key, chains, sampling, batch_size,
):  # fmt: skip
    """Advance the running chains among `begin` to `end` by `n_steps` steps; divergence stops a chain."""
    for c in range(begin, end):
        if running[c]:
            done = run_dense(
                buffer[c], velocities[c], widths[c], limits[c], tiny, rows, cols, values, orders[c], entries,
                lr, ridge, momentum, label_noise, clock[c], n_steps, key, chains[c], sampling, batch_size,
            )  # fmt: skip
            clock[c] += done
            running[c] = done == n_steps
