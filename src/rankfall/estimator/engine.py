"""What both estimators need to run :func:`rankfall.complete` as scikit-learn expects it of them."""

from __future__ import annotations

import os
import warnings
from numbers import Integral
from typing import Any, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ..completion import Completion
from ..completion.complete import complete
from ..completion.options import names
from ..errors import Outcome

# options of complete() that are parameters of both estimators by the same names; of the others some have
# names of their own, and some belong to one table only
_OWN = ("seed", "n_jobs", "fill", "bounds", "row_positions", "column_positions", "groups")
PASSED_ON = tuple(name for name in names() if name not in _OWN)


def completed(
    estimator: BaseEstimator,
    X: object,
    *,
    fill: str | None,
    bounds: object = None,
    weights: object = None,
    in_steps: int | None = None,
) -> Completion:
    """Complete `X` with the estimator's parameters.

    `in_steps` rows are each one step after the one before, whatever their labels say.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted: a search over many fits should end, not take this one for finished.
    """
    params = estimator.get_params(deep=False)
    settings: dict[str, Any] = {name: params[name] for name in PASSED_ON}
    result = complete(
        X,
        seed=_seed(params["random_state"]),
        n_jobs=_threads(params["n_jobs"]),
        fill=cast("Any", fill),
        bounds=cast("Any", bounds),
        weights=weights,
        row_positions=None if in_steps is None else np.arange(in_steps),
        progress=bool(params["verbose"]),
        **settings,
    )
    if result.outcome is Outcome.INTERRUPTED:
        raise KeyboardInterrupt
    if not result.outcome.converged:
        warnings.warn(result.outcome.advice, ConvergenceWarning, stacklevel=3)
    return result


def _seed(random_state: object) -> int:
    """An integer is the seed itself, so that `complete` with that seed gives the same result."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _threads(n_jobs: int | None) -> int | None:
    """None (all) and positive numbers as they are; -1, -2, ... count from all cores."""
    if isinstance(n_jobs, Integral) and n_jobs < 0:
        return max(1, (os.cpu_count() or 1) + 1 + int(n_jobs))
    return n_jobs
