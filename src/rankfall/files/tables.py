"""Tables in and out: CSV, Parquet, NPZ, NPY."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import InputError
from .atomic import atomic_path
from .table import SheetSource, Table, TripletSource
from .tables_csv import read_wide, rewrite
from .tables_text import format_filled, quote
from .tables_triplets import read_text_triplets

_TEXT = (".csv", ".tsv", ".txt")
_SUFFIXES = (*_TEXT, ".parquet", ".npz", ".npy")


def read_table(
    path: str | PathLike[str],
    triplets: bool = False,
    duplicates: str = "error",
    aside: Sequence[str] = (),
) -> Table:
    """Read a table with holes.

    Parameters
    ----------
    path : path
        The suffix tells the format: ``.csv``, ``.tsv`` or ``.txt`` (text), ``.parquet``, ``.npz``, ``.npy``.
    triplets : bool
        The file lists cells as row, column and value, one per line, in place of a table (text and Parquet).
    duplicates : {"error", "mean"}
        What to do when a cell is listed with different values. Equal values are merged either way.
    aside : sequence of str
        Names of columns of a text table that hold no measurements. They are not read, and written back as they are.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the file cannot be read as a table; the message names the file, and the cell if it is one.

    Notes
    -----
    *Text.* The delimiter (tab, semicolon, comma or bar), line ends, encoding and byte order mark are
    recognised and kept. Missing cells are empty or say NA, N/A, NaN, null or None, in any case. Where the
    delimiter is not the comma, a comma may be the decimal mark.

    The first line is the header if any of its cells, the first left aside, is not a number. A first line of
    numbers is a header if its first cell is empty or a word where the lines below have something else (words
    or dates below an empty cell, numbers or dates below a word), or if its numbers increase like names and
    those below do not: at least four of them beside an index, or fewer that lie outside the range of all
    others, or at least three consecutive whole numbers where there is no index.

    The first column is the index if at least half of its cells are text, dates or times. A column of numbers is an
    index only if they are whole and all different, and either its name is ``id``, ``index``, ``date``,
    ``datetime``, ``time``, ``timestamp`` or ``year``, or it has no name and its numbers increase, or they all
    read as dates such as 20240131. :attr:`Table.notes` says where numbers were taken for labels.

    *Triplets.* Labels are any text. They keep the order in which they first appear, or that of the numbers
    if all are whole numbers. An entry without a value names its row and column but is not observed.

    *NPZ.* Exactly one matrix with NaN for missing cells, or a sparse matrix as ``scipy.sparse.save_npz``
    writes it (csr, csc, coo), of which the stored entries are observed.
    """
    suffix = _suffix(path)
    if duplicates not in ("error", "mean"):
        raise InputError(f'duplicates must be "error" or "mean", not {duplicates!r}.')
    if suffix in _TEXT:
        if triplets and aside:
            raise InputError("Triplets have no columns to leave aside.")
        return read_text_triplets(path, duplicates) if triplets else read_wide(path, aside)
    if aside:
        raise InputError(f"{path}: columns are left aside in text tables only; take them out of this one.")
    # these need pyarrow and pandas, or are rarer
    from . import tables_binary

    if suffix == ".parquet":
        return tables_binary.read_frame(path, triplets, duplicates)
    if triplets:
        raise InputError(f"{path}: triplets are read from text and Parquet; save a sparse matrix instead.")
    if suffix == ".npz":
        return tables_binary.read_zip(path, duplicates)
    return tables_binary.read_array(path)


def write_table(path: str | PathLike[str], table: Table, filled: np.ndarray) -> None:
    """Write a table with its missing cells filled in, whole or not at all.

    Parameters
    ----------
    path : path
        The suffix tells the format, as in :func:`read_table`.
    table : Table
        What was read. Its observed cells are written as they were: in text to the letter, elsewhere to the bit.
    filled : array_like of float, shape ``table.shape``
        The numbers for the missing cells, NaN for those that stay missing. What it says about observed cells is ignored.

    Raises
    ------
    InputError
        If the file cannot be written, or `filled` has another shape or holds infinities.

    Notes
    -----
    From text to text, header, index, order, delimiter and line ends are kept; only a suffix ``.tsv`` insists
    on tabs. Filled cells get six significant digits, or as many decimals as their column shows if that is
    more; cells that stay missing stay as they were. Triplets become a wide table.
    """
    suffix = _suffix(path)
    filled = np.asarray(filled, dtype=np.float64)
    if filled.shape != table.shape:
        raise InputError(f"The table has shape {table.shape}, the numbers to fill it with {filled.shape}.")
    if np.isinf(filled).any():
        raise InputError("The numbers to fill the table with are not all finite.")
    with atomic_path(path) as temporary:
        if suffix in _TEXT:
            temporary.write_bytes(_text(table, filled, suffix))
            return
        from . import tables_binary

        dense = filled.copy()
        dense[table.rows, table.cols] = table.entries
        if suffix == ".parquet":
            tables_binary.write_frame(temporary, table, dense)
        else:
            tables_binary.write_array(temporary, table, dense, zipped=suffix == ".npz")


def check_table_path(path: str | PathLike[str]) -> None:
    """Raise :class:`~rankfall.errors.InputError` if the suffix of a path names no format for tables."""
    _suffix(path)


def _suffix(path: str | PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(
            f"The name of {path} does not tell its format; it must end in {', '.join(_SUFFIXES[:-1])} or .npy."
        )
    return suffix


def _text(table: Table, filled: np.ndarray, suffix: str) -> bytes:
    source = table.source
    if isinstance(source, SheetSource):
        text = rewrite(source, np.isnan(table.values), filled, "\t" if suffix == ".tsv" else None)
        return text.encode(source.sheet.style.encoding)
    if isinstance(source, TripletSource):
        texts, delimiter, decimal, newline = source.texts, source.delimiter, source.decimal, source.newline
    else:
        texts = tuple(map(repr, table.entries.tolist()))
        delimiter, decimal, newline = ",", ".", "\n"
    if suffix == ".tsv":
        delimiter = "\t"
    holes = filled.copy()
    holes[table.rows, table.cols] = np.nan
    cells = [[format_filled(x, decimal=decimal) for x in row] for row in holes.tolist()]
    for row, col, text in zip(table.rows.tolist(), table.cols.tolist(), texts, strict=True):
        cells[row][col] = quote(text, delimiter)
    if table.row_names is not None:
        for name, line in zip(table.row_names, cells, strict=True):
            line.insert(0, quote(name, delimiter))
    if table.col_names is not None:
        names = [quote(name, delimiter) for name in table.col_names]
        cells.insert(0, [quote(table.corner, delimiter), *names] if table.row_names is not None else names)
    return "".join(delimiter.join(line) + newline for line in cells).encode("utf-8")
