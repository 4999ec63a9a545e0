"""What a run records, and how it is measured between kernel calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .. import measures
from ..argument_checks import check_fields, checked, function, number, shown, text, whole
from ..compute.threads import count, parallel_for, threads
from ..declared_arguments import declared
from ..errors import InputError
from ..measurements import Measurements
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
    "displacement",
)

# chains that one thread decomposes at a time, and the widest layers for which BLAS certainly starts no
# threads
_BLOCK, _NARROW = 64, 64
# multiplications below which one thread computes the losses
_SHORT = 1e6


@dataclass(frozen=True, kw_only=True)
class Record:
    """What to record, and when; never changes a bit of the run.

    Parameters
    ----------
    every : int
        Record at the steps 0, every, 2 every, ... and at the last one. A record takes about as long as a
        thousand steps: at widths of 30, depth 3 and one entry per step on one core, 0.5 ms for the default
        quantities beside 0.6 us for a step, so that a run recorded at every 1000 steps takes twice as long
        as one without records, and at every 100 eight times (``python benchmarks/recording.py``).
    what : tuple of str
        Any of "singular_values" (of A), "train_loss" (``1/(2N) sum (A_ij - x_ij)^2``, without the
        ridge), "rank" (numerical rank of A), "imbalance" (the largest operator norm of
        ``W_l^T W_l - W_{l-1} W_{l-1}^T``), "hidden_singular_values" (of every
        ``Z_l = [W_l | W_{l+1}^T]``), "weights" (snapshots, from which `replay` can start), "ledger"
        (for SGD: sum and highest partial sum of ``log(q + lr |B_l|)`` over the steps since the previous
        record, which bound the growth of the hidden layers; Theorem 3(c)) and "displacement" (for SGD: the
        distance of all weights from those at the previous record, and a bound of that distance at every step
        in between, at most a quarter above the largest; for entries, not for other measurements). The last
        two are about steps without momentum.
    extra : mapping of str to function
        Further observables: functions that take the :class:`Network` of one chain and return a number, or an
        array of constant shape.
    rank_tol : float
        The numerical rank counts singular values above `rank_tol` times the largest, and above 1e-12
        times the norm of the observed entries.
    """

    every: int = checked(whole, least=1, default=1000)
    what: tuple[str, ...] = ("singular_values", "train_loss", "rank")
    extra: Mapping[str, Callable[[Network], np.ndarray]] = field(default_factory=dict)
    rank_tol: float = checked(number, least=0, below=1, default=measures.RANK_TOL)

    def __post_init__(self) -> None:
        check_fields(self)
        if not isinstance(self.what, (str, list, tuple)):
            raise InputError(f"what must be a list of names, not {shown(self.what)}.")
        if not isinstance(self.extra, Mapping):
            raise InputError(f"extra must be a mapping of names to functions, not {shown(self.extra)}.")
        what = (self.what,) if isinstance(self.what, str) else tuple(text("what", name) for name in self.what)
        unknown = [name for name in what if name not in OBSERVABLES]
        if unknown:
            raise InputError(
                f"{unknown[0]!r} cannot be recorded; choose from {', '.join(OBSERVABLES)}, or use extra."
            )
        for name, measured in self.extra.items():
            function(f"extra[{name!r}]", measured)
        clash = [name for name in self.extra if name in OBSERVABLES]
        if clash:
            raise InputError(f"{clash[0]!r} is the name of a built-in observable; choose another.")
        object.__setattr__(self, "what", what)

    @declared
    def steps(self, start: int, stop: int) -> np.ndarray:
        """The steps at which a run from `start` to `stop` is recorded."""
        return np.unique(np.append(np.arange(start, stop, self.every), stop))


def measure(problem: Problem | Measurements, network: Network, record: Record) -> dict[str, np.ndarray]:
    """Observables of an ensemble, each with a leading axis of chains; not what the kernels keep."""
    out: dict[str, np.ndarray] = {}
    if "singular_values" in record.what or "rank" in record.what:
        s = in_blocks(Network.singular_values, network).astype(np.float64)
        if "singular_values" in record.what:
            out["singular_values"] = s
        if "rank" in record.what:
            out["rank"] = measures.numerical_rank(s, problem, rank_tol=record.rank_tol)
    if "train_loss" in record.what:
        out["train_loss"] = data_loss(problem, network)
    if "imbalance" in record.what:
        out["imbalance"] = in_blocks(measures.imbalance, network).max(axis=-1)
    if "hidden_singular_values" in record.what:
        out["hidden_singular_values"] = in_blocks(measures.hidden_singular_values, network)
    for name, observable in record.extra.items():
        chains = range(network.n_chains or 0)
        out[name] = np.stack([np.asarray(observable(network.chain(k)), dtype=np.float64) for k in chains])
    return out


def in_blocks(function: Callable[[Network], np.ndarray], network: Network) -> np.ndarray:
    """``function(network)`` of an ensemble, its chains shared among the threads that kernels get.

    Otherwise the decompositions of many small matrices would keep one processor busy while the others wait.
    Wider layers are left to the threads of BLAS. Every chain is decomposed by itself, so the bits are those
    of one call.
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


def data_loss(problem: Problem | Measurements, network: Network) -> np.ndarray:
    """``1/(2N) sum over the observed entries of (A_ij - x_ij)^2``, shape (n_chains,)."""
    from .kernels.sums import mean_squares, mean_squares_of_measurements

    left, right = network.thin_factors()
    right = np.swapaxes(right, -1, -2)
    # copies, because numba would compile again for read-only arrays
    measured = isinstance(problem, Measurements)
    places = (problem.U, problem.V) if measured else (problem.rows, problem.cols)
    arrays = (left, right, *places, problem.values)
    sums = mean_squares_of_measurements if measured else mean_squares
    # for less than a millisecond of work, threads would mostly wait for each other
    per_value = left.shape[-2] + right.shape[-2] if measured else 1
    short = left.size // left.shape[-2] * problem.n_observed * per_value < _SHORT
    with threads(1 if short else None):
        return 0.5 * sums(*(np.array(a, order="C") for a in arrays))
