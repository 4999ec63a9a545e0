"""Whether what a fit of small rank leaves over behaves like noise: then no exact fit need be looked for.

If the data are exactly of rank R, a least-squares fit of rank r < R leaves a matrix of rank about R - r, and
its leading direction lowers the misfit by more than that of noise of the same size at the same cells would.
Such noise is made by random signs: the misfit of every cell keeps its size and place, and any structure is
gone. The test goes upwards from rank 0 and says "noise" when the gain from one more direction has been no
larger than that of random signs for a few ranks in succession. Close to the information limit the gains of
exact data are hardly larger, so that single ranks are no evidence. Noise whose size differs much between rows
or columns is often not recognised: then the search goes on, which costs time but no result.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...problem import Problem
from ..clock import Clock
from ..seeds import sign_generator
from ..solvers.least_squares import LeastSquaresFit, fit_least_squares
from ..solvers.products import products
from .precision import Precision
from .pursuit import with_leading_direction

# limits of a least-squares fit of which the order of magnitude matters, not the digits
QUICK_FIT = {"max_iter": 16, "patience": 5, "max_inner": 100}
# random signs per rank: a few where the gain is much larger than all of theirs, then more
_FEW, _MANY = 3, 8
# a gain that is larger than those of a few random signs by this factor needs no more of them
_CLEAR = 1.5
# a gain that is larger than those of the last random signs by this factor needs none of its own: their gains
# grow by at most a third from one rank to the next. Half of all time went to such ranks, and noise beside a
# rank of six or more was never reached. It is then worth so many standard deviations (measured ones are more)
_OBVIOUS, _OBVIOUS_GAIN = 2.0, 20.0
# sums of the last two to six standardised gains at or below which these are those of noise. Of 45 exact
# problems of nine kinds with rho from 1.05 to 1.2 the smallest sums of two to five were -0.6, 0.9, 2.2 and 5;
# noise adds about -0.7 a rank, since the fit has already taken the directions that suit it best
_NOISE_SUMS = {2: -1.5, 3: 0.5, 4: 1.5, 5: 3.0, 6: 4.0}
# a misfit that falls below this fraction of the one before may be that of exact data: it is fitted to the end
_CLIFF = 0.1
# fraction of a cell's noise that a fit leaves, at least
_LEAST_LEFT = 0.1
# misfit, in multiples of that of an exact fit, below which it may be the rounding of exact data
_ROUNDING = 1e3
# rows that are tested of a tall table, at least, and in multiples of its columns; with more cells than these,
# no more than there are columns
_LEAST_ROWS, _TALL, _MANY_CELLS = 200, 12, 40_000
# standardised gains above this at so many ranks in a row that needed all their random signs: noise differs
# between rows or columns, or there are copies, and no further rank will tell
_STRUCTURED, _IN_A_ROW = 2.5, 2
# ranks that are tested at most, and oversampling below which fits take long and gains say little
_MOST_RANKS, _LEAST_OVERSAMPLING = 14, 1.25
# multiplications that a test may cost; those of a fit, which has so many iterations, and what its overhead
# amounts to
_WORK, _ITERATIONS, _OVERHEAD = 2.5e9, 16.0, 5e6


class Judgement(NamedTuple):
    """What the test found.

    Attributes
    ----------
    is_noise : bool
        Whether the misfit of some rank behaves like noise.
    exact : LeastSquaresFit or None
        A fit that reproduces the cells: adding one direction after the other may find it.
    """

    is_noise: bool = False
    exact: LeastSquaresFit | None = None


def judge_misfits(problem: Problem, top: int, precision: Precision, clock: Clock) -> Judgement:
    """Fit rank by rank, and see whether the misfit of some rank below `top` behaves like noise.

    Parameters
    ----------
    problem : Problem
        Values with root mean square 1.
    top : int
        The largest rank that an exact fit may have.
    """
    whole = problem
    problem = _well_observed(problem)
    signs = sign_generator()
    gains: list[float] = []
    others: list[float] = []
    structured = 0
    fit: LeastSquaresFit | None = None
    left = _WORK
    for rank in range(min(top, _MOST_RANKS)):
        if problem.oversampling(rank + 1) <= _LEAST_OVERSAMPLING or left < 0:
            return Judgement()
        larger = fit_least_squares(problem, *with_leading_direction(problem, fit), **QUICK_FIT)
        if larger.residual < _CLIFF * (1.0 if fit is None else fit.residual):
            larger = fit_least_squares(problem, larger.U, larger.s, larger.V)
        if larger.residual < _ROUNDING * precision.tolerance:
            is_exact = larger.residual < precision.tolerance and problem is whole
            return Judgement(exact=larger if is_exact else None)
        gain = _log_gain(fit, larger)
        cost = _ITERATIONS * problem.n_observed * (rank + 1.0) ** 2 + _OVERHEAD
        if others and gain > _OBVIOUS * max(others):
            left -= cost
            gains.append(_OBVIOUS_GAIN)
            fit = larger
            continue
        others = []
        while len(others) < _MANY:
            clock.check()
            others.append(_gain_of_signs(problem, fit, signs))
            if len(others) == _FEW and gain > _CLEAR * max(others):
                break
        left -= (1 + 2 * len(others)) * cost
        gains.append((gain - float(np.mean(others))) / max(float(np.std(others, ddof=1)), 1e-12))
        if any(sum(gains[-count:]) <= most for count, most in _NOISE_SUMS.items() if count <= len(gains)):
            return Judgement(is_noise=True)
        structured = structured + 1 if len(others) == _MANY and gains[-1] > _STRUCTURED else 0
        if structured == _IN_A_ROW:
            return Judgement()
        fit = larger
    return Judgement()


def _log_gain(fit: LeastSquaresFit | None, larger: LeastSquaresFit) -> float:
    """Logarithm of the ratio of two misfits; that of rank 0 is 1."""
    return float(np.log((1.0 if fit is None else fit.residual) / larger.residual))


def _gain_of_signs(problem: Problem, fit: LeastSquaresFit | None, signs: np.random.Generator) -> float:
    """The gain from one more direction where the misfit has random signs."""
    flips = signs.choice((-1.0, 1.0), problem.n_observed)
    if fit is None:
        other = problem.with_values(problem.values * flips)
        same = None
    else:
        fitted = products(problem.rows, problem.cols, fit.U * fit.s, fit.V)
        flips *= _before_fit(problem, fit.s.size)
        other = problem.with_values(fitted + flips * (problem.values - fitted))
        same = fit_least_squares(other, fit.U, fit.s, fit.V, **QUICK_FIT)
    return _log_gain(same, fit_least_squares(other, *with_leading_direction(other, same), **QUICK_FIT))


def _before_fit(problem: Problem, rank: int) -> np.ndarray:
    """Factor by which the noise of every cell was larger before a fit of some rank.

    The factors of a row with k entries take the fraction rank / k of the variance of its noise, those of a
    column likewise.
    """
    leverage = rank / problem.row_counts[problem.rows] + rank / problem.col_counts[problem.cols]
    return 1 / np.sqrt(np.maximum(1 - leverage, _LEAST_LEFT))


def _well_observed(problem: Problem) -> Problem:
    """The rows (columns) with most entries of a tall (wide) table: what is exact is exact there, too."""
    if problem.n_cols > problem.n_rows:
        tall = problem.T
        part = _well_observed(tall)
        return problem if part is tall else part
    enough = _MANY_CELLS * problem.n_rows // problem.n_observed
    most = max(_LEAST_ROWS, min(_TALL * problem.n_cols, max(problem.n_cols, enough)))
    if problem.n_rows <= most:
        return problem
    chosen = np.sort(np.argsort(-problem.row_counts, kind="stable")[:most])
    return problem.of(chosen, np.arange(problem.n_cols))
