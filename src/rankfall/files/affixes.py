"""Columns whose numbers carry a percent sign, a currency or separators of thousands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .columns_in_words import columns_in_words
from .notation import Notation, unquote

# blanks of any width, and the apostrophe, separate thousands in either notation
_GROUP_MARKS = {".": ",", ",": "."}
_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
_ANY_GROUP_MARKS = f" \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}{_APOSTROPHES}"
_CODES = (
    "USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|TRY|RUB|SGD|HKD|Kč|zł|kr"
)
_MINUS = "\N{MINUS SIGN}"
_SIGN = rf"[^\w\s.,'+\-{_MINUS}]"
_DRESSED = re.compile(
    rf"(?P<sign>[+\-{_MINUS}]?)(?P<prefix>(?:{_SIGN}|[A-Z]{{1,3}}\$|{_CODES})\s*)?(?P<inner>[+-]?)"
    rf"(?P<number>[\d.,{_ANY_GROUP_MARKS}]*\d[.,]?(?:[eE][+-]?\d+)?)(?P<suffix>\s*(?:{_SIGN}|{_CODES}))?"
)


@dataclass(frozen=True)
class Affixes:
    """What a column writes around and within its numbers.

    Attributes
    ----------
    prefix, suffix : str
        With the blanks between them and the number.
    group : str
        The separator of thousands; empty if there is none.
    """

    prefix: str = ""
    suffix: str = ""
    group: str = ""

    def plain(self, cell: str) -> str:
        """The bare number in a raw cell that has them; any other cell as it is."""
        found = _dressed(unquote(cell))
        if found is None:
            return cell
        number = found["number"].replace(self.group, "") if self.group else found["number"]
        return (found["sign"] or found["inner"]).replace(_MINUS, "-") + number

    def dress(self, text: str, decimal: str) -> str:
        """A bare number as the column writes it."""
        sign = "-" if text.startswith("-") else ""
        whole, mark, rest = text.removeprefix("-").partition(decimal)
        if self.group and whole.isdigit():
            whole = re.sub(r"(?<=\d)(?=(\d{3})+$)", self.group, whole)
        return f"{sign}{self.prefix}{whole}{mark}{rest}{self.suffix}"

    def note(self, names: Sequence[str], example: str, notation: Notation) -> str:
        """What was understood in some columns, with an example: a raw cell of the first."""
        number = str(notation.number(self.plain(example))).removesuffix(".0")
        what = columns_in_words(names).replace("column", "Column", 1)
        verb = "was" if len(names) == 1 else "were"
        return f"{what} {verb} read as numbers: {unquote(example)!r} as {number}."


def looks_dressed(cell: str, notation: Notation) -> bool:
    """Whether a raw cell by itself could be a number with affixes or separators of thousands."""
    return agreed([cell], notation) is not None


def agreed(cells: Iterable[str], notation: Notation) -> Affixes | None:
    """The affixes of a column's raw cells, the missing ones among them left out; None if there are none or
    the cells do not agree.
    """
    around: dict[tuple[str, str], tuple[str, str]] = {}
    groups: set[str] = set()
    for cell in cells:
        if notation.is_missing(cell):
            continue
        found = _dressed(unquote(cell))
        if found is None:
            return None
        prefix, suffix = found["prefix"] or "", found["suffix"] or ""
        # blanks may come and go
        around.setdefault((prefix.strip(), suffix.strip()), (prefix, suffix))
        group = _group(found["number"], notation.decimal)
        if group is None or len(around) > 1:
            return None
        groups |= {group} if group else set()
    if len(groups) > 1 or not around:
        return None
    ((prefix, suffix),) = around.values()
    found_affixes = Affixes(prefix, suffix, groups.pop() if groups else "")
    return None if found_affixes == Affixes() else found_affixes


def _dressed(text: str) -> re.Match[str] | None:
    found = _DRESSED.fullmatch(text)
    if found is None or (found["sign"] and found["inner"]):
        return None
    for affix in (found["prefix"], found["suffix"]):
        mark = (affix or "").strip()
        if len(mark) == 1 and mark not in "%‰" and unicodedata.category(mark) != "Sc":
            return None
    if (found["prefix"] or "").strip() in ("%", "‰"):
        return None
    return found


def _group(number: str, decimal: str) -> str | None:
    """What separates the thousands of a number, empty if nothing does; None if it is no number."""
    whole, _, fraction = number.partition(decimal)
    if not re.fullmatch(r"\d*(?:[eE][+-]?\d+)?", fraction, re.ASCII):
        return None
    if re.fullmatch(r"\d*(?:[eE][+-]?\d+)?", whole, re.ASCII):
        return ""
    for mark in (_GROUP_MARKS.get(decimal, ","), *_ANY_GROUP_MARKS):
        if re.fullmatch(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+", whole, re.ASCII):
            return mark
    return None
