"""Wide text tables: the cells of a sheet to numbers, and back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..errors import InputError
from .affixes import Affixes, agreed
from .bad_cells import bad_cell, skip_remedy
from .columns_in_words import columns_in_words
from .headers import LOOKED_AT, count_titles, has_header, is_index, is_word
from .inputs import Source
from .level_cells import take_levels
from .limit_cells import Limits, limits_note, take_limits
from .missing_marks import MissingMarks
from .notation import Notation, unquote
from .table import SheetSource, Table
from .tables_text import Sheet, quote


def read_wide(
    sheet: Sheet,
    path: Source,
    aside: Sequence[str] = (),
    beside: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
) -> Table:
    """Read a text table; see :func:`rankfall.files.read_table` for the rules."""
    notation = sheet.style.notation
    # what stands for a missing number may well be a name
    naming = replace(notation, marks=MissingMarks(notation.marks.words, notation.marks.patterns))
    cells, short = _rectangle(sheet.cells(), sheet, path)
    header = short or has_header(cells, naming)
    body = cells[1:] if header else cells
    if not body:
        raise InputError(f"{path} has a header but no rows.")
    name = _unmarked(cells[0][0]).lower() if header and not short else None
    leads = [unquote(row[0]) for row in body]
    names = [unquote(cell) for cell in ([""] * short + cells[0] if header else [])]
    if header and not short:
        names[0] = _unmarked(cells[0][0])
    first_is_aside = bool(names) and names[0] in aside
    index = short or (not first_is_aside and is_index(leads, name, len(body[0]), naming))
    start, n_cols = int(index), _count_columns(cells, index, short)
    set_aside = _set_aside(names, (*aside, *beside), path, start, n_cols)
    if header:  # columns of nothing, not even a name, set others apart
        set_aside |= {
            k for k, name in enumerate(names) if not name and not any(row[k].strip() for row in body)
        }
    columns = tuple(k for k in range(start, start + n_cols) if k not in set_aside)
    if not columns:
        raise InputError(f"{path} has no column of numbers.")
    notes: list[str] = []
    if sheet.comments and any(text.lstrip().startswith("#") for _, text in sheet.comments):
        notes.append("Lines that begin with # were read as comments.")
    if header and not short and all(notation.is_number(cell) for cell in cells[0][1:] or cells[0]):
        notes.append("The first line holds numbers and was read as column names.")
    if index and all(naming.is_number(lead) for lead in leads):
        notes.append("The first column holds numbers and was read as row names.")
    col_names = tuple(names[k] for k in columns) if header else None
    row_names = tuple(leads) if index else None
    given = [[row[k] for k in columns] for row in body]
    labels = [str(j) for j in range(len(columns))] if col_names is None else list(col_names)
    levels: dict[int, tuple[str, ...]] = {}
    if kinds is not None:
        given, levels = take_levels(given, notation, labels, kinds)
    if levels:
        what = columns_in_words([labels[j] for j in levels]).replace("column", "Column", 1)
        notes.append(f"{what} {'holds' if len(levels) == 1 else 'hold'} text, which was read as categories.")
    data, limits = _Data(given, notation), None
    bad = data.parse()
    if bad is not None:
        # the cells that are no numbers may all be limits
        given, limits = take_limits(given, notation)
        if limits is not None:
            data = _Data(given, notation)
            bad = data.parse()
    if bad is not None:
        at = f"line {sheet.numbers[bad + int(header)]}"
        if index:
            at = f"row {leads[bad]!r}" + (f" ({at})" if leads.count(leads[bad]) > 1 else "")
        remedy = ""
        titles = 1 if short and bad == 0 else count_titles(cells)
        if titles and bad <= titles:
            remedy = skip_remedy(sheet.numbers[titles] - 1)
        elif _look_like_triplets(body, index, naming):
            remedy = "if the lines are row, column, value, read them as triplets: --triplets"
        raise bad_cell(data.undressed(), bad, at, col_names, notation, path, remedy)
    alike: dict[Affixes, list[int]] = {}
    for j, affixes in data.affixes.items():
        alike.setdefault(affixes, []).append(j)
    for affixes, places in alike.items():
        example = next(row[places[0]] for row in data.body if not notation.is_missing(row[places[0]]))
        labels = [str(j) if col_names is None else col_names[j] for j in places]
        notes.append(affixes.note(labels, example, notation))
    if limits is not None:
        notes.append(limits_note(limits, [[row[k] for k in columns] for row in body], labels))
    if notation.marks.given:
        notes += notation.unused(cell for row in data.body for cell in row)
    source = SheetSource(sheet, header, index, columns, data.affixes)
    return Table.from_values(
        data.values,
        row_names,
        col_names,
        notes=tuple(notes),
        source=source,
        limits=limits,
        levels=levels or None,
    )


def rewrite(
    source: SheetSource,
    holes: np.ndarray,
    filled: np.ndarray,
    delimiter: str | None = None,
    rounded: bool = True,
    limits: Limits | None = None,
    levels: Mapping[int, Sequence[str]] | None = None,
) -> str:
    """The text of the table with the cells marked in `holes` filled in.

    Those that are NaN stay as they were; a number that rounding takes beyond its limit is not rounded.
    """
    style = source.sheet.style
    cells = source.sheet.cells()
    if delimiter is not None and delimiter != style.delimiter:
        cells = [[quote(unquote(cell), delimiter) for cell in row] for row in cells]
    else:
        delimiter = style.delimiter
    body = cells[1:] if source.header else cells
    columns = source.columns
    shown = source.decimals(holes) if rounded else [None] * len(columns)
    wanted = holes & ~np.isnan(filled)
    at_rows, at_columns = np.nonzero(wanted)
    allowed = {} if limits is None else limits.by_cell()
    for i, j in zip(at_rows.tolist(), at_columns.tolist(), strict=True):
        value, digits = float(filled[i, j]), shown[j]
        if digits is not None and (i, j) in allowed:
            low, high = allowed[i, j]
            digits = digits if low < round(value, digits) < high else None
        text = source.written(value, j, digits)
        if levels and j in levels:
            text = levels[j][int(value)]
        body[i][columns[j]] = quote(text, delimiter)
    return source.sheet.joined([delimiter.join(row) for row in cells])


class _Data:
    """The data cells of a table on their way to numbers.

    Attributes
    ----------
    body : list of list of str
        Raw cells of the data columns.
    values : ndarray of float64
        What they say, after :meth:`parse`.
    affixes : dict
        Columns whose numbers carry signs or separators of thousands.
    """

    def __init__(self, body: list[list[str]], notation: Notation) -> None:
        self.body, self.notation = body, notation
        self.values = np.empty((len(body), len(body[0])))
        self.affixes: dict[int, Affixes] = {}

    def parse(self) -> int | None:
        """Read all cells; the first row with a cell that is not a finite number, if there is one."""
        plain = self.body
        for i in range(len(plain)):
            try:
                self.values[i] = _parse(plain[i], self.notation)
            except ValueError:
                if plain is self.body:
                    plain = [list(row) for row in self.body]
                for j, cell in enumerate(plain[i]):
                    if not (self.notation.is_number(cell) or self.notation.is_missing(cell)):
                        self._undress(plain, j)
                try:
                    self.values[i] = _parse(plain[i], self.notation)
                except ValueError:
                    return i
        self.values[self.notation.marks.among(self.values)] = np.nan
        return None

    def undressed(self) -> list[list[str]]:
        """The cells, those of columns that agree without their affixes."""
        plain = [list(row) for row in self.body]
        for j in range(len(plain[0])):
            self._undress(plain, j)
        return plain

    def _undress(self, plain: list[list[str]], j: int) -> None:
        """Take the affixes off a column that has them."""
        affixes = agreed((row[j] for row in self.body), self.notation)
        if affixes is not None:
            self.affixes[j] = affixes
            for row in plain:
                if not self.notation.is_missing(row[j]):
                    row[j] = affixes.plain(row[j])


def _parse(cells: list[str], notation: Notation) -> list[float]:
    """The numbers of one line; ValueError if one is infinite or none."""
    if notation.decimal == ".":
        try:
            numbers = [float(cell) if cell else math.nan for cell in cells]
        except ValueError:
            pass
        else:
            infinite = math.inf in numbers or -math.inf in numbers
            if not infinite and not any("_" in cell for cell in cells):
                return numbers
    numbers = [notation.number(cell) for cell in cells]
    if math.inf in numbers or -math.inf in numbers:
        raise ValueError
    return numbers


def _unmarked(cell: str) -> str:
    """The first name of a header without the # that some programs put before it."""
    return unquote(unquote(cell).lstrip("#")) if cell.lstrip().startswith("#") else unquote(cell)


