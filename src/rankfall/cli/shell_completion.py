"""Completion on the command line: the script that a shell reads, and the answers to its questions."""

from __future__ import annotations

import os
from enum import Enum

import typer


class Shell(str, Enum):
    """Shells that can complete commands, options and names of studies."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


_VARIABLE = "_RANKFALL_COMPLETE"


def studies(incomplete: str) -> list[str]:
    """Names of studies that begin like this."""
    from ..lab import study_names

    return [name for name in (*study_names(), "all") if name.startswith(incomplete)]


def answer_shells() -> None:
    """Get ready for a shell that asks what could come next; costs nothing when none does."""
    if os.environ.get(_VARIABLE):
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()


def show_completion(shell: Shell | None) -> None:
    """Print what a shell must read in order to complete rankfall's commands, and stop."""
    if shell is None:
        return
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    print(get_completion_script(prog_name="rankfall", complete_var=_VARIABLE, shell=shell.value))
    raise typer.Exit
