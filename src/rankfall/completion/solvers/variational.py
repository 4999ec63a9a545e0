"""Variational fits on the fixed-rank set: factors with their uncertainty, and a ridge for each of them.

They begin the chains of :mod:`.gibbs`, and fold rows into what these deliver.

The model is ``x_ij = u_i . v_j + b_i e_j + c_j + noise`` with Gaussian priors ``u_ik ~ N(center_k, 1 /
prior_k)`` on every free coordinate. The posterior is approximated by independent Gaussians, one for every row
and one for every column, in turn; the ridges (priors) and the noise are those of largest evidence. Against
alternating ridge regressions the difference is the covariance of the other axis in every normal matrix: a
row or column with few entries counts for what it is worth, and a direction without support shrinks to
nothing.

References
----------
Y. J. Lim and Y. W. Teh, "Variational Bayesian approach to movie rating prediction", KDD Cup 2007.
T. Raiko, A. Ilin and J. Karhunen, "Principal component analysis for large scale problems with lots of missing
values", ECML 2007.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cached_property

import numpy as np

from ...compute.threads import threads_for
from ...problem import Problem
from .gaps import Gaps, gaps
from .kernels import variational as kernels
from .noise_model import NoiseModel
from .posterior import Compressed, Posterior, Side, compressed
from .smoothing import smoothed, with_likeliest_chain

# relative variance that the noise never falls below: the expected misfit is a difference of large numbers
_LEAST_NOISE = 1e-12
# rounds between the factors of a row and its noise scale when it is folded in
_FOLD_ROUNDS = 3
# and between the factors of a row and the weights of its cells, where tails are heavy
_HEAVY_ROUNDS = 8


class VariationalFit:
    """Variational fits of one problem.

    Parameters
    ----------
    problem : Problem
        Values with root mean square about 1.
    row_effects, col_effects : bool
    units : ndarray, shape (n,)
        ``e_j``, what a row's effect is multiplied by in column j.
    """

    def __init__(self, problem: Problem, row_effects: bool, col_effects: bool, units: np.ndarray) -> None:
        self.problem = problem
        self.row_effects, self.col_effects, self.units = row_effects, col_effects, units
        self.sides = tuple(compressed(side) for side in (problem, problem.T))

    @cached_property
    def gaps(self) -> tuple[Gaps, Gaps]:
        """Missing cells of the rows, and of the columns, that have few."""
        return gaps(self.problem), gaps(self.problem.T)

    def reweighted(self, weights: np.ndarray) -> VariationalFit:
        """Fits of the same entries, each weight multiplied by one of its own."""
        other = copy(self)
        problem = self.problem
        other.problem = replace(
            problem, weights=weights if problem.weights is None else weights * problem.weights
        )
        by_row, by_col = ((*side[:3], side[3] * own) for side, own in zip(
            self.sides, (weights, weights[self._transposed]), strict=True))  # fmt: skip
        other.sides = (by_row, by_col)
        other.__dict__["gaps"] = (Gaps.none(problem.n_rows), Gaps.none(problem.n_cols))
        return other

    @cached_property
    def _transposed(self) -> np.ndarray:
        """Entries of the problem in the order of the transposed one."""
        return np.lexsort((self.problem.rows, self.problem.cols))

    def _weighing(self, posterior: Posterior) -> VariationalFit:
        """Fits with the weights that heavy tails give to the entries at present."""
        if not posterior.noise_model.is_heavy:
            return self
        return self.reweighted(expected_weights(posterior, self.problem))

    def start(
        self, V: np.ndarray, noise: float, noise_model: NoiseModel, effects: Posterior | None = None
    ) -> Posterior:
        """Column factors taken as known, column effects those of a fit of rank 0; rows folded in."""
        rank = V.shape[1]
        m, n = self.problem.shape
        at, K = rank, rank + self.row_effects + self.col_effects
        rows, cols = _blank(m, K, rank), _blank(n, K, rank)
        cols.mean[:, :rank] = V
        if self.row_effects:
            cols.mean[:, at] = self.units
            rows, cols = replace(rows, free=np.append(rows.free, at)), replace(cols, fixed=at)
            at += 1
        if self.col_effects:
            rows.mean[:, at] = 1.0
            rows, cols = replace(rows, fixed=at), replace(cols, free=np.append(cols.free, at))
            if effects is not None:
                cols.mean[:, at] = effects.cols.mean[:, effects.rows.fixed]
        rows, cols = _sized(rows), _sized(cols)
        first = Posterior(rank, rows, cols, max(noise, _LEAST_NOISE), noise_model)
        if noise_model.is_heavy:  # values have root mean square about 1: beyond that they are less likely
            squares = self.problem.values**2 / (1 + first.noise)
            return self.reweighted((noise_model.dof + 1) / (noise_model.dof + squares))._turn(first, 0)
        return self._turn(first, 0)

    def adopt(self, posterior: Posterior) -> Posterior:
        """A fit to other cells of the same matrix carried over to this problem: rows folded in."""
        cols = posterior.cols
        if cols.has_known:
            mean = cols.mean.copy()
            mean[:, cols.fixed] = self.units
            cols = replace(cols, mean=mean)
        return self.fold_rows(replace(posterior, cols=cols, converged=False, sweeps=0))

    def improve(self, posterior: Posterior, sweeps: int, tol: float = 1e-3) -> Posterior:
        """Columns and rows in turn until the noise changes by less than `tol` a sweep."""
        for _ in range(sweeps):
            before = posterior.noise
            posterior = self._weighing(posterior)._turn(posterior, 1)
            posterior = self._weighing(posterior)._turn(posterior, 0)
            posterior = replace(posterior, sweeps=posterior.sweeps + 1)
            posterior = replace(posterior, drift=abs(posterior.noise - before) / before)
            if posterior.sweeps > 3 and posterior.drift <= tol:
                posterior = replace(posterior, converged=True)
                break
        return posterior

    def fold_rows(self, posterior: Posterior) -> Posterior:
        """Rows from the columns alone, each by itself: what delivered and new rows are."""
        return replace(posterior, rows=folded(self.sides[0], posterior.cols, posterior.rows, posterior))

    def with_column_covariances(self, posterior: Posterior) -> Posterior:
        """The columns' covariances given the rows; their means and noise scales stay."""
        cols = posterior.cols
        solved = _solve(self._weighing(posterior).sides[1], posterior.rows, cols, posterior, 1)
        return replace(posterior, cols=replace(cols, cov=solved.cov))

    def _turn(self, posterior: Posterior, side: int) -> Posterior:
        """New factors of rows (side 0) or columns (1), then their priors and the noise."""
        own, other = (posterior.rows, posterior.cols) if side == 0 else (posterior.cols, posterior.rows)
        own = replace(own, center=np.zeros(own.free.size))
        if posterior.has_order:
            own, cross = smoothed(self.sides[side], self.gaps[side], other, own, posterior, 1)
        else:
            own, cross = _solve(self.sides[side], other, own, posterior, 1), np.empty(0)
        if own.chain is None:
            own = replace(own, prior=_prior(own))
        else:
            own = with_likeliest_chain(own, cross)
        misfit = float(np.sum(own.axis_noise[:, 1] / own.noise_scale))
        noise = max(misfit / self.problem.n_observed, _LEAST_NOISE)
        return replace(posterior, **{"cols" if side else "rows": own}, noise=noise)


