"""The result of completing a table with columns of several kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...argument_checks import one_of, whole
from ...bounds import Bounds, clip
from ...errors import InputError
from ...frames import FrameLayout
from ...scale import inverse
from ..result.completion import Completion
from ..result.in_words import as_html
from ..result.intervals import checked_coverage
from ..result.limit_cells import LimitCells
from ..result.positions import Axis, cells_of, positions
from ..result.storage import write
from .columns import ColumnKind, KindsTable
from .draws import MixedDraws
from .errors import errors_of, number_errors
from .facts import Facts
from .frames import frame_like
from .in_words import summary_of
from .levels import LevelColumn, conformal_sets
from .saving import arrays_and_meta

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, kw_only=True)
class MixedCompletion(Facts):
    """A completed table whose columns are numbers, yes or no, grades, categories and counts.

    Attributes
    ----------
    latent : Completion
        The completion of the latent table of numbers behind it: rank, path, certificate and report are its
        own. Its columns are one for each number, count, boolean and ordinal column, and one for each level of
        a category but the most frequent one.
    table : KindsTable
        The observed cells and the kinds: levels are counted from 0 in ``table.problem``.
    latent_cols : tuple of ndarray
        Which latent columns belong to each column.
    center, spread : ndarray, shape (n,)
        By which numbers (on the scale of the fit) and counts (of the logarithms) were standardised.
    scale : {"linear", "log", "log1p"}
        The scale of the numbers.
    bounds : (low, high) or None
        Within which numbers are kept.
    fill : {"effects"} or None
    levels : mapping of int to LevelColumn
        Probabilities, by column.
    limits : LimitCells or None
        Of numbers known by a limit only.
    """

    latent: Completion
    table: KindsTable
    latent_cols: tuple[np.ndarray, ...]
    center: np.ndarray
    spread: np.ndarray
    scale: Literal["linear", "log", "log1p"]
    bounds: Bounds | None
    fill: Literal["effects"] | None
    levels: Mapping[int, LevelColumn]
    limits: LimitCells | None = None

    @property
    def _layout(self) -> FrameLayout:
        layout = self.table.problem.layout
        assert layout is not None
        return layout

    @cached_property
    def _axes(self) -> tuple[Axis, Axis]:
        (m, n), layout = self.shape, self._layout
        return Axis("row", m, layout.rows), Axis("column", n, layout.cols)

    # -- values ----------------------------------------------------------------------------------

    @cached_property
    def fitted_codes(self) -> np.ndarray:
        """The table with what is fitted everywhere, levels counted from 0, shape (m, n)."""
        m, n = self.shape
        out = np.full((m, n), np.nan)
        latent = self.latent.to_dense("fitted")
        for j, (one, cols) in enumerate(zip(self.table.kinds, self.latent_cols, strict=True)):
            if one.has_levels:
                if j in self.levels:
                    out[:, j] = self.levels[j].probabilities.argmax(axis=1)
                    if cols.size:
                        out[np.isnan(latent[:, cols[0]]), j] = np.nan
            else:
                out[:, j] = self.in_data_units(latent[:, cols[0]], np.full(m, j))
        if self.limits is not None:
            at = (self.limits.rows, self.limits.cols)
            out[at] = self.in_data_units((self.limits.mean - self.center[at[1]]) / self.spread[at[1]], at[1])
        return out

    def in_data_units(self, latent: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Latent numbers and counts, and their columns, in the units of the data, within the bounds."""
        on_scale = self.center[cols] + self.spread[cols] * latent
        counts = np.isin(cols, self.table.where("count"))
        values = inverse(on_scale, self.scale)
        if self.bounds is not None:
            values = clip(values, self.bounds, cols)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.where(counts, np.floor(np.exp(np.minimum(on_scale, 700.0))), values)

    def _filled_codes(self, observed: str) -> np.ndarray:
        out = self.fitted_codes.copy()
        if one_of("observed", observed, ("given", "fitted")) == "given":
            problem = self.table.problem
            out[problem.rows, problem.cols] = problem.values
        return out

    def said(self, codes: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Numbers as they are and levels in place of their codes; an array of objects if some are no
        numbers.
        """
        numeric = all(
            isinstance(level, (int, float, np.number)) for one in self.table.kinds for level in one.levels
        )
        out = codes.astype(np.float64 if numeric else object)
        for j in np.unique(cols).tolist():
            one = self.table.kinds[j]
            if one.has_levels:
                here = (cols == j) & ~np.isnan(codes)
                named = np.empty(len(one.levels), dtype=object)
                named[:] = one.levels
                out[here] = named[codes[here].astype(np.int64)]
        return out

    def to_dense(
        self, observed: Literal["given", "fitted"] = "given", *, rows: slice | None = None
    ) -> np.ndarray:
        """The completed table, shape (m, n): of floats, or of objects where levels are no numbers.

        Parameters
        ----------
        observed : {"given", "fitted"}
            Observed cells as they were given, or the most probable level (and the model's number)
            everywhere.
        rows : slice, optional
            Rows to make.
        """
        codes = self._filled_codes(observed)[rows or slice(None)]
        return self.said(codes, np.broadcast_to(np.arange(self.shape[1]), codes.shape))

    def to_frame(self, observed: Literal["given", "fitted"] = "given", *, round: bool = True) -> Any:
        """The completed table as a frame of the kind that came in, its columns of their types.

        Parameters
        ----------
        observed : {"given", "fitted"}
            As in :meth:`to_dense`.
        round : bool
            False: columns of whole numbers that get other values become floats.

        Raises
        ------
        InputError
            If the library of the frame is not installed.
        """
        round = one_of("round", round, (True, False))
        return frame_like(self._layout, self.table.kinds, self._filled_codes(observed), round)

    def predict(self, rows: object, cols: object, *, labels: bool | None = None) -> np.ndarray:
        """The model's number, or most probable level, at some cells as in
        :meth:`rankfall.Completion.predict`.
        """
        rows, cols = positions(self._axes, rows, cols, labels)
        return self.said(self.fitted_codes[rows, cols], cols)

    def probabilities(self, rows: object, cols: object, *, labels: bool | None = None) -> pd.DataFrame:
        """Probabilities of the levels at some cells of columns with the same levels.

        Parameters
        ----------
        rows, cols : array_like, broadcast against each other
            As in :meth:`rankfall.Completion.predict`.

        Returns
        -------
        DataFrame
            One row for each cell, one column for each level; rows sum to 1.

        Raises
        ------
        InputError
            If a column has no levels, or two columns have different ones.
        """
        import pandas as pd

        rows, cols = positions(self._axes, rows, cols, labels)
        rows, cols = rows.ravel(), cols.ravel()
        levels = self._common_levels(cols)
        out = np.empty((rows.size, len(levels)))
        for j in np.unique(cols).tolist():
            out[cols == j] = self.levels[j].probabilities[rows[cols == j]]
        return pd.DataFrame(out, columns=pd.Index(levels, name="level"))

    def _common_levels(self, cols: np.ndarray) -> tuple[Any, ...]:
        found = {self._kind_with_levels(j).levels for j in np.unique(cols).tolist()}
        if len(found) != 1:
            raise InputError("These columns have different levels: ask for one column at a time.")
        return found.pop()

    def _kind_with_levels(self, j: int) -> ColumnKind:
        one = self.table.kinds[j]
        if j not in self.levels:
            raise InputError(
                f"Column {self.table.names[j]} ({one.kind}) has no levels: predict and interval give its "
                "numbers."
                if not one.has_levels
                else f"Column {self.table.names[j]} has no observed cell: nothing is known of its levels."
            )
        return one

    def prediction_sets(
        self, rows: object, cols: object, coverage: float = 0.9, *, labels: bool | None = None
    ) -> list[tuple[Any, ...]]:
        """Levels of which one is the cell's in this fraction of missing cells, by split-conformal prediction.

        All levels whose probability is at least a limit, the most probable one among them; of ordinal columns
        also those in between. The limit is that for which the sets of held-out cells of columns of this kind
        hold their level as often as asked for.

        Parameters
        ----------
        rows, cols : array_like, broadcast against each other
        coverage : float
            Between 0 and 1.

        Returns
        -------
        list of tuple
            The levels of each cell.

        Raises
        ------
        InputError
            If a column has no levels, or `coverage` is not between 0 and 1.
        """
        coverage = checked_coverage(coverage)
        rows, cols = positions(self._axes, rows, cols, labels)
        rows, cols = rows.ravel(), cols.ravel()
        out: list[tuple[Any, ...]] = [()] * rows.size
        for j in np.unique(cols).tolist():
            one = self._kind_with_levels(j)
            here = np.flatnonzero(cols == j)
            sets = conformal_sets(
                self.levels[j].probabilities[rows[here]],
                self._scores[one.kind],
                coverage,
                one.kind == "ordinal",
            )
            for k, inside in zip(here.tolist(), sets, strict=True):
                out[k] = tuple(level for level, is_in in zip(one.levels, inside, strict=True) if is_in)
        return out

    @cached_property
    def _scores(self) -> dict[str, np.ndarray]:
        """Conformal scores at the held-out cells of each kind of column with levels."""
        out: dict[str, list[np.ndarray]] = {
            kind: [np.empty(0)] for kind in ("boolean", "ordinal", "category")
        }
        for j, column in self.levels.items():
            if len(self.table.kinds[j].levels) > 1:
                out[self.table.kinds[j].kind].append(column.scores(self._held_codes(j)))
        return {kind: np.concatenate(parts) for kind, parts in out.items()}

    def _held_codes(self, j: int) -> np.ndarray:
        problem, rows = self.table.problem, self.levels[j].held_rows
        keys = problem.rows * problem.n_cols + problem.cols
        return problem.values[np.searchsorted(keys, rows * problem.n_cols + j)].astype(np.int64)

    def interval(
        self, rows: object, cols: object, coverage: float = 0.9, *, labels: bool | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Intervals of numbers and counts; see :meth:`rankfall.Completion.interval`.

        Raises
        ------
        InputError
            If a column has levels, of which :meth:`prediction_sets` gives sets.
        """
        coverage = checked_coverage(coverage)
        rows, cols = positions(self._axes, rows, cols, labels)
        wrong = [j for j in np.unique(cols).tolist() if self.table.kinds[j].has_levels]
        if wrong:
            raise InputError(
                f"Column {self.table.names[wrong[0]]} has levels, and no intervals: prediction_sets gives "
                "sets of levels."
            )
        latent = np.array([int(own[0]) if own.size else -1 for own in self.latent_cols])[cols]
        low, high = self.latent.interval(rows, latent, coverage)
        lower, upper = self.in_data_units(low, cols), self.in_data_units(high, cols)
        if self.limits is not None:
            which = self.limits.places(rows, cols)
            here = which >= 0
            for out, end in zip((lower, upper), self.limits.interval(which[here], coverage), strict=True):
                standard = (end - self.center[cols[here]]) / self.spread[cols[here]]
                out[here] = self.in_data_units(standard, cols[here])
        return lower, upper

    @cached_property
    def errors(self) -> pd.DataFrame:
        """Errors at held-out cells: one row per column, by its label or position.

        Returns
        -------
        DataFrame
            kind; error: root mean square of numbers and counts, share of wrong levels otherwise; relative:
            error over the spread of numbers and counts, log loss over that of the levels' frequencies
            otherwise (below 1 where predictions are better than these); spread: standard deviation of
            numbers and counts; brier and log_loss: proper scores of levels; n_held_out: number of cells.
        """
        numbers = number_errors(self.table, self.latent.model.held_out, self.latent_cols, self.in_data_units)
        return errors_of(self.table, numbers, self.levels, self._held_codes)

    def draws(
        self, m: int, *, seed: int = 0, cells: tuple[object, object] | None = None, labels: bool | None = None
    ) -> MixedDraws | np.ndarray:
        """Completed tables drawn from the posterior, as by :meth:`rankfall.Completion.draws`.

        Chains on the latent table draw factors, thresholds and latent values in turn, and levels are those of
        drawn latent values: cells of a row depend on each other as the posterior says. Numbers and counts are
        calibrated like :meth:`interval`; levels are the posterior as it stands. Cells known by a limit are
        drawn on the allowed side.

        Parameters
        ----------
        m, seed, cells, labels
            As there.

        Returns
        -------
        MixedDraws or ndarray
            A sequence of m tables: frames where a frame came in, otherwise arrays like those of
            :meth:`to_dense`. With `cells` an array, ``(m, *shape of the cells)``.

        Raises
        ------
        InputError
            As there.
        """
        drawn = MixedDraws(self, whole("m", m, least=1), whole("seed", seed, least=0))
        if cells is None:
            return drawn
        rows, cols = positions(self._axes, *cells_of(cells), labels)
        return np.array([self.said(codes[rows, cols], cols) for codes in drawn.codes()])

    def transform(self, new_rows: object, *, follow: bool = True) -> np.ndarray:
        """Refused so far: new rows of a table with kinds cannot be completed by themselves.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            "transform cannot complete new rows of a table with columns of several kinds yet: complete the "
            "table with these rows below the others."
        )

    # -- words -----------------------------------------------------------------------------------

    def summary(self, *, certificate: bool = False) -> str:
        """A few lines for a person.

        Parameters
        ----------
        certificate : bool
            Also what the certificate of the latent table says, which is computed for it.
        """
        return summary_of(self, one_of("certificate", certificate, (False, True)))

    def _repr_html_(self) -> str:
        return as_html(self.summary().splitlines(), self.path, self.errors)

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one .npz file; :func:`rankfall.load` reads it back."""
        write(path, self.latent.contents(), *arrays_and_meta(self))

    def __repr__(self) -> str:
        m, n = self.shape
        return f"MixedCompletion({m} x {n}, rank {self.rank}, {self.outcome.value})"
