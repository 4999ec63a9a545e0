"""Standard normal numbers of single cells: one depends on a key and on its cell alone.

A cell's 64 random bits are those that the generator SplitMix64, begun at the key, gives at the cell's place,
so that any part of a table can be drawn, in any order.

References
----------
G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_STEP, _FIRST, _SECOND = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def cell_normals(key: Sequence[int], cells: np.ndarray) -> np.ndarray:
    """The numbers of some cells, which are numbered from 0."""
    from scipy.special import ndtri

    start = np.random.SeedSequence(list(key)).generate_state(1, np.uint64)[0]
    # whole numbers of 64 bits wrap around
    bits = (cells.astype(np.uint64) + np.uint64(1)) * _STEP + start
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    bits ^= bits >> np.uint64(31)
    # never 0 nor 1, whose normal numbers are infinite
    return ndtri(((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)
