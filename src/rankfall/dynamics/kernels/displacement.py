"""How far a chain has moved from a place: a running bound, made exact where it matters (Theorem 6).

With the weights theta_t at that place and ``D_s = |theta_s - theta_t|`` (Frobenius norm over all layers), a
step ``theta' = q theta - lr G`` gives

    D_{s+1} <= q D_s + (1 - q) |theta_t| + lr |G|,

and ``|G|`` is a by-product of the step: for one entry ``|G|^2 = rho^2 sum_l |b_l|^2 |f_{l-1}|^2``, for a
batch at most the mean of these norms. So the bound costs a few short inner products. Only where it exceeds a
level is the displacement itself computed, which reads all weights; and only where that exceeds the radius
does the run stop. No weight is touched.

A chain's ball is one row of numbers: RADIUS, at which the chain stops; LEVEL; BOUND, of the present
displacement; HIGHEST bound since the place; SIZE, ``|theta_t|``. The level is infinite for a chain that is
not watched. If the radius is infinite, the level follows the displacement, a quarter above it, so that
HIGHEST is never more than that above the largest displacement.

In single precision the bound has the rounding of single precision; certificates need double.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...compute.njit_options import LOOP
from ...compute.vector_loops import dot

RADIUS, LEVEL, BOUND, HIGHEST, SIZE = 0, 1, 2, 3, 4
# covers the rounding of a step and of a displacement, relative to the weights; the bound of a long run adds
# one such error for every step since the displacement was last computed
_ROUNDING = 1e-14
# how far above the displacement the level is set, as a factor
_ABOVE = 1.25


def blank(n_chains: int, watched: bool) -> np.ndarray:
    """Balls of chains that nobody watches, shape (n_chains, 5), or (n_chains, 0) for none."""
    out = np.zeros((n_chains, 5 if watched else 0))
    out[:, : LEVEL + 1] = np.inf
    return out


@njit(**LOOP)
def is_watched(ball):
    """Whether somebody wants to know how far the chain moves."""
    return ball.size > 0 and ball[LEVEL] < np.inf


@njit(**LOOP)
def gradient_norm(flat, padded, inputs, outputs, slot, top, bottom):
    """``(sum_l |b_l|^2 |f_{l-1}|^2)^(1/2)`` of a step of one entry, from the vectors that it stored."""
    depth = padded.size - 1
    low, high = padded[1], padded[depth - 1]
    total = np.float64(dot(flat, bottom, flat, bottom, low)) + np.float64(dot(flat, top, flat, top, high))
    for layer in range(2, depth):
        f, b = inputs[layer] + slot * padded[layer - 1], outputs[layer] + slot * padded[layer]
        total += np.float64(dot(flat, f, flat, f, padded[layer - 1])) * np.float64(
            dot(flat, b, flat, b, padded[layer])
        )
    return np.sqrt(total)


@njit(**LOOP)
def batch_gradient_norm(padded, F, B, residuals, count):
    """Mean over a batch of ``|rho| (sum_l |b_l|^2 |f_{l-1}|^2)^(1/2)``; B contains the residuals."""
    depth = padded.size - 1
    low, high = padded[1], padded[depth - 1]
    mean = 0.0
    for e in range(count):
        total = np.float64(dot(B[1], e * low, B[1], e * low, low))
        last = F[depth - 1]
        total += residuals[e] ** 2 * np.float64(dot(last, e * high, last, e * high, high))
        for layer in range(2, depth):
            f, b = e * padded[layer - 1], e * padded[layer]
            total += np.float64(dot(F[layer - 1], f, F[layer - 1], f, padded[layer - 1])) * np.float64(
                dot(B[layer], b, B[layer], b, padded[layer])
            )
        mean += np.sqrt(total)
    return mean / count


@njit(**LOOP)
def leaves_ball(ball, anchor, flat, widths, padded, layers, inputs, outputs, scale, q, push):
    """Take note of a step that is done; returns whether the chain is outside of its ball now.

    `push` is ``lr |G|``. Weights that are not finite are outside.
    """
    ball[BOUND] = q * ball[BOUND] + (1.0 - q) * ball[SIZE] + push + _ROUNDING * (ball[SIZE] + ball[BOUND])
    if not (ball[BOUND] <= ball[LEVEL]):
        exact = displacement(anchor, flat, widths, padded, layers, inputs, outputs, scale)
        ball[BOUND] = exact * (1.0 + _ROUNDING) + _ROUNDING * ball[SIZE]
        if ball[RADIUS] == np.inf:
            ball[LEVEL] = max(ball[LEVEL], _ABOVE * ball[BOUND])
    ball[HIGHEST] = max(ball[HIGHEST], ball[BOUND])
    return not (ball[BOUND] <= ball[RADIUS])


@njit(**LOOP)
def displacement(anchor, flat, widths, padded, layers, inputs, outputs, scale):
    """``|theta - theta_t|`` of the true weights: scaled, and with their deferred updates."""
    depth = widths.size - 1
    total = 0.0
    for layer in (1, depth):
        for k in range(layers[layer], layers[layer] + padded[layer] * padded[layer - 1]):
            gap = scale * flat[k] - anchor[k]
            total += np.float64(gap * gap)
    for layer in range(2, depth):
        size, height = padded[layer - 1], padded[layer]
        X = inputs[layer]
        for row in range(widths[layer]):
            start, Y = layers[layer] + row * size, outputs[layer] + row
            # spelt out for the four deferred updates, so that the loop becomes vector instructions
            b0, b1, b2, b3 = flat[Y], flat[Y + height], flat[Y + 2 * height], flat[Y + 3 * height]
            for k in range(size):
                weight = flat[start + k] - b0 * flat[X + k] - b1 * flat[X + size + k]
                weight = weight - b2 * flat[X + 2 * size + k] - b3 * flat[X + 3 * size + k]
                gap = scale * weight - anchor[start + k]
                total += np.float64(gap * gap)
    return np.sqrt(total)
