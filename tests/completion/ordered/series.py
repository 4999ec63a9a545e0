"""Small tables whose rows follow each other, and options under which they are completed in a moment."""

from __future__ import annotations

import numpy as np

# two splits, no choice of a data model, few ranks
QUICK = {"folds": 2, "max_rank": 2, "effects": "columns", "scaling": "all"}


def walks(steps: np.ndarray, rank: int, rng: np.random.Generator, half_life: float = 12.0) -> np.ndarray:
    """Stationary first-order processes of variance 1 at these distances from each other."""
    decays = 2.0 ** (-steps / half_life)
    out = rng.normal(size=(steps.size, rank))
    for t in range(1, steps.size):
        out[t] = decays[t] * out[t - 1] + np.sqrt(1 - decays[t] ** 2) * out[t]
    return out


def series(
    m: int = 120, n: int = 8, seed: int = 0, *, rank: int = 2, missing: float = 0.3, noise: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """What rows that follow each other hold without noise, and what of it is observed with noise."""
    rng = np.random.default_rng(seed)
    truth = walks(np.ones(m), rank, rng) @ rng.normal(size=(rank, n)) + rng.normal(size=n)
    return truth, seen(truth, rng, missing, noise)


def seen(truth: np.ndarray, rng: np.random.Generator, missing: float, noise: float = 0.3) -> np.ndarray:
    """With noise, and cells missing at random."""
    table = truth + noise * rng.normal(size=truth.shape)
    return np.where(rng.random(truth.shape) < missing, np.nan, table)


def error(filled: np.ndarray, truth: np.ndarray, table: np.ndarray) -> float:
    """Root mean square at the missing cells."""
    return float(np.sqrt(np.nanmean((filled - truth)[np.isnan(table)] ** 2)))
