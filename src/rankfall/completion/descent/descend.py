"""Chains of SGD that fall through the ranks along a rising path of ridges."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...dynamics import SGD, Record, Trace, train
from ...measures import tangent_diagonal
from ...network import Network
from ...problem import Problem
from ..session import Session
from .anchors import TAIL, Anchors

DEPTH = 3
# chains only show where ranks are: what they find is refitted or polished in double precision, their rounding is nothing
# beside the noise of SGD, and data with root mean square 1 are far from the ends of the number range
_PRECISION = np.float32
RANK_TOL = 1e-2
# typical rank assumed where only an order of magnitude is needed
_TYPICAL_RANK = 5
# with many cells the first, nearly ridgeless stages cost most and show little
_FIRST_SHRINKAGE, _FIRST_SHRINKAGE_LARGE, _LAST_SHRINKAGE = 2e-3, 8e-3, 2.0
# shrinkage, in units of the squared share of noise in the variance, at which a path through noisy data begins
_NOISE_SHRINKAGE = 0.2
_MANY_CELLS = 100_000
_RECORDS_PER_STAGE = 4
# floating-point operations between two records, all chains together, below which one thread makes the steps: they take
# a few milliseconds, and threads that meet so often wait for each other on a busy machine
_SHORT = 5e7
# shares of the largest singular value of a hidden layer below which its directions are dead; that of the matrix
# is their third power. Where there is noise, weak directions hold nothing else
_DEAD, _DEAD_NOISY = 0.02, 0.05
# layers are cut when this share of their width is enough
_WORTH_CUTTING = 0.8


@dataclass(frozen=True)
class Plan:
    """Settings of a descent, all derived from the data (see :func:`plan`).

    Attributes
    ----------
    width : int
        Width of the hidden layers.
    lr : float
        Learning rate at the start; lowered when the tangent kernel asks for it, or on divergence.
    ridges : tuple of float
        The rising path.
    steps : int
        SGD steps at every ridge.
    n_chains : int
    dead : float
        Hidden directions below this share of the largest are dropped after every stage (Theorem 4).
    records : int
        Records of a stage.
    """

    width: int
    lr: float
    ridges: tuple[float, ...]
    steps: int
    n_chains: int
    dead: float = _DEAD
    records: int = _RECORDS_PER_STAGE


class _Later(Record):
    """Not at the start, which is the end of the stage before."""

    def steps(self, start: int, stop: int) -> np.ndarray:
        return super().steps(start, stop)[1:]


@dataclass(frozen=True, eq=False)
class Stage:
    """All chains after the steps at one ridge.

    Attributes
    ----------
    U, s, Vt : ndarray, shapes (n_chains, m, k), (n_chains, k), (n_chains, k, n)
        Singular value decomposition of every chain's matrix.
    ranks : ndarray of int, shape (n_chains,)
        Singular values above ``RANK_TOL`` times the largest (0 for a network that died).
    train_rmse : ndarray, shape (n_chains,)
    history : dict of ndarray
        Records along the stage, chain 0: step, ridge, rank, singular_values, train_rmse.
    """

    index: int
    n_stages: int
    ridge: float
    lr: float
    step: int
    U: np.ndarray
    s: np.ndarray
    Vt: np.ndarray
    ranks: np.ndarray
    train_rmse: np.ndarray
    history: dict[str, np.ndarray]


def plan(
    problem: Problem,
    effort: float,
    n_chains: int,
    max_width: int = 100,
    noise: float = 0.0,
    rise: float = 1.3,
    first: float | None = None,
    records: int = _RECORDS_PER_STAGE,
) -> Plan:
    """Settings of a descent for data with root mean square 1.

    With data of this scale and rank r the singular values are about ``s = sqrt(m n / r)``. A ridge
    ``delta s^(2-2/L) / (2 m n)`` shrinks such a singular value by a share of about ``delta`` at a
    minimum; the path goes from a negligible delta up to one that kills everything (the caller leaves
    earlier). The mean of the tangent kernel over the cells is about ``s^(4/3) r (1/m + 1/n)`` for
    balanced factors, and lr is its inverse. Weight decay then needs about ``r (m + n) / delta`` steps,
    so the steps at each ridge are a multiple (`effort`) of m + n. Where the noise is known to be a share
    `noise` of the variance, the path begins where the ridge begins to matter to it. Every ridge is `rise`
    times the one before; `first` is the delta that the path begins with, if that is not left to the data.
    """
    m, n = problem.shape
    s = np.sqrt(m * n / _TYPICAL_RANK)
    power = s ** (2 - 2 / DEPTH)
    if first is None:
        first = _FIRST_SHRINKAGE if problem.n_observed < _MANY_CELLS else _FIRST_SHRINKAGE_LARGE
        first = max(first, _NOISE_SHRINKAGE * noise**2)
    count = 1 + int(np.ceil(np.log(_LAST_SHRINKAGE / first) / np.log(rise)))
    shrinkage = first * rise ** np.arange(count)
    widest = min(m, n, max_width)
    width = int(np.clip(5 * problem.max_oversampled_rank(), min(20, widest), widest))
    return Plan(
        width=width,
        lr=float(1 / (power * _TYPICAL_RANK * (1 / m + 1 / n))),
        ridges=tuple((shrinkage * power / (2 * m * n)).tolist()),
        steps=records * int(np.ceil(effort * (m + n) / records)),
        n_chains=n_chains,
        dead=_DEAD_NOISY if noise else _DEAD,
        records=records,
    )


def descend(
    problem: Problem, plan: Plan, seed: int, session: Session, phase: str, unit: float = 1.0
) -> Iterator[Stage]:
    """Run the chains along the path, in single precision; one :class:`Stage` per ridge.

    A chain that diverges, or comes near the end of the number range, starts the whole stage again from the
    last good weights at half the learning rate, for all chains. The generator ends when every chain has died
    (rank 0) or the path is over; the caller may leave earlier. `unit` is what reported errors are multiples of.
    """
    m, n = problem.shape
    net = Network.gaussian((n, plan.width, plan.width, m), scale=1.0, seed=seed, chains=plan.n_chains)
    lr, step = plan.lr, 0
    session.anchors[phase] = anchors = Anchors(plan.width)
    for index, ridge in enumerate(plan.ridges):
        session.check()
        lr = min(lr, 1.0 / _typical_kernel(problem, net, seed))
        for attempt in range(12):
            started = time.perf_counter()
            trace = train(
                problem,
                net,
                SGD(lr=lr, ridge=ridge, n_steps=plan.steps),
                seed=_stage_seed(seed, index, attempt),
                record=_Later(every=plan.steps // plan.records),
                n_threads=1 if _short(plan) else None,
                dtype=_PRECISION,
                callback=lambda _: session.check(),  # a stage of a large table takes many seconds
            )
            if not np.any(trace.diverged) and _in_range(trace):
                break
            lr /= 2
        else:
            return
        session.sgd_steps += plan.steps * plan.n_chains
        step += plan.steps
        net = deflated(_in_double(trace.finals()), trace.rank[:, -1].max() + TAIL, plan.dead)
        U, s, Vt = net.svd()
        stage = Stage(
            index=index,
            n_stages=len(plan.ridges),
            ridge=ridge,
            lr=lr,
            step=step,
            U=U,
            s=s,
            Vt=Vt,
            ranks=trace.rank[:, -1],
            train_rmse=np.sqrt(2 * trace.train_loss[:, -1]),
            history={
                "step": step - plan.steps + trace.steps,
                "ridge": np.full(trace.steps.size, ridge),
                "rank": trace.rank[0],
                "singular_values": _padded(trace.singular_values[0], plan.width),
                "train_rmse": np.sqrt(2 * trace.train_loss[0]),
            },
        )
        anchors.note(problem, net, stage)
        session.report(
            phase,
            fraction=(index + 1) / len(plan.ridges),
            rank=int(stage.ranks[0]),
            ridge=ridge,
            train_rmse=float(stage.train_rmse.min()) * unit,
            steps_per_second=plan.steps * plan.n_chains / (time.perf_counter() - started),
        )
        yield stage
        if not stage.ranks.any():
            return


def _in_range(trace: Trace) -> bool:
    """Whether all chains could be measured in the end: no product was near the end of the number range."""
    return "rank" in trace.measured and bool(np.all(trace.rank[:, -1] >= 0))


def _in_double(networks: Sequence[Network]) -> Network:
    """An ensemble of networks, in double precision."""
    return Network(tuple(np.stack(layer).astype(np.float64) for layer in zip(*networks, strict=True)))


def _short(plan: Plan) -> bool:
    return plan.steps // plan.records * plan.n_chains * plan.width**2 * 6.0 < _SHORT


def deflated(net: Network, least: int, dead: float) -> Network:
    """All chains without the hidden directions that are dead in every one of them (Theorem 4).

    At least `least` directions are kept, the rank's and those of a tail.
    """
    keep = []
    for Z in net.hidden_spaces():
        # the squares are enough here, and much cheaper than a decomposition of the long matrix
        squares = np.linalg.eigvalsh(Z @ np.swapaxes(Z, -1, -2))
        alive = np.count_nonzero(squares > dead**2 * squares[:, -1:], axis=1)
        keep.append(min(max(int(alive.max()), least), Z.shape[-2]))
    if all(k > _WORTH_CUTTING * w for k, w in zip(keep, net.widths[1:-1], strict=True)):
        return net
    return Network.stack([net.chain(k).compress(keep).network for k in range(net.n_chains or 0)])


def _padded(spectra: np.ndarray, width: int) -> np.ndarray:
    """Spectra with zeros for the directions that were dropped, shape (n_records, width)."""
    out = np.zeros((spectra.shape[0], width))
    out[:, : spectra.shape[1]] = spectra
    return out


def _typical_kernel(problem: Problem, net: Network, seed: int) -> float:
    """Upper decile of the tangent kernel's diagonal over (a sample of) the observed cells, worst chain."""
    cells = slice(None)
    if problem.n_observed > 5000:
        cells = np.random.default_rng(seed).choice(problem.n_observed, 5000, replace=False)
    kernel = tangent_diagonal(net, problem.rows[cells], problem.cols[cells])
    return float(np.quantile(kernel, 0.9, axis=-1).max())


def _stage_seed(seed: int, stage: int, attempt: int) -> int:
    """Seeds of stages must differ, or every stage would sample the same entries again."""
    return int(np.random.SeedSequence([seed, stage, attempt]).generate_state(1, np.uint64)[0] >> np.uint64(1))
