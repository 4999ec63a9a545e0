"""Counter-based random numbers: a number depends on (seed, chain, index) and nothing else.

Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011), key = 64 bits made from the seed, counter =
(index low, index high, chain, purpose): purpose 0 for entries, 1 for label noise. Of the four words the first
two make one 64-bit number. A bounded integer is the high half of ``number * bound``; its bias is below
``bound / 2**64``, less than 1e-9 for every matrix that fits in memory, so no rejection is needed and one draw
costs one counter. A normal number is made of all four words (Box and Muller 1958).

The literal twin, in plain Python integers, is :mod:`rankfall.dynamics.kernels.reference`.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64

from ...compute.njit_options import IN_ORDER


def stream_key(seed: int) -> np.uint64:
    """The 64-bit key that all chains of a run share."""
    return np.random.SeedSequence(int(seed)).generate_state(1, np.uint64)[0]


# what a stream is for
ENTRIES, LABEL_NOISE = 0, 1


@njit(**IN_ORDER)
def random_words(key, chain, index, purpose):
    """The four words of one counter, as two numbers of 64 bits."""
    low = uint64(0xFFFFFFFF)
    shift = uint64(32)
    c0 = uint64(index) & low
    c1 = uint64(index) >> shift
    c2 = uint64(chain) & low
    c3 = uint64(purpose)
    k0 = uint64(key) & low
    k1 = uint64(key) >> shift
    for _ in range(10):
        p0 = uint64(0xD2511F53) * c0
        p1 = uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> shift) ^ c1 ^ k0, p1 & low, (p0 >> shift) ^ c3 ^ k1, p0 & low
        k0 = (k0 + uint64(0x9E3779B9)) & low
        k1 = (k1 + uint64(0xBB67AE85)) & low
    return c0 | (c1 << shift), c2 | (c3 << shift)


@njit(**IN_ORDER)
def random_bits(key, chain, index):
    """Draw number `index` of a chain's stream: 64 random bits."""
    return random_words(key, chain, index, ENTRIES)[0]


@njit(**IN_ORDER)
def random_normal(key, chain, index, purpose):
    """Draw number `index` of a chain's stream of another purpose: a standard normal number."""
    first, second = random_words(key, chain, index, purpose)
    shift = uint64(11)
    # never 0, whose logarithm is infinite
    radius = (np.float64(first >> shift) + 0.5) * 2.0**-53
    turn = np.float64(second >> shift) * 2.0**-53
    return np.sqrt(-2.0 * np.log(radius)) * np.cos(2.0 * np.pi * turn)


@njit(**IN_ORDER)
def random_below(key, chain, index, bound):
    """Draw number `index` as an integer in 0..bound-1, for bound < 2**32."""
    bits = random_bits(key, chain, index)
    shift = uint64(32)
    below = uint64(bound)
    # the high half of the 96-bit product, in pieces that fit in 64 bits
    carry = ((bits & uint64(0xFFFFFFFF)) * below) >> shift
    return np.int64(((bits >> shift) * below + carry) >> shift)


@njit(**IN_ORDER)
def shuffle_ahead(order, key, chain, epoch, first, count):
    """Continue the Fisher-Yates shuffle of one epoch: fix positions first..first+count-1 of `order`.

    The start of an epoch (`first` = 0) resets the order, so that it is a function of (seed, chain, epoch)
    only.
    """
    size = order.size
    if first == 0:
        for k in range(size):
            order[k] = k
    for k in range(first, first + count):
        other = k + random_below(key, chain, epoch * size + k, size - k)
        order[k], order[other] = order[other], order[k]


@njit(**IN_ORDER)
def distinct_below(picked, table, key, chain, index, bound):
    """Fill `picked` with different integers below `bound` (Floyd's algorithm); draws index..index+size-1.

    `table` is scratch: a hash table whose size is a power of two, at least twice that of `picked`.
    """
    size = picked.size
    mask = table.size - 1
    table[:] = -1
    for k in range(size):
        last = bound - size + k
        value = random_below(key, chain, index + k, last + 1)
        slot = value & mask
        while table[slot] >= 0 and table[slot] != value:
            slot = (slot + 1) & mask
        if table[slot] == value:
            value = last
            slot = value & mask
            while table[slot] >= 0:
                slot = (slot + 1) & mask
        table[slot] = value
        picked[k] = value
