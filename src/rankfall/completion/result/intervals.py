"""Half widths of prediction intervals, by split-conformal prediction.

References
----------
J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani and L. Wasserman, "Distribution-free predictive inference for
regression", JASA 113 (2018), sections 2.2 and 5.2.
"""

from __future__ import annotations

from math import ceil
from numbers import Real

import numpy as np

from ...errors import InputError
from ...geometry import LocalUniqueness
from .fitted_model import FittedModel


def checked_coverage(coverage: object) -> float:
    """A coverage that intervals can have."""
    value = float(coverage) if isinstance(coverage, Real) else 0.0
    if not 0 < value < 1:
        raise InputError(f"coverage must lie between 0 and 1, not {coverage!r}.")
    return value


def conformal_quantile(scores: np.ndarray, coverage: float) -> float:
    """The ``ceil((n + 1) coverage)``-th smallest of n ascending scores; infinite if there are too few."""
    # rounded first: (n + 1) * 0.9 may come out just above a whole number
    place = ceil(round((scores.size + 1) * coverage, 9))
    return float(scores[place - 1]) if place <= scores.size else float("inf")


def noisy_half_widths(
    model: FittedModel, col_counts: np.ndarray, rows: np.ndarray, cols: np.ndarray, coverage: float
) -> np.ndarray:
    """Half widths at some cells of a model with noise; `col_counts` are the observed cells of each column."""
    quantile = conformal_quantile(model.calibration, coverage)
    if np.isinf(quantile):
        return np.full(rows.size, np.inf)
    half = quantile * model.spread(rows, cols)
    # k equal entries of a constant column say that another one is equal with probability k / (k + 1)
    counts = col_counts[cols]
    half[model.is_constant[cols] & (coverage > counts / (counts + 1))] = np.inf
    return half


def exact_half_widths(
    largest_misfit: float, local: LocalUniqueness | None, rows: np.ndarray, cols: np.ndarray
) -> np.ndarray:
    """Half widths at some cells of an exact fit: its largest misfit, and infinite where a cell is free."""
    half = np.full(rows.size, largest_misfit)
    if local is not None and not local.unique:
        half[local.free[rows, cols]] = np.inf
    return half
