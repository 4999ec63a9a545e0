"""How a completion compares, on its own held-out cells, with methods that know nothing of low rank."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from math import nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from ...compute.threads import threads_without_blas
from .compared_cells import ComparedCells
from .completed_matrix import CompletedMatrix
from .peers import PEERS, filled_by

if TYPE_CHECKING:
    import pandas as pd

THIS = "this completion"
# probability that a method as good as the completion, the best of three, is called better by chance
_BY_CHANCE = 0.025 / 3
# a gain of less than this share of the error is no reason to change the method
_GAIN = 0.01
# fewer rows do not tell how errors vary between rows
_FEWEST_ROWS = 10


@dataclass(frozen=True)
class ComparedMethod:
    """One method at the held-out cells.

    Attributes
    ----------
    name : str
    error : float
        Root mean square of the errors, each divided by the standard deviation of its column's observed cells:
        1 is about what the column means give.
    difference : float
        `error` minus that of the completion; negative where the method is better.
    standard_error : float
        Of the difference, from errors of both at the same cells; errors in one row may depend on each other.
    seconds : float
        Of the completion, all it took; of the others, that of their fits here.
    """

    name: str
    error: float
    difference: float
    standard_error: float
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """Methods side by side: each predicts the same cells without having seen them.

    Attributes
    ----------
    methods : tuple of ComparedMethod
        The completion first.
    n_cells, n_rows : int
        The cells at which they are judged, and how many rows they lie in.
    scope : str
        What was compared, and what was left out to take seconds.
    """

    methods: tuple[ComparedMethod, ...]
    n_cells: int
    n_rows: int
    scope: str

    @property
    def table(self) -> pd.DataFrame:
        """One row per method: error, difference, standard_error, seconds."""
        import pandas as pd

        return pd.DataFrame([asdict(method) for method in self.methods]).set_index("name")

    @property
    def better(self) -> tuple[ComparedMethod, ...]:
        """Methods whose error is smaller by more than chance and by more than 1%, the best first."""
        from scipy.special import stdtrit

        own = self.methods[0].error
        if self.n_rows < _FEWEST_ROWS:
            return ()
        sure = float(stdtrit(self.n_rows - 1, 1 - _BY_CHANCE))  # 2.4 standard errors, more with few rows
        found = [
            method
            for method in self.methods[1:]
            if method.difference < -max(sure * method.standard_error, _GAIN * own)
        ]
        return tuple(sorted(found, key=lambda method: method.error))

    @property
    def advice(self) -> str:
        """A sentence if another method is better; empty if none is."""
        if not self.better:
            return ""
        own, best = self.methods[0].error, self.better[0]
        others = ", ".join(f"{method.name} ({method.error:.3g})" for method in self.better[1:])
        return (
            f"Low rank is not the best model for these data: at the held-out cells the error of {best.name} "
            f"is {best.error:.3g} column standard deviations, {-best.difference / own:.0%} less than the "
            f"{own:.3g} of this completion, and the difference is no chance (its standard error is "
            f"{best.standard_error:.2g}){f'; also better: {others}' if others else ''}."
        )

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "methods": [asdict(method) for method in self.methods],
            "cells": self.n_cells,
            "better": [method.name for method in self.better],
            "scope": self.scope,
            "advice": self.advice,
        }

    def __str__(self) -> str:
        return "\n".join([self.table.to_string(), self.scope, *([self.advice] if self.advice else [])])


def compare(matrix: CompletedMatrix, n_folds: int, seed: int, seconds: float) -> Comparison | None:
    """Let the others predict the cells that were held out from a completion.

    Parameters
    ----------
    matrix : CompletedMatrix
        What was delivered.
    n_folds : int
        Folds in which its cells were held out: the others learn from as many cells as it did.
    seed : int
        For the part of a large table that is used, the folds and the forests.
    seconds : float
        What the completion took.

    Returns
    -------
    Comparison or None
        None if no cell was held out (an exact fit, too few cells), or in one column only.
    """
    cells = ComparedCells.of(matrix, n_folds, seed)
    if cells is None:
        return None
    judged = np.concatenate(cells.folds)
    predicted, taken = {THIS: cells.own[judged]}, {THIS: seconds}
    with threads_without_blas(1):  # many small fits, in which threads would wait for each other
        for name in PEERS:
            started = time.perf_counter()
            found = [
                cells.kept_within(fold, filled_by(name, cells.without(fold), seed)) for fold in cells.folds
            ]
            predicted[name], taken[name] = np.concatenate(found), time.perf_counter() - started
    truth, rows, weights = cells.values[judged], cells.rows[judged], cells.weights[judged]
    errors = {name: values - truth for name, values in predicted.items()}
    methods = [_judged(name, errors[name], errors[THIS], rows, weights, taken[name]) for name in errors]
    return Comparison(tuple(methods), judged.size, np.unique(rows).size, cells.scope)


def _judged(
    name: str, errors: np.ndarray, own: np.ndarray, rows: np.ndarray, weights: np.ndarray, seconds: float
) -> ComparedMethod:
    """Error of a method, and its difference to the completion with a standard error.

    ``d = rmse - rmse_own`` depends on mean squares; to first order cell k, of weight ``w_k`` (mean 1),
    contributes ``z_k = w_k ((e_k^2 - rmse^2) / (2 rmse) - (own_k^2 - rmse_own^2) / (2 rmse_own))``.
    Contributions are summed within rows, whose errors may depend on each other.
    """
    weights = weights / weights.mean()
    rmse, rmse_own = (sqrt(float(np.mean(weights * each**2))) for each in (errors, own))
    parts = [
        (each**2 - size**2) / (2 * size) if size > 0 else np.zeros(each.size)
        for each, size in ((errors, rmse), (own, rmse_own))
    ]
    sums = np.bincount(np.unique(rows, return_inverse=True)[1], weights * (parts[0] - parts[1]))
    error = nan
    if name != THIS and sums.size > 1:
        error = sqrt(float(np.sum(sums**2)) * sums.size / (sums.size - 1)) / errors.size
    return ComparedMethod(name, rmse, nan if name == THIS else rmse - rmse_own, error, seconds)
