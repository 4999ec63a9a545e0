"""Runs of SGD that fall to their final rank, watched by `lock`: the experiment of THEORY 6.6.

At every epoch the numerical rank of each hidden layer and of the product are taken, and what `lock` certifies
there. ``E[Phi'] <= Lambda Phi`` is checked by a step with each single entry, from the fall to `FURTHER`
epochs after firing. At every epoch of that stretch the mean over all entries of what the step leaves outside
the leading directions (`projected_steps`; it is at least Phi', by Ky Fan) is compared with ``Lambda Phi``.
Phi' itself takes a singular value decomposition for every entry: in `TINY` and the last of `SMALL` at every
epoch of the stretch too, in the others at `Setting.points` epochs of it, evenly spaced with both ends: 20 at
d = 30, 8 at d = 50, and 1, the fall, at d = 100.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import rankfall as rf
from rankfall.theory import phi_threshold, tail_table

FURTHER = 50
"""Epochs for which a certified rank must hold."""

NONE = -1
"""Where `lock` certifies no rank."""


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
    points: int | None = 20  # at how many visits all entries are enumerated; None: at every epoch

    @property
    def name(self) -> str:
        noise = f" noise {self.noise}" if self.noise else ""
        return f"{self.d},{self.depth},{self.rank}{noise} ridge {self.ridge:g} lr {self.lr:g}"


@dataclass(frozen=True, eq=False)
class Ranks:
    """The ranks of one run, epoch by epoch.

    Attributes
    ----------
    hidden : ndarray, shape (K, L - 1)
        Number of ``sigma(Z_l) >= sqrt(Phi_thr)``.
    product : ndarray, shape (K,)
        Numerical rank of A, at the tolerance of `Record`.
    certified : ndarray, shape (K,)
        What `lock` certifies; `NONE` if nothing.
    """

    hidden: np.ndarray
    product: np.ndarray
    certified: np.ndarray

    @property
    def final(self) -> int:
        """Largest rank of a hidden layer at the end."""
        return int(self.hidden[-1].max())

    @property
    def fall(self) -> int:
        """First epoch with the final rank; the rank may rise again as far as this is concerned."""
        return int(np.flatnonzero(self.hidden.max(axis=1) == self.final)[0])

    @property
    def fires(self) -> int:
        """First epoch at which the final rank is certified."""
        found = np.flatnonzero(self.certified == self.final)
        assert found.size, f"rank {self.final} is never certified"
        return int(found[0])

    def breaches(self) -> list[tuple[int, int, int, int]]:
        """``(k, r, later hidden, later product)`` for certified r exceeded in one of the `FURTHER` epochs
        after k.
        """
        out = []
        for k in np.flatnonzero(self.certified != NONE):
            later = slice(k, k + FURTHER + 1)
            hidden, product = self.hidden[later].max(), self.product[later].max()
            if max(hidden, product) > self.certified[k]:
                out.append((int(k), int(self.certified[k]), int(hidden), int(product)))
        return out


@dataclass(frozen=True, eq=False)
class Fall:
    """What was seen.

    Attributes
    ----------
    ranks : Ranks
    worst : float
        Largest ``(Lambda - 1) / (4 lr ridge)`` in the `FURTHER` epochs after firing; -1 is the ideal.
    violated, checks : int
        Visits of these with ``Lambda_l >= 1`` in some layer, and all.
    enumerated : float
        Largest ``E[Phi_l'] / (Lambda_l Phi_l)`` over the visits where Phi' was computed.
    visits : int
        How many these were.
    projected : float
        Largest ratio of the mean of `projected_steps` to ``Lambda_l Phi_l``, over all epochs of the stretch.
    """

    ranks: Ranks
    worst: float
    violated: int
    checks: int
    enumerated: float
    visits: int
    projected: float


def watch(setting: Setting, seed: int = 0) -> Fall:
    """Run, certify once per epoch, and enumerate all entries at some of the visits."""
    d = setting.d
    problem, _ = rf.datasets.low_rank(
        (d, d), rank=setting.rank, observed=setting.observed, noise=setting.noise, seed=seed
    )
    steps = {"ridge": setting.ridge, "lr": setting.lr}
    threshold = phi_threshold(problem, setting.depth, setting.ridge)
    network = rf.Network.gaussian([d] * (setting.depth + 1), scale=1.0, seed=seed)
    n = problem.n_observed
    optimiser = rf.SGD(lr=setting.lr, ridge=setting.ridge, n_steps=setting.epochs * n)
    record = rf.Record(every=n, what=("weights", "train_loss", "rank"), rank_tol=1e-2)
    trace = rf.train(problem, network, optimiser, seed=seed, record=record)
    assert not trace.diverged.any()
    networks = [trace.weights(0, k) for k in range(setting.epochs + 1)]
    tables = [tail_table(problem, network, **steps) for network in networks]
    locks = [rf.theory.lock(problem, network, **steps).rank for network in networks]
    ranks = Ranks(
        np.array([[np.count_nonzero(s**2 >= threshold) for s in t.singular_values] for t in tables]),
        trace.rank[0],
        np.array([NONE if rank is None else rank for rank in locks]),
    )
    final, fall, fires = ranks.final, ranks.fall, ranks.fires
    factors = np.array([table.mean_factor[:, final] for table in tables[fires : fires + FURTHER + 1]])
    last = min(fires + FURTHER, setting.epochs)
    points = last - fall + 1 if setting.points is None else setting.points
    visits = np.unique(np.linspace(fall, last, points).round().astype(int))
    ratios, projected = [], []
    for k in range(fall, last + 1):
        allowed = tables[k].mean_factor[:, final] * tables[k].phi[:, final]
        upper = projected_steps(problem, networks[k], final, **steps)
        projected.append((upper.mean(axis=0) / allowed).max())
        if k in visits:
            exact = enumerate_steps(problem, networks[k], final, **steps)
            # the bound holds for every entry, up to the rounding of singular values near 1e-16 of the largest
            noise = 1e-15 * np.array([values[0] for values in tables[k].singular_values])
            assert np.all(np.sqrt(exact) <= np.sqrt(upper) * (1 + 1e-9) + noise * np.sqrt(d))
            ratios.append((exact.mean(axis=0) / allowed).max())
    return Fall(
        ranks,
        float((factors.max() - 1) / (4 * setting.lr * setting.ridge)),
        int(np.count_nonzero((factors >= 1).any(axis=1))),
        len(factors),
        float(max(ratios)),
        len(visits),
        float(max(projected)),
    )


def projected_steps(
    problem: rf.Problem, network: rf.Network, rank: int, *, ridge: float, lr: float
) -> np.ndarray:
    """``|T_l^T Z_l'|^2`` after a step with each single entry, shape (N, L - 1), T_l the trailing left
    vectors of Z_l.

    With ``T_l^T Z_l = S V^T`` cut into the parts M of W_l and M' of W_{l+1}^T, forward vectors f and backward
    vectors b, a step with residual rho leaves ``q M - lr rho (T^T b_l) f_{l-1}^T`` and ``q M' - lr rho (T^T
    f_l) b_{l+1}^T``.
    """
    q = 1 - 2 * lr * ridge
    weights = [np.asarray(W, np.float64) for W in network.weights]
    forward, backward = [np.eye(network.shape[1])[problem.cols]], [np.eye(network.shape[0])[problem.rows]]
    for W in weights:
        forward.append(forward[-1] @ W.T)
    for W in weights[::-1]:
        backward.append(backward[-1] @ W)
    backward.reverse()
    rho = np.take_along_axis(forward[-1], problem.rows[:, None], 1)[:, 0] - problem.values
    out = np.zeros((problem.n_observed, network.depth - 1))
    for l in range(1, network.depth):
        U, s, Vt = np.linalg.svd(np.hstack([weights[l - 1], weights[l].T]))
        T, tail = U[:, rank:], s[rank:, None] * Vt[rank : U.shape[1]]
        width = weights[l - 1].shape[1]
        pairs = (
            (tail[:, :width], backward[l] @ T, forward[l - 1]),
            (tail[:, width:], forward[l] @ T, backward[l + 1]),
        )
        for M, left, right in pairs:
            out[:, l - 1] += q**2 * np.sum(M**2)
            out[:, l - 1] -= 2 * lr * q * rho * np.einsum("ek,kw,ew->e", left, M, right, optimize=True)
            out[:, l - 1] += (lr * rho) ** 2 * np.sum(left**2, axis=1) * np.sum(right**2, axis=1)
    return out


def enumerate_steps(
    problem: rf.Problem, network: rf.Network, rank: int, *, ridge: float, lr: float, chunk: int = 256
) -> np.ndarray:
    """``Phi_l'`` after a step with each single entry, shape (N, L - 1).

    The gradient of entry (i, j) is ``rho_ij (P_l^T e_i) (Q_l e_j)^T``.
    """
    q, weights = 1 - 2 * lr * ridge, [np.asarray(W, np.float64) for W in network.weights]
    below, above = [np.eye(network.shape[1])], [np.eye(network.shape[0])]
    for W in weights[:-1]:
        below.append(W @ below[-1])
    for W in weights[:0:-1]:
        above.append(above[-1] @ W)
    above.reverse()
    A = weights[-1] @ below[-1]
    out = np.zeros((problem.n_observed, network.depth - 1))
    for start in range(0, problem.n_observed, chunk):
        piece = slice(start, start + chunk)
        i, j = problem.rows[piece], problem.cols[piece]
        rho = A[i, j] - problem.values[piece]
        moved = [
            q * W - lr * (rho[:, None] * P[i])[:, :, None] * Q.T[j][:, None, :]
            for W, P, Q in zip(weights, above, below, strict=True)
        ]
        for l in range(network.depth - 1):
            Z = np.concatenate([moved[l], moved[l + 1].transpose(0, 2, 1)], axis=2)
            out[piece, l] = np.sum(np.linalg.svd(Z, compute_uv=False)[:, rank:] ** 2, axis=1)
    return out


TINY = (
    Setting(12, 3, 2, 1e-2, 3e-2, epochs=300, points=None),
    Setting(12, 4, 2, 5e-3, 3e-2, epochs=300, points=None),
)
SMALL = (
    Setting(30, 3, 3, 3e-3, 3e-2, epochs=160),
    Setting(30, 4, 3, 3e-3, 3e-2, epochs=140),
    Setting(30, 3, 3, 1e-2, 3e-2, epochs=120, points=None),
)
LARGE = (
    Setting(30, 3, 3, 3e-3, 6e-2, epochs=120),
    Setting(30, 3, 3, 3e-3, 1e-2),
    Setting(30, 3, 3, 1e-3, 6e-2, epochs=250),
    Setting(30, 3, 3, 3e-3, 6e-2, noise=0.5, epochs=150),
    Setting(30, 3, 3, 5e-3, 6e-2, noise=0.3, epochs=100),
    Setting(30, 3, 3, 6e-3, 3e-2, epochs=150),
    Setting(30, 4, 3, 1e-3, 3e-2, noise=0.5, epochs=400),
    Setting(50, 3, 4, 3e-3, 3e-2, epochs=150, points=8),
    Setting(50, 4, 4, 3e-3, 2e-2, epochs=150, points=8),
    Setting(100, 3, 5, 1e-3, 3e-2, epochs=120, observed=0.4, points=1),
    Setting(100, 4, 5, 1e-3, 2e-2, epochs=150, observed=0.4, points=1),
)
