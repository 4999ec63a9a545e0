"""What a run records, and how it is measured between kernel calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .. import measures
from ..compute.threads import count, parallel_for, threads
from ..errors import InputError
from ..network import Network
from ..problem import Problem

OBSERVABLES = (
    "singular_values",
    "train_loss",
    "rank",
    "imbalance",
    "hidden_singular_values",
    "weights",
    "ledger",
)

# chains that one thread decomposes at a time, and the widest layers for which a BLAS surely starts no threads
_BLOCK, _NARROW = 64, 64
# multiplications below which one thread measures the losses
_SHORT = 1e6


@dataclass(frozen=True)
class Record:
    """When and what to record; never changes a bit of the run.

    Parameters
    ----------
    every : int
        Record at the steps 0, every, 2 every, ... and at the last one.
    what : tuple of str
        Any of "singular_values" (of A), "train_loss" (``1/(2N) sum (A_ij - x_ij)^2``, without the
        ridge), "rank" (numerical rank of A), "imbalance" (the largest operator norm of
        ``W_l^T W_l - W_{l-1} W_{l-1}^T``), "hidden_singular_values" (of every
        ``Z_l = [W_l | W_{l+1}^T]``), "weights" (snapshots, from which `replay` can start) and "ledger"
        (for SGD: sum and highest partial sum, over the steps since the record before, of
        ``log(q + lr |B_l|)``, which bounds how far the hidden layers can have been stretched; Theorem 3(c)).
    extra : mapping of str to function
        Further observables: each function is called with the :class:`Network` of one chain and returns
        a number or an array whose shape does not change.
    rank_tol : float
        The numerical rank counts singular values above `rank_tol` times the largest, and above 1e-12
        times the norm of the observed entries.
    """

    every: int = 1000
    what: tuple[str, ...] = ("singular_values", "train_loss", "rank")
    extra: Mapping[str, Callable[[Network], np.ndarray]] = field(default_factory=dict)
    rank_tol: float = 1e-2

    def __post_init__(self) -> None:
        if int(self.every) != self.every or self.every < 1:
            raise InputError(f"every must be a positive whole number, not {self.every}.")
        if not 0 <= self.rank_tol < 1:
            raise InputError(
                f"rank_tol is a share of the largest singular value, 0 or more and below 1; it is {self.rank_tol}."
            )
        what = (self.what,) if isinstance(self.what, str) else tuple(self.what)
        unknown = [name for name in what if name not in OBSERVABLES]
        if unknown:
            raise InputError(
                f"{unknown[0]!r} cannot be recorded; choose from {', '.join(OBSERVABLES)}, or use extra."
            )
        clash = [name for name in self.extra if name in OBSERVABLES]
        if clash:
            raise InputError(f"{clash[0]!r} is the name of a built-in observable; choose another.")
        object.__setattr__(self, "every", int(self.every))
        object.__setattr__(self, "what", what)

    def steps(self, start: int, stop: int) -> np.ndarray:
        """The steps at which a run from `start` to `stop` is recorded."""
        return np.unique(np.append(np.arange(start, stop, self.every), stop))


def measure(network: Network, problem: Problem, record: Record) -> dict[str, np.ndarray]:
    """Observables of an ensemble, each with a leading axis of chains ("weights" and "ledger" are kept elsewhere)."""
    out: dict[str, np.ndarray] = {}
    if "singular_values" in record.what or "rank" in record.what:
        s = in_blocks(Network.singular_values, network).astype(np.float64)
        if "singular_values" in record.what:
            out["singular_values"] = s
        if "rank" in record.what:
            out["rank"] = measures.numerical_rank(s, problem, record.rank_tol)
    if "train_loss" in record.what:
        out["train_loss"] = data_loss(network, problem)
    if "imbalance" in record.what:
        out["imbalance"] = in_blocks(measures.imbalance, network).max(axis=-1)
    if "hidden_singular_values" in record.what:
        out["hidden_singular_values"] = in_blocks(measures.hidden_singular_values, network)
    for name, function in record.extra.items():
        chains = range(network.n_chains or 0)
        out[name] = np.stack([np.asarray(function(network.chain(k)), dtype=np.float64) for k in chains])
    return out


def in_blocks(function: Callable[[Network], np.ndarray], network: Network) -> np.ndarray:
    """``function(network)`` of an ensemble, its chains divided among as many threads as the kernels have.

    Decompositions of many small matrices would otherwise keep one processor busy while the others wait. Networks with
    wider layers are left to the threads of the BLAS itself. Every chain is decomposed by itself, so the
    bits are those of one call.
    """
    n_chains = network.n_chains or 1
    if count() == 1 or n_chains <= _BLOCK or max(network.widths) > _NARROW:
        return function(network)
    blocks = [
        Network(tuple(W[start : start + _BLOCK] for W in network.weights))
        for start in range(0, n_chains, _BLOCK)
    ]
    measured: list[np.ndarray] = [np.empty(0)] * len(blocks)

    def measure_some(begin: int, end: int) -> None:
        for k in range(begin, end):
            measured[k] = function(blocks[k])

    parallel_for(measure_some, len(blocks))
    return np.concatenate(measured)


def data_loss(network: Network, problem: Problem) -> np.ndarray:
    """``1/(2N) sum over the observed entries of (A_ij - x_ij)^2``, shape (n_chains,)."""
    from .kernels.sums import mean_squares

    left, right = network.thin_factors()
    right = np.swapaxes(right, -1, -2)
    # copies: numba would compile once more for a read-only array
    arrays = (left, right, problem.rows, problem.cols, problem.values)
    # threads that meet for less than a millisecond would mostly wait for each other
    short = left.size // left.shape[-2] * problem.n_observed < _SHORT
    with threads(1 if short else None):
        return 0.5 * mean_squares(*(np.array(a, order="C") for a in arrays))
