"""Lemma 3 (how far a tail of the first layer is passed on), and the thresholds that survive a step.

Theorems 1, 1' and 1'' all ask for the same inequality, that what the tail feeds itself is less than what the
ridge takes away:

    rho a_L(delta, eps, omega) <= 2 ridge delta.                                                       (S)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from .requirements import require_whole

GRID = 2000  # points of a scan over log delta
ZOOMS = 4  # each divides the distance between the points around an extremum by ZOOM_GRID / 2
ZOOM_GRID = 200


@declared
def a_bound(depth: int, delta: float | np.ndarray, eps: float, omega: float) -> np.ndarray:
    """``a_L(delta, eps, omega)``: bound on ``|W_L ... W_2 U|`` for the tail directions U of the first layer.

    With U the left singular vectors of ``W_1`` whose singular values are at most `delta`, all imbalances at
    most `eps` and all ``|W_l|_op`` at most `omega`,

        a_1^2 = 1,  f_1 = h_1 = eps,
        a_{k+1}^2 = delta^2 a_k^2 + h_k,  and for k >= 2 the smaller of this and omega^2 a_k^2,
        h_{k+1} = delta^2 h_k + f_k^2 + eps a_{k+1}^2,
        f_{k+1} = omega f_k + eps a_{k+1}.

    Balanced networks give ``delta^(L-1)``; depth 3 gives ``sqrt((delta^2 + eps)(delta^2 + 2 eps))``. The
    product then has ``sigma_{r+1}(A) <= a_L delta`` (Lemma 3).

    Parameters
    ----------
    depth : int
        Number of layers L.
    delta : float or ndarray
    eps, omega : float

    Returns
    -------
    ndarray, of the shape of `delta`
    """
    require_whole(1, depth=depth)
    for name, number in (("eps", eps), ("omega", omega)):
        if not number >= 0:
            raise InputError(f"{name} must be 0 or more, not {number}.")
    square = np.square(delta)
    a2 = np.ones_like(square)
    f, h = np.full_like(square, eps), np.full_like(square, eps)
    for layer in range(1, depth):
        following = square * a2 + h
        if layer >= 2:
            following = np.minimum(following, omega**2 * a2)
        h, f = square * h + np.square(f) + eps * following, omega * f + eps * np.sqrt(following)
        a2 = following
    return np.sqrt(a2)


@dataclass(frozen=True)
class Feedback:
    """The two sides of (S) as functions of the threshold.

    Attributes
    ----------
    depth : int
    ridge : float
    rho : float
        Bound on the residual matrix that drives the tail: rho_eff, or rho of Theorems 1' and 1''.
    eps, omega : float
        Bounds on the imbalances and on the operator norms of the layers.
    """

    depth: int
    ridge: float
    rho: float
    eps: float
    omega: float

    def growth(self, delta: float | np.ndarray) -> np.ndarray:
        """``rho a_L(delta) / (2 ridge delta)``: (S) says that it is at most 1."""
        return self.rho * a_bound(self.depth, delta, self.eps, self.omega) / (2 * self.ridge * delta)

    def best(self) -> tuple[float, float]:
        """The threshold in (0, omega] where the growth is least, and that growth."""
        grid = self._grid()
        if not grid.size:
            return self.omega, float(self.growth(self.omega))
        return self._extremum(grid, int(np.argmin(self.growth(grid))), sign=1.0)

    def thresholds(self) -> tuple[tuple[float, float], ...]:
        """All thresholds in (0, omega] that satisfy (S), as closed intervals in increasing order.

        Without the minimum with ``omega^2 a_k^2`` in :func:`a_bound` there is at most one, since
        ``log(a_L^2 / delta^2)`` is then convex in ``log delta``; with it there may be several. They are
        found on a grid in ``log delta`` whose local extrema are refined; every end is rounded inwards, so
        that (S) holds there in floating point.
        """
        grid = self._grid()
        if not grid.size:
            return ()
        slopes = np.sign(np.diff(self.growth(grid)))
        turns = np.flatnonzero(slopes[:-1] * slopes[1:] < 0)
        # a gap, or an interval, narrower than the grid hides beside a local extremum
        refined = [self._extremum(grid, int(k) + 1, sign=float(slopes[k + 1]))[0] for k in turns]
        grid = np.unique(np.concatenate([grid, refined]))
        inside = self.growth(grid) <= 1
        edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
        intervals: list[tuple[float, float]] = []
        for first, beyond in edges.reshape(-1, 2):
            low, high = float(grid[first]), float(grid[beyond - 1])
            low = self._end(low, float(grid[first - 1])) if first > 0 else low
            high = self._end(high, float(grid[beyond])) if beyond < grid.size else high
            intervals.append((low, high))
        return tuple(intervals)

    def _grid(self) -> np.ndarray:
        """Grid over the thresholds that may satisfy (S); empty if none can."""
        # a_L increases with delta, so (S) fails below this
        low = self.rho * float(a_bound(self.depth, 0.0, self.eps, self.omega)) / (2 * self.ridge)
        if not low < self.omega:
            return np.empty(0)
        # without imbalance a_L is delta^(L-1), and there is no smallest threshold
        low = max(low, 1e-12 * self.omega)
        grid = np.exp(np.linspace(float(np.log(low)), float(np.log(self.omega)), GRID))
        grid[-1] = self.omega
        return grid

    def _extremum(self, grid: np.ndarray, best: int, sign: float) -> tuple[float, float]:
        """Least (sign 1) or largest (sign -1) growth beside grid point `best`: where, and how much."""
        for _ in range(ZOOMS):
            low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, grid.size - 1)])
            grid = np.unique(np.append(np.linspace(low, high, ZOOM_GRID), grid[best]))
            best = int(np.argmin(sign * self.growth(grid)))
        return float(grid[best]), float(self.growth(grid[best]))

    def _end(self, inside: float, outside: float) -> float:
        """The last threshold, going from `inside` to `outside`, that satisfies (S) in floating point."""
        while True:
            middle = inside * sqrt(outside / inside)
            if not min(inside, outside) < middle < max(inside, outside):
                return inside
            if self.growth(middle) <= 1:
                inside = middle
            else:
                outside = middle
