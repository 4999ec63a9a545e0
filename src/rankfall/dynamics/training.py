"""train(): from a problem, a network and an optimiser to a Trace."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..argument_checks import fraction, function, instance, optional, shown, whole, wholes
from ..compute.threads import threads, threads_without_blas
from ..errors import InputError
from ..measurements import Measurements, require_entries
from ..network import Network
from ..problem import Problem
from ..theory.rolling import RollingCertificate
from .archive import fingerprint
from .engine.checkpoints import Checkpoint
from .engine.recorder import Recorder
from .engine.run import Engine
from .engine.stability import residual_limits, stable_lr
from .engine.state import State
from .engine.watched import WatchedChains
from .kernels import ledger
from .optimisers import GD, SGD
from .record import Record
from .trace import Trace


@dataclass(frozen=True)
class Progress:
    """What a callback receives between two kernel calls.

    Attributes
    ----------
    step, n_steps : int
        Steps done, and steps of the whole run.
    seconds : float
        Time since the run (or its last part) began.
    diverged : ndarray of bool, shape (n_chains,)
    network : function of int
        ``network(k)`` returns the current weights of chain k (a copy).
    """

    step: int
    n_steps: int
    seconds: float
    diverged: np.ndarray
    network: Callable[[int], Network]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; `trace` holds what was recorded until then."""

    def __init__(self, trace: Trace) -> None:
        super().__init__("training was interrupted")
        self.trace = trace


def train(
    problem: Problem | Measurements,
    network: Network,
    optimiser: SGD | GD,
    *,
    chains: int | Sequence[int] | None = None,
    seed: int = 0,
    record: Record | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    deflate: float | None = None,
    n_threads: int | None = None,
    dtype: type | np.dtype | str = np.float64,
    callback: Callable[[Progress], bool | None] | None = None,
    certificate: RollingCertificate | None = None,
) -> Trace:
    """Train one network, or many independent chains of it.

    The bits of a chain depend on (problem, its start, optimiser, seed, its number) only: not on the number of
    threads, the other chains, `record`, `callback`, or interruptions.

    Parameters
    ----------
    problem : Problem or Measurements
    network : Network
        Start of all chains, or an ensemble with one start for each chain.
    optimiser : SGD or GD
    chains : int or sequence of int, optional
        Number of chains, or the numbers of the chains to run (``[3]`` runs chain 3 alone). By default one
        chain, or one for each network of an ensemble.
    seed : int
    record : Record, optional
    checkpoint : path, optional
        File that holds the state of the run; if it exists and has the same settings, the run resumes.
    deflate : float, optional
        Drop hidden directions whose singular value in ``Z_l = [W_l | W_{l+1}^T]`` is at most `deflate`
        times the largest, every 10,000 steps (Theorem 4). Not with momentum.
    n_threads : int, optional
        Threads for the kernels; by default all processors, or NUMBA_NUM_THREADS.
    dtype : float64 or float32
    callback : function, optional
        Called with a :class:`~rankfall.dynamics.Progress` between kernel calls (which last about half a
        second or less); training ends early if it returns True.
    certificate : RollingCertificate, optional
        Watch every chain (Theorem 6): the ledger of what is proved about which steps is in
        ``Trace.certificates``. For SGD in double precision with constant lr and ridge and entries drawn by
        "replacement" or "distinct"; without momentum, label noise, `deflate` and `checkpoint`. It changes no
        bit of the run, unless it is to deflate.

    Returns
    -------
    Trace

    Raises
    ------
    InputError
        If the settings do not fit together.
    Interrupted
        A KeyboardInterrupt with the trace so far.
    """
    if not isinstance(problem, Measurements):
        problem = instance("problem", problem, Problem)
    network = instance("network", network, Network)
    optimiser = instance("optimiser", optimiser, (SGD, GD))
    seed = whole("seed", seed, least=0)
    record = Record() if record is None else instance("record", record, Record)
    deflate = optional(fraction, "deflate", deflate)
    n_threads = optional(whole, "n_threads", n_threads, least=1)
    callback = optional(function, "callback", callback)
    certificate = optional(instance, "certificate", certificate, RollingCertificate)
    if certificate is not None:
        _check_watched(record, deflate, checkpoint)
    run = _Run.prepare(problem, network, optimiser, chains, seed, record, deflate, dtype)
    if certificate is not None:
        entries = require_entries(problem, "Rolling certificates are")
        run.engine.watched = WatchedChains(certificate, entries, optimiser, run.engine.state)
    recorder = Recorder(record, problem, run.engine.state, record.steps(0, optimiser.n_steps))
    saver = None
    if checkpoint is not None:
        saver = Checkpoint(
            checkpoint,
            fingerprint(problem, network, optimiser, run.numbers, seed, run.dtype.name, deflate, record),
        )
        if saver.resume(run.engine.state, recorder):
            run.engine.resume()
    return run.go(recorder, saver, n_threads, callback)


