"""The values of a completed matrix: predictions, intervals, the whole table, new rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...argument_checks import one_of
from ...bounds import Bounds
from ...declared_arguments import any_numbers, declared
from ...errors import InputError
from ...frames import FrameLayout, write_frame
from ...geometry import thin_svd
from ...problem import Problem
from ...scale import scaled
from .fitted_model import FittedModel
from .intervals import checked_coverage, exact_half_widths, noisy_half_widths
from .limit_cells import LimitCells
from .positions import Axis, chunks, positions
from .values import Values

if TYPE_CHECKING:
    from ...geometry import Identifiability


@dataclass(frozen=True, eq=False, kw_only=True)
class CompletedMatrix:
    """What a completed matrix is computed from; the attributes are described in :class:`Completion`."""

    problem: Problem
    model: FittedModel
    units: np.ndarray
    scale: Literal["linear", "log", "log1p"] = "linear"
    bounds: Bounds | None = None
    fill: Literal["effects"] | None = None
    row_names: tuple[str, ...] | None = None
    col_names: tuple[str, ...] | None = None
    limits: LimitCells | None = None

    # -- the model -------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        return self.problem.shape

    @property
    def rank(self) -> int:
        """Number of factors delivered, without row and column effects."""
        return self.model.rank

    @cached_property
    def factors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """U (m, rank), s (rank,), Vt (rank, n): frames and singular values of the low-rank part."""
        return thin_svd(*self.model.scores())

    @cached_property
    def identifiability(self) -> Identifiability:
        """What the observed cells determine at this rank; local uniqueness is computed when asked."""
        from ...geometry import identifiability

        U, s, Vt = self.factors
        root = np.sqrt(s)
        return identifiability(self.problem, self.rank, U * root, Vt.T * root)

    @cached_property
    def _layout(self) -> FrameLayout:
        """Labels, kind and types of the frame that came in; of a frame of pandas where none did."""
        given = self.problem.layout
        if given is not None:
            return given
        import pandas as pd

        rows, cols = (
            None if names is None else pd.Index(names, dtype=object)
            for names in (self.row_names, self.col_names)
        )
        return FrameLayout("pandas", rows, cols)

    @cached_property
    def _axes(self) -> tuple[Axis, Axis]:
        (m, n), layout = self.shape, self._layout
        return Axis("row", m, layout.rows), Axis("column", n, layout.cols)

    @property
    def mixed_units(self) -> bool:
        """Whether the columns have different units; errors are then in columns' standard deviations."""
        return bool(np.any(self.units != 1))

    @cached_property
    def fitted_problem(self) -> Problem:
        """The observed cells on the scale of the fit."""
        return scaled(self.problem, self.scale)

    @cached_property
    def exactly_observed(self) -> Problem:
        """The observed cells without those that are known only by a limit."""
        if self.limits is None:
            return self.problem
        return self.problem.subset(self.limits.places(self.problem.rows, self.problem.cols) < 0)

    # -- values ----------------------------------------------------------------------------------

    @cached_property
    def _values(self) -> Values:
        return Values(self.model, self.problem, self.scale, self.bounds, self.fill, self.mixed_units)

    @property
    def plain_effects(self) -> Mapping[str, np.ndarray]:
        """What stands in for cells that the data do not determine: average rows and columns of the fit.

        ``mean + cols_j`` is the average of column j over the rows of its component (of all columns, for one
        without entries), and ``rows_i`` what row i has above these averages, on average over its columns; 0
        where columns have different units, whose rows cannot be averaged.
        """
        return self._values.averages

    @declared(fitted=any_numbers)
    def in_data_units(self, fitted: np.ndarray, cols: np.ndarray | None = None) -> np.ndarray:
        """From the scale of the fit to the data's units, within the bounds.

        Parameters
        ----------
        fitted : ndarray
            Values on the scale of the fit.
        cols : ndarray of int, optional
            Column of each value, -1 for a column that the matrix does not have; by default the last axis of
            `fitted` runs over all columns. Only bounds of single columns depend on it.
        """
        return self._values.delivered(fitted, cols)

    @declared
    def predict(self, rows: object, cols: object, *, labels: bool | None = None) -> np.ndarray:
        """The model's value at some cells, observed or not.

        Parameters
        ----------
        rows, cols : array_like, broadcast against each other
            Positions, counted from zero, or labels. Whole numbers are positions, everything else is labels
            (with dates as labels, so are texts that say dates).
        labels : bool, optional
            What whole numbers are where labels are numbers, too, and not 0, 1, 2, ...: those of users, say,
            or years. There it must be said; elsewhere they are positions.

        Returns
        -------
        ndarray
            Values in the units of the data; NaN for cells that the observed ones do not determine (a row or
            column without entries, or row and column in different components), unless the completion was
            made with ``fill="effects"``. Cells that are known by a limit have what they are filled with.

        Raises
        ------
        InputError
            If a position lies outside the matrix, there is no such label, or several rows or columns have
            it, or numbers could be either.
        """
        rows, cols = positions(self._axes, rows, cols, labels)
        out = self._values.at(rows, cols)
        if self.limits is not None:
            which = self.limits.places(rows, cols)
            here = which >= 0
            out[here] = self._values.delivered(self.limits.mean[which[here]], cols[here])
        return out

    @declared
    def interval(
        self, rows: object, cols: object, coverage: float = 0.9, *, labels: bool | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Intervals that cover a fraction of missing cells, by split-conformal prediction.

        ``prediction -+ q spread_ij``: the local scale ``spread_ij`` is the standard deviation that the noise
        of row and column and the uncertainty of the factors give together, and q the ``ceil((n + 1)
        coverage)``-th smallest of the n ratios |error| / spread at cells that were held out when they were
        computed. For missing cells that are like the held-out ones (weight 1) the coverage is close to
        `coverage` whatever the errors are distributed like. It is not exactly guaranteed: the held-out cells
        have also chosen the rank and the noise model, rows and columns with few entries give fewer of them,
        and the delivered fit has seen them. Intervals of cells known by a limit are central ones of the
        posterior distribution on the allowed side, and not calibrated: such cells cannot be held out.

        Parameters
        ----------
        rows, cols : array_like, broadcast against each other
            Positions, counted from zero, or labels, as :meth:`predict` takes them.
        coverage : float
            Between 0 and 1.
        labels : bool, optional
            What whole numbers are, as in :meth:`predict`.

        Returns
        -------
        lower, upper : ndarray
            In the units of the data and within the bounds; NaN where :meth:`predict` is NaN. Infinite (or
            the bounds) where nothing is known: too few cells were held out for this coverage, a cell filled
            with effects because the data do not determine it, or a cell that an exact fit leaves free. The
            interval of an exact fit is the largest misfit wide, which is rounding.

        Raises
        ------
        InputError
            As :meth:`predict`, and if `coverage` is not between 0 and 1.

        References
        ----------
        J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani and L. Wasserman, "Distribution-free predictive
        inference for regression", JASA 113 (2018), sections 2.2 and 5.2.
        """
        coverage = checked_coverage(coverage)
        rows, cols = positions(self._axes, rows, cols, labels)
        lower, upper = np.empty(rows.size), np.empty(rows.size)
        for part in chunks(rows.size):
            i, j = rows.flat[part], cols.flat[part]
            center, half = self.model.at(i, j), self._half_width(i, j, coverage)
            half[self._values.undetermined(i, j)] = np.inf if self.fill == "effects" else np.nan
            with np.errstate(invalid="ignore"):
                low, high = center - half, center + half
            if self.limits is not None:
                which = self.limits.places(i, j)
                here = which >= 0
                low[here], high[here] = self.limits.interval(which[here], coverage)
            lower[part], upper[part] = self._values.delivered(low, j), self._values.delivered(high, j)
        return lower.reshape(rows.shape), upper.reshape(rows.shape)

    @cached_property
    def _largest_misfit(self) -> float:
        problem = self.fitted_problem
        misfit = self.model.at(problem.rows, problem.cols) - problem.values
        return float(np.max(np.abs(misfit), initial=0.0))

    def _half_width(self, rows: np.ndarray, cols: np.ndarray, coverage: float) -> np.ndarray:
        if self.model.exact:
            local = self.identifiability.local if self.rank else None
            return exact_half_widths(self._largest_misfit, local, rows, cols)
        return noisy_half_widths(self.model, self.problem.col_counts, rows, cols, coverage)

    @declared
    def to_dense(
        self, observed: Literal["given", "fitted"] = "given", *, rows: slice | None = None
    ) -> np.ndarray:
        """The completed matrix, shape (m, n), or some consecutive rows of it.

        Parameters
        ----------
        observed : {"given", "fitted"}
            Observed cells as they were given, or the model everywhere.
        rows : slice, optional
            Rows to make, ``slice(start, stop)``: a large matrix need not be in memory as a whole.
        """
        if observed not in ("given", "fitted"):
            raise InputError(f'observed must be "given" or "fitted", not {observed!r}.')
        start, stop, step = (slice(None) if rows is None else rows).indices(self.shape[0])
        if step != 1:
            raise InputError("rows must be a slice of consecutive rows.")
        stop = max(start, stop)
        out = self._values.in_rows(start, stop)
        if observed == "given":
            cells = slice(*np.searchsorted(self.problem.rows, [start, stop]))  # they are sorted by row
            out[self.problem.rows[cells] - start, self.problem.cols[cells]] = self.problem.values[cells]
        return out

    @declared
    def to_frame(self, observed: Literal["given", "fitted"] = "given", *, round: bool = True) -> Any:
        """The completed matrix as a data frame of the kind that came in, with its labels, order and types.

        Columns of integers and booleans stay what they were: what is filled in is rounded, and kept within
        the range of the type. A cell that stays empty holds the kind's missing value; where the type has
        none, the column becomes one of floats.

        Parameters
        ----------
        observed : {"given", "fitted"}
            Observed cells as they were given, or the model everywhere.
        round : bool
            False: columns of integers that get other values become floats.

        Returns
        -------
        frame of pandas or polars, or table of pyarrow
            A frame of pandas if no frame came in.

        Raises
        ------
        InputError
            If the library of the frame is not installed.

        Notes
        -----
        Integers of 16 digits and more come back as the nearest floats.
        """
        round = one_of("round", round, (True, False))
        return write_frame(self._layout, self.to_dense(observed), round=round)
