"""Text tables: bytes to cells and back, without losing how anything was written."""

from __future__ import annotations

import re
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError
from .inputs import Source, open_input
from .missing_marks import USUAL, MissingMarks
from .notation import PLAIN, Notation, unquote

# from the least to the most likely to occur inside a cell; decimal commas make `;` win over `,`
_DELIMITERS = ("\t", ";", "::", ",", "|", " ")
# blanks stand in text as well: they separate cells only where nearly all lines agree
_BLANKS_AGREE = 0.9
_LINE_END = re.compile(r"\r\n|\n|\r")
_OPENING = re.compile(r' *"')
# with a decimal point, thousands separated by commas or not
_POINTED = re.compile(r"[+-]?(\d*|\d{1,3}(,\d{3})+)\.\d*([eE][+-]?\d+)?", re.ASCII)
_POINTS_AND_COMMA = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d*", re.ASCII)
_COMMA_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})*)?,\d*([eE][+-]?\d+)?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
_LONGEST_CELL = 1000
_SNIFFED = 100


@dataclass(frozen=True)
class Style:
    """How a text table is written."""

    delimiter: str = ","
    notation: Notation = PLAIN
    newline: str = "\n"
    encoding: str = "utf-8"
    ends_with_newline: bool = True


@dataclass(frozen=True)
class Sheet:
    """The lines of a text table that are not blank, with the number of each in the file.

    `comments` are lines that are no part of the table, each with the number of lines that precede it.
    """

    lines: tuple[str, ...]
    numbers: tuple[int, ...]
    style: Style
    comments: tuple[tuple[int, str], ...] = ()

    def cells(self) -> list[list[str]]:
        """The raw cells of every line, quotation marks and blanks included."""
        return [split(line, self.style.delimiter) or [] for line in self.lines]

    def joined(self, lines: Sequence[str]) -> str:
        """The text of the file with other lines in place of those of the table."""
        out: list[str] = []
        comments = list(self.comments)
        for k, line in enumerate(lines):
            while comments and comments[0][0] <= k:
                out.append(comments.pop(0)[1])
            out.append(line)
        out += [text for _, text in comments]
        return self.style.newline.join(out) + (self.style.newline if self.style.ends_with_newline else "")


def read_sheet(path: Source, marks: MissingMarks | None = None, skip: int = 0) -> Sheet:
    """Read a text file and find out how it is written.

    The delimiter is the tab, semicolon, comma, bar, double colon or blank (several count as one) that cuts
    the first lines into equally many cells. UTF-8 is expected, UTF-16 recognised by its byte order mark,
    anything else read as Windows-1252. In a table of several columns blank lines mean nothing; in a single
    column, those before the last are missing cells. The first `skip` lines are no part of the table, nor are
    lines that begin with ``#`` unless they have as many cells as the table.

    Raises
    ------
    InputError
        If there is no such file, it is empty or no text, or a quotation mark is never closed.
    """
    with open_input(path) as stream:
        data = stream.read()
    text, encoding = _decode(data, path)
    found = _LINE_END.search(text)
    newline = found.group() if found else "\n"
    physical = _LINE_END.split(text)
    if not any(line.strip() for line in physical[skip:]):
        raise InputError(f"{path} is empty{f' after {skip} lines' if skip and text.strip() else ''}.")
    places = _commented(physical, skip)
    delimiter = _sniff([line for k, line in enumerate(physical) if k >= skip and k not in places])
    places = _no_rows(physical, skip, places, delimiter)
    lines, numbers = _join(physical, delimiter, newline, path, places)
    last = max(k for k, line in enumerate(lines) if line.strip())
    single = all(delimiter not in line for line in lines)
    kept = [k for k in range(last + 1) if single or lines[k].strip()]
    lines, numbers = [lines[k] for k in kept], [numbers[k] for k in kept]
    comments = tuple((bisect(numbers, k), physical[k]) for k in sorted(places))
    notation = Notation(_decimal(lines, delimiter, path), marks or USUAL)
    style = Style(delimiter, notation, newline, encoding, not physical[-1])
    return Sheet(tuple(lines), tuple(numbers), style, comments)


def _commented(physical: list[str], skip: int) -> set[int]:
    """Places of the lines that begin with ``#``; none if there are no others."""
    places = {k for k, line in enumerate(physical) if k >= skip and line.lstrip().startswith("#")}
    others = any(line.strip() for k, line in enumerate(physical) if k >= skip and k not in places)
    return places if others else set()