def replay(
    trace: Trace,
    *,
    chain: int,
    start: int,
    stop: int,
    record: Record | None = None,
    n_threads: int | None = None,
) -> Trace:
    """Repeat steps of one chain, to the same bits, and record them differently.

    The run starts from the last recorded weights before `start` (``Record(what=("weights", ...))``),
    or from the beginning, as it does with momentum, because velocities are not recorded.

    Parameters
    ----------
    trace : Trace
    chain : int
        Position of the chain in the trace.
    start, stop : int
        First and last step to record.
    record : Record, optional
        ``Record(every=1)`` by default.

    Returns
    -------
    Trace
        Of this chain only, with records at start, start + every, ..., stop.
    """
    trace = instance("trace", trace, Trace)
    chain = whole("chain", chain, least=0, most=trace.n_chains - 1)
    start = whole("start", start, least=0, most=trace.optimiser.n_steps)
    stop = whole("stop", stop, least=start, most=trace.optimiser.n_steps)
    record = Record(every=1) if record is None else instance("record", record, Record)
    n_threads = optional(whole, "n_threads", n_threads, least=1)
    if any(ledger.deflations["step"].size for ledger in trace.certificates):
        raise InputError(
            "A run that a certificate deflated cannot be replayed; train it again with the certificate."
        )
    number = [int(trace.chains[chain])]
    run = _Run.prepare(
        trace.problem, trace.start, trace.optimiser, number, trace.seed, record, trace.deflate, trace.dtype
    )
    state = run.engine.state
    earlier = np.flatnonzero(trace.steps <= min(start, trace.n_steps[chain]))
    if trace.snapshots is not None and earlier.size and not state.velocities.size:
        shots, at = trace.snapshots, earlier[-1]
        # rows are padded to whole cache lines, for one chain as for an ensemble
        state.buffer[0] = shots.buffers[at, chain]
        state.scales[0], state.bounds[0] = shots.scales[at, chain], shots.bounds[at, chain]
        state.widths[0] = shots.widths[at, chain]
        state.clock[0] = state.deflated[0] = trace.steps[at]
        if "displacement" in record.what:
            state.anchor(0, state.network(0))
        run.engine.resume()
    return run.go(Recorder(record, trace.problem, state, record.steps(start, stop)), None, n_threads, None)


