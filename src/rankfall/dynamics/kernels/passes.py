"""Loops over the layers of a chain. Storage as in :mod:`.layout`: W_1 transposed, other layers row-major."""

from __future__ import annotations

from numba import njit

from ...compute.cache_lines import DEFERRED
from ...compute.njit_options import LOOP
from ...compute.vector_loops import (
    BLOCK_ROWS,
    TILE,
    add,
    add_both_products,
    add_both_products_2x2,
    add_product,
    add_product_transposed,
    clear,
    minus_low_rank_product,
    subtract_outer,
)


@njit(**LOOP)
def hidden_pass(flat, widths, padded, layers, inputs, outputs, slot, top, bottom, reverse):
    """All forward and backward vectors of a step: ``f_l = W_l f_{l-1}``, ``b_{l-1} = W_l^T b_l``.

    The first f and the last b are already stored as deferred update number `slot`; the others are stored
    there as they are computed, the last f at offset `top`, the first b at `bottom`. Each matrix is read once
    forward and once backward, the topmost once for both; none is written. The deferred updates before `slot`
    are applied to the vector first: ``W f = -sum_s b_s (f_s . f) + V f``.

    Consecutive passes traverse the rows in opposite directions, because what was read last is still in the
    fastest cache.
    """
    depth = widths.size - 1
    for layer in range(2, depth):
        size, height = padded[layer - 1], padded[layer]
        W, Y, X = layers[layer], outputs[layer], inputs[layer]
        x, y = X + slot * size, Y + slot * height
        forward = top if layer == depth - 1 else inputs[layer + 1] + slot * height
        apply_deferred(flat, forward, Y, height, X, x, size, slot)
        if layer < depth - 1:
            for number in range(0, widths[layer], BLOCK_ROWS):
                k = serpentine(number, widths[layer], reverse)
                add_product(flat, W + k * size, flat, x, flat, forward + k, size)
        else:
            backward = bottom if layer == 2 else outputs[layer - 1] + slot * size
            apply_deferred(flat, backward, X, size, Y, y, height, slot)
            for number in range(0, widths[layer], BLOCK_ROWS):
                k = serpentine(number, widths[layer], reverse)
                add_both_products(
                    flat, W + k * size, flat, x, flat, forward + k, flat, y + k, flat, backward, size
                )
    for layer in range(depth - 2, 1, -1):
        size, height = padded[layer - 1], padded[layer]
        W, Y, X = layers[layer], outputs[layer], inputs[layer]
        y = Y + slot * height
        backward = bottom if layer == 2 else outputs[layer - 1] + slot * size
        apply_deferred(flat, backward, X, size, Y, y, height, slot)
        for number in range(0, widths[layer], BLOCK_ROWS):
            k = serpentine(number, widths[layer], not reverse)
            add_product_transposed(flat, W + k * size, flat, y + k, flat, backward, size)


@njit(**LOOP)
def products_ahead(flat, place, n_rows, low, high, cols, rows, forward, backward, X, Y, flush_first):
    """``V f`` and ``V^T b`` with the stored V of the only hidden matrix, for all steps until the next flush.

    The vectors f of the steps begin at the offsets `cols` of `flat`, the vectors b at `rows`. A block of rows
    of V serves all steps while it is in the fastest cache; for each step the bits are those of :func:`times`
    and :func:`times_transposed`. With `flush_first`, each block first gets its deferred updates.
    """
    clear(forward, 0, DEFERRED * high)
    clear(backward, 0, DEFERRED * low)
    for number in range(0, n_rows, BLOCK_ROWS):
        if flush_first:
            subtract_outer(flat, place + number * low, flat, Y + number, flat, X, high, low)
        for s in range(0, DEFERRED, TILE):
            for k in range(number, min(number + BLOCK_ROWS, n_rows), TILE):
                add_both_products_2x2(
                    flat, place + k * low, flat, cols[s], cols[s + 1], forward, s * high + k, high,
                    rows[s] + k, rows[s + 1] + k, backward, s * low, low,
                )  # fmt: skip
    if flush_first:
        clear(flat, Y, DEFERRED * high)


@njit(**LOOP)
def hidden_pass_from_products(flat, padded, inputs, outputs, slot, top, bottom, forward, backward):
    """:func:`hidden_pass` from the products of :func:`products_ahead`, corrected by the deferred updates."""
    low, high = padded[1], padded[2]
    X, Y = inputs[2], outputs[2]
    apply_deferred(flat, top, Y, high, X, X + slot * low, low, slot)
    add(flat, top, 1, forward, slot * high, high)
    apply_deferred(flat, bottom, X, low, Y, Y + slot * high, high, slot)
    add(flat, bottom, 1, backward, slot * low, low)


@njit(**LOOP)
def serpentine(k, n_rows, reverse):
    """The block of rows that begins with row `k`; in a `reverse` sweep, the one as far from the end."""
    return (n_rows - 1) // BLOCK_ROWS * BLOCK_ROWS - k if reverse else k


@njit(**LOOP)
def apply_deferred(flat, out, Y, height, X, x, size, count):
    """``out = -sum_s y_s (x_s . x)``: what the first `count` deferred updates add to a product."""
    if count == 0:
        clear(flat, out, height)
    else:
        minus_low_rank_product(flat, out, flat, Y, height, flat, X, flat, x, size, count)


@njit(**LOOP)
def flush_updates(flat, widths, padded, layers, inputs, outputs, reverse):
    """Carry out the deferred updates: ``W_l -= sum_s b_s f_s^T``."""
    for layer in range(2, widths.size - 1):
        size, height = padded[layer - 1], padded[layer]
        Y, X = outputs[layer], inputs[layer]
        for number in range(0, widths[layer], BLOCK_ROWS):
            k = serpentine(number, widths[layer], reverse)
            subtract_outer(flat, layers[layer] + k * size, flat, Y + k, flat, X, height, size)
        clear(flat, Y, DEFERRED * height)


@njit(**LOOP)
def absorb_scale(flat, scale, tiny):
    """Multiply the stored weights by the decay scalar, and set those near underflow to zero."""
    factor = flat.dtype.type(scale)
    for k in range(flat.size):
        w = flat[k] * factor
        # with this comparison a NaN remains one, and the next residual shows it
        flat[k] = flat.dtype.type(0) if abs(w) < tiny else w


# -- several vectors at a time, stored one after the other in X and out -------------------------------------


@njit(**LOOP)
def times(flat, place, n_rows, size, X, out, stride, count):
    """``out[e] = W X[e]`` for e < `count`; a block of rows of W serves all e while it is in the cache."""
    clear(out, 0, count * stride)
    for k in range(0, n_rows, BLOCK_ROWS):
        for e in range(count):
            add_product(flat, place + k * size, X, e * size, out, e * stride + k, size)


@njit(**LOOP)
def times_transposed(flat, place, n_rows, size, X, stride, out, count):
    """``out[e] = W^T X[e]`` for e < `count`."""
    clear(out, 0, count * size)
    for k in range(0, n_rows, BLOCK_ROWS):
        for e in range(count):
            add_product_transposed(flat, place + k * size, X, e * stride + k, out, e * size, size)


@njit(**LOOP)
def subtract_products(flat, place, n_rows, size, B, stride, F, count):
    """``W -= sum_e B[e] F[e]^T`` for e < `count`; B is zero from there to the next multiple of `DEFERRED`."""
    for k in range(0, n_rows, BLOCK_ROWS):
        for e in range(0, count, DEFERRED):
            subtract_outer(flat, place + k * size, B, e * stride + k, F, e * size, stride, size)
