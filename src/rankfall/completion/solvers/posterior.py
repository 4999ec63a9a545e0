"""Fits with their uncertainty: what solvers return, and what a completed matrix is computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compute.threads import threads_for
from ...problem import Problem
from .chain import Chain
from .kernels import variational as kernels
from .noise_model import NoiseModel
from .products import products


@dataclass(frozen=True, eq=False)
class Side:
    """Factors of all rows, or of all columns.

    Attributes
    ----------
    mean : ndarray, shape (k, K)
        Posterior means; the column `fixed` holds known numbers.
    cov : ndarray, shape (k, F (F + 1) / 2)
        Packed covariances of the free coordinates.
    free : ndarray of int64, shape (F,)
    fixed : int
        The known coordinate, -1 if there is none.
    prior : ndarray, shape (F,)
        Precisions.
    center : ndarray, shape (F,)
        Means of the priors: 0 but for the factors of a mean of draws without effects of the other axis,
        where they say what a row or column without entries is like.
    axis_noise : ndarray, shape (k, 2)
        Noise scale of every row or column (around 1), and its expected misfit.
    chain : Chain or None
        Their order, where each follows the one before it; then `prior` holds inverse stationary variances.
    """

    mean: np.ndarray
    cov: np.ndarray
    free: np.ndarray
    fixed: int
    prior: np.ndarray
    center: np.ndarray
    axis_noise: np.ndarray
    chain: Chain | None = None

    @property
    def has_known(self) -> bool:
        """Whether one coordinate is known."""
        return self.fixed >= 0

    @property
    def noise_scale(self) -> np.ndarray:
        """Noise scale of every row or column, shape (k,)."""
        return self.axis_noise[:, 0]

    def second(self) -> np.ndarray:
        """Packed second moments of all K coordinates."""
        with threads_for(self.mean.size * self.mean.shape[1]):
            return kernels.second_moments(self.mean, self.cov, self.free)


@dataclass(frozen=True, eq=False)
class Posterior:
    """Factors of rows and columns; coordinates are the `rank` factors, then the effects that there are.

    Attributes
    ----------
    noise : float
        Noise variance of a cell of weight 1 where both noise scales are 1.
    noise_model : NoiseModel
    converged : bool
        Whether the noise had stopped changing; true of the mean of a chain.
    sweeps : int
        Sweeps that led here from the start.
    drift : float
        Relative change of the noise in the last of them; of a mean, of the held-out error while the chain
        last ran.
    draws : int
        Of how many it is the mean; 0 of a variational fit.
    """

    rank: int
    rows: Side
    cols: Side
    noise: float
    noise_model: NoiseModel
    converged: bool = False
    sweeps: int = 0
    drift: float = 0.0
    draws: int = 0

    @property
    def has_order(self) -> bool:
        """Whether rows, or columns, follow each other."""
        return self.rows.chain is not None or self.cols.chain is not None

    def at(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Fitted values at some cells."""
        return products(rows, cols, self.rows.mean, self.cols.mean)

    def variance(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Variance of the fitted values that the uncertainty of the factors makes."""
        left, right = self.rows, self.cols
        with threads_for(rows.size * left.mean.shape[1] ** 2):
            return kernels.cell_variances(rows, cols, left.mean, left.second(), right.mean, right.second())

    def entry_variance(self, problem: Problem) -> np.ndarray:
        """That variance at all entries of a problem."""
        left, right, cells = self.rows, self.cols, (problem.rows, problem.cols)
        with threads_for(problem.n_observed * left.mean.shape[1] ** 2):
            return kernels.entry_variances(*cells, left.mean, left.second(), right.mean, right.second())

    @property
    def ridge(self) -> float:
        """Geometric mean of the factors' ridges, ``noise sqrt(prior_row prior_col)``; NaN at rank 0."""
        if not self.rank:
            return float("nan")
        priors = self.rows.prior[: self.rank] * self.cols.prior[: self.rank]
        return float(self.noise * np.exp(0.5 * np.mean(np.log(priors))))

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column factors without effects, (m, rank) and (n, rank)."""
        return self.rows.mean[:, : self.rank], self.cols.mean[:, : self.rank]


Compressed = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def compressed(problem: Problem) -> Compressed:
    """Compressed sparse rows with weights: where each begins, columns, values, weights."""
    weights = np.ones(problem.n_observed) if problem.weights is None else problem.weights
    return (*problem.compressed_rows(), weights)


def known_side(mean: np.ndarray) -> Side:
    """Factors without uncertainty and without priors: those of an exact fit."""
    size, rank = mean.shape
    return Side(
        mean, np.zeros((size, 0)), np.arange(rank), -1, np.zeros(rank), np.zeros(rank), np.ones((size, 2))
    )
