"""Random streams of a completion: each has a name, and none is used twice.

The keys are part of what "the same seed gives the same result" promises: changing one changes results.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

Key = tuple[int, ...]


class Stream(IntEnum):
    """What the random numbers of a stream are for."""

    HELD_OUT = 1  # which cells are held out
    PILOT = 2  # column factors that the pilot fits begin with
    ROW_SAMPLE = 3  # rows of a tall table that columns are learned from
    REFIT = 4  # Gibbs chains of a candidate
    FINAL = 5  # Gibbs chains of the fit to all cells
    AVERAGE = 6  # Gibbs chains of an average over noise models
    DRAWS = 7  # Gibbs chains of draws, the noise in them, and the cells by which they are calibrated
    FIRST_VALUES = 11  # the chain that a first guess of partly known cells comes from
    PARTLY_KNOWN = 12  # Gibbs chains that draw partly known cells


def key(seed: int, stream: Stream, *indices: int) -> Key:
    """Key of a stream, and of a part of it."""
    return (seed, int(stream), *indices)


def generator(seed: int, stream: Stream, *indices: int) -> np.random.Generator:
    """Random numbers of a stream."""
    return np.random.default_rng(list(key(seed, stream, *indices)))


def subspace_generator(seed: int) -> np.random.Generator:
    """Start of a subspace iteration: the result hardly depends on it."""
    return np.random.default_rng(seed)


def kernel_sample_generator(seed: int) -> np.random.Generator:
    """Cells at which the tangent kernel is looked at in a large problem."""
    return np.random.default_rng(seed)


def check_generator() -> np.random.Generator:
    """Random numbers of a check whose answer may not depend on the seed."""
    return np.random.default_rng(0)


def sign_generator() -> np.random.Generator:
    """Random signs of the noise test, whose answer may not depend on the seed."""
    return np.random.default_rng([0, 1])


def quick_round_seed(seed: int) -> int:
    """Seed of the chain of the quick round, a start that no later round has."""
    return seed + 2**31


def round_seed(seed: int, number: int, n_rounds: int) -> int:
    """Seed of the chains of round `number` of the exact question."""
    return seed * n_rounds + number


def fold_seed(seed: int, number: int) -> int:
    """Seed of everything that is fitted to fold `number`; fold 0 has the seed itself."""
    return seed + number


def stage_seed(seed: int, stage: int, attempt: int) -> int:
    """Seed of the entries of one stage: equal ones would sample the same entries again."""
    return int(np.random.SeedSequence([seed, stage, attempt]).generate_state(1, np.uint64)[0] >> np.uint64(1))
