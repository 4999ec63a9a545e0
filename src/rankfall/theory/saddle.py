"""The saddle over which a minimum is left for one of lower rank, and its barrier."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..argument_checks import instance
from ..declared_arguments import declared
from ..errors import InputError
from ..network import Network
from ..problem import Problem
from .branch import check_minimum, point_of
from .continuation import Curve
from .critical_points import Minimum, describe
from .fixed_rank import FixedRankLoss, Point
from .requirements import require_alike
from .saddle_search import candidates, other_side
from .weight_hessian import weight_hessian

# Eigenvalues of the Hessian in the weights up to this, relative to the largest, are zero: those of the orbit
# are 1e-15, the others of the test problems are above 1e-6.
_FLAT = 1e-9


@dataclass(frozen=True, eq=False)
class Saddle:
    """A critical point of the regularised loss with one direction of descent, and what lies on its two sides.

    Attributes
    ----------
    rank, depth : int
    ridge : float
    U, s, Vt : ndarray, shapes (m, k), (k,) and (k, n)
        Thin singular value decomposition of the matrix.
    loss : float
        ``F`` there: the regularised loss of the balanced weights.
    barrier : float
        `loss` minus that of the minimum.
    curvature : float
        The negative eigenvalue of the Riemannian Hessian of F on the matrices of rank k.
    gradient_norm : float
        Norm of the gradient in the weights, at the balanced lift.
    n_negative : int
        Negative eigenvalues of the Hessian in the weights of width k, at the balanced lift: one.
    n_zero : int
        Its zero eigenvalues: ``(L - 1) k (k - 1) / 2``, the rotations of the hidden layers, which leave the
        loss as it is.
    minimum : Minimum
        To which the descent on one side leads: the one given.
    lower : Minimum
        To which it leads on the other, through lower ranks where singular values vanish.
    """

    rank: int
    depth: int
    ridge: float
    U: np.ndarray = field(repr=False)
    s: np.ndarray
    Vt: np.ndarray = field(repr=False)
    loss: float
    barrier: float
    curvature: float
    gradient_norm: float
    n_negative: int
    n_zero: int
    minimum: Minimum = field(repr=False)
    lower: Minimum = field(repr=False)

    def matrix(self) -> np.ndarray:
        """``A = U diag(s) Vt``, shape (m, n)."""
        return (self.U * self.s) @ self.Vt

    def network(self) -> Network:
        """The balanced weights of width k."""
        return Network.lift(self.matrix(), depth=self.depth, width=self.rank)


@declared
def saddle(problem: Problem, minimum: Minimum) -> Saddle:
    """The lowest saddle found between a minimum and one of lower rank.

    For depth 3 and more the critical points of the regularised loss are those of
    ``F(A) = C(A) + ridge L sum_i s_i^(2/L)`` on the matrices of one rank (section 4b), with as many
    directions of descent: with weights of norm above the least, the loss is larger than F. Candidates are
    found in two ways: by following the curve of the minimum in the ridge around its fold and back, since the
    saddle that it merges with there is often the one over which it is left; and from the point at which one
    singular value of the minimum alone has climbed highest, by Newton's method with the step reversed in the
    softest direction (eigenvector following). A candidate counts if the Hessian has exactly one negative
    eigenvalue, and if descents in small steps off it end at the minimum on one side and at a lower rank on
    the other. Of these the lowest is returned. That there is no lower one is evidence, not proof.
    Saddles with a singular value below 1e-10 of the data, as at very small ridges, are not found.

    Parameters
    ----------
    problem : Problem
        Without weights.
    minimum : Minimum
        Of rank 1 or more and depth 3 or more, from :func:`minima` for this problem.

    Returns
    -------
    Saddle

    Raises
    ------
    InputError
        If the point is no strict minimum of rank 1 or more of this problem, no saddle was found, or the
        problem has weights.
    """
    require_alike(problem)
    minimum = instance("minimum", minimum, Minimum)
    check_minimum(problem, minimum)
    if minimum.rank < 1:
        raise InputError("No rank is lower than that of the zero matrix; take a minimum of rank 1 or more.")
    if minimum.kind != "minimum":
        raise InputError(f"The point is {minimum.kind}; a saddle is looked for beside a strict minimum.")
    loss = FixedRankLoss(problem, minimum.depth, minimum.ridge)
    if Curve(loss).at_ridge(point_of(minimum), minimum.ridge) is None:
        raise InputError("The point is no minimum of this problem at its ridge.")
    found: list[tuple[float, Point, Point]] = []
    for candidate in candidates(loss, minimum):
        lower = other_side(loss, candidate, minimum)
        if lower is not None:
            found.append((loss.value(candidate), candidate, lower))
    if not found:
        raise InputError(
            "No saddle between this minimum and a lower rank was found: the ways out may lead over other "
            "minima of its rank."
        )
    _, best, lower = min(found, key=lambda each: each[0])
    return _described(loss, minimum, best, lower)


def _described(loss: FixedRankLoss, minimum: Minimum, best: Point, lower: Point) -> Saddle:
    """Everything about a saddle that has been checked."""
    critical = describe(loss, best, fit_tol=0.0)
    network = critical.network()
    eigenvalues = np.linalg.eigvalsh(weight_hessian(loss.problem, network, loss.ridge))
    zero = _FLAT * float(np.abs(eigenvalues).max())
    return Saddle(
        rank=best.rank,
        depth=loss.depth,
        ridge=loss.ridge,
        U=best.U,
        s=best.s,
        Vt=best.Vt,
        loss=critical.loss,
        barrier=critical.loss - minimum.loss,
        curvature=critical.curvature,
        gradient_norm=critical.gradient_norm,
        n_negative=int(np.count_nonzero(eigenvalues < -zero)),
        n_zero=int(np.count_nonzero(np.abs(eigenvalues) <= zero)),
        minimum=minimum,
        lower=describe(loss, lower, fit_tol=0.0),
    )
