"""Fits of one rank as averages over the posterior: a Gibbs sampler, and its draws made one delivered fit.

The model is that of :mod:`.variational` with fuller priors: the free coordinates of the rows are ``N(center,
precision^-1)`` with a normal-Wishart prior on center and precision, those of the columns likewise; a cell's
noise variance is ``noise row_scale_i col_scale_j / weight_ij``. Everything is drawn in turn from its
conditional distribution. The mean of all draws predicts better than any single fit, and does not grow worse
when the rank is larger than it need be.

References
----------
R. Salakhutdinov and A. Mnih, "Bayesian probabilistic matrix factorization using Markov chain Monte Carlo",
ICML 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ...compute.threads import threads_for
from ...geometry import thin_svd
from ...problem import Problem
from .augmentation import PartlyKnown
from .errors import living_rank
from .factor_prior import draw_prior
from .gaps import Gaps, may_subtract
from .kernels import gibbs as kernels
from .posterior import Posterior, Side
from .products import products, shortened
from .variational import VariationalFit

# misfit that is added so that data without noise do not divide by zero
_LEAST_MISFIT = 1e-12
# variance of a delivered coordinate, relative to the square of its mean, below which the prior of folded rows
# never falls
_LEAST_VARIANCE = 1e-9
# range of noise scales. Rows that are copies of each other fit without any error: the noise scales of the
# others would grow without bound while the noise variance vanishes
_NOISE_SCALES = 1e-4, 1e4
# columns of factors, as multiples of the rank, after which a sum of products is compressed, and to how many
_BUFFER, _KEPT = 6, 2


class Sampler:
    """A chain of draws from the posterior of one rank.

    Parameters
    ----------
    fitter : VariationalFit
        The problem and its effects.
    start : Posterior
        Where the chain begins.
    seed : sequence of int
        The draws depend on it and on the start only, not on the number of threads.
    partly_known : PartlyKnown, optional
        Entries whose values are drawn, too, at the beginning of every sweep. Columns without a unit keep
        their noise variance, and rows then have no noise scales.
    """

    def __init__(
        self,
        fitter: VariationalFit,
        start: Posterior,
        seed: Sequence[int],
        partly_known: PartlyKnown | None = None,
    ) -> None:
        self.fitter, self.start, self.partly_known = fitter, start, partly_known
        self._values: tuple[np.ndarray, np.ndarray] | None = None  # of both sides, where they are drawn
        self.rows, self.cols = start.rows.mean.copy(), start.cols.mean.copy()
        self.row_scale, self.col_scale = start.rows.noise_scale.copy(), start.cols.noise_scale.copy()
        if start.noise_model.is_equal:  # the start may have been fitted under another noise model
            self.row_scale, self.col_scale = np.ones_like(self.row_scale), np.ones_like(self.col_scale)
        self.noise, self.sweeps = start.noise, 0
        self._rng = np.random.default_rng(list(seed))
        if partly_known is not None and partly_known.has_latent:
            self.row_scale = np.ones_like(self.row_scale)
        self._fix_latent_noise()

    def sweep(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """New values of partly known entries, columns, rows and noise.

        Returns
        -------
        two pairs of row and column factors
            Of each, one side is drawn and the other its conditional mean; their products have the
            expectation of a draw's, and less variance.
        """
        old = self.rows
        if self.partly_known is not None:
            self._draw_values(self.partly_known)
        self.cols, col_mean = self._draw(1)
        self.rows, row_mean = self._draw(0)
        self._draw_noise()
        self.sweeps += 1
        return (old, col_mean), (row_mean, self.cols)

    def fork(self) -> Self:
        """The chain as it stands: either goes on by itself, with the same random numbers."""
        other = copy(self)  # a sweep replaces arrays and changes none, but for partly known entries
        other._rng = deepcopy(self._rng)
        if self.partly_known is not None:
            other.partly_known = self.partly_known.fork()
        return other

    @property
    def finite(self) -> bool:
        """Whether the draws are numbers still: with next to no noise, precisions may be lost to rounding."""
        return bool(np.isfinite(self.noise))

    def _draw(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """A draw of the rows (side 0) or columns (1), and its mean."""
        own, other = (self.rows, self.cols) if side == 0 else (self.cols, self.rows)
        own_scale, other_scale = self.row_scale, self.col_scale
        template = self.start.rows
        if side == 1:
            own_scale, other_scale = other_scale, own_scale
            template = self.start.cols
        center, precision = draw_prior(own[:, template.free], self._rng)
        indptr, indices, values, weights = self._side(side)
        mean, draw = own.copy(), own.copy()
        F, noise = template.free.size, self.noise * own_scale
        gaps = self.fitter.gaps[side]
        if F and not self._may_subtract(other[:, template.free], 1 / other_scale, noise, precision):
            gaps = Gaps.none(own.shape[0])
        with threads_for(indices.size * F + gaps.summed * F**2 + own.shape[0] * F**3 / 3):
            kernels.draw_rows(
                indptr,
                indices,
                values,
                weights,
                gaps.by_gaps,
                gaps.indptr,
                gaps.indices,
                other,
                1 / other_scale,
                template.free,
                template.fixed,
                noise,
                center,
                precision,
                self._rng.standard_normal((own.shape[0], template.free.size)),
                mean,
                draw,
            )
        return draw, mean

    @staticmethod
    def _may_subtract(
        other: np.ndarray, weights: np.ndarray, noise: np.ndarray, precision: np.ndarray
    ) -> bool:
        """Whether what rounding leaves of a difference of sums is nothing beside the prior's precision."""
        largest = np.max(np.einsum("jk,jk,j->k", other, other, weights))
        return may_subtract(float(largest / noise.min()), float(precision.diagonal().min()))

    def _draw_values(self, partly_known: PartlyKnown) -> None:
        """New values of the partly known entries."""
        partly_known.draw(self.rows, self.cols, self.noise, self.row_scale, self.col_scale, self._rng)
        self._values = partly_known.sides

    def _side(self, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The cells by rows (side 0) or columns, with the values that were drawn last and the weights of the
        present fitter, which a chain with heavy tails replaces in every sweep.
        """
        indptr, indices, values, weights = self.fitter.sides[side]
        return indptr, indices, values if self._values is None else self._values[side], weights

    def _draw_noise(self) -> None:
        by_rows = self._squares(0)
        total = float(np.sum(by_rows / self.row_scale)) + _LEAST_MISFIT
        known = self.partly_known
        has_latent = known is not None and known.has_latent
        n_cells = self.fitter.problem.n_observed if known is None else known.n_with_unit
        if n_cells:
            self.noise = float(0.5 * total / self._rng.gamma(0.5 * n_cells))
        if not self.start.noise_model.is_equal:
            if not has_latent:
                self.row_scale = self._draw_scale(by_rows, self.fitter.problem.row_counts)
            self.col_scale = self._draw_scale(self._squares(1), self.fitter.problem.col_counts)
        self._fix_latent_noise()

    def _fix_latent_noise(self) -> None:
        """Columns without a unit keep their noise variance, whatever the others' is."""
        known = self.partly_known
        if known is not None and known.has_latent:
            self.col_scale = np.where(known.latent, known.latent_noise / self.noise, self.col_scale)

    def _squares(self, side: int) -> np.ndarray:
        """Sums of squared misfits of every row (side 0) or column, over the other side's noise scales.

        Columns without a unit do not count in those of rows.
        """
        own, other, other_weights = self.rows, self.cols, 1 / self.col_scale
        if side == 1:
            own, other, other_weights = other, own, 1 / self.row_scale
        elif self.partly_known is not None:
            other_weights = np.where(self.partly_known.latent, 0.0, other_weights)
        with threads_for(self.fitter.problem.n_observed * own.shape[1]):
            return kernels.row_squares(*self._side(side), own, other, other_weights)

    def _draw_scale(self, squares: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Noise scales of a side: inverse gamma with `prior_cells` prior cells of scale 1, in a range."""
        prior = self.start.noise_model.prior_cells
        sums = squares / self.noise
        return np.clip(0.5 * (prior + sums) / self._rng.gamma(0.5 * (prior + counts)), *_NOISE_SCALES)


@dataclass
class Average:
    """The running mean of a chain's matrices, and of its noise.

    The low-rank parts are summed as factors and compressed from time to time, so that no full matrix is
    formed; the sum is kept to twice the rank meanwhile. Predictions at `cells` are summed beside.
    """

    rank: int
    cells: Problem
    count: int = 0

    def __post_init__(self) -> None:
        self._left: list[np.ndarray] = []
        self._right: list[np.ndarray] = []
        self._effects: list[np.ndarray] = [np.zeros(1), np.zeros(1)]
        self._logs: list[np.ndarray] = [np.zeros(1)] * 3
        self._at_cells = np.zeros(self.cells.n_observed)

    def add(self, pairs: Sequence[tuple[np.ndarray, np.ndarray]], sampler: Sampler) -> None:
        """Take the two estimates of a sweep in."""
        for rows, cols in pairs:
            self._left.append(rows[:, : self.rank])
            self._right.append(cols[:, : self.rank])
            self._effects = [
                total + side[:, self.rank :] for total, side in zip(self._effects, (rows, cols), strict=True)
            ]
            self._at_cells += products(self.cells.rows, self.cells.cols, rows, cols)
            self.count += 1
        parts = (sampler.noise, sampler.row_scale, sampler.col_scale)
        self._logs = [total + np.log(part) for total, part in zip(self._logs, parts, strict=True)]
        if len(self._left) > _BUFFER:
            left, right = shortened(np.hstack(self._left), np.hstack(self._right), _KEPT * self.rank)
            self._left, self._right = [left], [right]

    def _compressed(self, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        U, s, Vt = thin_svd(np.hstack(self._left), np.hstack(self._right))
        return U[:, :rank], s[:rank], Vt[:rank]

    @property
    def at_cells(self) -> np.ndarray:
        """The mean at the given cells."""
        return self._at_cells / self.count

    def living(self, fraction: float) -> int:
        """The smallest rank to which the mean can be cut without loss at the given cells
        (:func:`~rankfall.completion.solvers.errors.living_rank`).
        """
        left, s, Vt = self._compressed(self.rank)
        return living_rank(self.cells, left * (s / self.count), Vt.T, self.at_cells, fraction)

    def deliver(
        self, fitter: VariationalFit, start: Posterior, sweeps: int, rank: int, drift: float = 0.0
    ) -> Posterior:
        """The mean, cut to a rank, as one posterior whose rows are folded in."""
        fit = self.cut(start, sweeps, rank, drift)
        return fitter.fold_rows(fitter.with_column_covariances(fit))

    def cut(self, start: Posterior, sweeps: int, rank: int, drift: float = 0.0) -> Posterior:
        """The mean, cut to a rank, without covariances.

        `drift` is the relative change of the held-out error while the chain last ran.

        The mean low-rank part is factored as ``U V^T`` with ``|u_k| = |v_k|``. The columns keep these means
        and get the covariances of a variational step; priors are the inverse mean squares of the coordinates.
        Where the other axis has no effects, the factors carry its levels: then priors have the coordinates'
        means and variances, so that a row with few entries is drawn towards the average row and not
        towards zero, and the coordinates are those in which the rows are uncorrelated.
        """
        U, s, Vt = self._compressed(rank)
        root = np.sqrt(s / self.count)
        left, right = U * root, Vt.T * root
        if not start.rows.has_known and rank:
            left, right = _uncorrelated(left, right)
        noise, row_scale, col_scale = (np.exp(2 * total / self.count) for total in self._logs)
        return replace(
            start,
            rank=rank,
            rows=self._side(start.rows, left, self._effects[0], row_scale),
            cols=self._side(start.cols, right, self._effects[1], col_scale),
            noise=float(noise[0]),
            sweeps=sweeps,
            converged=True,
            drift=drift,
            draws=self.count,
        )

    def _side(self, template: Side, factors: np.ndarray, effects: np.ndarray, scale: np.ndarray) -> Side:
        """A side of the delivered fit; effects move up where factors were cut off."""
        dropped = self.rank - factors.shape[1]
        free = np.append(np.arange(factors.shape[1]), template.free[template.free >= self.rank] - dropped)
        mean = np.ascontiguousarray(np.hstack([factors, effects / self.count]))
        center = np.zeros(free.size)
        if not template.has_known:
            center[: factors.shape[1]] = np.mean(factors, axis=0)
        squares = np.mean((mean[:, free] - center) ** 2, axis=0)
        squares = np.maximum(squares, _LEAST_VARIANCE * center**2)
        return Side(
            mean=mean,
            cov=np.zeros((mean.shape[0], free.size * (free.size + 1) // 2)),
            free=free,
            fixed=template.fixed - dropped if template.has_known else template.fixed,
            prior=1 / np.maximum(squares, 1e-300),
            center=center,
            axis_noise=np.column_stack([scale, np.zeros_like(scale)]),
        )


def _uncorrelated(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same product in coordinates in which the rows of `left` are uncorrelated, with ``|left_k| =
    |right_k|``.
    """
    Q, R = np.linalg.qr(right)
    left = left @ R.T
    turn = np.linalg.svd(left - left.mean(axis=0), full_matrices=False)[2].T
    left, right = left @ turn, Q @ turn
    root = np.sqrt(np.maximum(np.linalg.norm(left, axis=0), 1e-300))
    return left / root, right * root
