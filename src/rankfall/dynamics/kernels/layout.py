"""The memory layout of a chain: one row of the buffer.

A row holds W_1 transposed (n_cols x w_1), then W_2, ..., W_L in row-major order, then the deferred updates of
W_2, ..., W_{L-1} (see :mod:`.single`). Hidden widths are padded with zeros to a multiple of a cache line of
64 bytes; every step leaves the padding zero. So no loop has a remainder, and no vector crosses a cache line.
"""

from __future__ import annotations

import numpy as np

from ...compute.cache_lines import DEFERRED

# increased whenever stored rows could be misread, or a resumed run would have other bits
VERSION = 3


def layout(widths, lanes):
    """Padded widths and the offset of every part of a row; `lanes` numbers fill one cache line.

    Plain Python, which the kernels compile as well.

    Returns
    -------
    padded : ndarray, shape (L + 1,)
        Widths with the hidden ones rounded up.
    layers : ndarray, shape (L + 1,)
        Offset of W_l, of shape (padded[l], padded[l - 1]), for l = 1..L (W_1 transposed).
    inputs, outputs : ndarray, shape (L + 1,)
        Offsets of the deferred updates ``sum_s b_s f_s^T`` of W_l for l = 2..L-1: `DEFERRED` vectors f of
        size padded[l - 1], and as many b of size padded[l].
    end : int
        End of the weights.
    top, bottom : int
        Offsets of the last forward and the first backward vector of a step, zero between calls.
    row_size : int
        Numbers in the row.
    """
    depth = len(widths) - 1
    padded = np.zeros(depth + 1, np.int64)
    layers = np.zeros(depth + 1, np.int64)
    inputs = np.zeros(depth + 1, np.int64)
    outputs = np.zeros(depth + 1, np.int64)
    for layer in range(depth + 1):
        hidden = 0 < layer < depth
        padded[layer] = (widths[layer] + lanes - 1) // lanes * lanes if hidden else widths[layer]
    place = 0
    for layer in range(1, depth + 1):
        layers[layer] = place
        place += padded[layer] * padded[layer - 1]
    end = place
    for layer in range(2, depth):
        inputs[layer] = place
        place += DEFERRED * padded[layer - 1]
        outputs[layer] = place
        place += DEFERRED * padded[layer]
    top = place
    bottom = top + padded[depth - 1]
    return padded, layers, inputs, outputs, end, top, bottom, bottom + padded[1]
