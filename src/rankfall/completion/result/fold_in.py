"""New rows and columns of a completion, each folded in from its own entries."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ...entries import stored
from ...errors import InputError
from ...files.missing_marks import equals_any
from ...frames import is_frame, read_frame
from ...problem import Problem
from ...scale import check_scale, forward
from ..standardise import column_spreads
from .values import Values

# entries that the typical scale counts as beside a new column's own; with so many the column's own estimate
# varies by a third
_OWN = 5.0
# relative difference up to which ratios of centers to scales are one, as in results of version 0.1.0
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class FoldIn:
    """What folding new rows and columns into a completion needs.

    Attributes
    ----------
    values : Values
        Of the completion.
    col_names : tuple of str, or None
        Its column labels.
    missing_values : tuple of float
        What stands for a missing value beside NaN.
    """

    values: Values
    col_names: tuple[str, ...] | None
    missing_values: tuple[float, ...] = ()

    def rows(self, new_rows: object, follow: bool = True) -> np.ndarray:
        """New rows, completed, shape (k, n).

        Where the rows have an order, new ones come after the last one, or are a series of their own.
        """
        given, values = self._rows_given(new_rows)
        return self._rows(given, values, self.values.model.fold_rows(values, follow), follow)

    def rows_drawn(self, new_rows: object, draws: Callable[[np.ndarray], Iterable[np.ndarray]]) -> np.ndarray:
        """New rows, missing cells drawn, shape (m, k, n); `draws` makes them on the scale of the fit."""
        given, values = self._rows_given(new_rows)
        made = [self._rows(given, values, fitted, True, drawn=True) for fitted in draws(values)]
        return np.array(made).reshape(-1, *given.shape)

    def _rows_given(self, new_rows: object) -> tuple[np.ndarray, np.ndarray]:
        """New rows as they were given, and on the scale of the fit."""
        if is_frame(new_rows):
            new_rows, layout = read_frame(new_rows)
            if self.col_names is not None and layout.col_names != self.col_names:
                raise InputError(
                    "The columns of the new rows must have the completed table's names and order."
                )
        given = self._known(vectors_like(new_rows, (None, self.values.problem.n_cols), "rows"))
        return given, _on_scale(given, self.values.scale, "rows")

    def _rows(
        self, given: np.ndarray, values: np.ndarray, fitted: np.ndarray, follow: bool, drawn: bool = False
    ) -> np.ndarray:
        """New rows with what was fitted, or drawn, in their missing cells."""
        col_labels = self.values.components[1]
        average = self.values.averages["mean"] + self.values.averages["cols"]
        beside = self.values.of_last(0)
        if beside is not None and not follow:
            beside = beside[:0]
        here = np.arange(self.values.problem.n_cols)
        return self._assembled(given, values, fitted, col_labels, average, here, "row", beside, drawn)

    def columns(self, new_columns: object) -> np.ndarray:
        """New columns, completed, shape (m, k)."""
        given = self._known(vectors_like(new_columns, (self.values.problem.n_rows, None), "columns"))
        values = _on_scale(given, self.values.scale, "columns")
        average = self.values.averages["mean"] + self.values.averages["rows"]
        fitted = self.values.model.fold_cols(values, *self._units(values))
        row_labels = self.values.components[0]
        none = np.full(fitted.shape[0], -1)  # bounds of single columns say nothing about new ones
        return self._assembled(
            given.T, values.T, fitted.T, row_labels, average, none, "column", self.values.of_last(1)
        ).T

    def _known(self, given: np.ndarray) -> np.ndarray:
        """New values with NaN where one stands for a missing value."""
        return np.where(equals_any(given, self.missing_values), np.nan, given)

    def _units(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centers and scales of new columns: those that most columns share, or those of their entries."""
        model = self.values.model
        varying = model.scale > 0
        if not varying.any():
            varying = np.ones(varying.size, bool)
        pairs = np.column_stack([model.center, np.where(model.scale > 0, model.scale, 1.0)])[varying]
        found, counts = np.unique(pairs, axis=0, return_counts=True)
        k = values.shape[1]
        if 2 * counts.max() >= counts.sum():
            center, scale = found[np.argmax(counts)]
            return np.full(k, center), np.full(k, scale)
        typical = float(np.median(pairs[:, 1]))
        known = ~np.isnan(values)
        ratios = pairs[:, 0] / pairs[:, 1]
        has_one, has_ratio = np.ptp(pairs[:, 0]) == 0, np.ptp(ratios) <= _SAME * np.max(np.abs(ratios))
        if has_one or has_ratio:  # columns differ by their size only
            middle = float(np.median(model.center))
            squares = np.sum(np.where(known, values - middle, 0.0) ** 2, axis=0)
            size = np.sqrt((squares + _OWN * typical**2) / (np.count_nonzero(known, axis=0) + _OWN))
            return np.full(k, pairs[0, 0]) if has_one else ratios[0] * size, size
        rows, cols = np.nonzero(known)
        return column_spreads(Problem(rows, cols, values[rows, cols], values.shape), typical)

    def _assembled(
        self,
        given: np.ndarray,
        values: np.ndarray,
        fitted: np.ndarray,
        labels: np.ndarray,
        average: np.ndarray,
        cols: np.ndarray,
        name: str,
        beside: np.ndarray | None,
        drawn: bool = False,
    ) -> np.ndarray:
        """Given cells as they are, fitted ones elsewhere; new rows or columns run along the first axis.

        `cols` says in which column the cells along the second axis are, -1 for a new one. New ones that
        follow each other know what any of them knows, and what is known beside them: `beside`, as labels;
        None if they do not follow each other. What was drawn for one without any entry stays.
        """
        known = ~np.isnan(values)
        empty: np.ndarray = np.count_nonzero(known, axis=1) == 0
        if beside is not None:
            beside = np.union1d(beside, labels[known.any(axis=0)])
            empty = empty & (beside.size == 0)
        if np.any(empty) and not drawn:
            count = int(np.count_nonzero(empty))
            text = (
                f"{count} new {name}{'s have' if count > 1 else ' has'} no entry: filled with effects only."
            )
            warnings.warn(text, UserWarning, stacklevel=4)
        for k in range(values.shape[0]):
            if empty[k]:
                fitted[k] = fitted[k] if drawn else average
                lost = labels < 0
            else:
                near = labels[known[k]] if beside is None else beside
                lost = (labels < 0) | ~np.isin(labels, near)
            self.values.leave_open(fitted[k], lost, average)
        return np.where(known, given, self.values.delivered(fitted, cols))