def _no_rows(physical: list[str], skip: int, commented: set[int], delimiter: str) -> set[int]:
    """Places of the lines that are no part of the table.

    Of the lines that begin with ``#``, those that have as many cells as the table are rows, unless they
    precede it; the last of these is the header if the table has none.
    """
    rest = [k for k, line in enumerate(physical) if k >= skip and k not in commented and line.strip()]
    widths = Counter(len(split(physical[k], delimiter) or []) for k in rest[:_SNIFFED])
    width = widths.most_common(1)[0][0]
    narrow = {k for k in commented if width == 1 or len(split(physical[k], delimiter) or []) != width}
    above = [k for k in sorted(commented - narrow) if k < rest[0]]
    first = [unquote(cell) for cell in (split(physical[rest[0]], delimiter) or [])[1:]]
    if any(first) and not any(cell[:1].isdigit() or cell[1:2].isdigit() for cell in first):
        # the table has a header of its own
        return {*range(skip), *narrow, *above}
    return {*range(skip), *narrow, *above[:-1]}


def split(line: str, delimiter: str) -> list[str] | None:
    """The raw cells of a line; None if it ends within quotation marks."""
    if '"' not in line:
        return line.split(delimiter) if delimiter != " " else _split_at_blanks(line)
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
        start = stop + len(delimiter)


def _split_at_blanks(line: str) -> list[str]:
    """The raw cells of a line whose columns may be aligned: further blanks belong to the next cell."""
    cells: list[str] = []
    padding = ""
    for part in line.split(" "):
        if part.strip("#") or (part and cells):
            cells.append(padding + part)
            padding = ""
        elif part:  # the mark of a comment, before the first name
            padding += f"{part} "
        else:
            padding += " "
    if not cells:
        return [padding]
    cells[-1] += padding
    return cells


def quote(text: str, delimiter: str) -> str:
    """A raw cell that says `text`."""
    if text.strip() == text and not any(mark in text for mark in (delimiter, '"', "\n", "\r")):
        return text
    return '"' + text.replace('"', '""') + '"'


def _decode(data: bytes, path: Source) -> tuple[str, str]:
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
        if score > best_score and (delimiter != " " or score >= _BLANKS_AGREE):
            best, best_score = delimiter, score
    return best


def _join(
    physical: list[str], delimiter: str, newline: str, path: Source, outside: set[int]
) -> tuple[list[str], list[int]]:
    """Put lines together that a quoted cell spans, without those `outside` the table; with the number of the
    first line of each.
    """
    lines: list[str] = []
    numbers: list[int] = []
    k = 0
    while k < len(physical):
        line, first = physical[k], k
        if k in outside:
            k += 1
            continue
        while split(line, delimiter) is None:
            k += 1
            if k >= len(physical) or k - first > _LONGEST_CELL:
                raise InputError(f"{path}: a quotation mark opened in line {first + 1} is never closed.")
            # what begins with # within quotation marks is no comment
            outside.discard(k)
            line += newline + physical[k]
        lines.append(line)
        numbers.append(first + 1)
        k += 1
    return lines, numbers


def _decimal(lines: list[str], delimiter: str, path: Source) -> str:
    """The decimal mark; a comma only where the delimiter is none and nothing speaks against it."""
    if delimiter == "," or not any("," in line for line in lines):
        return "."
    candidates: list[str] = []
    for line in lines:
        for cell in split(line, delimiter) or []:
            text = _bare(cell)
            if _COMMA_NUMBER.fullmatch(text):
                candidates.append(text)
            elif _POINTED.fullmatch(text):
                # a decimal point somewhere: numbers with commas are refused where they stand
                return "."
            elif _POINTS_AND_COMMA.fullmatch(text):
                return ","
    if candidates and all(_GROUPED.fullmatch(text) for text in candidates):
        if any(text.count(",") > 1 for text in candidates):
            return "."
        raise InputError(
            f"{path}: the comma in numbers such as {candidates[0]!r} could separate thousands or decimals; "
            "write them with a decimal point."
        )
    return "," if candidates else "."


def _bare(cell: str) -> str:
    """A cell without what may stand around its number."""
    return unquote(cell).strip("$€£¥%‰ \N{NO-BREAK SPACE}")
