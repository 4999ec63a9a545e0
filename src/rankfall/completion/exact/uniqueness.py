"""Is an exact fit locally the only one of its rank?"""

from __future__ import annotations

import numpy as np

from ...geometry import truncated_svd
from ...problem import Problem
from ..solvers.least_squares import MACHINE_PRECISION, LeastSquaresFit, fit_least_squares, tangent_from_cells

# a random step of this relative size along the tangent space must be undone, up to this fraction of it
_KICK, _RETURN = 1e-4, 1e-3
# misfit at which the way back may stop; rounding to single precision leaves a misfit that is no measure of
# the way
_RETURNED = 1e-11


def is_isolated(problem: Problem, fit: LeastSquaresFit, tolerance: float, single: bool = False) -> bool:
    """Whether an exact fit is locally the only one of its rank.

    It is if the observed cells determine tangent vectors: a random one is found again from its values there
    (first order, one linear system). If that fails, the fit is moved along the vector and fitted again by
    least squares, and must come back. First order says nothing of a fit whose last direction is smaller than
    the move: then the second test decides.

    One rank too many leaves freedom (a row factor times a column factor that meet in missing cells only), so
    an exact fit that is not isolated calls for a smaller rank. A thousandth of the vector may be lost, so
    freedom in a few of many thousand rows or columns is not seen.

    Parameters
    ----------
    problem : Problem
    fit : LeastSquaresFit
    tolerance : float
        Misfit below which a fit counts as exact, relative to the norm of the observed cells.
    single : bool
        Whether the values have single precision only.
    """
    rng = np.random.default_rng(0)
    size = _KICK * float(np.sqrt(np.mean(fit.s**2)))
    X, Y = (size / np.sqrt(len(frame)) * _away_from_zero(rng, frame.shape) for frame in (fit.U, fit.V))
    far = _RETURN * _KICK * float(np.linalg.norm(fit.s))
    if fit.s[-1] > size and _is_found(problem, fit, X, Y, far):
        return True
    enough = MACHINE_PRECISION if single else min(_RETURNED, tolerance / 2)
    return _comes_back(problem, fit, X, Y, far, tolerance, enough)


def _away_from_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers of both signs from 0.5 to 1.5.

    So a free row or column always has a visible part in the step, at least at rank one.
    """
    return rng.choice((-1.0, 1.0), shape) * rng.uniform(0.5, 1.5, shape)


def _is_found(problem: Problem, fit: LeastSquaresFit, X: np.ndarray, Y: np.ndarray, far: float) -> bool:
    """Whether ``X V^T + U Y^T`` is found again from its values at the observed cells."""
    found = tangent_from_cells(problem, fit.U, fit.V, X, Y)
    if found is None:
        return False
    # X and Y themselves are determined only up to X + U M, Y - V M^T
    dX, dY = found[0] - X, found[1] - Y
    cross = np.sum((fit.U.T @ dX) * (fit.V.T @ dY).T)
    return bool(np.sum(dX**2) + np.sum(dY**2) + 2 * cross < far**2)


def _comes_back(
    problem: Problem,
    fit: LeastSquaresFit,
    X: np.ndarray,
    Y: np.ndarray,
    far: float,
    tolerance: float,
    enough: float,
) -> bool:
    """Whether least_squares, down to a misfit of `enough`, undoes a step along ``X V^T + U Y^T``."""
    left, right = np.hstack([fit.U * fit.s + X, fit.U]), np.hstack([fit.V, Y])
    back = fit_least_squares(problem, *truncated_svd(left, right, rank=fit.s.size), enough=enough)
    if back.residual > tolerance:
        return False
    # |A - B|_F through the 2r x 2r cores
    left = np.asarray(np.linalg.qr(np.hstack([fit.U * fit.s, -back.U * back.s]), mode="r"))
    right = np.asarray(np.linalg.qr(np.hstack([fit.V, back.V]), mode="r"))
    return bool(np.linalg.norm(left @ right.T) < far)
