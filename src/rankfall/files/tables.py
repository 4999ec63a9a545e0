"""Tables in and out, whatever the format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike

import numpy as np

from ..errors import InputError
from .filled_cells import columns_of, filled_text, rounded_cells
from .formats import EXCEL, FRAMES, TEXT, kind_of_input, kind_of_output, output_path
from .inputs import Source, readable, unpacked
from .missing_marks import MissingMarks
from .notation import PLAIN
from .table import ArraySource, Aside, FrameSource, SheetSource, Table, TripletSource
from .tables_csv import read_wide, rewrite
from .tables_text import quote, read_sheet
from .tables_triplets import Roles, read_text_triplets


def read_table(
    path: str | PathLike[str],
    triplets: bool = False,
    duplicates: str = "error",
    aside: Sequence[str] = (),
    beside: Sequence[str] = (),
    missing: Sequence[str] = (),
    skip: int = 0,
    roles: Roles | None = None,
    sheet: str | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Table:
    """Read a table with holes.

    Parameters
    ----------
    path : path
        The suffix tells the format: ``.csv``, ``.tsv`` or ``.txt`` (text), ``.parquet``, ``.feather``,
        ``.xlsx`` or ``.xlsm`` (Excel), ``.npz``, ``.npy``; any other file is read as text if it is text. It
        may be compressed (``.gz``, or ``.zip`` with one file). ``-`` is stdin, of which the first bytes tell.
    triplets : bool
        The file lists cells as row, column and value, one per line, in place of a table (not NumPy files).
    duplicates : {"error", "mean"}
        What to do when a cell is listed with different values. Equal values are merged either way.
    aside : sequence of str
        Names of columns that hold no measurements, or positions of data columns counted from zero where there
        is no header. They are not read, and written back as they are.
    beside : sequence of str
        The same, for columns that are used otherwise: one of row names stays that.
    missing : sequence of str
        What missing cells hold beside the usual words: numbers such as -999, however they are written, words,
        or words in which ``*`` stands for any characters (``<*``).
    skip : int
        Lines (of text) or rows (of Excel) above the table.
    roles : Roles, optional
        Which columns of a list of triplets hold what; by default the first three.
    sheet : str, optional
        The sheet of a workbook; by default the first that holds anything.
    kinds : mapping, optional
        Kinds of columns by name. Columns of text with few different values, and those that are named as
        categories, are then read as numbers of their levels (of wide text tables and workbooks).

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the file cannot be read as a table; the message names the file, and the cell if it is one.

    Notes
    -----
    *Text.* The delimiter (tab, semicolon, comma, bar, ``::`` or blanks), line ends, encoding and byte order
    mark are recognised and kept. Missing cells are empty or say NA, N/A, NaN, null or None, in any case.
    Where the delimiter is not the comma, a comma may be the decimal mark. If all numbers of a column carry a
    percent sign or the same currency, or separators of thousands, these are read away, and a note says so.
    Lines that begin with ``#`` are comments unless they have as many cells as the table; a last one of these
    above a table without names is its header.

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
    if duplicates not in ("error", "mean"):
        raise InputError(f'duplicates must be "error" or "mean", not {duplicates!r}.')
    triplets = triplets or roles is not None
    if triplets and (aside or beside):
        raise InputError("Triplets have no columns to leave aside.")
    with readable(path):
        source = unpacked(path)
    kind = kind_of_input(source)
    if skip and kind not in (*TEXT, *EXCEL):
        raise InputError(f"{source}: lines are skipped in text tables and workbooks only.")
    if sheet is not None and kind not in EXCEL:
        raise InputError(f"{source} has no sheets; --sheet is for Excel workbooks.")
    marks = MissingMarks.of(missing)
    with readable(path):
        return _read(source, kind, triplets, duplicates, aside, beside, marks, skip, roles, sheet, kinds)


