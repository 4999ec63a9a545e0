"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Aside = Annotated[
    list[str] | None,
    typer.Option(
        "--aside",
        metavar="COLUMN",
        help="A column of text, dates or the like: not read, and written back as it is. May be repeated.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress line.")]
