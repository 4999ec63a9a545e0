"""The Gibbs sampler where rows, or columns, follow each other.

Factors of such a side are drawn as one process (:mod:`.chain`), whose coefficients and stationary variances
stay those of the fit. A draw is made by the smoother that the fits use: with a process ``u*`` drawn from its
prior and entries ``x*`` made from it, noise included, ``u* + E[u | x - x*]`` has the conditional distribution
of u given x.

References
----------
J. Durbin and S. J. Koopman, "A simple and efficient simulation smoother for state space time series
analysis", Biometrika 89 (2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .augmentation import PartlyKnown
from .chain import Chain
from .gibbs import Sampler
from .heavy_tails import HeavyTailedSampler, sampler_of
from .posterior import Posterior, Side
from .products import products
from .smoothing import smoothed
from .variational import VariationalFit


class OrderedSampler(Sampler):
    """A chain of draws from the posterior of one rank, some sides of which have an order."""

    def _draw(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """A draw of the rows (side 0) or columns (1), twice: its mean is not known here."""
        template, beside = self.start.rows, self.start.cols
        own, other, own_scale, other_scale = self.rows, self.cols, self.row_scale, self.col_scale
        if side == 1:
            template, beside = beside, template
            own, other, own_scale, other_scale = other, own, other_scale, own_scale
        if template.chain is None:
            return super()._draw(side)
        indptr, indices, values, weights = self.fitter.sides[side]
        free, rows = template.free, np.repeat(np.arange(own.shape[0]), np.diff(indptr))
        walk = np.zeros_like(own)
        walk[:, free] = prior_walk(template.chain, template.prior, self._rng)
        spread = np.sqrt(self.noise * own_scale[rows] * other_scale[indices] / weights)
        made = products(rows, indices, walk, other) + spread * self._rng.standard_normal(rows.size)
        solved, _ = smoothed(
            (indptr, indices, values - made, weights),
            self.fitter.gaps[side],
            _known(beside, other, other_scale),
            _known(template, own, own_scale),
            replace(self.start, noise=self.noise),
            1,
        )
        draw = solved.mean
        draw[:, free] += walk[:, free]
        return draw, draw

    def _draw_noise(self) -> None:
        """Noise, and noise scales of a side without order; one with an order has none."""
        scales = self.row_scale, self.col_scale
        super()._draw_noise()
        if self.start.rows.chain is not None:
            self.row_scale = scales[0]
        if self.start.cols.chain is not None:
            self.col_scale = scales[1]


class _HeavyTailedOrderedSampler(HeavyTailedSampler, OrderedSampler):
    """Both."""


def any_sampler(
    fitter: VariationalFit, start: Posterior, seed: Sequence[int], partly_known: PartlyKnown | None = None
) -> Sampler:
    """A chain of draws under the noise model of its start, and along the orders that it knows.

    With partly known entries there are no orders.
    """
    if not start.has_order:
        return sampler_of(fitter, start, seed, partly_known)
    return (_HeavyTailedOrderedSampler if start.noise_model.is_heavy else OrderedSampler)(fitter, start, seed)


def prior_walk(chain: Chain, prior: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coordinates drawn from the process alone, shape (k, F); `prior` are inverse stationary variances."""
    decays = chain.decays()
    steps = rng.standard_normal(decays.shape) * np.sqrt((1 - decays**2) / prior)
    for t in range(1, decays.shape[0]):
        steps[t] += decays[t] * steps[t - 1]
    out = np.empty_like(steps)
    out[chain.order] = steps
    return out


def _known(template: Side, mean: np.ndarray, scale: np.ndarray) -> Side:
    """A side whose factors are known."""
    return replace(
        template,
        mean=mean,
        cov=np.zeros_like(template.cov),
        axis_noise=np.column_stack([scale, np.zeros_like(scale)]),
    )
