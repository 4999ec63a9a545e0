"""Tables in and out: CSV, Parquet, NPZ, NPY."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
        Names of columns of a text table that hold no measurements. They are not read, and written back as
        they are.

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

    The first column is the index if at least half of its cells are text, dates or times. A column of numbers
    is an index only if they are whole and all different, and either its name is ``id``, ``index``, ``date``,
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


# cells of a text table that are made and written at a time
_CHUNK = 1 << 20
Filling = np.ndarray | Callable[[int, int], np.ndarray]


def write_table(path: str | PathLike[str], table: Table, filled: Filling) -> None:
    """Write a table with its missing cells filled in, whole or not at all.

    Parameters
    ----------
    path : path
        The suffix tells the format, as in :func:`read_table`.
    table : Table
        What was read. Its observed cells are written as they were: in text to the letter, elsewhere to the
        bit.
    filled : array_like of float, shape ``table.shape``, or function
        The numbers for the missing cells, NaN for those that stay missing. What it says about observed cells
        is ignored. A function is called with ``start`` and ``stop`` for some consecutive rows, shape (stop -
        start, n_cols).

    Raises
    ------
    InputError
        If the file cannot be written, or `filled` has another shape or holds infinities.

    Notes ----- From text to text, header, index, order, delimiter and line ends are kept; only a suffix
    ``.tsv`` insists on tabs. Filled cells get six significant digits, or as many decimals as their column
    shows if that is more; cells that stay missing stay as they were. Triplets become a wide table; that is
    made and written a few rows at a time, and never in memory as a whole (see :func:`written_in_parts`).
    """
    suffix = _suffix(path)
    block = _blocks(filled, table.shape)
    with atomic_path(path) as temporary:
        if written_in_parts(path, table):
            with open(temporary, "w", encoding="utf-8", newline="") as stream:
                for text in _lines(table, block, suffix):
                    stream.write(text)
            return
        whole = block(0, table.shape[0])
        if suffix in _TEXT:
            temporary.write_bytes(_rewritten(table, whole, suffix))
            return
        from . import tables_binary

        dense = whole.copy()
        dense[table.rows, table.cols] = table.entries
        if suffix == ".parquet":
            tables_binary.write_frame(temporary, table, dense)
        else:
            tables_binary.write_array(temporary, table, dense, zipped=suffix == ".npz")


def written_in_parts(path: str | PathLike[str], table: Table) -> bool:
    """Whether :func:`write_table` writes this table to this file without ever holding all of its numbers."""
    return _suffix(path) in _TEXT and not isinstance(table.source, SheetSource)


def _blocks(filled: Filling, shape: tuple[int, int]) -> Callable[[int, int], np.ndarray]:
    """The rows from `start` to `stop`, checked."""

    def block(start: int, stop: int) -> np.ndarray:
        part = np.asarray(filled(start, stop) if callable(filled) else filled[start:stop], dtype=np.float64)
        if part.shape != (stop - start, shape[1]):
            raise InputError(
                f"The table has shape {shape}, the numbers to fill rows {start} to {stop} with {part.shape}."
            )
        if np.isinf(part).any():
            raise InputError("The numbers to fill the table with are not all finite.")
        return part

    if not callable(filled):
        filled = np.asarray(filled, dtype=np.float64)
        if filled.shape != shape:
            raise InputError(f"The table has shape {shape}, the numbers to fill it with {filled.shape}.")
    return block


def check_table_path(path: str | PathLike[str]) -> None:
    """Raise :class:`~rankfall.errors.InputError` if the suffix of a path names no format for tables."""
    _suffix(path)


def _suffix(path: str | PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(
            f"The name of {path} does not tell its format; it must end in {', '.join(_SUFFIXES[:-1])} or "
            ".npy."
        )
    return suffix


def _rewritten(table: Table, filled: np.ndarray, suffix: str) -> bytes:
    """A wide text table with its holes filled in."""
    source = table.source
    assert isinstance(source, SheetSource)
    text = rewrite(source, np.isnan(table.values), filled, "\t" if suffix == ".tsv" else None)
    return text.encode(source.sheet.style.encoding)


def _lines(table: Table, block: Callable[[int, int], np.ndarray], suffix: str) -> Iterator[str]:
    """The lines of a text table, from whatever it was read, a few rows at a time."""
    source, texts = table.source, None
    delimiter, decimal, newline = ",", ".", "\n"
    if isinstance(source, TripletSource):
        texts, delimiter, decimal, newline = source.texts, source.delimiter, source.decimal, source.newline
    if suffix == ".tsv":
        delimiter = "\t"
    if table.col_names is not None:
        names = [quote(name, delimiter) for name in table.col_names]
        if table.row_names is not None:
            names.insert(0, quote(table.corner, delimiter))
        yield delimiter.join(names) + newline
    m, n = table.shape
    step = max(1, _CHUNK // max(n, 1))
    order = None if np.all(np.diff(table.rows) >= 0) else np.argsort(table.rows, kind="stable")
    rows = table.rows if order is None else table.rows[order]
    for start in range(0, m, step):
        stop = min(start + step, m)
        at = np.arange(*np.searchsorted(rows, [start, stop]))
        at = at if order is None else order[at]
        holes = block(start, stop).copy()
        holes[table.rows[at] - start, table.cols[at]] = np.nan
        cells = [[format_filled(x, decimal=decimal) for x in row] for row in holes.tolist()]
        for row, col, k in zip(
            (table.rows[at] - start).tolist(), table.cols[at].tolist(), at.tolist(), strict=True
        ):
            text = repr(float(table.entries[k])) if texts is None else texts[k]
            cells[row][col] = quote(text, delimiter)
        for number, line in enumerate(cells):
            if table.row_names is not None:
                line.insert(0, quote(table.row_names[start + number], delimiter))
            yield delimiter.join(line) + newline
