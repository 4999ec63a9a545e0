"""Where the weights of a chain stand in its row of the buffer.

A row holds W_1 transposed (n_cols x w_1), then W_2, ..., W_L by rows, then the updates of W_2, ..., W_{L-1} that
are waiting (see :mod:`.single`). Hidden widths are rounded up to whole cache lines of 64 bytes and the rest is
filled with zeros, which every step leaves zero: no loop has a remainder, no vector crosses a line.
"""

from __future__ import annotations

import numpy as np

from ...compute.cache_lines import DELAY

# raised when files that hold rows could be misread, or their runs be continued with other bits
VERSION = 3


def layout(widths, lanes):
    """Padded widths and the offsets of everything in a row; `lanes` numbers fill one cache line.

    Plain Python that the kernels compile too.

    Returns
    -------
    padded : ndarray, shape (L + 1,)
        Widths with the hidden ones rounded up.
    layers : ndarray, shape (L + 1,)
        Offset of W_l, of shape (padded[l], padded[l - 1]), for l = 1..L (W_1 transposed).
    inputs, outputs : ndarray, shape (L + 1,)
        Offsets of the waiting updates ``sum_s b_s f_s^T`` of W_l for l = 2..L-1: `DELAY` vectors f of size
        padded[l - 1], and as many b of size padded[l].
    end : int
        Size of the weights alone.
    top, bottom : int
        Offsets of the last forward and the first backward vector of a step, zero between calls.
    room : int
        Size of the row.
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
        place += DELAY * padded[layer - 1]
        outputs[layer] = place
        place += DELAY * padded[layer]
    top = place
    bottom = top + padded[depth - 1]
    return padded, layers, inputs, outputs, end, top, bottom, bottom + padded[1]
