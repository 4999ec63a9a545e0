"""Runs of SGD that fall to their final rank, watched by `lock`: the experiment of docs/theory.md, section 3.6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import rankfall as rf
from rankfall.dynamics import reference
from rankfall.theory import phi_threshold, tail_table

FURTHER = 50
"""Epochs for which a run goes on after the rank has been certified."""


@dataclass(frozen=True)
class Setting:
    """One row of the table: a square problem, a full-rank start, a constant ridge and learning rate."""

    d: int
    depth: int
    rank: int
    ridge: float
    lr: float
    noise: float = 0.0
    epochs: int = 400
    observed: float = 560 / 900
    points: int = 8  # at how many visits all entries are enumerated

    @property
    def name(self) -> str:
        noise = f" noise {self.noise}" if self.noise else ""
        return f"{self.d},{self.depth},{self.rank}{noise} ridge {self.ridge:g} lr {self.lr:g}"


@dataclass(frozen=True, eq=False)
class Fall:
    """What was seen, in epochs.

    Attributes
    ----------
    final : int
        Numerical rank at the end, the largest over the hidden layers, at sqrt(Phi_thr).
    fall : int
        First epoch at which the numerical rank is the final one.
    fires : int
        First epoch at which `lock` certifies this rank.
    certified : int
    later_hidden, later_product : int
        Largest number, over `FURTHER` epochs after firing, of ``sigma(Z_l) > sqrt(Phi_thr)`` and of singular values of A
        above what these allow, ``|P_{l+1}| |Q_l| Phi_thr``.
    worst : float
        Largest ``(Lambda - 1) / (4 lr ridge)`` after firing; -1 is the ideal.
    violated, checks : int
        Visits after firing with ``Lambda_l >= 1`` in some layer, and all.
    enumerated : float
        Largest ``E[Phi_l'] / (Lambda_l Phi_l)`` over the enumerated visits (`points` of the setting, spread from the
        fall to the last of the further epochs).
    exceeded : int
        Epochs at which the numerical rank of a Z_l, or of A, was above one certified at most `FURTHER` before.
    """

    final: int
    fall: int
    fires: int
    certified: int
    later_hidden: int
    later_product: int
    worst: float
    violated: int
    checks: int
    enumerated: float
    exceeded: int


def watch(setting: Setting, seed: int = 0) -> Fall:
    """Run, certify once per epoch, and enumerate all entries at some of the visits."""
    d = setting.d
    problem, _ = rf.datasets.low_rank(
        (d, d), rank=setting.rank, observed=setting.observed, noise=setting.noise, seed=seed
    )
    steps = {"ridge": setting.ridge, "lr": setting.lr}
    threshold = phi_threshold(problem, setting.depth, setting.ridge)
    net = rf.Network.gaussian([d] * (setting.depth + 1), 1.0, seed)
    n = problem.n_observed
    optimiser = rf.SGD(setting.lr, setting.ridge, setting.epochs * n)
    record = rf.Record(n, ("weights", "train_loss", "singular_values", "rank"))
    trace = rf.train(problem, net, optimiser, seed=seed, record=record)
    assert not trace.diverged.any()
    tables = [tail_table(problem, trace.weights(0, k), **steps) for k in range(setting.epochs + 1)]
    numerical = np.array([table.numerical_rank(threshold) for table in tables])
    final = int(numerical[-1])
    fall = int(np.flatnonzero(numerical == final)[0])
    locks = [rf.theory.lock(problem, trace.weights(0, k), **steps).rank for k in range(setting.epochs + 1)]
    fires = locks.index(final)
    after = slice(fires, fires + FURTHER + 1)
    factors = np.array([table.mean_factor[:, final] for table in tables[after]])
    product = [
        int(np.count_nonzero(trace.singular_values[0, k] > allowed(trace.weights(0, k), threshold)))
        for k in range(after.start, min(after.stop, setting.epochs + 1))
    ]
    visits = np.unique(np.linspace(fall, min(fires + FURTHER, setting.epochs), setting.points).astype(int))
    ratios = []
    for k in visits:
        exact = enumerate_steps(problem, trace.weights(0, k), final, **steps).mean(axis=0)
        ratios.append((exact / (tables[k].mean_factor[:, final] * tables[k].phi[:, final])).max())
    return Fall(
        final,
        fall,
        fires,
        final,
        int(numerical[after].max()),
        max(product),
        float((factors.max() - 1) / (4 * setting.lr * setting.ridge)),
        int(np.count_nonzero((factors >= 1).any(axis=1))),
        len(factors),
        float(max(ratios)),
        exceedances(numerical, locks) + exceedances(trace.rank[0], locks),
    )


def exceedances(ranks: Sequence[int], certified: Sequence[int | None]) -> int:
    """How often a rank was above the one certified at any of the epochs up to `FURTHER` before."""
    return sum(
        int(np.count_nonzero(np.asarray(ranks[k : k + FURTHER + 1]) > rank))
        for k, rank in enumerate(certified)
        if rank is not None
    )


def allowed(net: rf.Network, threshold: float) -> float:
    """Above ``min_l |P_{l+1}| |Q_l| Phi_thr`` the number of singular values of A is that of the Z_l (Theorem 3)."""
    out = []
    for l in range(1, net.depth):
        P, Q = np.eye(net.shape[0]), np.eye(net.shape[1])
        for W in net.weights[: l - 1]:
            Q = W @ Q
        for W in net.weights[:l:-1]:
            P = P @ W
        out.append(np.linalg.norm(P, 2) * np.linalg.norm(Q, 2))
    return float(min(out)) * threshold


def enumerate_steps(
    problem: rf.Problem, net: rf.Network, rank: int, *, ridge: float, lr: float
) -> np.ndarray:
    """``Phi_l'`` after a step with each single entry, made by the literal twin, shape (N, L - 1)."""
    q, out = 1 - 2 * lr * ridge, np.zeros((problem.n_observed, net.depth - 1))
    for e in range(problem.n_observed):
        G = reference.gradients(list(net.weights), problem.rows[[e]], problem.cols[[e]], problem.values[[e]])
        moved = rf.Network(tuple(q * W - lr * g for W, g in zip(net.weights, G, strict=True)))
        for l, Z in enumerate(moved.hidden_spaces()):
            out[e, l] = np.sum(np.linalg.svd(Z, compute_uv=False)[rank:] ** 2)
    return out