def _blank(size: int, K: int, rank: int) -> Side:
    return Side(
        np.zeros((size, K)),
        np.zeros((size, 0)),
        np.arange(rank),
        -1,
        np.ones(rank),
        np.zeros(rank),
        np.ones((size, 2)),
    )


def _sized(side: Side) -> Side:
    F = side.free.size
    return replace(
        side, cov=np.zeros((side.mean.shape[0], F * (F + 1) // 2)), prior=np.ones(F), center=np.zeros(F)
    )


def _solve(cells: Compressed, other: Side, own: Side, posterior: Posterior, rounds: int) -> Side:
    if own.chain is not None:
        return smoothed(cells, None, other, own, posterior, 1)[0]
    indptr, indices, values, weights = cells
    weights = weights if posterior.noise_model.is_equal else weights / other.noise_scale[indices]
    mean, cov, axis_noise = own.mean.copy(), np.empty_like(own.cov), own.axis_noise.copy()
    F = own.free.size
    with threads_for(indices.size * F**2 + mean.shape[0] * F**3):
        kernels.update_rows(
            indptr,
            indices,
            values,
            weights,
            other.mean,
            other.second(),
            own.free,
            own.fixed,
            own.prior,
            own.prior * own.center,
            posterior.noise,
            posterior.noise_model.prior_cells,
            rounds,
            mean,
            cov,
            axis_noise,
        )
    return replace(own, mean=mean, cov=cov, axis_noise=axis_noise)


def folded(cells: Compressed, other: Side, own: Side, posterior: Posterior) -> Side:
    """Rows folded in: from the other axis alone, whatever `own` was but for its prior."""
    blank = replace(own, axis_noise=np.ones_like(own.axis_noise))
    rounds = 1 if posterior.noise_model.is_equal else _FOLD_ROUNDS
    if not posterior.noise_model.is_heavy:
        return _solve(cells, other, blank, posterior, rounds)
    # from what the prior makes of the cells: fitted with equal weights, a row may follow its gross errors
    out = _at_prior(blank)
    indptr, indices, values, weights = cells
    k = indptr.size - 1
    rows = np.repeat(np.arange(k), np.diff(indptr))
    problem = Problem(rows, indices, values, (k, other.mean.shape[0]), weights)
    for _ in range(_HEAVY_ROUNDS):
        own_weights = expected_weights(replace(posterior, rows=out, cols=other), problem)
        out = _solve((indptr, indices, values, weights * own_weights), other, blank, posterior, rounds)
    return out


def _at_prior(side: Side) -> Side:
    """Rows of which nothing is known but the prior."""
    mean, cov = side.mean.copy(), np.zeros_like(side.cov)
    mean[:, side.free] = side.center
    cov[:, _diagonal(side.free.size)] = 1 / np.maximum(side.prior, 1e-300)
    return replace(side, mean=mean, cov=cov)


def expected_weights(fit: Posterior, problem: Problem) -> np.ndarray:
    """Expected weights of all entries under the posterior of their factors, where tails are heavy
    (:mod:`.heavy_tails`).
    """
    misfit = fit.at(problem.rows, problem.cols) - problem.values
    variances = noise_variances(problem, fit.noise, fit.rows.noise_scale, fit.cols.noise_scale)
    squares = (misfit**2 + fit.entry_variance(problem)) / variances
    dof = fit.noise_model.dof
    return (dof + 1) / (dof + squares)


def noise_variances(
    problem: Problem, noise: float, row_scale: np.ndarray, col_scale: np.ndarray
) -> np.ndarray:
    """Noise variances of entries, of weight 1 in the mixture where tails are heavy."""
    variances = noise * row_scale[problem.rows] * col_scale[problem.cols]
    return variances if problem.weights is None else variances / problem.weights


def _diagonal(size: int) -> np.ndarray:
    """Places of the diagonal in a packed matrix."""
    return np.arange(size) * (np.arange(size) + 3) // 2


def _prior(side: Side) -> np.ndarray:
    """Precisions of largest evidence: the inverse mean squares of the coordinates."""
    squares = side.mean[:, side.free] ** 2 + side.cov[:, _diagonal(side.free.size)]
    return 1 / np.maximum(squares.mean(axis=0), 1e-300)
