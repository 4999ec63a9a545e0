"""Whether a fit is exact, and whether one that is not predicts cells it has not seen."""

from __future__ import annotations

import numpy as np

from ...problem import Problem
from ..seeds import check_generator
from ..solvers.least_squares import MACHINE_PRECISION, LeastSquaresFit, fit_least_squares
from ..solvers.products import products
from .precision import EXACT, Precision

# relative error below which a fit predicts
_PREDICTS = 0.5


def without_rounding(
    problem: Problem, fit: LeastSquaresFit, precision: Precision
) -> tuple[LeastSquaresFit, bool]:
    """A fit without directions that are but rounding, and whether it is exact."""
    if precision.tolerance < MACHINE_PRECISION and fit.residual < EXACT:
        # beside a large offset more digits are needed than a fit stops at
        fit = fit_least_squares(problem, fit.U, fit.s, fit.V, enough=precision.tolerance / 2)
    exact = is_exact(problem, fit, precision)
    if exact and fit.s.size > 1 and fit.s[-1] < precision.tolerance * fit.s[0]:
        # a smaller rank was enough: what is left of the last direction is rounding
        kept = int(np.count_nonzero(fit.s >= precision.tolerance * fit.s[0]))
        smaller = fit_least_squares(problem, fit.U[:, :kept], fit.s[:kept], fit.V[:, :kept])
        if is_exact(problem, smaller, precision):
            return smaller, True
    return fit, exact


def is_exact(problem: Problem, fit: LeastSquaresFit, precision: Precision) -> bool:
    """Whether all observed cells are reproduced, judged as a whole and by row and column.

    One huge cell would make any fit of it look exact as a whole.
    """
    if not fit.residual < precision.tolerance:
        return False
    fitted = products(problem.rows, problem.cols, fit.U * fit.s, fit.V)
    wrong, right = (fitted - problem.values) ** 2, problem.values**2
    for index, size in ((problem.rows, problem.n_rows), (problem.cols, problem.n_cols)):
        misfit, norm = np.bincount(index, wrong, size), np.bincount(index, right, size)
        # rounding is relative to the whole: a row of zeros cannot be met better than that
        if np.any(misfit > np.maximum(precision.axis_tolerance**2 * norm, 1e-24 * norm.sum())):
            return False
    return True


def relative_misfit(problem: Problem, U: np.ndarray, s: np.ndarray, V: np.ndarray) -> float:
    """Norm of what ``U diag(s) V^T`` leaves of the observed cells, relative to theirs."""
    fitted = products(problem.rows, problem.cols, U * s, V)
    return float(np.linalg.norm(fitted - problem.values) / np.linalg.norm(problem.values))


def predicts(problem: Problem, fit: LeastSquaresFit) -> bool:
    """Whether a fit, improved again without a twentieth of the cells, is about right at these."""
    rank = fit.s.size
    spare = (problem.row_counts[problem.rows] > rank + 1) & (problem.col_counts[problem.cols] > rank + 1)
    held = spare & (check_generator().random(problem.n_observed) < 0.05)
    if not held.any():
        return False
    again = fit_least_squares(problem.subset(~held), fit.U, fit.s, fit.V, patience=4)
    return relative_misfit(problem.subset(held), again.U, again.s, again.V) < _PREDICTS