def _read(
    source: Source,
    kind: str,
    triplets: bool,
    duplicates: str,
    aside: Sequence[str],
    beside: Sequence[str],
    marks: MissingMarks,
    skip: int,
    roles: Roles | None,
    sheet: str | None,
    kinds: Mapping[str, str] | None,
) -> Table:
    roles = roles or Roles()
    if kind in TEXT or kind in EXCEL:
        book, notes = None, []
        if kind in TEXT:
            found = read_sheet(source, marks, skip)
        else:
            # these need further packages, or are rarer
            from .tables_excel import read_book

            found, book, notes = read_book(source, sheet, marks, skip)
        if triplets:
            table = read_text_triplets(found, source, duplicates, roles)
        else:
            table = read_wide(found, source, aside, beside, kinds)
            assert isinstance(table.source, SheetSource)
            table = replace(table, source=replace(table.source, book=book))
        return replace(table, notes=(*notes, *table.notes))
    if kind in FRAMES:
        from .tables_frames import read_frame, read_frame_triplets

        if triplets:
            return read_frame_triplets(source, kind, duplicates, marks, roles)
        return read_frame(source, kind, aside, beside, marks)
    if aside or beside:
        raise InputError(f"{source}: NumPy files have no columns to leave aside; take them out of this one.")
    if triplets:
        raise InputError(f"{source}: triplets are not read from NumPy files; save a sparse matrix instead.")
    from .tables_binary import read_array, read_zip

    return read_zip(source, duplicates, marks) if kind == ".npz" else read_array(source, marks)


# cells of a text table that are made and written at a time
_CHUNK = 1 << 20
# numbers with more decimals were computed, or are noise of the last bits
_MEASURED = 6
Filling = np.ndarray | Callable[[int, int], np.ndarray]


