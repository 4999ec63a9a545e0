"""The error for a text table with cells that are no numbers: all of its troubles at once, and what to do."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Sequence

from ..errors import InputError
from .affixes import looks_dressed
from .inputs import Source
from .notation import Notation, unquote

# as many columns as can be read in one message
_SHOWN = 5
# how spreadsheets say that a formula failed, in any language: #DIV/0!, #WERT!, #NOMBRE?, #NV
_ERROR = re.compile(r"#[^\W\d_][\w/]*[!?]?", re.UNICODE)
# what a line of totals is called
_TOTALS = {
    "average", "gesamt", "grand total", "insgesamt", "mean", "mittelwert", "somme", "subtotal", "sum", "suma",
    "summe", "total", "totale", "totals",
}  # fmt: skip
# a decimal comma, with thousands separated by points or spaces or not at all
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}([.\s]\d{3})+),\d+")
# negative numbers of accounts: (2.55) and 2.55-
_ACCOUNTS = re.compile(r"\(\s*\d[\d.,\s]*\)|\d[\d.,\s]*-")
_INFINITE = re.compile(r"[+-]?(inf(inity)?|[\d.]+e\d+)", re.IGNORECASE)
_BARE = re.compile(r"[\w.+:%@/-]+")


def bad_cell(
    body: list[list[str]],
    line: int,
    at: str,
    names: tuple[str, ...] | None,
    notation: Notation,
    path: Source,
    remedy: str = "",
) -> InputError:
    """The error that names a cell which is not a finite number, the other columns with such cells, and the
    remedy.

    Parameters
    ----------
    body : list of list of str
        Raw cells of the data columns.
    line : int
        The first of the lines with such a cell.
    at : str
        What it is called.
    names : tuple of str, or None
        Of the columns.
    notation : Notation
        Of the table.
    path : path
        Of the file.
    remedy : str
        What to do, if that is known; otherwise it is guessed from the cells.
    """
    j, problem = next(_problems(body[line], notation), (None, ""))
    if j is None:
        return InputError(f"{path}: {at} holds a cell that is not a number.")
    first = unquote(body[line][j])
    text = f"{path}: the cell in {at}, column {_name(j, names)} {problem}"
    if remedy:
        return InputError(f"{text}; {remedy}.")
    found: dict[int, str] = {j: first}
    for cells in body[line:]:
        for k, _ in _problems(cells, notation):
            found.setdefault(k, unquote(cells[k]))
    if len(found) > 1:
        listed = [f"{_name(k, names)} ({_short(found[k])!r})" for k in sorted(found) if k != j]
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        text += f"; the same is wrong in column {', '.join(listed[:_SHOWN])}{more}"
    wordy = [k for k in sorted(found) if _is_text(body, k, notation)]
    remedies: list[str] = []
    if wordy:
        remedies.append(aside_remedy([str(k) if names is None else names[k] for k in wordy]))
    for k, cell in found.items():
        if k not in wordy:
            remedies.append(cell_remedy(cell, notation))
    return InputError("; ".join([text, *dict.fromkeys(remedies)]) + ".")


def aside_remedy(names: Sequence[str]) -> str:
    """What to do about columns of text or dates."""
    options = " ".join(f"--aside {shell_word(name)}" for name in names)
    return f"{options} keeps what is no measurement as it is"


def skip_remedy(count: int) -> str:
    """What to do about a title above the table: so many lines."""
    lines = "line is a title" if count == 1 else f"{count} lines are a title"
    return f"if the first {lines}, --skip {count} leaves {'it' if count == 1 else 'them'} out"


def shell_word(text: str) -> str:
    """A name or mark as it is typed into a shell."""
    if _BARE.fullmatch(text):
        return text
    return shlex.quote(text) if any(mark in text for mark in '"$`\\') else f'"{text}"'


def _problems(cells: list[str], notation: Notation) -> Iterator[tuple[int, str]]:
    """Which cells of a line are no finite numbers, and why."""
    for j, cell in enumerate(cells):
        try:
            value = notation.number(cell)
        except ValueError:
            yield j, f"is not a number: {_short(unquote(cell))!r}"
        else:
            if math.isinf(value):
                yield j, f"is infinite: {_short(unquote(cell))!r}"


def _is_text(body: list[list[str]], k: int, notation: Notation) -> bool:
    """Whether no cell of a column begins like a measurement: words, or dates such as 2024-01-31."""
    present = [unquote(cells[k]) for cells in body if not notation.is_missing(cells[k])]
    return bool(present) and all(not _begins_as_number(cell) for cell in present)


def _begins_as_number(text: str) -> bool:
    head = text.lstrip("+-.<>≤≥~$€£¥( ")[:1]
    parts = text.replace("/", "-").replace(":", "-").replace(".", "-").split("-")
    dated = len(parts) > 2 and all(part[:1].isdigit() for part in parts)
    return (head.isdigit() and not dated) or bool(_INFINITE.fullmatch(text))


def cell_remedy(text: str, notation: Notation) -> str:
    """What to do about a cell that is no number among others that are."""
    mark = f"--missing {shell_word(text)}"
    if _ERROR.fullmatch(text):
        return f"it is an error of a spreadsheet: mend it there, or treat it as missing with {mark}"
    if text[:1] in "<>≤≥":
        return (
            "it is a limit of detection, not a value: write a number, or treat all such cells as missing "
            f'with --missing "{text[0]}*"'
        )
    if text.strip(" :").casefold() in _TOTALS:
        return "a line of totals is no row of the table: delete it"
    if _ACCOUNTS.fullmatch(text):
        return "write negative numbers with a minus sign in front, as in -2.55"
    if _DECIMAL_COMMA.fullmatch(text):
        return "write numbers with a decimal point, or export the table with semicolons between cells"
    if any(digit.isdigit() for digit in text) and not _INFINITE.fullmatch(text):
        if looks_dressed(text, notation):
            return "write all numbers of a column alike, with the same sign or unit or without any"
        return "write numbers without units"
    return f"if it stands for a missing value, use {mark}"


def _name(j: int, names: tuple[str, ...] | None) -> str:
    return repr(names[j]) if names is not None else str(j + 1)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
