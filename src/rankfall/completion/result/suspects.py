"""Observed cells that a fit with heavy tails distrusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...frames import FrameLayout
from ...problem import Problem
from .limit_cells import LimitCells
from .values import Values

if TYPE_CHECKING:
    import pandas as pd

# weight below which a cell is distrusted: it is four local scales away from its fitted value
_DISTRUSTED = 0.2


def suspects(
    values: Values, fitted_problem: Problem, layout: FrameLayout, limits: LimitCells | None = None
) -> pd.DataFrame:
    """The cells whose weight is small, smallest first; `fitted_problem` is on the scale of the fit.

    Cells of which only `limits` are known are none: nobody has seen their values.
    """
    import pandas as pd

    model, problem = values.model, values.problem
    noise_model = model.posterior.noise_model
    at, weights = np.empty(0, np.int64), np.empty(0)
    if noise_model.is_heavy and not model.exact:
        varying = np.flatnonzero(~model.is_constant[problem.cols])
        if limits is not None:
            varying = varying[limits.places(problem.rows[varying], problem.cols[varying]) < 0]
        rows, cols = problem.rows[varying], problem.cols[varying]
        weights = None if problem.weights is None else problem.weights[varying]
        # in units of the local scale of intervals: noise may differ between columns even where the fit takes
        # it for equal
        far = (model.at(rows, cols) - fitted_problem.values[varying]) / model.spread(rows, cols, weights)
        found = noise_model.dof / (noise_model.dof + far**2)
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
