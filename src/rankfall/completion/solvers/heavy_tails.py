"""Noise with heavy tails: Student's t as a mixture of normal distributions.

A cell's noise variance is divided by its own weight, which is gamma distributed with shape and rate dof / 2.
Given the misfit e of a cell whose noise variance is s^2 at weight 1, the weight has shape (dof + 1) / 2 and
rate (dof + e^2 / s^2) / 2: its mean ``(dof + 1) / (dof + e^2 / s^2)`` is small where a value is far off.
Variational sweeps use this mean, with the expected square of e (:func:`.variational.expected_weights`); the
Gibbs sampler draws weights after every sweep.

References
----------
K. L. Lange, R. J. A. Little and J. M. G. Taylor, "Robust statistical modeling using the t distribution",
JASA 84 (1989). J. Geweke, "Bayesian treatment of the independent Student-t linear model", Journal of Applied
Econometrics 8 (1993).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .gibbs import Sampler
from .posterior import Posterior
from .products import products
from .variational import VariationalFit, noise_variances

# what no weight falls below: noise variances are divided by them
_LEAST_WEIGHT = 1e-12


class HeavyTailedSampler(Sampler):
    """A chain that draws the weight of every cell, too."""

    def __init__(self, fitter: VariationalFit, start: Posterior, seed: Sequence[int]) -> None:
        super().__init__(fitter, start, seed)
        self._plain = fitter
        self._draw_weights()

    def _draw_noise(self) -> None:
        super()._draw_noise()
        if self.finite:
            self._draw_weights()

    def _draw_weights(self) -> None:
        problem, dof = self._plain.problem, self.start.noise_model.dof
        misfit = products(problem.rows, problem.cols, self.rows, self.cols) - problem.values
        squares = misfit**2 / noise_variances(problem, self.noise, self.row_scale, self.col_scale)
        weights = self._rng.standard_gamma((dof + 1) / 2, problem.n_observed) / ((dof + squares) / 2)
        self.fitter = self._plain.reweighted(np.maximum(weights, _LEAST_WEIGHT))
        self._sides = self.fitter.sides


def sampler_of(fitter: VariationalFit, start: Posterior, seed: Sequence[int]) -> Sampler:
    """A chain under the noise model of its start."""
    return (HeavyTailedSampler if start.noise_model.is_heavy else Sampler)(fitter, start, seed)
