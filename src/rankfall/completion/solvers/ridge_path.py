"""Least squares along a falling ridge: from the regularised matrix of a chain to one without a ridge.

A chain of SGD ends near a minimum of the regularised loss, far from every matrix that fits: near the
information limit singular values have lost a third, and entries are wrong by half. Least squares from there
are often caught on the way. Minimising ``|A - X|^2 + ridge (|B|^2 + |C|^2)`` over factors ``A = B C^T`` of
the rank while the ridge falls to nothing follows the minimum instead. The least of the penalty is twice the
nuclear norm (N. Srebro, J. Rennie and T. Jaakkola, "Maximum-margin matrix factorization", NIPS 2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...geometry import truncated_svd
from ...problem import Problem
from .least_squares import LeastSquaresFit, fit_least_squares, threads_of_fit
from .tangent_system import Cells, RightSides, TangentSystem

# ridges of a path: the first is the caller's, the last this fraction of it, one step at each. Of 28 starts
# from chains on the hardest instances (100 x 100, rank 5, rho 1.05) 15 led to the exact fit, as with ten
# ridges and two steps at each; 6 did with least squares alone
_RIDGES, _LAST = 20, 1e-5
# below this misfit the last least-squares fit may be in the narrow valley that leads to an exact one: it gets
# more patience (a misfit of 2.5e-5 took 49 more steps to become 1e-15, the first dozen of them for a tenth)
_NARROW, _PATIENCE = 1e-3, {"max_iter": 150, "patience": 40}
# accuracy and number of the inner iterations of a step
_TOLERANCE, _INNER = 1e-3, 200
# dampings that a step may try
_TRIES = 8


def fit_along_ridge(
    problem: Problem, U: np.ndarray, s: np.ndarray, V: np.ndarray, ridge: float
) -> LeastSquaresFit:
    """Follow the minimum from `ridge` to (nearly) none, then fit by least squares.

    Parameters
    ----------
    problem : Problem
    U, s, V : ndarray, shapes (m, r), (r,), (n, r)
        Singular value decomposition of the start; its rank is kept.
    ridge : float
        The first ridge, in the units of singular values: the penalty is ``2 ridge sum(s)`` beside the sum of
        squared misfits. See :func:`ridge_of_network`.

    Returns
    -------
    LeastSquaresFit
        Of the last least-squares fit.
    """
    if problem.n_cols > problem.n_rows:  # the eliminated side should be the long one
        V, s, U = follow_ridge(problem.T, V, s, U, ridge)
    else:
        U, s, V = follow_ridge(problem, U, s, V, ridge)
    fit = fit_least_squares(problem, U, s, V)
    if fit.settled or fit.residual > _NARROW:
        return fit
    return fit_least_squares(problem, fit.U, fit.s, fit.V, **_PATIENCE)


def ridge_of_network(ridge: float, s: np.ndarray, n_observed: int, depth: int) -> float:
    """The ridge of factors that pulls on singular values as that of a deep network does.

    The penalty of balanced layers is ``depth ridge sum(s^(2/depth))`` beside half of the mean squared
    misfit; its slope at the geometric mean of the singular values, times the number of cells, is that of
    ``ridge' sum(s)`` beside half of the sum of squares.
    """
    typical = float(np.exp(np.mean(np.log(s))))
    return 2 * n_observed * ridge * typical ** (2 / depth - 1)


def follow_ridge(
    problem: Problem, U: np.ndarray, s: np.ndarray, V: np.ndarray, ridge: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One damped Gauss-Newton step at each of the falling ridges."""
    cells, damping = Cells.of(problem), 0.0
    point = _Factors.at(cells, U, s, V)
    with threads_of_fit(problem, s.size):
        for now in ridge * np.geomspace(1.0, _LAST, _RIDGES):
            point, damping = _step(cells, point, float(now), damping)
    return truncated_svd(point.B, point.C, rank=s.size)


@dataclass(frozen=True, eq=False)
class _Factors:
    """Factors ``B C^T`` and the misfit at the cells."""

    B: np.ndarray
    C: np.ndarray
    error: np.ndarray

    @classmethod
    def of(cls, cells: Cells, B: np.ndarray, C: np.ndarray) -> _Factors:
        return cls(B, C, cells.problem.values - cells.at(B, C))

    @classmethod
    def at(cls, cells: Cells, U: np.ndarray, s: np.ndarray, V: np.ndarray) -> _Factors:
        """Balanced factors: among all of one matrix they have the least penalty."""
        root = np.sqrt(s)
        return cls.of(cells, np.ascontiguousarray(U * root), np.ascontiguousarray(V * root))

    def cost(self, ridge: float) -> float:
        return float(self.error @ self.error + ridge * (np.sum(self.B**2) + np.sum(self.C**2)))

    def right_sides(self, system: TangentSystem, ridge: float) -> RightSides:
        """Minus half of the gradient."""
        rows, cols = system.right_sides_of_misfit(self.B)
        return rows - ridge * self.B, cols - ridge * self.C


def _step(cells: Cells, point: _Factors, ridge: float, damping: float) -> tuple[_Factors, float]:
    """The next point and its damping; the same point where no damping gives descent."""
    system = TangentSystem(cells, point.B, point.C, _INNER)
    right_sides, before = point.right_sides(system, ridge), point.cost(ridge)
    # the Gauss-Newton matrix has entries of the size of the singular values
    size = float(np.sum(point.B**2)) / point.B.size
    for _ in range(_TRIES):
        step = system.solve(right_sides, ridge + damping, _TOLERANCE)
        if step is not None:
            after = _Factors.of(cells, point.B + step[0], point.C + step[1])
            if after.cost(ridge) < before:
                rank = point.B.shape[1]
                after = _Factors.at(cells, *truncated_svd(after.B, after.C, rank=rank))
                return after, damping / 4 if damping > 1e-4 * size else 0.0
        damping = max(4 * damping, 1e-2 * size)
    return point, 0.0