SMALL = (
    Setting(30, 3, 3, 3e-3, 3e-2, epochs=160, points=8),
    Setting(30, 4, 3, 3e-3, 3e-2, epochs=140, points=2),
    Setting(30, 3, 3, 1e-2, 3e-2, epochs=120, points=2),
)
LARGE = (
    Setting(30, 3, 3, 3e-3, 6e-2, epochs=120),
    Setting(30, 3, 3, 3e-3, 1e-2),
    Setting(30, 3, 3, 1e-3, 6e-2, epochs=250),
    Setting(30, 3, 3, 3e-3, 6e-2, noise=0.5, epochs=150),
    Setting(30, 3, 3, 5e-3, 6e-2, noise=0.3, epochs=100),
    Setting(30, 3, 3, 6e-3, 3e-2, epochs=150),
    Setting(30, 4, 3, 1e-3, 3e-2, noise=0.5, epochs=400),
    Setting(50, 3, 4, 3e-3, 3e-2, epochs=150, points=4),
    Setting(50, 4, 4, 3e-3, 2e-2, epochs=150, points=4),
    Setting(100, 3, 5, 1e-3, 3e-2, epochs=120, observed=0.4, points=1),
    Setting(100, 4, 5, 1e-3, 2e-2, epochs=150, observed=0.4, points=1),
)
