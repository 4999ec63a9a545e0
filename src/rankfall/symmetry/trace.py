"""What a run of equivariant networks recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..analysis import Jumps, find_jumps
from ..argument_checks import one_of
from ..declared_arguments import declared
from ..dynamics import GD, SGD
from ..measures import DEAD
from ..problem import Problem
from .network import EquivariantNetwork

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Recorded:
    """Spectra and loss of all chains at one record, by irrep."""

    singular_values: dict[str, np.ndarray]
    hidden: dict[str, np.ndarray]
    loss: np.ndarray


@dataclass(frozen=True, eq=False)
class EquivariantTrace:
    """The record of one run of :func:`rankfall.symmetry.train`.

    Attributes
    ----------
    steps : ndarray of int64, shape (n_records,)
    dimensions : dict of str to int
        ``d`` of each irrep.
    singular_values : dict of str to ndarray, shapes (n_chains, n_records, k)
        Over D, of the block of each irrep in the product; NaN after divergence.
    hidden_singular_values : dict of str to ndarray, shapes (n_chains, n_records, depth - 1, k)
        Over D, of ``Z_l = [M_l | M_{l+1}^*]``.
    train_loss : ndarray, shape (n_chains, n_records)
        ``1/(2N) sum (A_ij - x_ij)^2`` over the observed cells.
    networks : tuple of EquivariantNetwork or None
        The last weights of every chain; None for one that diverged.
    problem, optimiser
        Inputs of the run.
    rank_tol : float
    """

    steps: np.ndarray
    dimensions: dict[str, int]
    singular_values: dict[str, np.ndarray] = field(repr=False)
    hidden_singular_values: dict[str, np.ndarray] = field(repr=False)
    train_loss: np.ndarray = field(repr=False)
    networks: tuple[EquivariantNetwork | None, ...] = field(repr=False)
    problem: Problem
    optimiser: SGD | GD
    rank_tol: float

    @classmethod
    @declared
    def gather(
        cls,
        steps: np.ndarray,
        records: Sequence[Recorded],
        dimensions: dict[str, int],
        networks: tuple[EquivariantNetwork | None, ...],
        problem: Problem,
        optimiser: SGD | GD,
        rank_tol: float,
    ) -> EquivariantTrace:
        """A trace from its records in order."""
        names = list(dimensions)
        return cls(
            steps,
            dimensions,
            {name: np.stack([r.singular_values[name] for r in records], axis=1) for name in names},
            {name: np.stack([r.hidden[name] for r in records], axis=1) for name in names},
            np.stack([r.loss for r in records], axis=1),
            networks,
            problem,
            optimiser,
            rank_tol,
        )

    @property
    def n_chains(self) -> int:
        return len(self.networks)

    @property
    def diverged(self) -> np.ndarray:
        """Chains that were given up, shape (n_chains,)."""
        return np.array([each is None for each in self.networks])

    @property
    def ranks(self) -> dict[str, np.ndarray]:
        """Numerical rank over D of each block of A, shapes (n_chains, n_records); -1 after divergence.

        Singular values count above `rank_tol` times the largest of all irreps, as for the rank of A, and
        above 1e-12 of the data.
        """
        return self._counted(self.singular_values, self.rank_tol, DEAD * self._scale)

    @property
    def hidden_ranks(self) -> dict[str, np.ndarray]:
        """Largest numerical rank over D of the ``Z_l``, shapes (n_chains, n_records); -1 after divergence.

        The tolerance is ``rank_tol^(1/L)`` of the largest of all irreps: at balanced weights the same
        directions count as for A.
        """
        depth = next(iter(self.hidden_singular_values.values())).shape[2] + 1
        floor = float(np.sqrt(2) * (DEAD * self._scale) ** (1 / depth))
        tops = np.max([np.max(s, axis=-1) for s in self.hidden_singular_values.values()], axis=0)
        tolerance = self.rank_tol ** (1 / depth)
        out: dict[str, np.ndarray] = {}
        for name, s in self.hidden_singular_values.items():
            counts = np.count_nonzero(s > np.maximum(tolerance * tops, floor)[..., None], axis=-1)
            out[name] = np.where(np.isnan(tops[..., 0]), -1, counts.max(axis=-1))
        return out

    @property
    def rank(self) -> np.ndarray:
        """Numerical rank of A, ``sum_tau d_tau r_tau``, shape (n_chains, n_records); -1 after divergence."""
        ranks = self.ranks
        total = sum(self.dimensions[name] * np.maximum(found, 0) for name, found in ranks.items())
        return np.where(next(iter(ranks.values())) < 0, -1, total)

    @declared
    def jumps(self, irrep: str | None = None, *, dwell: int | None = None, hidden: bool = False) -> Jumps:
        """Where the rank of one irrep, or of A, fell or rose and stayed; see :func:`rankfall.find_jumps`.

        Parameters
        ----------
        irrep : str, optional
            Name of the irrep; the rank of A by default.
        dwell : int, optional
            Steps for which a change must last.
        hidden : bool
            Whether to follow the hidden spaces ``Z_l`` of the irrep instead of the product.
        """
        if irrep is None:
            return find_jumps(self.rank, steps=self.steps, dwell=dwell)
        ranks = self.hidden_ranks if hidden else self.ranks
        return find_jumps(ranks[one_of("irrep", irrep, list(ranks))], steps=self.steps, dwell=dwell)

    @declared
    def jump_table(self, *, dwell: int | None = None, hidden: bool = False) -> DataFrame:
        """The jumps of all irreps in one table: irrep and dimension, and the columns of `Jumps.table`."""
        import pandas as pd

        parts: list[DataFrame] = []
        for name in self.singular_values:
            found = self.jumps(name, dwell=dwell, hidden=hidden).table
            found.insert(0, "irrep", name)
            found.insert(1, "dimension", self.dimensions[name])
            parts.append(found)
        return pd.concat(parts, ignore_index=True).sort_values(["chain", "step"], ignore_index=True)

    @property
    def _scale(self) -> float:
        return float(np.linalg.norm(self.problem.values))

    def _counted(
        self, spectra: dict[str, np.ndarray], tolerance: float, floor: float
    ) -> dict[str, np.ndarray]:
        top = np.max([s[..., 0] for s in spectra.values()], axis=0)
        out: dict[str, np.ndarray] = {}
        for name, s in spectra.items():
            counts = np.count_nonzero(s > np.maximum(tolerance * top, floor)[..., None], axis=-1)
            out[name] = np.where(np.isnan(top), -1, counts)
        return out
