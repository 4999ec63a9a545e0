"""Values of a completed matrix in the data's own units: at some cells, in some rows, between two bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...bounds import Bounds, clip
from ...problem import Problem
from ...scale import inverse
from .determined import components
from .fitted_model import FittedModel
from .intervals import noisy_half_widths
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
    def components(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels of rows and columns; what these have in common is determined."""
        return components(self.problem, self.model.posterior)

    @cached_property
    def averages(self) -> Mapping[str, np.ndarray]:
        """What stands in for cells that the data do not determine: average rows and columns of the fit."""
        return self.model.axis_averages(*self.components, with_rows=not self.mixed_units)

    def at(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """At some cells; NaN or effects where the data determine nothing."""
        out = np.empty(rows.size)
        for part in chunks(rows.size):
            i, j = rows.flat[part], cols.flat[part]
            out[part] = self.delivered(self._filled(self.model.at(i, j), self.undetermined(i, j), i, j), j)
        return out.reshape(rows.shape)

    def in_rows(self, start: int, stop: int) -> np.ndarray:
        """In consecutive rows, shape (stop - start, n)."""
        row_labels, col_labels = self.components
        here = row_labels[start:stop, None]
        undetermined = (here != col_labels) | (here < 0)
        i, j = np.broadcast_arrays(np.arange(start, stop)[:, None], np.arange(self.problem.n_cols))
        return self.delivered(self._filled(self.model.dense(slice(start, stop)), undetermined, i, j))

    def ahead(self, n_rows: int, coverage: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows after the last one, with intervals, shape (n_rows, n) each."""
        model, n = self.model.ahead(n_rows), self.problem.n_cols
        i, j = (part.ravel() for part in np.indices((n_rows, n)))
        half = noisy_half_widths(model, self.problem.col_counts, i, j, coverage).reshape(n_rows, n)
        beside = self.of_last(0)
        assert beside is not None
        fitted, lost = model.dense(), ~np.isin(self.components[1], beside)
        for row in fitted:
            self.leave_open(row, lost, self.averages["mean"] + self.averages["cols"])
        half[:, lost] = np.inf
        low, values, high = (self.delivered(each) for each in (fitted - half, fitted, fitted + half))
        return values, low, high

    def of_last(self, axis: int) -> np.ndarray | None:
        """Labels of what the last row (axis 0) or column (1) says something about; None without order."""
        posterior = self.model.posterior
        chain = (posterior.rows, posterior.cols)[axis].chain
        if chain is None:
            return None
        labels = self.components[axis][chain.order[-1:]]
        return labels[labels >= 0]

    def leave_open(self, fitted: np.ndarray, lost: np.ndarray, average: np.ndarray) -> None:
        """NaN, or effects, in cells of a new row or column that are not determined; in place."""
        fitted[lost] = np.nan
        if self.fill == "effects" and np.any(lost):
            # a row's level means nothing where columns have different units
            known = ~lost & (not self.mixed_units)
            fitted[lost] = average[lost] + (np.mean(fitted[known] - average[known]) if known.any() else 0.0)

    def undetermined(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Cells that the observed ones do not determine."""
        row_labels, col_labels = self.components
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
