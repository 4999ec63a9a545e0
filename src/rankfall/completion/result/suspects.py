"""Observed cells that a fit with heavy tails distrusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...frames import FrameLayout
from ...problem import Problem
from ..solvers.variational import expected_weights
from .values import Values

if TYPE_CHECKING:
    import pandas as pd

# weight below which a cell is distrusted: it is four scales of the noise away from its fitted value
_DISTRUSTED = 0.2


def suspects(values: Values, fitted_problem: Problem, layout: FrameLayout) -> pd.DataFrame:
    """The cells whose weight is small, smallest first; `fitted_problem` is on the scale of the fit."""
    import pandas as pd

    model, problem = values.model, values.problem
    noise_model = model.posterior.noise_model
    at, weights = np.empty(0, np.int64), np.empty(0)
    if noise_model.is_heavy and not model.exact:
        varying = np.flatnonzero(~model.is_constant[problem.cols])
        found = expected_weights(model.posterior, model.standardised(fitted_problem))
        found = found * noise_model.dof / (noise_model.dof + 1)
        few = np.flatnonzero(found < _DISTRUSTED)
        few = few[np.argsort(found[few], kind="stable")]
        at, weights = varying[few], found[few]
    rows, cols = problem.rows[at], problem.cols[at]
    return pd.DataFrame(
        {
            "row": rows if layout.rows is None else layout.rows[rows],
            "column": cols if layout.cols is None else layout.cols[cols],
            "value": problem.values[at],
            "predicted": values.at(rows, cols),
            "weight": weights,
        }
    )
