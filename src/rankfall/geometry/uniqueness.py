"""Is a completion locally unique, and if not, which cells are free?"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..problem import Problem
from .elimination import Elimination
from .factor_map import check_factors
from .spectrum import Frame, cell_motion, lost_rank, null_steps, smallest_singular_value

UNIQUENESS_TOL = 1e-6
"""Directions whose singular value is at most this, relative to the largest, count as not determined."""

MAX_UNKNOWNS = 6000
"""Largest ``rank * min(m, n)`` for which local uniqueness is checked unless the caller says otherwise."""


class RelevantSingularValue(NamedTuple):
    """The r (m + n - r)-th singular value of the Jacobian relative to the largest, in two frames.

    Attributes
    ----------
    orthonormal : float
        At orthonormal factors with the same column spaces. Depends on the column spaces of `U` and `V` only,
        not on the singular values of ``U V^T`` nor on how it is factored.
    given : float
        At the factors as they were given, the number usually printed in the literature; it falls with the
        condition number of the factors.
    """

    orthonormal: float
    given: float


@dataclass(frozen=True, eq=False)
class LocalUniqueness:
    """Whether ``A = U V^T`` is the only matrix of its rank nearby with the same observed cells.

    Attributes
    ----------
    unique : bool
        No unobserved cell can move, to first order, while all observed ones stay.
    relative_singular_value : float
        :attr:`RelevantSingularValue.orthonormal`. Above :data:`UNIQUENESS_TOL` the completion is unique; at or
        below it some cell is free (unless all are observed). Below about 1e-10 it is rounding and means zero.
    n_free_cells : int
        Number of cells that can move.
    free : ndarray of bool, shape (m, n)
        The cells that can move.
    """

    unique: bool
    relative_singular_value: float
    n_free_cells: int
    free: np.ndarray = field(repr=False)


def smallest_relevant(problem: Problem, U: np.ndarray, V: np.ndarray) -> RelevantSingularValue:
    """The singular value of the factor map's Jacobian that decides local uniqueness, relative to the largest.

    The Jacobian of ``(U, V) -> observed cells of U V^T`` always has ``r^2`` zero singular values (gauge); the
    smallest of the others is number ``r (m + n - r)``. It is positive iff ``U V^T`` is, to first order,
    determined by the observed cells and its rank.

    Parameters
    ----------
    problem : Problem
        Only the positions are used.
    U, V : ndarray, shapes (m, r) and (n, r)
        Factors of full column rank; if ``U V^T`` has a lower rank, the answer is zero. At rank 0 there is
        nothing to determine, and the answer is one.

    Returns
    -------
    RelevantSingularValue
        ``(orthonormal, given)``.

    Notes
    -----
    The longer side is eliminated row by row, orthogonally; what is left, of size ``s = r min(m, n)``, is
    factored densely, in ``O(s^3)`` time and ``3 s^2`` doubles (100 x 100, rank 5: 0.05 s; 1000 x 1000,
    rank 5: some seconds and 0.6 GB). That factored matrix squares the singular values, but serves only to
    find the direction; the value is measured on the Jacobian itself. So a true zero comes out at about
    1e-16 divided by the next singular value (1e-12 typically), far below the tolerance of 1e-6.
    """
    U, V = check_factors(problem, U, V)
    if not U.shape[1]:
        return RelevantSingularValue(1.0, 1.0)
    if lost_rank(U, V):
        return RelevantSingularValue(0.0, 0.0)
    view = _View.of(problem, U, V)
    return RelevantSingularValue(view.smallest(), view.smallest_given())


def local_uniqueness(
    problem: Problem, U: np.ndarray, V: np.ndarray, max_unknowns: int | None = MAX_UNKNOWNS
) -> LocalUniqueness | None:
    """Whether ``U V^T`` is locally unique given its rank and its observed cells, and what is free if not.

    Parameters
    ----------
    problem : Problem
        Only the positions are used.
    U, V : ndarray, shapes (m, r) and (n, r)
        Any factors of the completion. If ``U V^T`` has a rank below r, every unobserved cell is free: any
        one of them can be changed by a matrix of rank one.
    max_unknowns : int or None
        Give up above this many unknowns ``r min(m, n)`` (those left after one side is eliminated).
        None: never give up.

    Returns
    -------
    LocalUniqueness or None
        None means "not checked": the problem is too large.
    """
    U, V = check_factors(problem, U, V)
    if max_unknowns is not None and U.shape[1] * min(problem.shape) > max_unknowns:
        return None
    if not U.shape[1]:
        value, free = 1.0, np.zeros(problem.shape, bool)
    elif lost_rank(U, V):
        value, free = 0.0, np.ones(problem.shape, bool)
    else:
        view = _View.of(problem, U, V)
        value = view.smallest()
        free = view.free() if value <= UNIQUENESS_TOL else np.zeros(problem.shape, bool)
    free[problem.rows, problem.cols] = False
    n_free = int(np.count_nonzero(free))
    return LocalUniqueness(n_free == 0, value, n_free, free)


def free_cells(problem: Problem, U: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Cells that can move, to first order, while the observed cells and the rank stay.

    The null space of the Jacobian modulo gauge, seen at the cells: cell (i, j) is free when some unit null
    direction moves it by more than :data:`UNIQUENESS_TOL`.

    Parameters
    ----------
    problem : Problem
    U, V : ndarray, shapes (m, r) and (n, r)

    Returns
    -------
    ndarray of bool, shape (m, n)
        Never True at an observed cell; all False when the completion is locally unique.
    """
    result = local_uniqueness(problem, U, V, max_unknowns=None)
    assert result is not None  # there is no size limit
    return result.free


@dataclass(frozen=True, eq=False)
class _View:
    """Problem and factors with the longer side first, and what both frames share."""

    problem: Problem
    U: np.ndarray
    V: np.ndarray
    transposed: bool

    @classmethod
    def of(cls, problem: Problem, U: np.ndarray, V: np.ndarray) -> _View:
        if problem.n_rows < problem.n_cols:
            return cls(problem.T, V, U, True)
        return cls(problem, U, V, False)

    @cached_property
    def orthonormal(self) -> Frame:
        return Frame.orthonormal(self.problem, self.U, self.V)

    @cached_property
    def elimination(self) -> Elimination | None:
        frame = self.orthonormal
        if frame.is_small:
            return None
        return Elimination(self.problem, frame.U, frame.V, frame.J, UNIQUENESS_TOL * frame.largest)

    def smallest(self) -> float:
        return smallest_singular_value(self.orthonormal, self.elimination)

    def smallest_given(self) -> float:
        return smallest_singular_value(Frame.given(self.problem, self.U, self.V), self.elimination)

    def free(self) -> np.ndarray:
        """Boolean, in the caller's orientation."""
        steps = null_steps(self.orthonormal, self.elimination, UNIQUENESS_TOL)
        free = cell_motion(self.orthonormal, steps) > UNIQUENESS_TOL
        return free.T if self.transposed else free