def _set_aside(names: list[str], aside: Sequence[str], path: Source, start: int, n_cols: int) -> set[int]:
    """Where the columns are that hold no measurements: by name, or by position where there is no header."""
    if not names:
        places = {str(k): start + k for k in range(n_cols)}
        for name in aside:
            if name not in places:
                raise InputError(
                    f"{path} has no column {name!r} to leave aside; it has no header: name a position from 0 "
                    f"to {n_cols - 1}."
                )
        return {places[name] for name in aside}
    for name in aside:
        if name not in names:
            known = ", ".join(map(repr, names))
            raise InputError(f"{path} has no column {name!r} to leave aside; its columns are {known}.")
    return {k for k, name in enumerate(names) if name in aside}


def _rectangle(cells: list[list[str]], sheet: Sheet, path: Source) -> tuple[list[list[str]], bool]:
    """The cells, equally many in every line; and whether the header alone has one fewer.

    The latter is how R writes row names.
    """
    width = Counter(map(len, cells[1:] or cells)).most_common(1)[0][0]
    short = len(cells) > 1 and len(cells[0]) == width - 1
    titles = next((k for k, row in enumerate(cells) if len(row) == width), 0)
    for row, line in zip(cells[short:], sheet.numbers[short:], strict=True):
        if len(row) != width:
            text = f"{path}: line {line} has {len(row)} cells where others have {width}"
            above = titles > int(short) and line < sheet.numbers[titles]
            remedy = f"; {skip_remedy(sheet.numbers[titles] - 1)}" if above and len(row) < width else ""
            raise InputError(f"{text}{remedy}.")
    if short and all(sheet.style.notation.is_number(cell) for cell in cells[0]):
        raise InputError(f"{path}: line {sheet.numbers[0]} has {width - 1} cells where others have {width}.")
    return cells, short


def _count_columns(cells: list[list[str]], index: bool, short: bool) -> int:
    """The data columns; an empty last one, which a delimiter at every line's end makes, is none."""
    width = len(cells[-1]) - int(index)
    if width > 1 and not short and all(not row[-1].strip() for row in cells):
        return width - 1
    return width


def _look_like_triplets(body: list[list[str]], index: bool, notation: Notation) -> bool:
    """Whether the lines are two words and a number, which is no table."""
    return index and all(
        len(row) == 3 and is_word(unquote(row[1]), notation) and notation.is_number(row[2])
        for row in body[:LOOKED_AT]
    )
