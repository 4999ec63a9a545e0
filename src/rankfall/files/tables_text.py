"""Text tables: bytes to cells and back, without losing how anything was written."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from os import PathLike

from ..errors import InputError
from .npz import open_input

MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"})
"""What a missing cell may say, in small letters; nothing else counts as missing."""

# from the least to the most likely to occur inside a cell; decimal commas make `;` win over `,`
_DELIMITERS = ("\t", ";", ",", "|")
_LINE_END = re.compile(r"\r\n|\n|\r")
_OPENING = re.compile(r' *"')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
_LONGEST_CELL = 1000
_SNIFFED = 100


@dataclass(frozen=True)
class Style:
    """How a text table is written."""

    delimiter: str = ","
    decimal: str = "."
    newline: str = "\n"
    encoding: str = "utf-8"
    ends_with_newline: bool = True


@dataclass(frozen=True)
class Sheet:
    """The lines of a text table that are not blank, with the number of each in the file."""

    lines: tuple[str, ...]
    numbers: tuple[int, ...]
    style: Style

    def cells(self) -> list[list[str]]:
        """The raw cells of every line, quotation marks and blanks included."""
        return [split(line, self.style.delimiter) or [] for line in self.lines]


def read_sheet(path: str | PathLike[str]) -> Sheet:
    """Read a text file and find out how it is written.

    The delimiter is the tab, semicolon, comma or bar that cuts the first lines into equally many cells.
    UTF-8 is expected, UTF-16 recognised by its byte order mark, anything else read as Windows-1252. In a
    table of several columns blank lines mean nothing; in a single column, those before the last are
    missing cells.

    Raises
    ------
    InputError
        If there is no such file, it is empty or no text, or a quotation mark is never closed.
    """
    with open_input(path) as stream:
        data = stream.read()
    text, encoding = _decode(data, path)
    if not text.strip():
        raise InputError(f"{path} is empty.")
    found = _LINE_END.search(text)
    newline = found.group() if found else "\n"
    physical = _LINE_END.split(text)
    delimiter = _sniff(physical)
    lines, numbers = _join(physical, delimiter, newline, path)
    last = max(k for k, line in enumerate(lines) if line.strip())
    single = all(delimiter not in line for line in lines)
    kept = [k for k in range(last + 1) if single or lines[k].strip()]
    lines, numbers = [lines[k] for k in kept], [numbers[k] for k in kept]
    decimal = _decimal(lines, delimiter, path)
    style = Style(delimiter, decimal, newline, encoding, not physical[-1])
    return Sheet(tuple(lines), tuple(numbers), style)


def split(line: str, delimiter: str) -> list[str] | None:
    """The raw cells of a line; None if it ends within quotation marks."""
    if '"' not in line:
        return line.split(delimiter)
    cells: list[str] = []
    start = 0
    while True:
        opening = _OPENING.match(line, start)
        search_from = start
        if opening:
            closing = line.find('"', opening.end())
            while closing >= 0 and line[closing + 1 : closing + 2] == '"':
                closing = line.find('"', closing + 2)
            if closing < 0:
                return None
            search_from = closing + 1
        stop = line.find(delimiter, search_from)
        if stop < 0:
            cells.append(line[start:])
            return cells
        cells.append(line[start:stop])
        start = stop + 1


def unquote(cell: str) -> str:
    """What a raw cell says."""
    text = cell.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"').strip()
    return text


def quote(text: str, delimiter: str) -> str:
    """A raw cell that says `text`."""
    if text.strip() == text and not any(mark in text for mark in (delimiter, '"', "\n", "\r")):
        return text
    return '"' + text.replace('"', '""') + '"'


def number(cell: str, decimal: str = ".") -> float:
    """The number in a raw cell: NaN for a missing one, infinite if it says so or is too large.

    Raises
    ------
    ValueError
        If the cell is not a number.
    """
    text = unquote(cell)
    if text.lower() in MISSING:
        return float("nan")
    if decimal != ".":
        text = "?" if "." in text else text.replace(decimal, ".")
    if _NUMBER.fullmatch(text) or _INFINITE.fullmatch(text):
        return float(text)
    raise ValueError(text)


def is_number(cell: str, decimal: str = ".") -> bool:
    """Whether a raw cell holds a number (not a missing one)."""
    try:
        return number(cell, decimal) == number(cell, decimal)
    except ValueError:
        return False


def is_missing(cell: str) -> bool:
    """Whether a raw cell marks a missing value."""
    return unquote(cell).lower() in MISSING


def decimals(cell: str, decimal: str = ".") -> int:
    """How many digits follow the decimal mark in a number without an exponent, 0 otherwise."""
    text = unquote(cell)
    if "e" in text or "E" in text:
        return 0
    return len(text.partition(decimal)[2])


def format_filled(value: float, shown: int = 0, decimal: str = ".") -> str:
    """A computed number: six significant digits, or `shown` decimals if that is more; empty for NaN,
    ``inf`` if infinite.

    Zeros beyond the `shown` decimals are left out.
    """
    if value != value:
        return ""
    if math.isinf(value):
        return str(value)
    size = abs(value)
    if size and not 1e-5 <= size < 1e15:
        text = f"{value:.5e}"
        mantissa, _, exponent = text.partition("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"
    else:
        whole = int(f"{size:.5e}".partition("e")[2])
        digits = max(5 - whole, 0)
        shown = min(shown, 17)
        text = f"{value + 0.0:.{max(digits, shown)}f}"
        if digits > shown:
            head, _, tail = text.partition(".")
            tail = tail[:shown] + tail[shown:].rstrip("0")
            text = f"{head}.{tail}" if tail else head
    return text.replace(".", decimal) if decimal != "." else text


def _decode(data: bytes, path: str | PathLike[str]) -> tuple[str, str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        candidates = ("utf-16",)
    else:
        candidates = ("utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8", "cp1252")
    for encoding in candidates:
        try:
            text = data.decode(encoding)
        except UnicodeError:
            continue
        if "\0" not in text:
            return text, encoding
    raise InputError(f"{path} is not a text table.")


def _sniff(lines: list[str]) -> str:
    """The delimiter that cuts most of the first lines into equally many cells, at least two."""
    sample = [line for line in lines if line.strip()][:_SNIFFED]
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        # a line that ends within quotation marks says nothing
        counts = Counter(len(cells) for line in sample if (cells := split(line, delimiter)) is not None)
        several = {width: count for width, count in counts.items() if width > 1}
        score = max(several.values(), default=0) / max(counts.total(), 1)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _join(
    physical: list[str], delimiter: str, newline: str, path: str | PathLike[str]
) -> tuple[list[str], list[int]]:
    """Put lines together that a quoted cell spans; with the number of the first line of each."""
    lines: list[str] = []
    numbers: list[int] = []
    k = 0
    while k < len(physical):
        line, first = physical[k], k
        while split(line, delimiter) is None:
            k += 1
            if k >= len(physical) or k - first > _LONGEST_CELL:
                raise InputError(f"{path}: a quotation mark opened in line {first + 1} is never closed.")
            line += newline + physical[k]
        lines.append(line)
        numbers.append(first + 1)
        k += 1
    return lines, numbers


def _decimal(lines: list[str], delimiter: str, path: str | PathLike[str]) -> str:
    """The decimal mark; a comma only where the delimiter is none and nothing speaks against it."""
    if delimiter == "," or not any("," in line for line in lines):
        return "."
    candidates = []
    for line in lines:
        for cell in split(line, delimiter) or []:
            text = unquote(cell)
            if _COMMA_NUMBER.fullmatch(text):
                candidates.append(text)
            elif "." in text and _NUMBER.fullmatch(text):
                # a decimal point somewhere: numbers with commas are refused where they stand
                return "."
    if candidates and all(_GROUPED.fullmatch(text) for text in candidates):
        raise InputError(
            f"{path}: the comma in numbers such as {candidates[0]!r} could separate thousands or decimals; "
            "write them with a decimal point."
        )
    return "," if candidates else "."
