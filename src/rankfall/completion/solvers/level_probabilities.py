"""Probabilities of the levels of grades and categories, given factors and thresholds."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

# nodes of Gauss and Legendre, and standard deviations to either side that they cover: errors are below 1e-7
_NODES, _REACH = 40, 7.0
_X, _W = np.polynomial.legendre.leggauss(_NODES)


def grade_probabilities(mean: np.ndarray, sd: float, thresholds: np.ndarray) -> np.ndarray:
    """Of a value ``N(mean, sd^2)`` to lie between the thresholds.

    Parameters
    ----------
    mean : ndarray, shape (k,)
    sd : float
    thresholds : ndarray, shape (n_levels - 1,)
        Ascending.

    Returns
    -------
    ndarray, shape (k, n_levels)
    """
    below = ndtr((thresholds - mean[:, None]) / sd)
    return np.diff(below, prepend=0.0, append=1.0, axis=1)


def category_probabilities(means: np.ndarray, sds: np.ndarray) -> np.ndarray:
    """Of each of several independent utilities ``N(means_k, sds_k^2)`` to be positive and the largest.

    ``P(k) = int_0^inf density_k(u) prod_{l != k} Phi((u - mean_l) / sd_l) du``, by Gauss-Legendre nodes;
    level 0, of utility 0, is where all others are negative.

    Parameters
    ----------
    means : ndarray, shape (k, n_levels - 1)
    sds : ndarray, shape (n_levels - 1,)

    Returns
    -------
    ndarray, shape (k, n_levels)
        Rows sum to 1.
    """
    out = np.empty((means.shape[0], means.shape[1] + 1))
    out[:, 0] = np.prod(ndtr(-means / sds), axis=1)
    for level, sd in enumerate(sds):
        mean = means[:, level : level + 1]
        low = np.maximum(mean - _REACH * sd, 0.0)
        half = np.maximum(mean + _REACH * sd - low, 0.0) / 2
        u = low + half * (1 + _X)
        density = np.exp(-0.5 * ((u - mean) / sd) ** 2) / (np.sqrt(2 * np.pi) * sd)
        for other in range(sds.size):
            if other != level:
                density = density * ndtr((u - means[:, other : other + 1]) / sds[other])
        out[:, level + 1] = half[:, 0] * (density @ _W)
    return out / out.sum(axis=1, keepdims=True)
