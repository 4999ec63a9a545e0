"""Inner loops over the layers of a chain. Storage: W_1 transposed, every other layer by rows; see :mod:`.layout`."""

from __future__ import annotations

from numba import njit

from ...compute.cache_lines import DELAY
from ...compute.njit_options import LOOP
from ...compute.vector_loops import (
    ROWS,
    TWO,
    add,
    clear,
    rows_backward,
    rows_both,
    rows_forward,
    rows_update,
    through,
    two_rows_both,
)


@njit(**LOOP)
def hidden_pass(flat, widths, padded, layers, inputs, outputs, slot, top, bottom, down):
    """All forward and backward vectors of a step: ``f_l = W_l f_{l-1}``, ``b_{l-1} = W_l^T b_l``.

    The first f and the last b stand in the places of waiting update number `slot`, and so do the others when they
    are made; the last f goes to offset `top`, the first b to `bottom`. The matrices are read
    once forward and once backward, the topmost once for both, and none is written: what the waiting updates
    before `slot` would change comes first, ``W f = -sum_s b_s (f_s . f) + V f``.

    Passes go through the rows upwards and downwards in turn: what was read last is still in the nearest cache.
    """
    depth = widths.size - 1
    for layer in range(2, depth):
        size, height = padded[layer - 1], padded[layer]
        W, Y, X = layers[layer], outputs[layer], inputs[layer]
        x, y = X + slot * size, Y + slot * height
        forth = top if layer == depth - 1 else inputs[layer + 1] + slot * height
        waiting(flat, forth, Y, height, X, x, size, slot)
        if layer < depth - 1:
            for number in range(0, widths[layer], ROWS):
                k = turned(number, widths[layer], down)
                rows_forward(flat, W + k * size, flat, x, flat, forth + k, size)
        else:
            back = bottom if layer == 2 else outputs[layer - 1] + slot * size
            waiting(flat, back, X, size, Y, y, height, slot)
            for number in range(0, widths[layer], ROWS):
                k = turned(number, widths[layer], down)
                rows_both(flat, W + k * size, flat, x, flat, forth + k, flat, y + k, flat, back, size)
    for layer in range(depth - 2, 1, -1):
        size, height = padded[layer - 1], padded[layer]
        W, Y, X = layers[layer], outputs[layer], inputs[layer]
        y = Y + slot * height
        back = bottom if layer == 2 else outputs[layer - 1] + slot * size
        waiting(flat, back, X, size, Y, y, height, slot)
        for number in range(0, widths[layer], ROWS):
            k = turned(number, widths[layer], not down)
            rows_backward(flat, W + k * size, flat, y + k, flat, back, size)


@njit(**LOOP)
def ask_together(flat, place, n_rows, low, high, cols, rows, forth, back, X, Y, settling):
    """``W f`` and ``W^T b`` with what is stored of the only hidden matrix, for all `DELAY` steps between two updates.

    The vectors f of the steps are the stretches of `flat` that begin at `cols`, the b those at `rows`. While a pack of
    rows of W is in the nearest cache it serves all steps; for each of them the bits are those of :func:`times` and
    :func:`times_transposed`. If `settling`, the updates that wait are carried out first,
    pack by pack.
    """
    clear(forth, 0, DELAY * high)
    clear(back, 0, DELAY * low)
    for number in range(0, n_rows, ROWS):
        if settling:
            rows_update(flat, place + number * low, flat, Y + number, flat, X, high, low)
        for s in range(0, DELAY, TWO):
            for k in range(number, min(number + ROWS, n_rows), TWO):
                two_rows_both(
                    flat, place + k * low, flat, cols[s], cols[s + 1], forth, s * high + k, high,
                    rows[s] + k, rows[s + 1] + k, back, s * low, low,
                )  # fmt: skip
    if settling:
        clear(flat, Y, DELAY * high)


@njit(**LOOP)
def corrected(flat, padded, inputs, outputs, slot, top, bottom, forth, back):
    """:func:`hidden_pass` where the products with what is stored are known: what waits is taken off them."""
    low, high = padded[1], padded[2]
    X, Y = inputs[2], outputs[2]
    waiting(flat, top, Y, high, X, X + slot * low, low, slot)
    add(flat, top, 1, forth, slot * high, high)
    waiting(flat, bottom, X, low, Y, Y + slot * high, high, slot)
    add(flat, bottom, 1, back, slot * low, low)


@njit(**LOOP)
def turned(k, n_rows, down):
    """The pack of rows that begins with row `k`, or the one as far from the end."""
    return (n_rows - 1) // ROWS * ROWS - k if down else k


@njit(**LOOP)
def waiting(flat, out, Y, height, X, x, size, count):
    """``out = -sum_s y_s (x_s . x)`` over the updates that wait."""
    if count == 0:
        clear(flat, out, height)
    else:
        through(flat, out, flat, Y, height, flat, X, flat, x, size, count)


@njit(**LOOP)
def settle(flat, widths, padded, layers, inputs, outputs, down):
    """Carry out the updates that wait: ``W_l -= sum_s b_s f_s^T``."""
    for layer in range(2, widths.size - 1):
        size, height = padded[layer - 1], padded[layer]
        Y, X = outputs[layer], inputs[layer]
        for number in range(0, widths[layer], ROWS):
            k = turned(number, widths[layer], down)
            rows_update(flat, layers[layer] + k * size, flat, Y + k, flat, X, height, size)
        clear(flat, Y, DELAY * height)


@njit(**LOOP)
def fold(flat, scale, tiny):
    """Multiply the stored weights by the decay scalar and drop what is on its way to underflow."""
    factor = flat.dtype.type(scale)
    for k in range(flat.size):
        w = flat[k] * factor
        # asked this way round, a NaN stays one and is seen by the next residual
        flat[k] = flat.dtype.type(0) if abs(w) < tiny else w


# -- many vectors at a time, one after the other in X or out ------------------------------------------------


@njit(**LOOP)
def times(flat, place, n_rows, size, X, out, stride, count):
    """``out[e] = W X[e]`` for e < `count`; a pack of rows of W serves all e while it is in cache."""
    clear(out, 0, count * stride)
    for k in range(0, n_rows, ROWS):
        for e in range(count):
            rows_forward(flat, place + k * size, X, e * size, out, e * stride + k, size)


@njit(**LOOP)
def times_transposed(flat, place, n_rows, size, X, stride, out, count):
    """``out[e] = W^T X[e]`` for e < `count`."""
    clear(out, 0, count * size)
    for k in range(0, n_rows, ROWS):
        for e in range(count):
            rows_backward(flat, place + k * size, X, e * stride + k, out, e * size, size)


@njit(**LOOP)
def subtract_products(flat, place, n_rows, size, B, stride, F, count):
    """``W -= sum_e B[e] F[e]^T`` for e < `count`; B is zero from there to the next multiple of `DELAY`."""
    for k in range(0, n_rows, ROWS):
        for e in range(0, count, DELAY):
            rows_update(flat, place + k * size, B, e * stride + k, F, e * size, stride, size)
