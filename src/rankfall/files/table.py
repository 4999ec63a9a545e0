"""A table with holes, wherever it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .tables_text import Sheet, split, unquote

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SheetSource:
    """A wide text table: whether a line and a column precede the data, and at which columns the data are."""

    sheet: Sheet
    header: bool
    index: bool
    columns: tuple[int, ...]

    @property
    def corner(self) -> str:
        """What the row names are called; empty if nothing says so."""
        lines, delimiter = self.sheet.lines, self.sheet.style.delimiter
        first, last = (split(line, delimiter) or [""] for line in (lines[0], lines[-1]))
        # a header that is one cell short names the columns only
        return unquote(first[0]) if self.header and self.index and len(first) == len(last) else ""


@dataclass(frozen=True, eq=False)
class FrameSource:
    """A wide Parquet table; `first` is the position of its first data column."""

    frame: pd.DataFrame
    first: int

    @property
    def corner(self) -> str:
        """What the row names are called; empty if nothing says so."""
        name = self.frame.columns[0] if self.first else self.frame.index.name
        return "" if name is None else str(name)


@dataclass(frozen=True)
class ArraySource:
    """A NumPy file: the type of its numbers and, in an .npz, the array's name."""

    dtype: np.dtype
    name: str = "values"


@dataclass(frozen=True)
class TripletSource:
    """Triplets: how each observed value was written, and what the row labels are called."""

    texts: tuple[str, ...]
    corner: str
    delimiter: str = ","
    decimal: str = "."
    newline: str = "\n"


@dataclass(frozen=True, eq=False)
class Table:
    """The observed cells of a table, its labels, and what is needed to write it as it was.

    Attributes
    ----------
    rows, cols : ndarray of int64, shape (n_observed,)
        Positions, counted from zero.
    entries : ndarray of float64, shape (n_observed,)
        The observed numbers, all finite.
    shape : tuple of int
        Size of the table, labels not counted.
    row_names, col_names : tuple of str, or None
        Labels, where the file has any.
    notes : tuple of str
        What was guessed about the file and might have been meant otherwise; a sentence each.
    source : object
        How the file was written; for :func:`write_table`.
    """

    rows: np.ndarray
    cols: np.ndarray
    entries: np.ndarray
    shape: tuple[int, int]
    row_names: tuple[str, ...] | None = None
    col_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    source: SheetSource | FrameSource | ArraySource | TripletSource | None = None

    @classmethod
    def from_values(
        cls,
        values: np.ndarray,
        row_names: tuple[str, ...] | None = None,
        col_names: tuple[str, ...] | None = None,
        **more: object,
    ) -> Table:
        """A table from a two-dimensional array in which NaN marks the missing cells."""
        values = np.asarray(values, dtype=np.float64)
        rows, cols = np.nonzero(~np.isnan(values))
        shape = (values.shape[0], values.shape[1])
        return cls(rows, cols, values[rows, cols], shape, row_names, col_names, **more)  # type: ignore[arg-type]

    @cached_property
    def values(self) -> np.ndarray:
        """float64 of `shape`, NaN where nothing was observed. Made when asked for: it can be large."""
        dense = np.full(self.shape, np.nan)
        dense[self.rows, self.cols] = self.entries
        dense.flags.writeable = False
        return dense

    @property
    def corner(self) -> str:
        """What the row names are called; empty if nothing says so."""
        return (
            self.source.corner if isinstance(self.source, (SheetSource, FrameSource, TripletSource)) else ""
        )

    def row_label(self, row: int) -> str:
        """The name of a row, or its number, counted from zero."""
        return self.row_names[row] if self.row_names is not None else str(row)

    def col_label(self, col: int) -> str:
        """The name of a column, or its number, counted from zero."""
        return self.col_names[col] if self.col_names is not None else str(col)


def merge_triplets(
    rows: np.ndarray,
    cols: np.ndarray,
    values: np.ndarray,
    duplicates: str,
    row_label: Sequence[object],
    col_label: Sequence[object],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sort triplets by row, then column, and merge those of one cell.

    Returns
    -------
    rows, cols, values : ndarray
    first : ndarray of int
        Where in the input each of them came from; -1 for the mean of several different values.

    Raises
    ------
    InputError
        If values of one cell differ and `duplicates` is ``"error"``.
    """
    if duplicates not in ("error", "mean"):
        raise InputError(f'duplicates must be "error" or "mean", not {duplicates!r}.')
    order = np.lexsort((cols, rows))
    rows, cols, values = rows[order], cols[order], values[order]
    new = np.ones(rows.size, bool)
    new[1:] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])
    group = np.cumsum(new) - 1
    differs = values != values[new][group]
    if duplicates == "error" and differs.any():
        at = int(np.argmax(differs))
        raise InputError(
            f"Row {row_label[int(rows[at])]!r}, column {col_label[int(cols[at])]!r} is given twice with "
            f"different values ({values[new][group[at]]:g} and {values[at]:g})."
        )
    mixed = np.bincount(group, weights=differs) > 0
    means = np.bincount(group, weights=values) / np.maximum(np.bincount(group), 1)
    merged = np.where(mixed, means, values[new])
    return rows[new], cols[new], merged, np.where(mixed, -1, order[new])
