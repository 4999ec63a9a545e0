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
from .critical import along

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
    shares : tuple of float
        Of the critical ridge, at which SGD is held one after another until the rank is lower. Above 1 the
        minimum does not exist any more.
    relative_lr : float
        lr K during a hold.
    n_steps : int
        Of a hold.
    """

    depth: int
    ridge: float
    shares: tuple[float, ...]
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
            rank = _rank(problem, A)
            met[rank] = A
            lower = self._lower(problem, A, rank, seed + rank) if rank else None
            if lower is None:
                return met
            A = lower

    def _lower(self, problem: Problem, A: np.ndarray, rank: int, seed: int) -> np.ndarray | None:
        """A minimum of lower rank to which SGD falls; None if it stays."""
        minimum = self._minimum(problem, A, rank)
        if minimum is None:
            return None
        end = critical_ridge(problem, minimum)
        here = None
        for share in self.shares:
            if share < 1:
                here = along(problem, minimum, end, share)
            if here is None:
                continue
            sgd = SGD(lr=self.relative_lr / here.sharpness, ridge=share * end.ridge, n_steps=self.n_steps)
            trace = train(problem, here.network, sgd, seed=seed, n_threads=1)
            if not trace.diverged[0]:
                settled = self._settled(problem, trace.final())
                if _rank(problem, settled) < rank:
                    return settled
        return None

    def _settled(self, problem: Problem, network: Network) -> np.ndarray:
        end = descend(problem, network, ridge=self.ridge, gradient_norm=_CHOSEN, max_steps=_MOST_STEPS)
        return end.network.product()

    def _minimum(self, problem: Problem, A: np.ndarray, rank: int) -> Minimum | None:
        """The minimum nearest to a matrix that gradient descent has brought close to it."""
        found = minima(problem, self.depth, self.ridge, ranks=[rank], n_starts=1, starts=[A])
        strict = [point for point in found.at(rank) if point.kind == "minimum"]
        return min(strict, key=lambda point: float(np.linalg.norm(point.matrix() - A)), default=None)


def _rank(problem: Problem, A: np.ndarray) -> int:
    return int(numerical_rank(np.linalg.svd(A, compute_uv=False), problem))


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
