"""What is known about one critical point of the effective loss: order, balance, basin, fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from .. import measures
from ..declared_arguments import declared
from ..errors import InputError
from ..network import Network
from ..problem import Problem
from .fixed_rank import FixedRankLoss, Point
from .landscape import (
    barrier,
    basin_radius,
    check_matrix,
    data_gradient,
    weight_gradient,
)
from .requirements import is_whole, require_alike, require_positive, require_whole

Kind = Literal["minimum", "degenerate", "saddle", "not critical"]
Estimate = Literal["under", "right", "over"]

# Hessian eigenvalues up to this, relative to the largest, count as zero.
_FLAT = 1e-11
# A weight gradient up to this, relative to |x| / N times the largest singular value^(1 - 1/L), counts as
# zero.
_CRITICAL = 1e-9
# |E|_op above 2 ridge by no more than this is rounding: at a soft threshold the two are often equal.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Minimum:
    """A critical point of the effective loss F on the matrices of one rank, and what the theory says of it.

    Attributes
    ----------
    rank, depth : int
    ridge : float
    U, s, Vt : ndarray, shapes (m, rank), (rank,) and (rank, n)
        Thin singular value decomposition of the matrix.
    loss : float
        F at the matrix: the regularised loss of the balanced weights.
    misfit : float
        ``|A - x| / |x|`` over the observed entries.
    gradient_norm : float
        Norm of the gradient of the regularised loss in the weights, at the balanced lift.
    balancedness : float
        Largest ``|D_l|_op`` of the balanced lift; zero up to rounding.
    curvature : float
        Smallest eigenvalue of the Riemannian Hessian of F on the set of this rank; infinite at rank 0, where
        the set is a point.
    kind : {"minimum", "degenerate", "saddle", "not critical"}
        By `curvature`: positive, zero up to 1e-11 of the largest eigenvalue, or negative. For depth 2 also
        "saddle" if `free_gradient` exceeds ``2 ridge``: hidden widths above the rank then leave a
        direction of descent (section 4b(i)).
    free_gradient : float
        ``|E|_op``, the part of ``-dC/dA`` outside the row and column spaces of the matrix.
    basin_radius : float
        ``(ridge L / g)^(L/(L-2))``, ``g = |dC/dA|_op`` here: another singular value below this is paid
        for by the ridge (section 4b(ii)). Infinite at full rank.
    barrier : float
        ``ridge (L-2) (2 ridge / g)^(2/(L-2))``, ``g`` as above: what another singular value has to climb in
        F. Both are exact as long as the matrix of this rank stays here; where it moves by ``d`` on the
        observed entries, `g` is at most ``d / N`` larger.
    estimate : {"under", "right", "over"}
        "under": does not fit the data to the tolerance asked for; "over": it does, and a minimum of smaller
        rank that was found does too; "right" otherwise.
    hits : int
        How many starts ended here.
    """

    rank: int
    depth: int
    ridge: float
    U: np.ndarray = field(repr=False)
    s: np.ndarray
    Vt: np.ndarray = field(repr=False)
    loss: float
    misfit: float
    gradient_norm: float
    balancedness: float
    curvature: float
    kind: Kind
    free_gradient: float
    basin_radius: float
    barrier: float
    estimate: Estimate
    hits: int = 1

    @property
    def is_minimum(self) -> bool:
        """Strict or degenerate: no direction of descent was seen at second order."""
        return self.kind in ("minimum", "degenerate")

    def matrix(self) -> np.ndarray:
        """``A = U diag(s) Vt``, shape (m, n)."""
        return (self.U * self.s) @ self.Vt

    @declared
    def network(self, width: int | None = None) -> Network:
        """The balanced weights of smallest norm, by :meth:`rankfall.Network.lift`.

        Parameters
        ----------
        width : int, optional
            Width of the hidden layers, the rank (but at least 1) by default; more are padded with zeros.

        Raises
        ------
        InputError
            If the width is below the rank.
        """
        core = max(self.rank, 1)
        width = core if width is None else int(width)
        if width < core:
            raise InputError(
                f"A minimum of rank {self.rank} needs hidden widths of at least {core}, not {width}."
            )
        extra = width - core
        last = self.depth - 1
        padding = [((0, extra * (l < last)), (0, extra * (l > 0))) for l in range(self.depth)]
        lifted = Network.lift(self.matrix(), depth=self.depth, width=core)
        return Network(tuple(np.pad(W, p) for W, p in zip(lifted.weights, padding, strict=True)))


@declared
def critical_point(
    problem: Problem, A: np.ndarray, rank: int, depth: int = 3, ridge: float = 1e-3, fit_tol: float = 0.1
) -> Minimum:
    """What :func:`rankfall.theory.minima` says of a minimum, for any matrix of this rank.

    The matrix is truncated to `rank` and not moved; ``Minimum.kind`` is "not critical" where the gradient is
    not zero, and ``Minimum.estimate`` is judged without other ranks ("under" or "right").

    Parameters
    ----------
    problem : Problem
    A : ndarray, shape (m, n)
        Of rank at least `rank`.
    rank : int
        From 0 to min(m, n).
    depth : int
    ridge : float
    fit_tol : float
        Relative misfit up to which the data count as fitted.

    Raises
    ------
    InputError
        If an argument is out of range, or the rank of `A` is below `rank`.
    """
    require_alike(problem)
    require_whole(2, depth=depth)
    require_positive(ridge=ridge)
    check_rank(problem, rank)
    check_fit_tol(fit_tol)
    point = Point.truncated(check_matrix(A, problem.shape), int(rank))
    if rank and point.s[-1] <= 1e-14 * point.s[0]:
        raise InputError(f"The matrix has a rank below {rank}.")
    return describe(FixedRankLoss(problem, int(depth), float(ridge)), point, fit_tol)


def describe(loss: FixedRankLoss, point: Point, fit_tol: float, hits: int = 1) -> Minimum:
    """Evaluate everything at one point."""
    problem, depth, ridge = loss.problem, loss.depth, loss.ridge
    fit, cost = loss.parts(point)
    at = loss.derivatives(point)
    slope = float(np.linalg.norm(data_gradient(problem, point.matrix()), 2))
    full = point.rank == min(problem.shape)
    size = float(np.linalg.norm(problem.values))
    misfit = np.sqrt(2 * problem.n_observed * fit) / size if size else 0.0
    found = Minimum(
        rank=point.rank,
        depth=depth,
        ridge=ridge,
        U=point.U,
        s=point.s,
        Vt=point.Vt,
        loss=fit + cost,
        misfit=float(misfit),
        gradient_norm=0.0,
        balancedness=0.0,
        curvature=float("inf"),
        kind="minimum",
        free_gradient=at.free_gradient,
        basin_radius=float("inf") if full else basin_radius(slope, depth, ridge),
        barrier=float("inf") if full else barrier(slope, depth, ridge),
        estimate="right" if misfit <= fit_tol else "under",
        hits=hits,
    )
    network = found.network()
    gradient = weight_gradient(problem, network, ridge)
    norm = float(np.sqrt(sum(np.sum(G**2) for G in gradient)))
    eigenvalues = np.linalg.eigvalsh(at.hessian)
    scale = size / problem.n_observed * float(np.max(point.s, initial=0.0)) ** (1 - 1 / depth)
    return replace(
        found,
        gradient_norm=norm,
        balancedness=float(measures.imbalance(network).max()),
        curvature=float(eigenvalues[0]) if eigenvalues.size else float("inf"),
        kind=_kind(eigenvalues, norm <= _CRITICAL * scale, depth, at.free_gradient, ridge),
    )


def check_rank(problem: Problem, rank: int) -> None:
    """Raise InputError unless matrices of the problem's shape can have this rank."""
    if not is_whole(rank, 0, min(problem.shape)):
        raise InputError(f"rank must be a whole number from 0 to {min(problem.shape)}, not {rank}.")


def check_fit_tol(fit_tol: float) -> None:
    """Raise InputError unless the tolerance is a number of at least 0."""
    if not (fit_tol >= 0 and np.isfinite(fit_tol)):
        raise InputError(f"fit_tol must be a finite number, 0 or more, not {fit_tol}.")


def _kind(eigenvalues: np.ndarray, critical: bool, depth: int, free_gradient: float, ridge: float) -> Kind:
    if not critical:
        return "not critical"
    if depth == 2 and free_gradient > 2 * ridge * (1 + _ROUNDING):
        return "saddle"
    if not eigenvalues.size:
        return "minimum"
    zero = _FLAT * float(np.abs(eigenvalues).max())
    if eigenvalues[0] < -zero:
        return "saddle"
    return "minimum" if eigenvalues[0] > zero else "degenerate"
