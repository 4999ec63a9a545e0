"""How far a chain has moved from a place: a running bound, made exact where it matters (Theorem 6).

With theta_t the weights at that place, ``theta' = q theta - lr G``, and norms over the layers in question:

* *The first and the last layer* hold nearly all of the movement, and it is known exactly: in
  ``|W - W_t|^2 = |W|^2 - 2 <W, W_t> + |W_t|^2``,

      |W'|^2 = q^2 |W|^2 - 2 q lr <W, G> + lr^2 |G|^2,        <W', W_t> = q <W, W_t> - lr <G, W_t>,

  and for one entry ``<W, G> = rho A_ij`` in every layer, ``|G_1| = |rho| |b_1|``,
  ``<G_1, W_t> = rho b_1 . (W_t e_j)``, likewise for the last layer: a few short inner products. For a batch
  the mean of ``|G|^2`` over its entries is an upper bound of ``|G|^2``.
* *The layers between*: ``D' <= q D + (1 - q) |W_t| + lr |G|``, with ``|G_l| = |rho| |b_l| |f_{l-1}|``.

Only where the bound of both exceeds a level is the displacement itself computed, which reads all weights; and
only where that exceeds the radius does the run stop. No weight is touched.

A chain's ball is one row of numbers: RADIUS, at which the chain stops; LEVEL; BOUND, of the present
displacement; HIGHEST bound since the place; for the first and last layer NOW, ``|W|^2``, INNER,
``<W, W_t>``, and START, ``|W_t|^2``; for those between MOVED, D, and SIZE, ``|W_t|``. The level is infinite
for a chain that is not watched. If the radius is infinite, the level follows the displacement, a quarter
above it, so that HIGHEST is never more than that above the largest displacement.

In single precision the bound has the rounding of single precision; certificates need double.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...compute.cache_lines import DEFERRED
from ...compute.njit_options import LOOP
from ...compute.vector_loops import dot

RADIUS, LEVEL, BOUND, HIGHEST, NOW, INNER, START, MOVED, SIZE = range(9)
FIELDS = 9
# covers the rounding of the sums above over a million steps, relative to the squared weights
_ROUNDING = 1e-12
# how far above the displacement the level is set, as a factor
_ABOVE = 1.25


def blank(n_chains: int, watched: bool) -> np.ndarray:
    """Balls of chains that nobody watches, shape (n_chains, 9), or (n_chains, 0) for none."""
    out = np.zeros((n_chains, FIELDS if watched else 0))
    out[:, : LEVEL + 1] = np.inf
    return out


def around(weights: tuple[np.ndarray, ...], radius: float, level: float) -> np.ndarray:
    """The ball of a chain that is at its center."""
    squares = [float(np.vdot(W, W)) for W in weights]
    outer, between = squares[0] + squares[-1], sum(squares[1:-1])
    return np.array([radius, level, 0.0, 0.0, outer, outer, outer, 0.0, np.sqrt(between)])


@njit(**LOOP)
def is_watched(ball):
    """Whether somebody wants to know how far the chain moves."""
    return ball.size > 0 and ball[LEVEL] < np.inf


@njit(**LOOP)
def note_step(ball, anchor, flat, padded, inputs, outputs, slot, top, bottom, row, col, gain, q, inner):
    """Take note of a step of one entry before it is made, from the vectors that it stored.

    `gain` is ``lr rho`` times the powers of the decay scalar that the vectors lack, `inner` is
    ``lr rho A_ij``; `row` and `col` are the offsets of the row of W_L and the column of W_1.
    """
    depth = padded.size - 1
    low, high = padded[1], padded[depth - 1]
    outer = np.float64(dot(flat, bottom, flat, bottom, low)) + np.float64(dot(flat, top, flat, top, high))
    start = np.float64(dot(flat, bottom, anchor, col, low)) + np.float64(dot(flat, top, anchor, row, high))
    between = 0.0
    for layer in range(2, depth):
        f, b = inputs[layer] + slot * padded[layer - 1], outputs[layer] + slot * padded[layer]
        between += np.float64(dot(flat, f, flat, f, padded[layer - 1])) * np.float64(
            dot(flat, b, flat, b, padded[layer])
        )
    move(ball, q, gain * gain * outer, gain * start, inner, abs(gain) * np.sqrt(between))


@njit(**LOOP)
def note_batch(ball, anchor, padded, F, B, residuals, rows, cols, picked, first, last, count, gain, q, inner):
    """Take note of a step of several entries; B has the residuals, `inner` is the mean of ``lr rho A``."""
    depth = padded.size - 1
    low, high = padded[1], padded[depth - 1]
    outer, start, between = 0.0, 0.0, 0.0
    above = F[depth - 1]
    for e in range(count):
        row, col = last + rows[picked[e]] * high, first + cols[picked[e]] * low
        outer += np.float64(dot(B[1], e * low, B[1], e * low, low))
        outer += residuals[e] ** 2 * np.float64(dot(above, e * high, above, e * high, high))
        start += np.float64(dot(B[1], e * low, anchor, col, low))
        start += residuals[e] * np.float64(dot(above, e * high, anchor, row, high))
        for layer in range(2, depth):
            f, b = e * padded[layer - 1], e * padded[layer]
            between += np.float64(dot(F[layer - 1], f, F[layer - 1], f, padded[layer - 1])) * np.float64(
                dot(B[layer], b, B[layer], b, padded[layer])
            )
    move(ball, q, gain * gain * outer / count, gain * start / count, inner, gain * np.sqrt(between / count))


@njit(**LOOP)
def move(ball, q, outer, start, inner, between):
    """Update the numbers of a ball.

    First and last layer: ``outer = lr^2 |G|^2``, ``start = lr <G, W_t>``, ``inner = lr <W_l, G_l>``;
    for those between ``between = lr |G|``.
    """
    ball[NOW] = q * q * ball[NOW] - 4.0 * q * inner + outer
    ball[INNER] = q * ball[INNER] - start
    ball[MOVED] = q * ball[MOVED] + (1.0 - q) * ball[SIZE] + between
    square = max(ball[NOW] - 2.0 * ball[INNER] + ball[START], 0.0) + _ROUNDING * (ball[NOW] + ball[START])
    ball[BOUND] = np.sqrt(square + ball[MOVED] * ball[MOVED])


@njit(**LOOP)
def leaves_ball(ball, anchor, flat, widths, padded, layers, inputs, outputs, scale):
    """Whether the chain is outside of its ball, after a step of which note was taken.

    Weights that are not finite are outside.
    """
    if not (ball[BOUND] <= ball[LEVEL]):
        outer, between = squared_displacement(anchor, flat, widths, padded, layers, inputs, outputs, scale)
        # what a batch adds too much is taken back
        ball[NOW] = outer + 2.0 * ball[INNER] - ball[START]
        ball[MOVED] = np.sqrt(between)
        ball[BOUND] = np.sqrt(outer + between + _ROUNDING * (ball[NOW] + ball[START]))
        if ball[RADIUS] == np.inf:
            ball[LEVEL] = max(ball[LEVEL], _ABOVE * ball[BOUND])
    ball[HIGHEST] = max(ball[HIGHEST], ball[BOUND])
    return not (ball[BOUND] <= ball[RADIUS])


@njit(**LOOP)
def squared_displacement(anchor, flat, widths, padded, layers, inputs, outputs, scale):
    """``|W - W_t|^2`` of the first and last layer, and of those between, with their deferred updates."""
    depth = widths.size - 1
    outer, between = 0.0, 0.0
    for layer in (1, depth):
        start, size = layers[layer], padded[layer] * padded[layer - 1]
        outer += squared_gap(flat[start : start + size], anchor[start : start + size], scale)
    for layer in range(2, depth):
        size, height = padded[layer - 1], padded[layer]
        X = flat[inputs[layer] : inputs[layer] + DEFERRED * size].reshape(DEFERRED, size)
        for row in range(widths[layer]):
            start, Y = layers[layer] + row * size, outputs[layer] + row
            between += squared_gap_deferred(
                flat[start : start + size], anchor[start : start + size], scale, X,
                flat[Y], flat[Y + height], flat[Y + 2 * height], flat[Y + 3 * height],
            )  # fmt: skip
    return outer, between


# loops over slices from 0 on: with offsets that might be negative they would not become vector instructions


@njit(**LOOP)
def squared_gap(weights, anchor, scale):
    """``|scale weights - anchor|^2``"""
    total = 0.0
    for k in range(weights.size):
        gap = scale * weights[k] - anchor[k]
        total += gap * gap
    return total


@njit(**LOOP)
def squared_gap_deferred(weights, anchor, scale, X, b0, b1, b2, b3):
    """The same for a row of a hidden matrix, with its four deferred updates spelt out."""
    x0, x1, x2, x3 = X[0], X[1], X[2], X[3]
    total = 0.0
    for k in range(weights.size):
        weight = weights[k] - b0 * x0[k] - b1 * x1[k] - b2 * x2[k] - b3 * x3[k]
        gap = scale * weight - anchor[k]
        total += gap * gap
    return total
