"""Errors at the held-out cells of several folds together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..solvers.errors import both_errors, combined
from ..solvers.posterior import Posterior
from .folds import Fold

# folds, each with a fit of its training cells
Fitted = Sequence[tuple[Fold, Posterior]]


def held_squares(fitted: Fitted) -> np.ndarray:
    """Squared relative errors at all held-out cells, times their weights."""
    return np.concatenate([fold.held_squares(fit) for fold, fit in fitted])


def held_error(fitted: Fitted) -> float:
    """What fits are compared by: both errors at all held-out cells, relative to the spreads, combined."""
    return combined(*_both_errors(fitted, Fold.relative_misfits))


def common_error(fitted: Fitted) -> float:
    """Both errors combined, in the unit that the columns may share."""
    return combined(*_both_errors(fitted, Fold.common_misfits))


def held_errors(fitted: Fitted) -> tuple[float, float, float]:
    """Root mean square and mean absolute error as they are reported, and the relative error."""
    return *_both_errors(fitted, Fold.reported_misfits), held_error(fitted)


def _both_errors(fitted: Fitted, misfits: Callable[[Fold, Posterior], np.ndarray]) -> tuple[float, float]:
    weights = [fold.held.weights for fold, _ in fitted if fold.held.weights is not None]
    errors = np.concatenate([misfits(fold, fit) for fold, fit in fitted])
    return both_errors(errors, np.concatenate(weights) if weights else None)
