"""A run of SGD with the monitor of Theorem 3 riding along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..argument_checks import instance, optional, whole
from ..dynamics import GD, SGD, Constant, Progress, Record, Trace, train
from ..dynamics.optimisers import require_plain
from ..errors import InputError
from ..measurements import require_entries
from ..network import Network
from ..problem import Problem
from ..theory import Certificate, Monitor, MonitorLog, RollingCertificate, RollingLedger


@dataclass(frozen=True, eq=False)
class Monitored:
    """A run that was watched.

    Attributes
    ----------
    trace : Trace
        With the singular values, losses, weights and ledgers at the visits.
    logs : tuple of MonitorLog
        What the monitor saw, one for every chain.
    certificates : tuple of Certificate
        What stood at the end, one for every chain.
    every : int
        Steps between two visits.
    ledgers : tuple of RollingLedger
        What is proved about the steps of every chain, if there was a rolling certificate; else empty.
    """

    trace: Trace
    logs: tuple[MonitorLog, ...]
    certificates: tuple[Certificate, ...]
    every: int
    ledgers: tuple[RollingLedger, ...] = ()

    @property
    def log(self) -> MonitorLog:
        """What the monitor saw of the first chain."""
        return self.logs[0]

    @property
    def certificate(self) -> Certificate:
        """What stood at the end for the first chain."""
        return self.certificates[0]


def monitor(
    problem: Problem,
    network: Network,
    optimiser: SGD,
    *,
    seed: int = 0,
    p_fail: float = 1e-3,
    every: int | None = None,
    budget: float = 1.0,
    chains: int | Sequence[int] | None = None,
    n_threads: int | None = None,
    callback: Callable[[Progress], bool | None] | None = None,
    certificate: RollingCertificate | None = None,
) -> Monitored:
    """Train, and let a :class:`rankfall.theory.Monitor` look at every chain once per epoch.

    In between, the kernels keep the ledger of Theorem 3(c), which proves (where its budget lasts) that the
    rank did not rise between two looks. The run is bit for bit that of :func:`rankfall.train`. What the
    monitor certifies rests on factors at its visits; a rolling certificate beside it (Theorem 6) proves what
    it promises at every trusted step.

    Parameters
    ----------
    problem : Problem
    network : Network
        Start of all chains, or an ensemble; depth 3 or more.
    optimiser : SGD
        With a constant positive lr and ridge, and entries drawn by "replacement" or "distinct".
    seed : int
    p_fail : float
        Bound on the probability that any certificate of one chain fails.
    every : int, optional
        Steps between two looks; by default an epoch, ``ceil(N / batch_size)``.
    budget : float
        G of Theorem 3(b).
    chains, n_threads, callback
        As of :func:`rankfall.train`.
    certificate : RollingCertificate, optional
        Watches the chains as well, with looks and a budget of its own; it must not deflate.

    Returns
    -------
    Monitored

    Raises
    ------
    InputError
        If the theorem does not cover these settings.

    Notes
    -----
    The weights at all looks are held in memory, as those of a recorded run are.
    """
    require_entries(problem, "Theorems 3 and 6 are")
    problem, network = instance("problem", problem, Problem), instance("network", network, Network)
    if not isinstance(instance("optimiser", optimiser, (SGD, GD)), SGD):
        raise InputError("The monitor watches SGD; gradient descent has theorems of its own.")
    require_plain(optimiser, "Theorems 3 and 6")
    if optimiser.entries is not None:
        raise InputError("Theorem 3(b) needs entries drawn at random, not prescribed ones.")
    lr, ridge = (
        _constant(schedule, name) for schedule, name in ((optimiser.lr, "lr"), (optimiser.ridge, "ridge"))
    )
    settings = {"ridge": ridge, "lr": lr, "batch_size": optimiser.batch_size, "sampling": optimiser.sampling}
    # one monitor before the run, so that settings it refuses cost no time
    Monitor(problem, network.depth, **settings, p_fail=p_fail, budget=budget)
    certificate = optional(instance, "certificate", certificate, RollingCertificate)
    if certificate is not None and certificate.deflate:
        raise InputError("The monitor follows one network; leave out deflate=True, or use rankfall.train.")
    every = optional(whole, "every", every, least=1)
    if every is None:
        every = -(-problem.n_observed // optimiser.batch_size)
    what = ("singular_values", "train_loss", "rank", "weights", "ledger")
    record = Record(every=every, what=what)
    trace = train(
        problem,
        network,
        optimiser,
        chains=chains,
        seed=seed,
        record=record,
        n_threads=n_threads,
        callback=callback,
        certificate=certificate,
    )
    logs, certificates = [], []
    for chain in range(trace.n_chains):
        watcher = Monitor(problem, network.depth, **settings, p_fail=p_fail, budget=budget)
        for index, step in enumerate(trace.steps.tolist()):
            if step > trace.n_steps[chain] or not np.isfinite(trace.train_loss[chain, index]):
                break  # diverged
            watcher.update(step, trace.weights(chain, index), trace.ledger[chain, index, 1])
        logs.append(watcher.log())
        certificates.append(watcher.certificate())
    return Monitored(trace, tuple(logs), tuple(certificates), record.every, trace.certificates)


def _constant(schedule: object, name: str) -> float:
    if not isinstance(schedule, Constant):
        raise InputError(
            f"The monitor needs a constant {name}: Theorem 3 speaks about steps that are all alike."
        )
    return float(schedule.value)
