"""The command line: parsing and printing only."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(args: list[str] | None = None) -> int:
    """Run the command line; see :func:`rankfall.cli.app.main`.

    Loading what it needs takes a third of a second, in which Ctrl-C is as welcome as later.
    """
    try:
        from .app import main as run

        return run(args)
    except KeyboardInterrupt:
        print("rankfall: Interrupted before anything was begun.", file=sys.stderr)
        return 130
