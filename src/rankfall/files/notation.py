"""Numbers in text: how a file writes them, and how computed ones are written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .missing_marks import USUAL, MissingMarks, unused_note

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)


@dataclass(frozen=True)
class Notation:
    """How the cells of a text table write numbers and missing values."""

    decimal: str = "."
    marks: MissingMarks = USUAL

    def number(self, cell: str) -> float:
        """The number in a raw cell: NaN for a missing one, infinite if it says so or is too large.

        Raises
        ------
        ValueError
            If the cell is not a number.
        """
        text = unquote(cell)
        if self.marks.say(text):
            return math.nan
        if self.decimal != ".":
            text = "?" if "." in text else text.replace(self.decimal, ".")
        if _NUMBER.fullmatch(text) or _INFINITE.fullmatch(text):
            value = float(text)
            return math.nan if value in self.marks.numbers else value
        raise ValueError(text)

    def is_number(self, cell: str) -> bool:
        """Whether a raw cell holds a number (not a missing one)."""
        try:
            return not math.isnan(self.number(cell))
        except ValueError:
            return False

    def is_missing(self, cell: str) -> bool:
        """Whether a raw cell marks a missing value."""
        try:
            return math.isnan(self.number(cell))
        except ValueError:
            return False

    def most_decimals(self, cells: Iterable[str]) -> int | None:
        """The most decimals that a raw cell of a column shows; None if one has an exponent, or there is no
        cell.
        """
        # a long column is searched at once
        text = "\n".join(cells)
        if not text or "e" in text or "E" in text:
            return None
        return max(map(len, re.findall(rf"{re.escape(self.decimal)}(\d*)", text)), default=0)

    def unused(self, cells: Iterable[str]) -> list[str]:
        """A note on every mark that the user named and no raw cell holds."""
        cells = list(cells)
        alone = [(mark, Notation(self.decimal, only)) for mark, only in self.marks.each()]
        return [unused_note(mark) for mark, only in alone if not any(map(only.is_missing, cells))]


PLAIN = Notation()


def unquote(cell: str) -> str:
    """What a raw cell says."""
    text = cell.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"').strip()
    return text


def format_filled(value: float, shown: int | None = None, decimal: str = ".") -> str:
    """A computed number with `shown` decimals, or with six significant digits; empty for NaN, ``inf`` if
    infinite.
    """
    if value != value:
        return ""
    if math.isinf(value):
        return str(value)
    size = abs(value)
    if size and (size >= 1e15 or (shown is None and size < 1e-5)):
        mantissa, _, exponent = f"{value:.5e}".partition("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"
    elif shown is None:
        whole = int(f"{size:.5e}".partition("e")[2])
        text = f"{value + 0.0:.{max(5 - whole, 0)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:.{min(shown, 17)}f}"
        if not text.strip("-0."):
            text = text.removeprefix("-")
    return text.replace(".", decimal) if decimal != "." else text
