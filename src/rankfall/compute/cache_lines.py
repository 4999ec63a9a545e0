"""Sizes that compiled loops are made for: cache lines, and the updates that are applied together."""

from __future__ import annotations

import numpy as np

# bytes of a cache line, and of the longest vector registers
LINE = 64
# deferred rank-one updates that a vector loop applies in one pass
DELAY = 4


def lanes(dtype) -> int:
    """Numbers in a cache line."""
    return LINE // np.dtype(dtype).itemsize
