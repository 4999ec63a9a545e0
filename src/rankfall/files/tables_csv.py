"""Wide text tables: which line is the header, which column the index, and the cells."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from os import PathLike

import numpy as np

from ..errors import InputError
from .bad_cells import bad_cell
from .table import SheetSource, Table
from .tables_text import (
    Sheet,
    decimals,
    format_filled,
    is_missing,
    is_number,
    number,
    quote,
    read_sheet,
    unquote,
)

# names under which a column of different whole numbers is a label and not a measurement
_INDEX_NAMES = frozenset({"", "id", "index", "date", "datetime", "time", "timestamp", "year"})
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T].*)?|\d{1,2}:\d\d(:\d\d)?", re.ASCII)
_COMPACT_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
# a number somebody wrote in another way, which is to be named and not to be taken for a label
_NEARLY_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*", re.ASCII)
_LOOKED_AT = 50
# so few numbers may well increase by chance
_FEW = 4


def read_wide(path: str | PathLike[str], aside: Sequence[str] = ()) -> Table:
    """Read a text table; see :func:`rankfall.files.read_table` for the rules."""
    sheet = read_sheet(path)
    cells = sheet.cells()
    decimal = sheet.style.decimal
    cells, short = _rectangle(cells, sheet, path)
    header = short or _has_header(cells, decimal)
    body = cells[1:] if header else cells
    if not body:
        raise InputError(f"{path} has a header but no rows.")
    notes = []
    name = unquote(cells[0][0]).lower() if header and not short else None
    leads = [unquote(row[0]) for row in body]
    names = [unquote(cell) for cell in ([""] * short + cells[0] if header else [])]
    set_aside = _set_aside(names, aside, path)
    index = short or (0 not in set_aside and _is_index(leads, name, len(body[0]), decimal))
    if header and not short and all(is_number(cell, decimal) for cell in cells[0][1:] or cells[0]):
        notes.append("The first line holds numbers and was read as column names.")
    if index and all(is_number(lead, decimal) for lead in leads):
        notes.append("The first column holds numbers and was read as row names.")
    start, n_cols = int(index), _count_columns(cells, index, short)
    columns = tuple(k for k in range(start, start + n_cols) if k not in set_aside)
    if not columns:
        raise InputError(f"{path} has no column of numbers.")
    col_names = tuple(names[k] for k in columns) if header else None
    row_names = tuple(leads) if index else None
    values = np.empty((len(body), len(columns)))
    for i, row in enumerate(body):
        try:
            values[i] = _parse([row[k] for k in columns], decimal)
        except ValueError:
            at = f"line {sheet.numbers[i + int(header)]}"
            if index:
                at = f"row {leads[i]!r}" + (f" ({at})" if leads.count(leads[i]) > 1 else "")
            picked = [[line[k] for k in columns] for line in body]
            triplets = _look_like_triplets(body, index, decimal)
            remedy = "if the lines are row, column, value, read them as triplets" if triplets else ""
            raise bad_cell(picked, i, at, col_names, decimal, path, remedy) from None
    source = SheetSource(sheet, header, index, columns)
    return Table.from_values(values, row_names, col_names, notes=tuple(notes), source=source)


def rewrite(source: SheetSource, holes: np.ndarray, filled: np.ndarray, delimiter: str | None = None) -> str:
    """The text of the table with the cells marked in `holes` filled in.

    Those that are NaN stay as they were.
    """
    style = source.sheet.style
    cells = source.sheet.cells()
    if delimiter is not None and delimiter != style.delimiter:
        cells = [[quote(unquote(cell), delimiter) for cell in row] for row in cells]
    else:
        delimiter = style.delimiter
    body = cells[1:] if source.header else cells
    columns = source.columns
    shown = [0] * len(columns)
    for row, row_holes in zip(body, holes.tolist(), strict=True):
        for j, hole in enumerate(row_holes):
            if not hole:
                shown[j] = max(shown[j], decimals(row[columns[j]], style.decimal))
    wanted = holes & ~np.isnan(filled)
    for i, j in zip(*(index.tolist() for index in np.nonzero(wanted)), strict=True):
        body[i][columns[j]] = quote(format_filled(float(filled[i, j]), shown[j], style.decimal), delimiter)
    lines = style.newline.join(delimiter.join(row) for row in cells)
    return lines + (style.newline if style.ends_with_newline else "")


def _set_aside(names: list[str], aside: Sequence[str], path: str | PathLike[str]) -> set[int]:
    """Where the columns are that hold no measurements."""
    for name in aside:
        if name not in names:
            known = f"its columns are {', '.join(map(repr, names))}" if names else "it has no header"
            raise InputError(f"{path} has no column {name!r} to leave aside; {known}.")
    return {k for k, name in enumerate(names) if name in aside}


def _rectangle(
    cells: list[list[str]], sheet: Sheet, path: str | PathLike[str]
) -> tuple[list[list[str]], bool]:
    """The cells, equally many in every line; and whether the header alone has one fewer.

    The latter is how R writes row names.
    """
    width = Counter(map(len, cells[1:] or cells)).most_common(1)[0][0]
    short = len(cells) > 1 and len(cells[0]) == width - 1
    for row, line in zip(cells[short:], sheet.numbers[short:], strict=True):
        if len(row) != width:
            raise InputError(f"{path}: line {line} has {len(row)} cells where others have {width}.")
    if short and all(is_number(cell, sheet.style.decimal) for cell in cells[0]):
        raise InputError(f"{path}: line {sheet.numbers[0]} has {width - 1} cells where others have {width}.")
    return cells, short


def _count_columns(cells: list[list[str]], index: bool, short: bool) -> int:
    """The data columns; an empty last one, which a delimiter at every line's end makes, is none."""
    width = len(cells[-1]) - int(index)
    if width > 1 and not short and all(not row[-1].strip() for row in cells):
        return width - 1
    return width