def _on_scale(given: np.ndarray, scale: str, what: str) -> np.ndarray:
    known = given[~np.isnan(given)]
    bad = check_scale(known, scale)
    if bad is not None:
        raise InputError(f"The new {what} hold {known[bad[0]]:g}, which has no logarithm here.")
    return forward(given, scale)


def vectors_like(new: object, shape: tuple[int | None, int | None], what: str) -> np.ndarray:
    """New rows or columns as a dense array with NaN; None in `shape` is any number."""
    if hasattr(new, "tocoo"):
        coo = stored(new, f"The sparse matrix of new {what}")
        out = np.full(coo.shape, np.nan)
        out[coo.row, coo.col] = coo.data
    elif is_frame(new):
        out = read_frame(new)[0]
    else:
        if getattr(getattr(new, "dtype", None), "kind", "") in "mM":
            raise InputError(f"The new {what} hold dates, not numbers.")
        try:
            if np.ma.isMaskedArray(new):
                new = np.ma.filled(np.ma.asarray(new).astype(float), np.nan)
            elif hasattr(new, "iloc"):  # a series of pandas has missing values of its own kinds
                new = new.to_numpy(dtype=np.float64, na_value=np.nan)  # type: ignore[attr-defined]
            if np.iscomplexobj(new):  # type: ignore[arg-type]
                raise TypeError("complex cells")
            out = np.array(new, dtype=np.float64, ndmin=2)
            if out.shape[0] == 1 and shape[0] not in (None, 1):
                out = out.T
        except (TypeError, ValueError) as error:
            raise InputError(f"The new {what} hold something that is not a number ({error}).") from error
    fits = out.ndim == 2 and all(want in (None, have) for want, have in zip(shape, out.shape, strict=True))
    if not fits:
        need = f"{shape[1]} columns" if shape[0] is None else f"{shape[0]} rows"
        raise InputError(f"New {what} must have {need}, not shape {out.shape}.")
    if np.any(np.isinf(out)):
        raise InputError(f"The new {what} hold an infinite cell.")
    return out
