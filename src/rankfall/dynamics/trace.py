"""The result of a run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from ..measures import RANK_TOL
from ..network import Network
from ..problem import Problem
from .archive import describe, load_trace, save_trace
from .engine.state import unpack
from .optimisers import GD, SGD


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Stored weights at the records, exactly as in the kernels, so that `replay` can start there.

    Attributes
    ----------
    buffers : ndarray, shape (n_records, n_chains, row_size)
    scales : ndarray, shape (n_records, n_chains)
    widths : ndarray of int64, shape (n_records, n_chains, depth + 1)
    bounds : ndarray, shape (n_records, n_chains)
        Accumulated deflation bounds.
    """

    buffers: np.ndarray
    scales: np.ndarray
    widths: np.ndarray
    bounds: np.ndarray


@dataclass(frozen=True, eq=False)
class Trace:
    """The record of one run of :func:`rankfall.train`.

    Attributes
    ----------
    steps : ndarray of int64, shape (n_records,)
        Steps done at every record.
    measured : dict of str to ndarray, shape (n_chains, n_records, ...)
        Everything recorded, by name. After divergence: NaN, and -1 for the rank.
    diverged : ndarray of bool, shape (n_chains,)
        Chains that stopped because a residual exploded or was NaN.
    n_steps : ndarray of int64, shape (n_chains,)
        Steps each chain made.
    stable_lr : ndarray, shape (n_chains,)
        For a chain that diverged, a learning rate that would probably have been stable; else NaN.
    deflation_bound : ndarray, shape (n_chains,)
        Sum of the bounds of Theorem 4 over all deflations: how far these can have moved A.
    networks : tuple of Network
        The last weights of every chain.
    problem, start, optimiser
        The inputs of the run; :func:`replay` needs these, `seed` and `chains`.
    seed : int
    chains : ndarray of int64, shape (n_chains,)
        Global chain numbers (they select the random streams).
    dtype : str
    deflate : float or None
    seconds : float
        Wall-clock time of the run (of its last part, if it was resumed).
    snapshots : Snapshots or None
        Present when "weights" were recorded.
    rank_tol : float
        Tolerance of the numerical rank.
    """

    steps: np.ndarray
    measured: dict[str, np.ndarray]
    diverged: np.ndarray
    n_steps: np.ndarray
    stable_lr: np.ndarray
    deflation_bound: np.ndarray
    networks: tuple[Network, ...]
    problem: Problem
    start: Network
    optimiser: SGD | GD
    seed: int
    chains: np.ndarray
    dtype: str
    deflate: float | None
    seconds: float
    snapshots: Snapshots | None = field(default=None, repr=False)
    rank_tol: float = RANK_TOL

    @property
    def n_chains(self) -> int:
        return self.chains.size

    @property
    def singular_values(self) -> np.ndarray:
        """Singular values of A, decreasing, shape (n_chains, n_records, k)."""
        return self._recorded("singular_values")

    @property
    def train_loss(self) -> np.ndarray:
        """``1/(2N) sum (A_ij - x_ij)^2`` over the observed entries, shape (n_chains, n_records)."""
        return self._recorded("train_loss")

    @property
    def train_rmse(self) -> np.ndarray:
        """Root of the mean squared residual, ``sqrt(2 train_loss)``, shape (n_chains, n_records)."""
        return np.sqrt(2 * self.train_loss)

    @property
    def rank(self) -> np.ndarray:
        """Numerical rank of A, shape (n_chains, n_records); -1 after divergence."""
        return self._recorded("rank")

    @property
    def imbalance(self) -> np.ndarray:
        """``max_l |W_l^T W_l - W_{l-1} W_{l-1}^T|``, shape (n_chains, n_records)."""
        return self._recorded("imbalance")

    @property
    def hidden_singular_values(self) -> np.ndarray:
        """Singular values of ``Z_l = [W_l | W_{l+1}^T]``, decreasing: (n_chains, n_records, depth - 1, k)."""
        return self._recorded("hidden_singular_values")

    @property
    def ledger(self) -> np.ndarray:
        """Sum and highest partial sum of ``log(q + lr |B_l|)`` since the previous record.

        Shape (n_chains, n_records, 2, depth - 1); see Theorem 3(c).
        """
        return self._recorded("ledger")

    def final(self, chain: int = 0) -> Network:
        """The last weights of one chain."""
        return self.networks[chain]

    def finals(self) -> list[Network]:
        """The last weights of every chain."""
        return list(self.networks)

    def weights(self, chain: int, record: int) -> Network:
        """The weights of one chain at one record (an index into `steps`)."""
        if self.snapshots is None:
            raise InputError('The weights were not recorded; add "weights" to Record(what=...).')
        s = self.snapshots
        which = (record, [chain])
        return unpack(s.buffers[which], s.scales[which], s.widths[which]).chain(0)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace, with everything that `replay` needs, to one .npz file (atomically)."""
        save_trace(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If the file is not a trace, is damaged, or was written by an earlier or later version of the layout.
        """
        return load_trace(path)

    @property
    def settings(self) -> dict[str, object]:
        """The settings of the run in plain types."""
        return describe(self)

    def _recorded(self, name: str) -> np.ndarray:
        if name not in self.measured:
            raise InputError(f"{name!r} was not recorded; add it to Record(what=...).")
        return self.measured[name]

    def __repr__(self) -> str:
        gone = f", {self.diverged.sum()} diverged" if self.diverged.any() else ""
        return f"Trace({self.n_chains} chains, {self.steps.size} records, {self.n_steps.max()} steps{gone})"
