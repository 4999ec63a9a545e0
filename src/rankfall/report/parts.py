"""What a page is made of: sections of charts, tables, facts and text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .tables import TextTable

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure


@dataclass(frozen=True)
class Key:
    """One entry of a legend.

    `mark` is "line", "dashed", "dotted", "dot", "square", "diamond", "up" or "down".
    """

    role: str
    text: str
    mark: str = "line"


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure with its words.

    Attributes
    ----------
    name : str
        Becomes the id of its place on the page.
    figures : tuple of Bokeh figures
        Drawn below one another.
    text : str
        What a reader who does not see the figure should know, in a sentence or two.
    title : str
        Heading of its own, when several charts share a section.
    keys : tuple of Key
        The legend.
    """

    name: str
    figures: tuple[Figure, ...]
    text: str
    title: str = ""
    keys: tuple[Key, ...] = ()
    kind: str = field(default="chart", init=False)

    @property
    def places(self) -> tuple[str, ...]:
        """The ids of the elements that the figures go into."""
        return tuple(f"chart-{self.name}{f'-{k}' if k else ''}" for k in range(len(self.figures)))


@dataclass(frozen=True, eq=False)
class TablePart:
    """A table; a folded one opens when its `title` is chosen."""

    table: TextTable
    title: str = ""
    folded: bool = False
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Facts:
    """Labels and values."""

    title: str
    pairs: tuple[tuple[str, str], ...]
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True)
class Code:
    """Text to be copied, as it is."""

    title: str
    text: str
    kind: str = field(default="code", init=False)


@dataclass(frozen=True)
class Picture:
    """A file as a data URI, perhaps another for dark screens, and its words."""

    source: str
    text: str
    dark: str = ""
    kind: str = field(default="picture", init=False)


@dataclass(frozen=True)
class ListPart:
    """A list of sentences."""

    items: tuple[str, ...]
    title: str = ""
    kind: str = field(default="list", init=False)


Part = Chart | TablePart | Facts | Code | Picture | ListPart


@dataclass(frozen=True, eq=False)
class Section:
    """A heading, a sentence or two, and what belongs to it.

    `side_by_side` parts share a row where there is room.
    """

    title: str
    parts: tuple[Part, ...]
    text: str = ""
    side_by_side: bool = False


@dataclass(frozen=True, eq=False)
class Page:
    """A whole page; strings are plain text."""

    title: str
    subtitle: str
    found: str
    headline: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    warnings: tuple[str, ...] = ()
    outcome: str = ""
    advice: str = ""

    @property
    def charts(self) -> list[Chart]:
        """All charts, in order."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Chart)]


def last_sections(
    repeat: tuple[tuple[str, str], ...],
    settings: tuple[tuple[str, str], ...],
    versions: tuple[tuple[str, str], ...],
) -> list[Section]:
    """How every page ends: how to do it again, with which settings."""
    out: list[Section] = []
    if repeat:
        out.append(Section("Do it again", tuple(Code(title, text) for title, text in repeat)))
    facts = tuple(Facts(*pair) for pair in (("Settings", settings), ("Versions", versions)) if pair[1])
    if facts:
        out.append(Section("Settings and versions", facts, side_by_side=True))
    return out
