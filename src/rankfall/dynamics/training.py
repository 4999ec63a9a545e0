"""train(): from a problem, a network and an optimiser to a Trace."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..network import Network
from ..problem import Problem
from .engine import Engine, make_engine, threads
from .optimisers import GD, SGD
from .record import Record
from .recorder import Recorder
from .state import State
from .stability import residual_limits, stable_lr
from .trace import Trace


@dataclass(frozen=True)
class Progress:
    """What a callback sees between two kernel calls.

    Attributes
    ----------
    step, n_steps : int
        Steps done and to do.
    seconds : float
        Time since the run (or its last part) began.
    diverged : ndarray of bool, shape (n_chains,)
    network : function of int
        ``network(k)``: the present weights of chain k (a copy).
    """

    step: int
    n_steps: int
    seconds: float
    diverged: np.ndarray
    network: Callable[[int], Network]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; `trace` holds what had been recorded up to then."""

    def __init__(self, trace: Trace) -> None:
        super().__init__("training was interrupted")
        self.trace = trace


def train(
    problem: Problem,
    net: Network,
    optimiser: SGD | GD,
    *,
    chains: int | Sequence[int] | None = None,
    seed: int = 0,
    record: Record | None = None,
    checkpoint: str | None = None,
    deflate: float | None = None,
    n_threads: int | None = None,
    dtype: type | np.dtype | str = np.float64,
    callback: Callable[[Progress], bool | None] | None = None,
) -> Trace:
    """Train one network, or many independent chains of it.

    The bits of a chain depend on (problem, its start, optimiser, seed, its number) only: not on the
    number of threads, on the other chains, on `record`, on `callback`, or on interruptions.

    Parameters
    ----------
    problem : Problem
    net : Network
        Start of all chains, or an ensemble with one start for each.
    optimiser : SGD or GD
    chains : int or sequence of int, optional
        Number of chains, or the numbers of the chains to run (``[3]`` runs chain 3 alone). By default
        one, or all networks of an ensemble.
    seed : int
    record : Record, optional
    checkpoint : path, optional
        File in which the run is kept; if it exists and belongs to the same settings, the run resumes.
    deflate : float, optional
        Drop hidden directions whose singular value in ``Z_l = [W_l | W_{l+1}^T]`` is at most `deflate`
        times the largest, every 10,000 steps (Theorem 4).
    n_threads : int, optional
        Threads for the kernels; numba's own number by default.
    dtype : float64 or float32
    callback : function, optional
        Called with a :class:`Progress` between kernel calls; training ends early if it returns True.

    Returns
    -------
    Trace

    Raises
    ------
    InputError
        If the settings do not fit together.
    Interrupted
        A KeyboardInterrupt that carries the trace so far.
    """
    record = Record() if record is None else record
    starts, numbers = _starts(net, chains)
    if starts[0].shape != problem.shape:
        raise InputError(f"The network makes a matrix of shape {starts[0].shape}, the problem has {problem.shape}.")
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float64), np.dtype(np.float32)):
        raise InputError(f"dtype must be float64 or float32, not {dtype}.")
    optimiser.check(problem.n_observed)
    state = State.start(starts, numbers, dtype, residual_limits(starts, problem))
    engine = make_engine(problem, optimiser, state, seed)
    recorder = Recorder(record, problem, state, record.steps(0, optimiser.n_steps))
    began = time.perf_counter()

    def trace() -> Trace:
        return Trace(
            **recorder.result(),
            diverged=~state.running,
            n_steps=state.clock.copy(),
            stable_lr=stable_lr(starts, state, problem),
            deflation_bound=state.bounds.copy(),
            networks=tuple(state.network(k) for k in range(state.n_chains)),
            problem=problem,
            start=net,
            optimiser=optimiser,
            seed=int(seed),
            chains=numbers,
            dtype=dtype.name,
            deflate=deflate,
            seconds=time.perf_counter() - began,
        )

    with threads(n_threads):
        try:
            _run(engine, recorder, callback, began)
        except KeyboardInterrupt:
            raise Interrupted(trace()) from None
        return trace()


def _run(
    engine: Engine, recorder: Recorder, callback: Callable[[Progress], bool | None] | None, began: float
) -> None:
    state = engine.state
    n_steps = engine.optimiser.n_steps
    for index, step in enumerate(recorder.steps.tolist()):
        engine.advance(step)
        recorder.take(index)
        if callback is not None:
            progress = Progress(step, n_steps, time.perf_counter() - began, ~state.running, state.network)
            if callback(progress):
                return


def _starts(net: Network, chains: int | Sequence[int] | None) -> tuple[list[Network], np.ndarray]:
    """One start for each chain, and the chains' global numbers."""
    if chains is None:
        chains = net.n_chains or 1
    numbers = np.arange(chains) if isinstance(chains, (int, np.integer)) else np.array(chains)
    if numbers.ndim != 1 or not numbers.size or numbers.dtype.kind not in "iu" or numbers.min() < 0:
        raise InputError(f"chains must be a positive number or a list of chain numbers, not {chains!r}.")
    if net.n_chains is None:
        return [net] * numbers.size, numbers
    if numbers.max() >= net.n_chains:
        raise InputError(f"The ensemble has {net.n_chains} networks; there is no chain {numbers.max()}.")
    return [net.chain(int(k)) for k in numbers], numbers
