"""Cells one by one: triplets of row, column and value, and the list of cells somebody asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from ..errors import InputError
from .atomic import atomic_path
from .table import Table, TripletSource, merge_triplets
from .tables_text import format_filled, is_missing, is_number, number, quote, read_sheet, unquote

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a table: positions counted from zero, and labels as they were written."""

    rows: np.ndarray
    cols: np.ndarray
    row_labels: tuple[str, ...]
    col_labels: tuple[str, ...]


def read_text_triplets(path: str | PathLike[str], duplicates: str) -> Table:
    """Read lines of row, column and value; see :func:`rankfall.files.read_table`."""
    sheet = read_sheet(path)
    style = sheet.style
    cells = [[unquote(cell) for cell in line] for line in sheet.cells()]
    for line, at in zip(cells, sheet.numbers, strict=True):
        if len(line) != 3:
            raise InputError(f"{path}: line {at} has {len(line)} cells, not a row, a column and a value.")
    corner = "row"
    first = cells[0][2]
    if not is_number(first, style.decimal) and not is_missing(first):
        corner = cells[0][0] or corner
        cells = cells[1:]
    if not cells:
        raise InputError(f"{path} has a header but no rows.")
    source = TripletSource((), corner, style.delimiter, style.decimal, style.newline)
    row_labels, col_labels, texts = ([line[k] for line in cells] for k in range(3))
    return build(row_labels, col_labels, texts, source, duplicates, path)


def build(
    row_labels: list[str],
    col_labels: list[str],
    texts: list[str],
    source: TripletSource,
    duplicates: str,
    path: str | PathLike[str],
) -> Table:
    """The table that triplets describe; a missing value still names its row and column."""
    values = np.empty(len(texts))
    for k, text in enumerate(texts):
        try:
            value = number(text, source.decimal)
        except ValueError:
            value = math.inf
        if math.isinf(value):
            raise InputError(
                f"{path}: the value in row {row_labels[k]!r}, column {col_labels[k]!r} is not a finite "
                f"number: {text!r}."
            )
        values[k] = value
    row_names, rows = _number_labels(row_labels, "row", path)
    col_names, cols = _number_labels(col_labels, "column", path)
    kept = np.flatnonzero(~np.isnan(values))
    try:
        merged = merge_triplets(rows[kept], cols[kept], values[kept], duplicates, row_names, col_names)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    rows, cols, values, first = merged
    origin = np.where(first < 0, -1, kept[first]) if first.size else first
    written = tuple(
        repr(value).replace(".", source.decimal) if k < 0 else texts[k]
        for k, value in zip(origin.tolist(), values.tolist(), strict=True)
    )
    source = TripletSource(written, source.corner, source.delimiter, source.decimal, source.newline)
    shape = (len(row_names), len(col_names))
    return Table(rows, cols, values, shape, row_names, col_names, source=source)


def _number_labels(
    labels: list[str], what: str, path: str | PathLike[str]
) -> tuple[tuple[str, ...], np.ndarray]:
    """The different labels in order, and the position of each given one."""
    names = list(dict.fromkeys(labels))
    if "" in names:
        raise InputError(f"{path}: entry {labels.index('') + 1} does not say its {what}.")
    if all(_WHOLE.fullmatch(name) for name in names):
        names.sort(key=int)
    position = {name: k for k, name in enumerate(names)}
    return tuple(names), np.array([position[label] for label in labels], dtype=np.int64)


def read_cells(path: str | PathLike[str], table: Table) -> Cells:
    """Read which cells of a table are asked for.

    Parameters
    ----------
    path : path
        A text table whose first two columns are the labels of rows and columns of `table`, or their
        positions counted from zero where the table has no labels. Further columns are ignored. A first
        line that names neither a row nor a column is a header.
    table : Table

    Returns
    -------
    Cells

    Raises
    ------
    InputError
        If a label is unknown or belongs to several lines of the table.
    """
    sheet = read_sheet(path)
    cells = [[unquote(cell) for cell in line] for line in sheet.cells()]
    numbers = list(sheet.numbers)
    for line, at in zip(cells, numbers, strict=True):
        if len(line) < 2:
            raise InputError(f"{path}: line {at} does not name a row and a column.")
    by_row, by_col = _positions(table.row_names, table.shape[0]), _positions(table.col_names, table.shape[1])
    if cells[0][0] not in by_row and cells[0][1] not in by_col:
        cells, numbers = cells[1:], numbers[1:]
        if not cells:
            raise InputError(f"{path} names no cell of the table.")
    rows = [_find(by_row, line[0], "row", at, path) for line, at in zip(cells, numbers, strict=True)]
    cols = [_find(by_col, line[1], "column", at, path) for line, at in zip(cells, numbers, strict=True)]
    return Cells(
        np.array(rows, dtype=np.int64),
        np.array(cols, dtype=np.int64),
        tuple(line[0] for line in cells),
        tuple(line[1] for line in cells),
    )


def _positions(names: tuple[str, ...] | None, length: int) -> dict[str, int]:
    """Position of every label; -1 for one that occurs again."""
    if names is None:
        return {str(k): k for k in range(length)}
    positions: dict[str, int] = {}
    for k, name in enumerate(names):
        positions[name] = -1 if name in positions else k
    return positions


def _find(positions: dict[str, int], label: str, what: str, at: int, path: str | PathLike[str]) -> int:
    position = positions.get(label)
    if position is None:
        raise InputError(f"{path}: line {at} asks for {what} {label!r}, which the table does not have.")
    if position < 0:
        raise InputError(f"{path}: line {at} asks for {what} {label!r}, which the table has more than once.")
    return position


def write_cells(
    path: str | PathLike[str],
    row_labels: Sequence[str],
    col_labels: Sequence[str],
    values: np.ndarray,
    interval: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Write single cells as a text table with the columns row, column and value.

    Parameters
    ----------
    path : path
        Tabs separate the columns if it ends in ``.tsv``, else commas.
    row_labels, col_labels : sequence of str
    values : array_like of float
        Six significant digits are written; NaN gives an empty cell.
    interval : (array_like, array_like), optional
        Two more columns, lower and upper, of the same form; ``inf`` where there is no bound.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    delimiter = "\t" if str(path).lower().endswith(".tsv") else ","
    columns = {"value": values}
    if interval is not None:
        columns |= {"lower": interval[0], "upper": interval[1]}
    numbers = zip(*(np.asarray(column, dtype=float).tolist() for column in columns.values()), strict=True)
    lines = [("row", "column", *columns)]
    for row, col, line in zip(row_labels, col_labels, numbers, strict=True):
        lines.append((quote(row, delimiter), quote(col, delimiter), *map(format_filled, line)))
    text = "".join(delimiter.join(line) + "\n" for line in lines)
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
