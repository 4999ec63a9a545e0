"""A ladder of ranks: SGD held near the critical ridge of each minimum, then the ridge lowered again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....analysis import descend
from ....dynamics import SGD, train
from ....measures import numerical_rank
from ....network import Network
from ....problem import Problem
from ....theory import Minimum, critical_ridge, minima
from .critical import stage

# Gradient norm at which a descent has chosen its minimum; the second-order search then finds it exactly.
_CHOSEN, _MOST_STEPS = 1e-5, 200_000


@dataclass(frozen=True)
class Ladder:
    """What a ladder needs beside the problem.

    Attributes
    ----------
    depth : int
    ridge : float
        At which the minima are delivered.
    share : float
        Of the critical ridge, at which SGD is held.
    relative_lr : float
        lr K during a hold.
    n_steps : int
        Of a hold.
    """

    depth: int
    ridge: float
    share: float
    relative_lr: float
    n_steps: int

    def descent(self, problem: Problem, seed: int) -> np.ndarray:
        """Gradient descent from Gaussian weights to a minimum at the delivered ridge."""
        widths = (problem.n_cols, *[min(problem.shape)] * (self.depth - 1), problem.n_rows)
        return self._settled(problem, Network.gaussian(widths, scale=1.0, seed=seed))

    def ranks(self, problem: Problem, seed: int) -> dict[int, np.ndarray]:
        """The minima at the delivered ridge, from gradient descent's down to zero or where SGD stays."""
        A = self.descent(problem, seed)
        met: dict[int, np.ndarray] = {}
        while True:
            rank = int(numerical_rank(np.linalg.svd(A, compute_uv=False), problem))
            if rank in met:
                return met
            met[rank] = A
            if rank == 0:
                return met
            A = self._settled(problem, self._held(problem, self._minimum(problem, A, rank), seed + rank))

    def _held(self, problem: Problem, minimum: Minimum, seed: int) -> Network:
        """Where SGD ends that is held at a share of the minimum's critical ridge."""
        here = stage(problem, critical_ridge(problem, minimum), self.share)
        sgd = SGD(lr=self.relative_lr / here.sharpness, ridge=here.ridge, n_steps=self.n_steps)
        trace = train(problem, here.network, sgd, seed=seed, n_threads=1)
        return here.network if trace.diverged[0] else trace.final()

    def _settled(self, problem: Problem, network: Network) -> np.ndarray:
        end = descend(problem, network, ridge=self.ridge, gradient_norm=_CHOSEN, max_steps=_MOST_STEPS)
        return end.network.product()

    def _minimum(self, problem: Problem, A: np.ndarray, rank: int) -> Minimum:
        """The minimum nearest to a matrix that gradient descent has brought close to it."""
        found = minima(problem, self.depth, self.ridge, ranks=[rank], n_starts=1, starts=[A])
        strict = [point for point in found.at(rank) if point.kind == "minimum"]
        return min(strict, key=lambda point: float(np.linalg.norm(point.matrix() - A)))


def chosen(errors: dict[int, np.ndarray]) -> int:
    """The smallest rank whose mean is within one standard error, of the differences, of the smallest mean.

    Parameters
    ----------
    errors : dict
        For each rank the squared errors of the same held-out cells.
    """
    best = min(errors, key=lambda rank: float(errors[rank].mean()))

    def close(rank: int) -> bool:
        apart = errors[rank] - errors[best]
        return float(apart.mean()) <= float(apart.std(ddof=1) / np.sqrt(apart.size))

    return min(rank for rank in errors if rank == best or close(rank))
