"""Column means, and row and column effects by damped alternating means."""

from __future__ import annotations

from itertools import product

import numpy as np

from .fitted_effects import fit_effects
from .tuning import Answer, Prediction, Setting, Task, tuned, untuned

_DAMPINGS = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)


def column_means(task: Task) -> Answer:
    return untuned(task, _column_means)


def row_column_effects(task: Task) -> Answer:
    grid = [{"row_damping": r, "column_damping": c} for r, c in product(_DAMPINGS, _DAMPINGS)]
    return tuned(task, _effects, grid)


def _effects(task: Task, setting: Setting) -> Prediction:
    dampings = float(setting["row_damping"]), float(setting["column_damping"])  # type: ignore[arg-type]
    return Prediction(task.at(fit_effects(task.train, *dampings)))


def _column_means(task: Task, _: Setting) -> Prediction:
    train = task.train
    sums = np.bincount(train.cols, weights=train.values, minlength=train.n_cols)
    means = np.divide(sums, train.col_counts, out=np.full(train.n_cols, np.nan), where=train.col_counts > 0)
    return Prediction(means[task.cols])
