"""Chains of SGD whose rank falls as the ridge rises."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...dynamics import SGD, Record, Trace, train
from ...measures import tangent_diagonal
from ...network import Network
from ...problem import Problem
from ..clock import Clock
from ..seeds import kernel_sample_generator, stage_seed
from .certificate_anchors import TAIL, Anchors, Chains
from .plan import Plan

# chains only show where ranks are: what they find is refitted in double precision, their rounding is nothing
# beside the noise of SGD, and data with root mean square 1 are far from the ends of the number range
_PRECISION = np.float32
# layers are cut when this fraction of their width is enough
_WORTH_CUTTING = 0.8


class _AfterTheStart(Record):
    """No record at the start, which is the end of the stage before."""

    def steps(self, start: int, stop: int) -> np.ndarray:
        return super().steps(start, stop)[1:]


@dataclass(frozen=True, eq=False)
class Stage:
    """All chains after the steps at one ridge.

    Attributes
    ----------
    ridge, lr : float
    step : int
        SGD steps of each chain so far.
    sgd_steps : int
        Steps of this stage, all chains together.
    U, s, Vt : ndarray, shapes (n_chains, m, k), (n_chains, k), (n_chains, k, n)
        Singular value decomposition of every chain's matrix.
    ranks : ndarray of int, shape (n_chains,)
        Numerical ranks (0 for a network that died).
    train_rmse : ndarray, shape (n_chains,)
    history : dict of ndarray
        Records along the stage, chain 0: step, ridge, rank, singular_values, train_rmse.
    anchors : Anchors
        The chains that a certificate can be about.
    """

    ridge: float
    lr: float
    step: int
    sgd_steps: int
    U: np.ndarray
    s: np.ndarray
    Vt: np.ndarray
    ranks: np.ndarray
    train_rmse: np.ndarray
    history: dict[str, np.ndarray]
    anchors: Anchors


def descend(
    problem: Problem, plan: Plan, seed: int, clock: Clock, phase: str, unit: float = 1.0
) -> Iterator[Stage]:
    """Run the chains along the schedule, in single precision; one :class:`Stage` per ridge.

    A chain that diverges, or comes near the end of the number range, starts the whole stage again from the
    last good weights at half the learning rate, for all chains. The generator ends when every chain has died
    (rank 0) or the schedule is over; the caller may leave earlier. `unit` is what reported errors are
    multiples of.
    """
    m, n = problem.shape
    network = Network.gaussian((n, plan.width, plan.width, m), scale=1.0, seed=seed, chains=plan.n_chains)
    lr, step, anchors = plan.lr, 0, Anchors(plan.width)
    for index, ridge in enumerate(plan.ridges):
        clock.check()
        started = time.perf_counter()
        lr = min(lr, 1.0 / _typical_kernel(problem, network, seed))
        run = _stage_run(problem, network, plan, ridge, lr, seed, index, clock)
        if run is None:
            return
        trace, lr = run
        step += plan.steps
        least = trace.rank[:, -1].max() + TAIL
        network = without_dead_directions(_in_double(trace.finals()), least, plan.dead)
        U, s, Vt = network.svd()
        ranks, train_rmse = trace.rank[:, -1], np.sqrt(2 * trace.train_loss[:, -1])
        anchors = anchors.with_chains(Chains(problem, network, s, ranks, train_rmse, ridge, lr))
        stage = Stage(
            ridge=ridge,
            lr=lr,
            step=step,
            sgd_steps=plan.steps * plan.n_chains,
            U=U,
            s=s,
            Vt=Vt,
            ranks=ranks,
            train_rmse=train_rmse,
            history={
                "step": step - plan.steps + trace.steps,
                "ridge": np.full(trace.steps.size, ridge),
                "rank": trace.rank[0],
                "singular_values": _padded(trace.singular_values[0], plan.width),
                "train_rmse": np.sqrt(2 * trace.train_loss[0]),
            },
            anchors=anchors,
        )
        clock.report(
            phase,
            fraction=(index + 1) / len(plan.ridges),
            rank=int(stage.ranks[0]),
            ridge=ridge,
            train_rmse=float(stage.train_rmse.min()) * unit,
            steps_per_second=stage.sgd_steps / (time.perf_counter() - started),
        )
        yield stage
        if not stage.ranks.any():
            return


def _stage_run(
    problem: Problem,
    network: Network,
    plan: Plan,
    ridge: float,
    lr: float,
    seed: int,
    index: int,
    clock: Clock,
) -> tuple[Trace, float] | None:
    """The steps at one ridge and the learning rate at which they did not diverge; None if there is none."""
    for attempt in range(12):
        trace = train(
            problem,
            network,
            SGD(lr=lr, ridge=ridge, n_steps=plan.steps),
            seed=stage_seed(seed, index, attempt),
            record=_AfterTheStart(every=plan.steps // plan.records),
            n_threads=1 if plan.is_short else None,
            dtype=_PRECISION,
            callback=lambda _: clock.check(),  # a stage of a large table takes many seconds
        )
        if not np.any(trace.diverged) and _in_range(trace):
            return trace, lr
        lr /= 2
    return None


def _in_range(trace: Trace) -> bool:
    """Whether all chains could be measured in the end: no product was near the end of the number range."""
    return "rank" in trace.measured and bool(np.all(trace.rank[:, -1] >= 0))


def _in_double(networks: Sequence[Network]) -> Network:
    """An ensemble of networks, in double precision."""
    return Network(tuple(np.stack(layer).astype(np.float64) for layer in zip(*networks, strict=True)))


def without_dead_directions(network: Network, least: int, dead: float) -> Network:
    """All chains without the hidden directions that are dead in every one of them (Theorem 4).

    At least `least` directions are kept, the rank's and those of a tail.
    """
    keep = []
    for Z in network.hidden_spaces():
        # the squares are enough here, and much cheaper than a decomposition of the long matrix
        squares = np.linalg.eigvalsh(Z @ np.swapaxes(Z, -1, -2))
        alive = np.count_nonzero(squares > dead**2 * squares[:, -1:], axis=1)
        keep.append(min(max(int(alive.max()), least), Z.shape[-2]))
    if all(k > _WORTH_CUTTING * w for k, w in zip(keep, network.widths[1:-1], strict=True)):
        return network
    return Network.stack([network.chain(k).compress(keep).network for k in range(network.n_chains or 0)])


def _padded(spectra: np.ndarray, width: int) -> np.ndarray:
    """Spectra with zeros for the directions that were dropped, shape (n_records, width)."""
    out = np.zeros((spectra.shape[0], width))
    out[:, : spectra.shape[1]] = spectra
    return out


def _typical_kernel(problem: Problem, network: Network, seed: int) -> float:
    """Upper decile of the tangent kernel's diagonal over (a sample of) the observed cells, worst chain."""
    cells = slice(None)
    if problem.n_observed > 5000:
        cells = kernel_sample_generator(seed).choice(problem.n_observed, 5000, replace=False)
    kernel = tangent_diagonal(network, problem.rows[cells], problem.cols[cells])
    return float(np.quantile(kernel, 0.9, axis=-1).max())