def write_table(path: str | PathLike[str], table: Table, filled: Filling, rounded: bool = True) -> None:
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
    rounded : bool
        Give filled cells as many decimals as their column shows, and columns of whole numbers whole numbers.
        Otherwise text gets six significant digits, and other formats all digits.

    Raises
    ------
    InputError
        If the file cannot be written, or `filled` has another shape or holds infinities.

    Notes
    -----
    From text to text, header, index, order, delimiter, comments and line ends are kept; only a suffix
    ``.tsv`` insists on tabs. A workbook stays as it is, but for its empty cells. Cells that stay missing stay
    as they were. Triplets become a wide table; that is made and written a few rows at a time, and never in
    memory as a whole (see :func:`written_in_parts`).
    """
    suffix, _ = kind_of_output(path)
    block = _blocks(filled, table.shape)
    with output_path(path) as temporary:
        if written_in_parts(path, table):
            with open(temporary, "w", encoding="utf-8", newline="") as stream:
                for text in text_lines(table, block, suffix, rounded):
                    stream.write(text)
            return
        whole = block(0, table.shape[0])
        if suffix in TEXT:
            temporary.write_bytes(_rewritten(table, whole, suffix, rounded))
            return
        dense = whole.copy()
        if rounded and isinstance(table.source, (SheetSource, TripletSource)):
            dense = rounded_cells(dense, shown_decimals(table), table.limits)
        dense[table.rows, table.cols] = table.entries
        whole = whole_columns(table) - columns_of(table.limits) if rounded else set[int]()
        if suffix in FRAMES:
            from .tables_frames import write_frame

            write_frame(temporary, suffix, table, dense, rounded, whole)
        elif suffix in EXCEL:
            from .tables_excel import write_book

            write_book(temporary, suffix, table, dense, whole)
        else:
            from .tables_binary import write_array

            write_array(temporary, table, dense, suffix == ".npz", rounded)


def written_in_parts(path: str | PathLike[str], table: Table) -> bool:
    """Whether :func:`write_table` writes this table to this file without ever holding all of its numbers."""
    return kind_of_output(path)[0] in TEXT and not isinstance(table.source, SheetSource)


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
    """Raise :class:`~rankfall.errors.InputError` if the suffix of a path names no format for tables, or one
    that needs a package which is not installed.
    """
    if kind_of_output(path)[0] in EXCEL:
        from .tables_excel import require_openpyxl

        require_openpyxl()


def _rewritten(table: Table, filled: np.ndarray, suffix: str, rounded: bool) -> bytes:
    """A wide text table with its holes filled in."""
    source = table.source
    assert isinstance(source, SheetSource)
    delimiter = "\t" if suffix == ".tsv" else None
    text = rewrite(source, np.isnan(table.values), filled, delimiter, rounded, table.limits, table.levels)
    return text.encode(source.sheet.style.encoding)


def text_delimiter(table: Table, suffix: str) -> str:
    """What cells are separated by in a text table of this suffix."""
    if suffix == ".tsv":
        return "\t"
    if isinstance(table.source, SheetSource):
        return table.source.sheet.style.delimiter
    return table.source.delimiter if isinstance(table.source, TripletSource) else ","


def text_lines(
    table: Table, block: Callable[[int, int], np.ndarray], suffix: str, rounded: bool
) -> Iterator[str]:
    """The lines of a text table, from whatever it was read, a few rows at a time."""
    source, texts = table.source, None
    delimiter, decimal, newline = text_delimiter(table, suffix), ".", "\n"
    if isinstance(source, SheetSource):
        decimal, newline = source.sheet.style.notation.decimal, source.sheet.style.newline
    if isinstance(source, TripletSource):
        texts, decimal, newline = source.texts, source.notation.decimal, source.newline
    shown = shown_decimals(table) if rounded else [None] * table.shape[1]
    asides = table.asides
    if table.col_names is not None:
        names = [quote(name, delimiter) for name in table.col_names]
        _insert(names, asides, [quote(aside.name, delimiter) for aside in asides])
        if table.row_names is not None:
            names.insert(0, quote(table.corner, delimiter))
        yield delimiter.join(names) + newline
    m, n = table.shape
    step = max(1, _CHUNK // max(n, 1))
    order = None if np.all(np.diff(table.rows) >= 0) else np.argsort(table.rows, kind="stable")
    rows = table.rows if order is None else table.rows[order]
    whole, levels = whole_columns(table), table.levels or {}
    allowed = {} if table.limits is None else table.limits.by_cell()
    for start in range(0, m, step):
        stop = min(start + step, m)
        first, last = map(int, np.searchsorted(rows, [start, stop]))
        at = np.arange(first, last)
        at = at if order is None else order[at]
        holes = block(start, stop).copy()
        holes[table.rows[at] - start, table.cols[at]] = np.nan
        cells = [
            [
                filled_text(x, digits, decimal, allowed.get((i, j)), levels.get(j))
                for j, (x, digits) in enumerate(zip(row, shown, strict=True))
            ]
            for i, row in enumerate(holes.tolist(), start)
        ]
        for row, col, k in zip(
            (table.rows[at] - start).tolist(), table.cols[at].tolist(), at.tolist(), strict=True
        ):
            number = float(table.entries[k])
            if col in levels:
                text = levels[col][int(number)]
            else:
                text = str(int(number)) if col in whole else repr(number).replace(".", decimal)
            cells[row][col] = quote(text if texts is None else texts[k], delimiter)
        for number, line in enumerate(cells):
            _insert(line, asides, [quote(aside.cells[start + number], delimiter) for aside in asides])
            if table.row_names is not None:
                line.insert(0, quote(table.row_names[start + number], delimiter))
            yield delimiter.join(line) + newline


def _insert(line: list[str], asides: Sequence[Aside], cells: Sequence[str]) -> None:
    """Put the cells of columns left aside where they belong."""
    for shift, (aside, cell) in enumerate(zip(asides, cells, strict=True)):
        line.insert(aside.before + shift, cell)


def whole_columns(table: Table) -> set[int]:
    """The columns that are stored or written as whole numbers."""
    source = table.source
    if isinstance(source, (SheetSource, TripletSource)):
        return {col for col, digits in enumerate(shown_decimals(table)) if digits == 0}
    if isinstance(source, ArraySource):
        return set(range(table.shape[1])) if source.dtype.kind in "iub" else set()
    return source.whole_columns if isinstance(source, FrameSource) else set()


def whole_number_columns(table: Table) -> list[int]:
    """The columns with missing cells whose filled cells are rounded to whole numbers."""
    counts = np.bincount(table.cols, minlength=table.shape[1])
    holed = np.flatnonzero((counts < table.shape[0]) & (counts > 0))
    whole = whole_columns(table)
    return [int(j) for j in holed if int(j) in whole]


def shown_decimals(table: Table) -> list[int | None]:
    """How many decimals filled cells get; None for six significant digits.

    Floating point numbers tell by what they show, unless that is more than a measurement does.
    """
    if isinstance(table.source, TripletSource):
        return [table.source.decimals] * table.shape[1]
    if isinstance(table.source, SheetSource):
        return table.source.decimals(np.isnan(table.values))
    whole = whole_columns(table)
    out: list[int | None] = [0 if col in whole else None for col in range(table.shape[1])]
    order = np.argsort(table.cols, kind="stable")
    columns = np.split(table.entries[order], np.searchsorted(table.cols[order], np.arange(1, table.shape[1])))
    for col, values in enumerate(columns):
        if col in whole or not values.size:
            continue
        most = PLAIN.most_decimals(map(repr, values.tolist()))
        out[col] = most if most is not None and most <= _MEASURED else None
    return out
