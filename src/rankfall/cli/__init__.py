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
        except ImportError as error:
            given = sys.argv[1:] if args is None else args
            return _without_commands(error, given)
        return run(args)
    except KeyboardInterrupt:
        print("rankfall: Interrupted before anything was begun.", file=sys.stderr)
        return 130


def _without_commands(error: ImportError, given: list[str]) -> int:
    """What can be said and done where a library of the command line is broken."""
    if given[:1] == ["doctor"]:
        try:
            from .doctor import run
        except ImportError:
            pass  # typer or rich is broken, too
        else:
            return run("--json" in given, bool({"--quiet", "-q"} & set(given)))
    print(
        f"rankfall: The command line cannot be loaded ({error}). To find out why: "
        f"{sys.executable} -m rankfall.doctor",
        file=sys.stderr,
    )
    return 1
