"""Small tables that the estimators solve in a moment."""

from __future__ import annotations

import numpy as np


def low_rank(m: int = 30, n: int = 12, rank: int = 2, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, rank)) @ rng.normal(size=(rank, n))


def with_holes(table: np.ndarray, missing: float = 0.3, seed: int = 1) -> np.ndarray:
    holes = table.copy()
    holes[np.random.default_rng(seed).random(table.shape) < missing] = np.nan
    return holes
