"""A table with holes, wherever it came from."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .affixes import Affixes
from .limit_cells import Limits
from .notation import PLAIN, Notation, format_filled, unquote
from .tables_text import Sheet, split

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Book:
    """An Excel workbook: its bytes, the name of the sheet, and how many empty columns precede the table."""

    data: bytes
    sheet: str
    left: int


@dataclass(frozen=True, eq=False)
class Aside:
    """A column that holds no measurements.

    Attributes
    ----------
    before : int
        How many data columns precede it.
    name : str
    cells : tuple of str
        What is written in it, empty where it is missing.
    values : Series, optional
        The same with its type, where it has one.
    """

    before: int
    name: str
    cells: tuple[str, ...]
    values: pd.Series | None = None


@dataclass(frozen=True)
class SheetSource:
    """A wide text table: whether a line and a column precede the data, at which columns the data are, and
    which of these write signs or separators of thousands. `book` is the workbook that it came from, if any.
    """

    sheet: Sheet
    header: bool
    index: bool
    columns: tuple[int, ...]
    affixes: Mapping[int, Affixes] = field(default_factory=dict[int, Affixes])
    book: Book | None = None

    def decimals(self, holes: np.ndarray) -> list[int | None]:
        """How many decimals each data column shows, holes left out; None where there is nothing to go by:
        no number, or numbers with exponents.
        """
        notation = self.sheet.style.notation
        out: list[int | None] = []
        body = self.sheet.cells()[int(self.header) :]
        for j, k in enumerate(self.columns):
            cells = [row[k] for row, hole in zip(body, holes[:, j].tolist(), strict=True) if not hole]
            if j in self.affixes:
                cells = map(self.affixes[j].plain, cells)
            out.append(notation.most_decimals(cells))
        return out

    def written(self, value: float, j: int, shown: int | None) -> str:
        """A computed number as data column `j` writes its own."""
        decimal = self.sheet.style.notation.decimal
        text = format_filled(value, shown, decimal)
        return self.affixes[j].dress(text, decimal) if text and j in self.affixes else text

    @property
    def asides(self) -> tuple[Aside, ...]:
        """The columns that hold no measurements."""
        cells = self.sheet.cells()
        head, body = (cells[0], cells[1:]) if self.header else ([""] * len(cells[0]), cells)
        places = [k for k in range(int(self.index), len(body[0])) if k not in self.columns]
        shift = len(body[0]) - len(head)
        return tuple(
            Aside(
                bisect(self.columns, k),
                unquote(head[k - shift]),
                tuple(unquote(row[k]) for row in body),
            )
            for k in places
            if unquote(head[k - shift]) or any(row[k].strip() for row in body)
        )

    @property
    def corner(self) -> str:
        """What the row names are called; empty if nothing says so."""
        lines, delimiter = self.sheet.lines, self.sheet.style.delimiter
        first, last = (split(line, delimiter) or [""] for line in (lines[0], lines[-1]))
        # a header that is one cell short names the columns only
        return unquote(first[0]) if self.header and self.index and len(first) == len(last) else ""


@dataclass(frozen=True, eq=False)
class FrameSource:
    """A Parquet or Feather table: its frame, and the positions of the row names, if they are a column, and of
    the data columns in it.
    """

    frame: pd.DataFrame
    names_at: int | None
    columns: tuple[int, ...]

    @property
    def corner(self) -> str:
        """What the row names are called; empty if nothing says so."""
        name = self.frame.index.name if self.names_at is None else self.frame.columns[self.names_at]
        return "" if name is None else str(name)

    @property
    def whole_columns(self) -> set[int]:
        """The data columns that are stored as whole numbers."""
        kinds = [self.frame.dtypes.iloc[k] for k in self.columns]
        return {j for j, kind in enumerate(kinds) if getattr(kind, "kind", "O") in "iu"}

    @property
    def asides(self) -> tuple[Aside, ...]:
        """The columns that hold no measurements."""
        places = [k for k in range(self.frame.shape[1]) if k not in self.columns and k != self.names_at]
        return tuple(
            Aside(
                bisect(self.columns, k),
                str(self.frame.columns[k]),
                tuple(map(label, self.frame.iloc[:, k])),
                self.frame.iloc[:, k],
            )
            for k in places
        )


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
    notation: Notation = PLAIN
    newline: str = "\n"

    @property
    def decimals(self) -> int | None:
        """How many decimals the values show; None if there is nothing to go by."""
        return self.notation.most_decimals(self.texts)


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
    limits : Limits or None
        Missing cells that are known to lie below or above a number.
    levels : mapping of int to sequence of str, or None
        Columns of text: what their numbers, counted from 0, stand for.
    """

    rows: np.ndarray
    cols: np.ndarray
    entries: np.ndarray
    shape: tuple[int, int]
    row_names: tuple[str, ...] | None = None
    col_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    source: SheetSource | FrameSource | ArraySource | TripletSource | None = None
    limits: Limits | None = None
    levels: Mapping[int, Sequence[str]] | None = None

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

    @property
    def asides(self) -> tuple[Aside, ...]:
        """The columns that hold no measurements."""
        return self.source.asides if isinstance(self.source, (SheetSource, FrameSource)) else ()

    def row_label(self, row: int) -> str:
        """The name of a row, or its number, counted from zero."""
        return self.row_names[row] if self.row_names is not None else str(row)

    def col_label(self, col: int) -> str:
        """The name of a column, or its number, counted from zero."""
        return self.col_names[col] if self.col_names is not None else str(col)


def check_finite(table: Table, path: object) -> None:
    infinite = np.isinf(table.entries)
    if infinite.any():
        first = int(np.argmax(infinite))
        row, col = table.row_label(int(table.rows[first])), table.col_label(int(table.cols[first]))
        raise InputError(f"{path}: the cell in row {row!r}, column {col!r} is infinite.")


def fits(dense: np.ndarray, dtype: np.dtype) -> bool:
    """Whether all numbers, rounded, can be stored as this kind of whole numbers."""
    limits = np.iinfo(dtype)
    with np.errstate(invalid="ignore"):
        inside = (dense >= limits.min) & (dense <= limits.max)
    # beyond, float64 holds no whole numbers
    return bool(np.all(inside & (np.abs(dense) <= 2.0**53)))


def label(value: object) -> str:
    """What a cell of a data frame says; dates without a time are written as dates."""
    import pandas as pd

    # a cell may hold a list, of whose entries each would be asked
    if pd.api.types.is_scalar(value) and pd.isna(value):  # type: ignore[call-overload]
        return ""
    return str(value).removesuffix(" 00:00:00")


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
