"""The command line: parsing and printing only."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Complete a matrix from some of its entries without being told its rank."""


def main() -> None:
    """Run the command line."""
    app()
