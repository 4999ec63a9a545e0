"""Values of a completed matrix in the data's own units: at some cells, in some rows, between two bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...bounds import Bounds, clip
from ...problem import Problem
from ...scale import inverse
from .fitted_model import FittedModel
from .positions import chunks


@dataclass(frozen=True, eq=False)
class Values:
    """What values are computed from.

    Attributes
    ----------
    model : FittedModel
    problem : Problem
        The observed cells, as given.
    scale, bounds, fill
        As in the completion.
    mixed_units : bool
        Whether the columns have different units.
    """

    model: FittedModel
    problem: Problem
    scale: str
    bounds: Bounds | None
    fill: str | None
    mixed_units: bool

    def delivered(self, fitted: np.ndarray, cols: np.ndarray | None = None) -> np.ndarray:
        """From the scale of the fit to the data's units, within the bounds of the columns.

        `cols` holds the column of each value, -1 for one that is not in the table; by default the last axis
        runs over all columns.
        """
        return clip(inverse(fitted, self.scale), self.bounds, cols)

    @cached_property
    def averages(self) -> Mapping[str, np.ndarray]:
        """What stands in for cells that the data do not determine: average rows and columns of the fit."""
        return self.model.axis_averages(*self.problem.components, with_rows=not self.mixed_units)

    def at(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """At some cells; NaN or effects where the data determine nothing."""
        out = np.empty(rows.size)
        for part in chunks(rows.size):
            i, j = rows.flat[part], cols.flat[part]
            out[part] = self.delivered(self._filled(self.model.at(i, j), self.undetermined(i, j), i, j), j)
        return out.reshape(rows.shape)

    def in_rows(self, start: int, stop: int) -> np.ndarray:
        """In consecutive rows, shape (stop - start, n)."""
        row_labels, col_labels = self.problem.components
        here = row_labels[start:stop, None]
        undetermined = (here != col_labels) | (here < 0)
        i, j = np.broadcast_arrays(np.arange(start, stop)[:, None], np.arange(self.problem.n_cols))
        return self.delivered(self._filled(self.model.dense(slice(start, stop)), undetermined, i, j))

    def undetermined(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Cells that the observed ones do not determine."""
        row_labels, col_labels = self.problem.components
        return (row_labels[rows] != col_labels[cols]) | (row_labels[rows] < 0)

    def _filled(
        self, fitted: np.ndarray, undetermined: np.ndarray, rows: np.ndarray, cols: np.ndarray
    ) -> np.ndarray:
        """Fitted values with NaN or effects where the data determine nothing; in place."""
        if np.any(undetermined):
            fitted[undetermined] = np.nan
            if self.fill == "effects":
                mean, by_row, by_col = (self.averages[name] for name in ("mean", "rows", "cols"))
                fitted[undetermined] = mean + by_row[rows[undetermined]] + by_col[cols[undetermined]]
        return fitted