@dataclass
class _Run:
    """A run whose settings have been checked, ready to start."""

    engine: Engine
    starts: list[Network]
    network: Network
    numbers: np.ndarray
    dtype: np.dtype

    @classmethod
    def prepare(
        cls,
        problem: Problem | Measurements,
        network: Network,
        optimiser: SGD | GD,
        chains: int | Sequence[int] | None,
        seed: int,
        record: Record,
        deflate: float | None,
        dtype: type | np.dtype | str,
    ) -> _Run:
        starts, numbers = _starts(network, chains)
        if starts[0].shape != problem.shape:
            raise InputError(f"The network has the shape {starts[0].shape}, the problem {problem.shape}.")
        stored = _precision(dtype)
        if not all(np.isfinite(W).all() for W in network.weights):
            raise InputError("The network has weights that are not finite.")
        optimiser.check(problem.n_observed)
        state = State.start(starts, numbers, stored, residual_limits(problem, starts))
        if isinstance(optimiser, SGD) and optimiser.momentum:
            _check_momentum(record, deflate)
            state.rest()
        if "ledger" in record.what:
            if isinstance(optimiser, GD):
                raise InputError('"ledger" can be recorded for SGD only: GD does not use single entries.')
            state.ledgers = ledger.blank(state.n_chains, network.depth - 1)
        if "displacement" in record.what:
            if isinstance(optimiser, GD):
                raise InputError('"displacement" can be recorded for SGD only.')
            require_entries(problem, 'Displacements ("displacement") are')
            state.watch()
            for k in range(state.n_chains):
                state.anchor(k, state.network(k))
        return cls(Engine(problem, optimiser, state, seed, deflate), starts, network, numbers, stored)

    def go(
        self,
        recorder: Recorder,
        saver: Checkpoint | None,
        n_threads: int | None,
        callback: Callable[[Progress], bool | None] | None,
    ) -> Trace:
        """Run to the last record and return the trace."""
        began = time.perf_counter()
        watched = self.engine.watched is not None
        with (threads_without_blas if watched else threads)(n_threads):
            try:
                self._loop(recorder, saver, callback, began)
            except KeyboardInterrupt:
                if saver is not None:
                    saver.save(self.engine.state, recorder)
                raise Interrupted(self._trace(recorder, began)) from None
            if saver is not None:
                saver.save(self.engine.state, recorder)
            return self._trace(recorder, began)

    def _loop(
        self,
        recorder: Recorder,
        saver: Checkpoint | None,
        callback: Callable[[Progress], bool | None] | None,
        began: float,
    ) -> None:
        engine, state = self.engine, self.engine.state
        engine.deflate_if_due()
        for index in range(recorder.taken, recorder.steps.size):
            target = int(recorder.steps[index])
            while engine.step < target:
                engine.advance(target)
                if saver is not None:
                    saver.save_if_due(state, recorder)
                if callback is not None:
                    seconds = time.perf_counter() - began
                    total = engine.optimiser.n_steps
                    if callback(Progress(engine.step, total, seconds, ~state.running, state.network)):
                        return
            recorder.take(index)

    def _trace(self, recorder: Recorder, began: float) -> Trace:
        engine, state = self.engine, self.engine.state
        steps, measured, snapshots = recorder.result()
        return Trace(
            steps=steps,
            measured=measured,
            diverged=~state.running,
            n_steps=state.clock.copy(),
            stable_lr=stable_lr(engine.problem, self.starts, engine.optimiser, state),
            deflation_bound=state.bounds.copy(),
            networks=tuple(state.network(k) for k in range(state.n_chains)),
            problem=engine.problem,
            start=self.network,
            optimiser=engine.optimiser,
            seed=engine.seed,
            chains=self.numbers,
            dtype=self.dtype.name,
            deflate=engine.deflate,
            seconds=time.perf_counter() - began,
            snapshots=snapshots,
            rank_tol=recorder.record.rank_tol,
            certificates=() if engine.watched is None else engine.watched.ledgers(),
        )


def _check_watched(record: Record, deflate: float | None, checkpoint: str | os.PathLike[str] | None) -> None:
    """Refuse what does not go together with a certificate."""
    if deflate is not None:
        raise InputError("With a certificate, leave out deflate, and use RollingCertificate(deflate=True).")
    if checkpoint is not None:
        raise InputError("A run with a certificate cannot be resumed; leave out checkpoint.")
    if "displacement" in record.what:
        raise InputError(
            'With a certificate, displacements are measured from its looks; leave out "displacement".'
        )


def _check_momentum(record: Record, deflate: float | None) -> None:
    """Refuse what is about the steps of plain SGD."""
    if deflate is not None:
        raise InputError("Deflation would cut velocities as well as weights; leave out momentum or deflate.")
    for name in ("ledger", "displacement"):
        if name in record.what:
            raise InputError(f'"{name}" bounds steps of plain SGD; leave out momentum, or do not record it.')


def _precision(dtype: type | np.dtype | str) -> np.dtype:
    with suppress(TypeError):
        found = np.dtype(dtype)
        if found in (np.dtype(np.float64), np.dtype(np.float32)):
            return found
        raise InputError(f"dtype must be float64 or float32, not {found}.")
    raise InputError(f"dtype must be float64 or float32, not {shown(dtype)}.")


def _starts(network: Network, chains: int | Sequence[int] | None) -> tuple[list[Network], np.ndarray]:
    """One start for each chain, and the chains' global numbers."""
    if chains is None:
        chains = network.n_chains or 1
    if np.ndim(chains) == 0:
        numbers = np.arange(whole("chains", chains, least=1))
    else:
        numbers = np.array(wholes("chains", chains, shortest=1, least=0))
    if network.n_chains is None:
        return [network] * numbers.size, numbers
    if numbers.max() >= network.n_chains:
        raise InputError(f"The ensemble has {network.n_chains} networks; there is no chain {numbers.max()}.")
    return [network.chain(int(k)) for k in numbers], numbers
