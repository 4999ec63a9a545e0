"""Printing: tables for people, one JSON object for programs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import visible

if TYPE_CHECKING:
    from ..report import TextTable

# rich assumes 80 columns where there is no terminal and would cut the cells of a table in a log file
_LOG_WIDTH = 120
_LATER_CONTROLS = re.compile(r"[\x7f-\x9f]")


@dataclass(frozen=True)
class Printer:
    """Where a command prints, and whether it prints for a program."""

    stream: TextIO
    as_json: bool = False

    def text(self, text: str) -> None:
        """Lines of plain text."""
        print(visible(text), file=self.stream)

    def table(self, table: TextTable, note: str = "") -> None:
        """A table; `note` stands behind its marked row."""
        width = None if self.stream.isatty() else _LOG_WIDTH
        shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for k, title in enumerate(table.header):
            shown.add_column(Text(visible(title)), justify="left" if k == 0 else "right", overflow="fold")
        if table.marked is not None and note:
            shown.add_column("")
        for k, row in enumerate(table.rows):
            marked = k == table.marked
            cells = [Text(visible(cell)) for cell in row]
            shown.add_row(*cells, *([note] if marked and note else []), style="bold" if marked else None)
        Console(file=self.stream, width=width, highlight=False).print(shown)

    def json(self, facts: dict[str, object]) -> None:
        """One JSON object; numbers that JSON cannot say become null."""
        text = json.dumps(_plain(facts), ensure_ascii=False, allow_nan=False)
        # JSON itself escapes only the first 32
        print(_LATER_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text), file=self.stream)


def plural(count: int, name: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def listed(names: Sequence[str], at_most: int = 5) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - at_most
    text = ", ".join(names[:at_most])
    return f"{text} and {more:,} more" if more > 0 else text


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())  # type: ignore[attr-defined]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
