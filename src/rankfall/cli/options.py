"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..completion.options import allowed_of, help_of

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Aside = Annotated[
    list[str] | None,
    typer.Option(
        "--aside",
        metavar="COLUMN",
        help="A column of text, dates or the like (name, or position from 0 without header): not read, and "
        "written back as it is. May be repeated.",
        show_default=False,
    ),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        "--missing",
        metavar="MARK",
        help='What stands for a missing value beside empty cells and NA: -999, ?, "<*" (* for any text). May '
        "be repeated.",
        show_default=False,
    ),
]
Skip = Annotated[
    int, typer.Option("--skip", min=0, metavar="N", help="Lines above the table that are no part of it.")
]
Sheet = Annotated[
    str | None,
    typer.Option("--sheet", metavar="NAME", help="Sheet of a workbook; by default the first with a table."),
]
Triplets = Annotated[
    bool, typer.Option("--triplets", help="IN has a line row,column,value for every observed cell.")
]
Row = Annotated[
    str | None,
    typer.Option(
        "--row", metavar="COLUMN", help="Of triplets: the column (name, or position from 0) of rows."
    ),
]
Column = Annotated[
    str | None, typer.Option("--column", metavar="COLUMN", help="Of triplets: that of columns.")
]
Value = Annotated[str | None, typer.Option("--value", metavar="COLUMN", help="Of triplets: that of values.")]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="IN is a folder of triplets: complete it on the Dask cluster at this address (tcp://...).",
        rich_help_panel="Beyond memory",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="IN is a folder of triplets: use so much memory at most (4GB, say).",
        rich_help_panel="Beyond memory",
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=KIND",
        help="What a column is: number, boolean, ordinal, category or count. May be repeated, once for each "
        "column. Text with few different values is a category.",
        rich_help_panel="What is fitted",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress line.")]


# -- options of complete(), which are declared in rankfall.completion.options --------------------------------


def option(name: str, **display: Any) -> Any:
    """One of them, with its sentence of help."""
    return typer.Option(help=help_of(name), **display)


def counted(name: str, least: int, metavar: str = "N", **display: Any) -> Any:
    """One that is a whole number."""
    return option(name, min=least, metavar=metavar, **display)


def chosen(name: str, **display: Any) -> Any:
    """One that is one of a few words."""
    return option(name, metavar="|".join(allowed_of(name)), **display)


def _words(name: str) -> Any:
    return Enum(name.capitalize(), {word: word for word in allowed_of(name)}, type=str)


if TYPE_CHECKING:
    Fill = Scale = Effects = Scaling = Noise = Rule = Ordered = str
else:
    Fill, Scale, Effects, Scaling, Noise, Rule, Ordered = map(
        _words, ("fill", "scale", "effects", "scaling", "noise", "rule", "ordered")
    )
