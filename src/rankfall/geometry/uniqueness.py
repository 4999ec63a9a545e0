"""Local uniqueness of a completion, and the free cells where it is not unique."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..declared_arguments import declared
from ..problem import Problem
from .elimination import Elimination
from .factor_map import check_factors
from .spectrum import Frame, cell_motion, lost_rank, null_steps, smallest_singular_value

UNIQUENESS_TOL = 1e-6
"""Directions with singular values of at most this, relative to the largest, count as undetermined."""

MAX_UNKNOWNS = 6000
"""By default, local uniqueness is checked up to this value of ``rank * min(m, n)``."""


class RelevantSingularValue(NamedTuple):
    """Singular value number r (m + n - r) of the Jacobian, relative to the largest, in two frames.

    Attributes
    ----------
    orthonormal : float
        At orthonormal factors with the same column spaces. It depends on these spaces only, neither on the
        singular values of ``U V^T`` nor on its factorisation.
    given : float
        At the given factors: the number usually reported in the literature. It decreases as the condition
        number of the factors increases.
    """

    orthonormal: float
    given: float


@dataclass(frozen=True, eq=False)
class LocalUniqueness:
    """Whether ``A = U V^T`` is locally the only matrix of its rank with the same observed cells.

    Attributes
    ----------
    unique : bool
        To first order, no missing cell can move while all observed cells stay fixed.
    relative_singular_value : float
        :attr:`RelevantSingularValue.orthonormal`. Above :data:`UNIQUENESS_TOL` the completion is unique; at
        or below it some cell is free (unless all are observed). A value below about 1e-10 is a rounding error
        of zero.
    n_free_cells : int
        Number of cells that can move.
    free : ndarray of bool, shape (m, n)
        The cells that can move.
    """

    unique: bool
    relative_singular_value: float
    n_free_cells: int
    free: np.ndarray = field(repr=False)


@declared
def smallest_relevant(problem: Problem, U: np.ndarray, V: np.ndarray) -> RelevantSingularValue:
    """The singular value of the factor map's Jacobian that decides local uniqueness.

    The Jacobian of ``(U, V) -> observed cells of U V^T`` always has ``r^2`` zero singular values (the gauge);
    the smallest of the others is number ``r (m + n - r)``. It is positive if and only if the observed cells
    and the rank determine ``U V^T`` to first order. It is given relative to the largest.

    Parameters
    ----------
    problem : Problem
        Only the positions are used.
    U, V : ndarray, shapes (m, r) and (n, r)
        Factors of full column rank; if ``U V^T`` has a lower rank, the result is zero. At rank 0 there is
        nothing to determine, and the result is one.

    Returns
    -------
    RelevantSingularValue
        ``(orthonormal, given)``.

    Notes
    -----
    The longer side is eliminated row by row, orthogonally. The remaining matrix, of size ``s = r min(m, n)``,
    is factored densely in ``O(s^3)`` time and ``3 s^2`` doubles (100 x 100, rank 5: 0.05 s; 1000 x 1000, rank
    5: some seconds and 0.6 GB). The factored matrix has squared singular values, but serves only to find the
    direction; the value is computed from the Jacobian itself. So an exact zero appears as about 1e-16 divided
    by the next singular value (typically 1e-12), far below the tolerance of 1e-6.
    """
    U, V = check_factors(problem, U, V)
    if not U.shape[1]:
        return RelevantSingularValue(1.0, 1.0)
    if lost_rank(U, V):
        return RelevantSingularValue(0.0, 0.0)
    view = _View.of(problem, U, V)
    return RelevantSingularValue(view.smallest(), view.smallest_given())


@declared
def local_uniqueness(
    problem: Problem, U: np.ndarray, V: np.ndarray, *, max_unknowns: int | None = MAX_UNKNOWNS
) -> LocalUniqueness | None:
    """Whether the observed cells and the rank determine ``U V^T`` locally, and which cells are free if not.

    Parameters
    ----------
    problem : Problem
        Only the positions are used.
    U, V : ndarray, shapes (m, r) and (n, r)
        Any factors of the completion. If ``U V^T`` has a rank below r, every missing cell is free: adding a
        matrix of rank one can change any of them.
    max_unknowns : int or None
        Do not check if there are more unknowns ``r min(m, n)`` than this, after eliminating one side. None:
        always check.

    Returns
    -------
    LocalUniqueness or None
        None means "not checked", because the problem is too large.
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


@declared
def free_cells(problem: Problem, U: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Cells that can move, to first order, while the observed cells and the rank stay fixed.

    Cell (i, j) is free if some unit vector in the null space of the Jacobian, modulo gauge, moves it by more
    than :data:`UNIQUENESS_TOL`.

    Parameters
    ----------
    problem : Problem
    U, V : ndarray, shapes (m, r) and (n, r)

    Returns
    -------
    ndarray of bool, shape (m, n)
        False at every observed cell; all False if the completion is locally unique.
    """
    result = local_uniqueness(problem, U, V, max_unknowns=None)
    assert result is not None  # there is no size limit
    return result.free


@dataclass(frozen=True, eq=False)
class _View:
    """Problem and factors with the longer side first, and what both frames have in common."""

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
