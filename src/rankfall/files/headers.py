"""Which line of a text table is the header, and whether the first column is the index."""

from __future__ import annotations

import re

import numpy as np

from .affixes import agreed, looks_dressed
from .notation import PLAIN, Notation, unquote

# names under which a column of different whole numbers is a label and not a measurement
_INDEX_NAMES = frozenset({"", "id", "index", "date", "datetime", "time", "timestamp", "year"})
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T].*)?|\d{1,2}:\d\d(:\d\d)?", re.ASCII)
_COMPACT_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
# a number somebody wrote in another way, which is to be named and not to be taken for a label
_NEARLY_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*", re.ASCII)
LOOKED_AT = 50
# so few numbers may well increase by chance
_FEW = 4


def has_header(cells: list[list[str]], notation: Notation) -> bool:
    """Whether the first line holds names."""
    first, body = cells[0], cells[1 : LOOKED_AT + 1]
    rest = first[1:] if len(first) > 1 else first
    start = len(first) - len(rest)
    columns = [[cell, *(row[j] for row in body)] for j, cell in enumerate(rest, start)]
    if not all(
        notation.is_number(cell) or notation.is_missing(cell) or _dressed_alike(column, notation)
        for cell, column in zip(rest, columns, strict=True)
    ):
        return True
    if not body or not all(notation.is_number(cell) for cell in rest):
        return False
    lead, leads = unquote(first[0]), [unquote(row[0]) for row in body]
    if notation.is_number(lead):
        # numbers all along: only names such as 0, 1, 2, ... or 2001, 2002, ... are taken for names
        names = _numbers(first, notation)
        counted = names.size == len(first) > 2 and bool(np.all(np.diff(names) == 1))
        return counted and _stands_out(names, body, 0, notation)
    words = [text for text in leads if not notation.is_missing(text) and is_word(text, notation)]
    labelled = 2 * len(words) >= len(leads)
    names = _numbers(rest, notation)
    if notation.is_missing(lead):
        if labelled or np.array_equal(names, np.arange(names.size)):
            return True
    elif _DATE.fullmatch(lead):
        return False
    elif not labelled or _DATE.fullmatch(leads[0]):
        return True
    if names.size != len(rest) or names.size < 2 or np.any(np.diff(names) <= 0):
        return False
    if names.size < _FEW:
        others = np.concatenate([_numbers(row[1:], notation) for row in body])
        return bool(not others.size or others.max() < names[0] or others.min() > names[-1])
    return _stands_out(names, body, 1, notation)


def _stands_out(names: np.ndarray, body: list[list[str]], start: int, notation: Notation) -> bool:
    """Whether numbers increase in the first line, as names do, but not from cell to cell in the others."""
    steps = np.concatenate([np.diff(_numbers(row[start:], notation)) for row in body])
    return bool(np.all(np.diff(names) > 0) and np.count_nonzero(steps > 0) <= 0.75 * steps.size)


def _numbers(cells: list[str], notation: Notation) -> np.ndarray:
    """The finite numbers among the cells."""
    numbers = np.array([notation.number(cell) for cell in cells if notation.is_number(cell)])
    return numbers[np.isfinite(numbers)]


def is_index(leads: list[str], name: str | None, width: int, notation: Notation) -> bool:
    """Whether the first column holds labels."""
    present = [lead for lead in leads if not notation.is_missing(lead)]
    words = sum(is_word(lead, notation) for lead in present)
    if words:
        # a few words among numbers are mistakes, to be named
        return words * 2 >= len(present)
    whole = len(present) == len(leads) and all(_WHOLE.fullmatch(lead) for lead in leads)
    if width == 1 or not whole or len(set(leads)) < len(leads):
        return False
    if name == "" and [int(lead) for lead in leads] == sorted(map(int, leads)):
        return True
    return (bool(name) and name in _INDEX_NAMES) or all(_COMPACT_DATE.fullmatch(lead) for lead in leads)


def is_word(text: str, notation: Notation) -> bool:
    """Whether a cell that is not missing is meant to be text or a date."""
    if _NEARLY_NUMBER.fullmatch(text):
        return bool(_DATE.fullmatch(text))
    try:
        PLAIN.number(text)
    except ValueError:
        return not looks_dressed(text, notation)
    return False


def _dressed_alike(column: list[str], notation: Notation) -> bool:
    """Whether a first cell is a number with affixes, as the cells below it are."""
    return looks_dressed(column[0], notation) and agreed(column, notation) is not None


def count_titles(cells: list[list[str]]) -> int:
    """How many of the first lines look like a title: at most one cell of several says anything, and a line
    of names follows.
    """
    for k, row in enumerate(cells[:LOOKED_AT]):
        filled = [cell for cell in map(unquote, row) if cell]
        if len(filled) > 1:
            return k if not any(map(PLAIN.is_number, filled[1:])) else 0
    return 0
