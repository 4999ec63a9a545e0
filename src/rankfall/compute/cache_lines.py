"""Sizes that the compiled loops are built for: the cache line, and the number of deferred updates."""

from __future__ import annotations

import numpy as np

# bytes of a cache line, and of the longest vector registers
CACHE_LINE = 64
# rank-one updates that are deferred and then applied in one pass
DEFERRED = 4


def lanes(dtype) -> int:
    """How many numbers of this type fill one cache line."""
    return CACHE_LINE // np.dtype(dtype).itemsize
