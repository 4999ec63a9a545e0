"""The result of a run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from ..files.schema import blamed_on
from ..measurements import Measurements
from ..measures import RANK_TOL
from ..network import Network
from ..problem import Problem
from ..theory.rolling import RollingLedger
from .archive import data_arrays, describe_optimiser, optimiser_arrays, read_data, read_optimiser
from .engine.snapshots import Snapshots
from .engine.state import pack, unpack
from .kernels.layout import VERSION
from .optimisers import GD, SGD
from .saved_ledgers import ledger_arrays, read_ledgers
from .schemas import TRACE

if TYPE_CHECKING:
    import pandas as pd


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
    certificates : tuple of RollingLedger
        What is proved about every chain; empty if the run had no certificate.
    """

    steps: np.ndarray
    measured: dict[str, np.ndarray]
    diverged: np.ndarray
    n_steps: np.ndarray
    stable_lr: np.ndarray
    deflation_bound: np.ndarray
    networks: tuple[Network, ...]
    problem: Problem | Measurements
    start: Network
    optimiser: SGD | GD
    seed: int
    chains: np.ndarray
    dtype: str
    deflate: float | None
    seconds: float
    snapshots: Snapshots | None = field(default=None, repr=False)
    rank_tol: float = RANK_TOL
    certificates: tuple[RollingLedger, ...] = ()

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

    @property
    def displacement(self) -> np.ndarray:
        """Distance of all weights from those at the previous record, and its largest value in between.

        Shape (n_chains, n_records, 2); Frobenius norm over all layers. The second is an upper bound, at most
        a quarter too large; in single precision its rounding, 1e-4 of it or less, may make it too small.
        After a deflation distances are measured from there.
        """
        return self._recorded("displacement")

    @declared
    def final(self, chain: int = 0) -> Network:
        """The last weights of one chain."""
        return self.networks[chain]

    def finals(self) -> list[Network]:
        """The last weights of every chain."""
        return list(self.networks)

    @declared
    def weights(self, chain: int, record: int) -> Network:
        """The weights of one chain at one record (an index into `steps`)."""
        if self.snapshots is None:
            raise InputError('The weights were not recorded; add "weights" to Record(what=...).')
        s = self.snapshots
        which = (record, [chain])
        return unpack(s.buffers[which], s.scales[which], s.widths[which]).chain(0)

    def to_frame(self) -> pd.DataFrame:
        """Everything recorded as a long table: one row for each chain and record, chain by chain.

        Returns
        -------
        DataFrame
            Columns:

            - "chain": global number of the chain, as in `chains`;
            - "step": steps done;
            - one column for each recorded number, under its name ("train_loss", "rank", the names of
              ``Record(extra=...)``);
            - one column for each element of a recorded array, with its position counted from 1:
              "singular_values_1" is the largest singular value of A, "hidden_singular_values_2_1" the
              largest of ``Z_2``, "ledger_1_2" the sum and "ledger_2_2" the highest partial sum of layer 2.

            After divergence numbers are NaN and the rank is -1, as in `measured`. Weights are left out; see
            :meth:`weights`.
        """
        import pandas as pd

        n_records = self.steps.size
        columns: dict[str, np.ndarray] = {
            "chain": np.repeat(self.chains, n_records),
            "step": np.tile(self.steps, self.n_chains),
        }
        for name, values in self.measured.items():
            for place in np.ndindex(values.shape[2:]):
                label = "_".join([name, *(str(k + 1) for k in place)])
                columns[label] = values[(slice(None), slice(None), *place)].reshape(-1)
        return pd.DataFrame(columns)

    @declared
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace, with everything that `replay` needs, to one .npz file (atomically)."""
        arrays, meta = self._saved()
        TRACE.write(path, arrays, meta)

    @classmethod
    @declared
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If the file is not a trace, is damaged, or was written by an earlier or later version of the
            layout.
        """
        saved = TRACE.read(path)
        meta = saved.meta
        flat, widths = saved["final_weights"], saved["final_widths"]
        ones, snapshots = np.ones(len(flat)), saved.group("snapshot_")
        with blamed_on(path):
            optimiser = read_optimiser(saved)
            start = Network(tuple(saved[f"start_{layer}"] for layer in range(len(meta["widths"]) - 1)))
        return cls(
            steps=saved["steps"],
            measured=saved.group("measured_"),
            diverged=saved["diverged"],
            n_steps=saved["n_steps"],
            stable_lr=saved["stable_lr"],
            deflation_bound=saved["deflation_bound"],
            networks=tuple(unpack(flat[[k]], ones[[k]], widths[[k]]).chain(0) for k in range(len(flat))),
            problem=read_data(saved),
            start=start,
            optimiser=optimiser,
            seed=meta["seed"],
            chains=saved["chains"],
            dtype=meta["dtype"],
            deflate=meta["deflate"],
            seconds=meta["seconds"],
            snapshots=Snapshots(**snapshots) if snapshots else None,
            rank_tol=meta["rank_tol"],
            certificates=read_ledgers(saved, optimiser),
        )

    @property
    def settings(self) -> dict[str, object]:
        """The settings of the run in plain types."""
        return {
            **describe_optimiser(self.optimiser),
            "widths": list(self.start.widths),
            "shape": list(self.problem.shape),
            "n_observed": self.problem.n_observed,
            **({"observed": "measurements"} if isinstance(self.problem, Measurements) else {}),
            "chains": self.chains.tolist(),
            "seed": self.seed,
            "dtype": self.dtype,
            "deflate": self.deflate,
        }

    def _saved(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """The trace as arrays and metadata."""
        flat, widths = pack(list(self.networks))
        arrays = {
            **data_arrays(self.problem),
            "steps": self.steps,
            "diverged": self.diverged,
            "n_steps": self.n_steps,
            "stable_lr": self.stable_lr,
            "deflation_bound": self.deflation_bound,
            "chains": self.chains,
            "final_weights": flat,
            "final_widths": widths,
            **{f"measured_{name}": values for name, values in self.measured.items()},
            **{f"start_{layer}": W for layer, W in enumerate(self.start.weights)},
            **optimiser_arrays(self.optimiser),
            **ledger_arrays(self.certificates),
        }
        if self.snapshots is not None:
            arrays |= {f"snapshot_{name}": values for name, values in vars(self.snapshots).items()}
        meta = {**self.settings, "seconds": self.seconds, "rank_tol": self.rank_tol, "layout": VERSION}
        return arrays, meta

    def _recorded(self, name: str) -> np.ndarray:
        if name not in self.measured:
            raise InputError(f"{name!r} was not recorded; add it to Record(what=...).")
        return self.measured[name]

    def __repr__(self) -> str:
        gone = f", {self.diverged.sum()} diverged" if self.diverged.any() else ""
        return f"Trace({self.n_chains} chains, {self.steps.size} records, {self.n_steps.max()} steps{gone})"
