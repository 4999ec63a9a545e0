"""Large problems with a known answer, drawn without ever making the m x n array.

The mask is "guaranteed" in the sense of :func:`rankfall.datasets.low_rank`: every row and every column
first gets r random entries, the rest is uniform.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import rankfall as rf

SAMPLE = 100_000


@dataclass(frozen=True, eq=False)
class Instance:
    """Observed entries of U V^T, and the factors; U, V: shape (n, rank), standard normal."""

    problem: rf.Problem
    U: np.ndarray
    V: np.ndarray

    @property
    def rank(self) -> int:
        return self.U.shape[1]

    def values(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """The true values of some cells."""
        return np.einsum("ij,ij->i", self.U[rows], self.V[cols])


def n_observed(n: int, rank: int, rho: float) -> int:
    """``N = rho r (2 n - r)``."""
    return round(rho * rank * (2 * n - rank))


def draw(n: int, rank: int, count: int, seed: int = 0) -> Instance:
    """A random n x n matrix of this rank and `count` of its cells."""
    factors, cells = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    U, V = factors.standard_normal((n, rank)), factors.standard_normal((n, rank))
    rows, cols = np.divmod(guaranteed_cells(n, count, rank, cells), n)
    values = np.einsum("ij,ij->i", U[rows], V[cols])
    return Instance(rf.Problem.from_triplets(rows, cols, values, (n, n)), U, V)


def guaranteed_cells(n: int, count: int, least: int, rng: np.random.Generator) -> np.ndarray:
    """`count` different cells of an n x n array, as flat indices, at least `least` in every line.

    Memory O(count).
    """
    cells = _entries_of_rows(np.full(n, least), n, rng)
    # columns that the rows' entries left short get theirs in rows that are new to them
    while True:
        short = np.maximum(least - np.bincount(cells % n, minlength=n), 0)
        if not short.any():
            break
        turned = _entries_of_rows(short, n, rng)
        cells = np.union1d(cells, turned % n * n + turned // n)
    if cells.size > count:
        raise ValueError(f"{count} cells are too few for {least} random ones in every line of {n} x {n}.")
    while cells.size < count:
        left = count - cells.size
        more = np.unique(rng.integers(n * n, size=left + left // 10 + 1000))
        # both are sorted: those that are there already stand where they would be put
        place = np.minimum(np.searchsorted(cells, more), cells.size - 1)
        new = rng.permutation(more[cells[place] != more])
        cells = np.sort(np.concatenate([cells, new[:left]]))
    return cells


def _entries_of_rows(counts: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Flat indices of that many different cells in each row, each set equally likely."""
    found = [row * n + rng.choice(n, size=counts[row], replace=False) for row in np.flatnonzero(counts)]
    return np.unique(np.concatenate(found))


def sample(n: int, seed: int = 0, size: int = SAMPLE) -> tuple[np.ndarray, np.ndarray]:
    """Cells at which errors are measured: all of them if there are few, else random ones, observed or not."""
    if n * n <= size:
        rows, cols = np.divmod(np.arange(n * n), n)
        return rows, cols
    rng = np.random.default_rng([seed, n])
    return rng.integers(n, size=size), rng.integers(n, size=size)


def relative_error(values: np.ndarray, truth: np.ndarray) -> float:
    """Norm of the difference over that of the truth; infinite where a cell was not delivered."""
    error = float(np.linalg.norm(values - truth) / np.linalg.norm(truth))
    return error if np.isfinite(error) else np.inf
