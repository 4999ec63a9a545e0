"""Tables in Excel workbooks."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterable, Set
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .inputs import Source, check_members, open_input
from .missing_marks import MissingMarks
from .notation import Notation
from .table import Book, SheetSource, Table
from .tables_text import Sheet, Style, quote

if TYPE_CHECKING:
    from openpyxl import Workbook

# rows of nothing after which a sheet ends: some programs claim a million
_EMPTY_ROWS = 1000
# of a sheet
_MOST_ROWS = 1_048_576


def read_book(
    source: Source, name: str | None, marks: MissingMarks, skip: int
) -> tuple[Sheet, Book, list[str]]:
    """A sheet of a workbook as lines of text, where it came from, and notes.

    The first sheet that holds anything is read, or the one of this name. Formulas count as what they gave
    when the workbook was saved. The first `skip` rows are left out.

    Raises
    ------
    InputError
        If there is no such sheet, it is empty, or the workbook is damaged.
    """
    with open_input(source) as stream:
        data = stream.read()
    book = _loaded(data, source, read_only=True, data_only=True)
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if name is not None and name not in sheets:
        raise InputError(f"{source} has no sheet {name!r}; its sheets are {', '.join(map(repr, sheets))}.")
    notes: list[str] = []
    for title in sheets if name is None else [name]:
        rows = _rows(sheets[title], source)
        if rows:
            break
    else:
        raise InputError(f"{source} is empty.")
    others = [other for other in sheets if other != title]
    if name is None and others:
        notes.append(f"The sheet {title!r} was read; --sheet chooses another ({', '.join(others)}).")
    left = min(next(k for k, text in enumerate(row) if text) for row in rows.values())
    width = max(len(row) for row in rows.values()) - left
    kept = {at: row for at, row in rows.items() if at > skip}
    if not kept:
        raise InputError(f"{source} is empty after {skip} rows.")
    lines: list[str] = []
    for row in kept.values():
        cells = [*row[left:], *[""] * (width - len(row) + left)]
        lines.append(",".join(quote(cell, ",") for cell in cells))
    style = Style(",", Notation(".", marks))
    return Sheet(tuple(lines), tuple(kept), style), Book(data, title, left), notes


def write_book(
    path: str | PathLike[str], kind: str, table: Table, dense: np.ndarray, whole: Set[int]
) -> None:
    """Write a workbook: the one that the table came from with its empty cells filled in, or a new one.

    Columns in `whole` hold whole numbers.
    """
    source = table.source
    if isinstance(source, SheetSource) and source.book is not None:
        _fill(path, kind, table, source, source.book, dense, whole)
        return
    write_new_book(path, table, [dense], whole)


def write_new_book(
    path: str | PathLike[str], table: Table, filled: Iterable[np.ndarray], whole: Set[int], number: str = ""
) -> None:
    """Write a new workbook: a table with its cells filled in, or several below each other, whose numbers are
    then in a first column called `number`.

    Raises
    ------
    InputError
        If a sheet has not so many rows.
    """
    openpyxl = require_openpyxl()
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("rankfall")
    asides = table.asides
    named = table.row_names is not None
    if table.col_names is not None or named or number:
        names = [table.col_label(j) for j in range(table.shape[1])]
        for shift, aside in enumerate(asides):
            names.insert(aside.before + shift, aside.name)
        names = [number] * bool(number) + [table.corner] * named + names
        sheet.append([_literally(sheet, name) for name in names])
    for k, dense in enumerate(filled):
        if (k + 1) * dense.shape[0] >= _MOST_ROWS:
            raise InputError(
                f"A sheet of Excel has {_MOST_ROWS:,} rows, too few for this table; write .csv or .parquet."
            )
        for i, numbers in enumerate(dense.tolist()):
            row: list[Any] = [_number(x, j in whole) for j, x in enumerate(numbers)]
            for shift, aside in enumerate(asides):
                row.insert(aside.before + shift, _literally(sheet, aside.cells[i]))
            row = [_literally(sheet, table.row_label(i))] * named + row
            sheet.append([k + 1] * bool(number) + row)
    book.save(path)


def _fill(
    path: str | PathLike[str],
    kind: str,
    table: Table,
    source: SheetSource,
    book: Book,
    dense: np.ndarray,
    whole: Set[int],
) -> None:
    """The workbook as it was, with numbers in the empty cells."""
    from openpyxl.cell.cell import MergedCell

    loaded = _loaded(book.data, path, keep_vba=kind == ".xlsm")
    sheet = loaded[book.sheet]
    holes = np.isnan(table.values)
    lines = source.sheet.numbers[int(source.header) :]
    formats: dict[int, str] = {}
    for j, k in enumerate(source.columns):
        for i in np.flatnonzero(~holes[:, j]).tolist():
            formats.setdefault(j, sheet.cell(lines[i], 1 + book.left + k).number_format)
            break
    at_rows, at_columns = np.nonzero(holes & ~np.isnan(dense))
    for i, j in zip(at_rows.tolist(), at_columns.tolist(), strict=True):
        cell = sheet.cell(lines[i], 1 + book.left + source.columns[j])
        if isinstance(cell, MergedCell) or cell.data_type == "f":
            continue  # part of another cell, or a formula that was never calculated
        cell.value = _number(float(dense[i, j]), j in whole)
        if cell.number_format == "General":
            cell.number_format = formats.get(j, "General")
    loaded.save(path)


def _number(value: float, whole: bool) -> float | int | None:
    if value != value:
        return None
    return int(value) if whole and abs(value) < 2.0**53 else value


def _literally(sheet: Any, text: str) -> Any:
    """A cell that says a text, even if that begins like a formula."""
    from openpyxl.cell import WriteOnlyCell

    if not text.startswith("="):
        return text or None
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    return cell


def require_openpyxl() -> Any:
    """The package that reads and writes workbooks; an InputError says how to get it."""
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(
            "Excel workbooks need the package openpyxl: install rankfall[excel], or save the table as CSV."
        ) from error
    return openpyxl


def _loaded(data: bytes, source: object, **how: bool) -> Workbook:
    openpyxl = require_openpyxl()
    stream = io.BytesIO(data)
    try:
        with zipfile.ZipFile(stream) as archive:
            check_members(archive.infolist(), len(data), str(source))
        return openpyxl.load_workbook(stream, **how)
    except InputError:
        raise
    except Exception as error:  # openpyxl lets whatever goes wrong in a damaged workbook through
        raise _damaged(source, error) from error


def _rows(sheet: Any, source: Source) -> dict[int, list[str]]:
    """What the cells of a sheet say, by row number; rows and last cells that are empty are left out."""
    rows: dict[int, list[str]] = {}
    sheet.reset_dimensions()
    try:
        for at, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            texts = [_text(cell) for cell in cells]
            while texts and not texts[-1]:
                texts.pop()
            if texts:
                rows[at] = texts
            elif at - max(rows, default=0) > _EMPTY_ROWS:
                break
    except Exception as error:
        raise _damaged(source, error) from error
    return rows


def _text(value: object) -> str:
    """What a cell says; whole numbers without a decimal point, dates without a time of midnight."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return str(value).strip()


def _damaged(source: object, error: Exception) -> InputError:
    reason = str(error).strip().partition("\n")[0].rstrip(".")[:120]
    return InputError(f"{source} is damaged or not an Excel workbook ({reason}).")