def _has_header(cells: list[list[str]], decimal: str) -> bool:
    """Whether the first line holds names."""
    first, body = cells[0], cells[1 : _LOOKED_AT + 1]
    rest = first[1:] if len(first) > 1 else first
    if not all(is_number(cell, decimal) or is_missing(cell) for cell in rest):
        return True
    if not body or not all(is_number(cell, decimal) for cell in rest):
        return False
    lead, leads = unquote(first[0]), [unquote(row[0]) for row in body]
    if is_number(lead, decimal):
        # numbers all along: only names such as 0, 1, 2, ... or 2001, 2002, ... are taken for names
        names = _numbers(first, decimal)
        counted = names.size == len(first) > 2 and bool(np.all(np.diff(names) == 1))
        return counted and _stands_out(names, body, 0, decimal)
    labelled = sum(not is_missing(text) and _is_word(text) for text in leads) * 2 >= len(leads)
    names = _numbers(rest, decimal)
    if is_missing(lead):
        if labelled or np.array_equal(names, np.arange(names.size)):
            return True
    elif _DATE.fullmatch(lead):
        return False
    elif not labelled or _DATE.fullmatch(leads[0]):
        return True
    if names.size != len(rest) or names.size < 2 or np.any(np.diff(names) <= 0):
        return False
    if names.size < _FEW:
        others = np.concatenate([_numbers(row[1:], decimal) for row in body])
        return bool(not others.size or others.max() < names[0] or others.min() > names[-1])
    return _stands_out(names, body, 1, decimal)


def _stands_out(names: np.ndarray, body: list[list[str]], start: int, decimal: str) -> bool:
    """Whether numbers increase in the first line, as names do, but not from cell to cell in the others."""
    steps = np.concatenate([np.diff(_numbers(row[start:], decimal)) for row in body])
    return bool(np.all(np.diff(names) > 0) and np.count_nonzero(steps > 0) <= 0.75 * steps.size)


def _numbers(cells: list[str], decimal: str) -> np.ndarray:
    """The finite numbers among the cells."""
    numbers = np.array([number(cell, decimal) for cell in cells if is_number(cell, decimal)])
    return numbers[np.isfinite(numbers)]


def _is_index(leads: list[str], name: str | None, width: int, decimal: str) -> bool:
    """Whether the first column holds labels."""
    present = [lead for lead in leads if not is_missing(lead)]
    words = sum(map(_is_word, present))
    if words:
        # a few words among numbers are mistakes, to be named
        return words * 2 >= len(present)
    whole = len(present) == len(leads) and all(_WHOLE.fullmatch(lead) for lead in leads)
    if width == 1 or not whole or len(set(leads)) < len(leads):
        return False
    if name == "" and [int(lead) for lead in leads] == sorted(map(int, leads)):
        return True
    return (bool(name) and name in _INDEX_NAMES) or all(_COMPACT_DATE.fullmatch(lead) for lead in leads)


def _is_word(text: str) -> bool:
    """Whether a cell that is not missing is meant to be text or a date."""
    if _NEARLY_NUMBER.fullmatch(text):
        return bool(_DATE.fullmatch(text))
    try:
        number(text)
    except ValueError:
        return True
    return False


def _look_like_triplets(body: list[list[str]], index: bool, decimal: str) -> bool:
    """Whether the lines are two words and a number, which is no table."""
    return index and all(
        len(row) == 3 and _is_word(unquote(row[1])) and is_number(row[2], decimal)
        for row in body[:_LOOKED_AT]
    )


def _parse(cells: list[str], decimal: str) -> list[float]:
    """The numbers of one line; ValueError if one is infinite or none."""
    if decimal == ".":
        try:
            numbers = [float(cell) if cell else math.nan for cell in cells]
        except ValueError:
            numbers = [number(cell) for cell in cells]
        else:
            if any("_" in cell for cell in cells):
                raise ValueError
    else:
        numbers = [number(cell, decimal) for cell in cells]
    if math.inf in numbers or -math.inf in numbers:
        raise ValueError
    return numbers
