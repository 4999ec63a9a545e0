"""Cells one by one: triplets of row, column and value, and the list of cells somebody asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from ..errors import InputError
from .bad_cells import cell_remedy
from .formats import kind_of_output, output_path
from .inputs import Source, readable, unpacked
from .notation import format_filled, unquote
from .table import Table, TripletSource, merge_triplets
from .tables_text import Sheet, quote, read_sheet

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a table: positions counted from zero, and labels as they were written."""

    rows: np.ndarray
    cols: np.ndarray
    row_labels: tuple[str, ...]
    col_labels: tuple[str, ...]


@dataclass(frozen=True)
class Roles:
    """Which columns of a list hold the row, the column and the value: names, or positions counted from zero;
    None for the first ones that have no other role.
    """

    row: str | None = None
    column: str | None = None
    value: str | None = None

    def places(self, names: Sequence[str], path: Source) -> tuple[int, int, int]:
        """Their positions among columns of these names.

        Raises
        ------
        InputError
            If there is no such column, or one is named twice.
        """
        found: dict[str, int] = {}
        for role, name in vars(self).items():
            if name is None:
                continue
            if name in names:
                found[role] = list(names).index(name)
            elif name.isdigit() and int(name) < len(names):
                found[role] = int(name)
            else:
                known = ", ".join(map(repr, names))
                raise InputError(f"{path} has no column {name!r} for --{role}; its columns are {known}.")
        free = iter(k for k in range(len(names)) if k not in found.values())
        places = [found[role] if role in found else next(free) for role in ("row", "column", "value")]
        if len(set(places)) < 3:
            raise InputError("--row, --column and --value must name three different columns.")
        return places[0], places[1], places[2]


def read_text_triplets(sheet: Sheet, path: Source, duplicates: str, roles: Roles) -> Table:
    """Read lines of row, column and value; see :func:`rankfall.files.read_table`."""
    style = sheet.style
    notation = style.notation
    cells = [[unquote(cell) for cell in line] for line in sheet.cells()]
    width = len(cells[0])
    for line, at in zip(cells, sheet.numbers, strict=True):
        if len(line) < 3:
            raise InputError(f"{path}: line {at} has {len(line)} cells, not a row, a column and a value.")
        if len(line) != width:
            raise InputError(f"{path}: line {at} has {len(line)} cells where others have {width}.")
    places = roles.places(cells[0], path)
    first = cells[0][places[2]]
    named = any(name is not None and name in cells[0] for name in vars(roles).values())
    header = named or (not notation.is_number(first) and not notation.is_missing(first))
    names = cells[0] if header else [str(k) for k in range(width)]
    corner = (header and names[places[0]].lstrip("# ")) or "row"
    cells = cells[1:] if header else cells
    if not cells:
        raise InputError(f"{path} has a header but no rows.")
    source = TripletSource((), corner, style.delimiter, notation, style.newline)
    row_labels, col_labels, texts = ([line[k] for line in cells] for k in places)
    table = build(row_labels, col_labels, texts, source, duplicates, path)
    notes = left_out(names, places, roles) + notation.unused(texts)
    return replace(table, notes=(*table.notes, *notes))


def left_out(names: Sequence[str], places: tuple[int, int, int], roles: Roles) -> list[str]:
    """A note on columns that were not read because nobody named any."""
    rest = [name for k, name in enumerate(names) if k not in places]
    if not rest or None not in vars(roles).values():
        return []
    row, column, value = (names[k] for k in places)
    return [
        f"Column {row} was read as row, {column} as column and {value} as value; {', '.join(rest)} was left "
        "out. --row, --column and --value choose others."
    ]


def build(
    row_labels: list[str],
    col_labels: list[str],
    texts: list[str],
    source: TripletSource,
    duplicates: str,
    path: Source,
) -> Table:
    """The table that triplets describe; a missing value still names its row and column."""
    values = np.empty(len(texts))
    for k, text in enumerate(texts):
        try:
            value = source.notation.number(text)
        except ValueError:
            value = math.inf
        if math.isinf(value):
            remedy = cell_remedy(text, source.notation)
            raise InputError(
                f"{path}: the value in row {row_labels[k]!r}, column {col_labels[k]!r} is not a finite "
                f"number: {text!r}; {remedy}."
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
    origin: list[int] = np.where(first < 0, -1, kept[first]).tolist() if first.size else []
    written = tuple(
        repr(value).replace(".", source.notation.decimal) if k < 0 else texts[k]
        for k, value in zip(origin, values.tolist(), strict=True)
    )
    source = replace(source, texts=written)
    shape = (len(row_names), len(col_names))
    return Table(rows, cols, values, shape, row_names, col_names, source=source)


def _number_labels(labels: list[str], what: str, path: Source) -> tuple[tuple[str, ...], np.ndarray]:
    """The different labels in order, and the position of each given one."""
    names = list(dict.fromkeys(labels))
    if "" in names:
        raise InputError(f"{path}: entry {labels.index('') + 1} does not say its {what}.")
    if all(_WHOLE.fullmatch(name) for name in names):
        names.sort(key=int)
    position = {name: k for k, name in enumerate(names)}
    return tuple(names), np.array([position[label] for label in labels], dtype=np.int64)


def read_cells(path: Source, table: Table) -> Cells:
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
    with readable(path):
        sheet = read_sheet(unpacked(path))
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


def _find(positions: dict[str, int], label: str, what: str, at: int, path: Source) -> int:
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
    delimiter = "\t" if kind_of_output(path)[0] == ".tsv" else ","
    columns = {"value": values}
    if interval is not None:
        columns |= {"lower": interval[0], "upper": interval[1]}
    numbers = zip(*(np.asarray(column, dtype=float).tolist() for column in columns.values()), strict=True)
    lines = [("row", "column", *columns)]
    for row, col, line in zip(row_labels, col_labels, numbers, strict=True):
        lines.append((quote(row, delimiter), quote(col, delimiter), *map(format_filled, line)))
    text = "".join(delimiter.join(line) + "\n" for line in lines)
    with output_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
