"""What stands for a missing value in the data of others: -999, "n.d.", "<0.05"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def equals_any(values: np.ndarray, numbers: Sequence[float]) -> np.ndarray:
    """Which values are one of some numbers, or are it in single precision; a mask."""
    if not len(numbers):
        return np.zeros(np.shape(values), bool)
    wanted = np.asarray(numbers, dtype=np.float64)
    with np.errstate(over="ignore"):
        # -999.9 in a file of 32-bit floats is read as -999.9000244
        single = wanted.astype(np.float32).astype(np.float64)
    return np.isin(values, np.concatenate([wanted, single]))
