"""The command line: parsing and printing only."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(args: list[str] | None = None) -> int:
    """Run the command line; see :func:`rankfall.cli.app.main`.

    Loading what it needs takes a third of a second, in which Ctrl-C is as welcome as later.
    """
    try:
        try:
            from .app import main as run
        except ImportError as error:  # of typer or rich: nothing else is loaded yet
            print(
                f"rankfall: The command line cannot be loaded ({error}). To find out why: "
                f"{sys.executable} -m rankfall.doctor",
                file=sys.stderr,
            )
            return 1
        return run(args)
    except KeyboardInterrupt:
        print("rankfall: Interrupted before anything was begun.", file=sys.stderr)
        return 130
