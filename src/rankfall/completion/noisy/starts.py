"""Column factors that fits of a rank begin with: grown from smaller fits, truncated from larger ones."""

from __future__ import annotations

import numpy as np

from ...geometry import thin_svd
from ..seeds import subspace_generator
from ..solvers.least_squares import fit_least_squares
from ..solvers.noise_model import NoiseModel
from ..solvers.posterior import Posterior
from ..solvers.products import leading_svd
from .folds import Fold

# fraction of the variance that is noise when a fit is begun as if there were little
_LITTLE_NOISE = 0.01


def grown(fold: Fold, fit: Posterior, rank: int, seed: int) -> np.ndarray:
    """Column factors with the leading directions of the misfit added."""
    training = fold.training
    misfit = training.with_values(training.values - fit.at(training.rows, training.cols))
    V = fit.frames()[1]
    _, s, Vt = leading_svd(misfit, rank - V.shape[1], subspace_generator(seed))
    return np.hstack([V, Vt.T * np.sqrt(s)])


def truncated(fit: Posterior, rank: int) -> np.ndarray:
    """Column factors of the leading part of a fit."""
    _, s, Vt = thin_svd(*fit.frames())
    return Vt[:rank].T * np.sqrt(s[:rank])


def least_squares_start(fold: Fold, V: np.ndarray, noise_model: NoiseModel) -> Posterior:
    """A start from a least-squares fit, effects left as those of rank 0."""
    rest, unit = fold.effects_residual()
    U = fold.start_fit(V, _LITTLE_NOISE * fold.effects.noise, noise_model).frames()[0]
    u, s, vt = thin_svd(U / unit, V)
    fit = fit_least_squares(rest, u, s, vt.T)
    return fold.start_fit(fit.V * np.sqrt(fit.s * unit), (fit.residual * unit) ** 2, noise_model)
