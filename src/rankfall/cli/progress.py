"""The live line on the terminal while a completion runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..progress_display import on_terminal

if TYPE_CHECKING:
    from ..completion import Progress


@contextmanager
def live_progress(quiet: bool = False) -> Iterator[Callable[[Progress], None] | None]:
    """A callback for :func:`rankfall.complete` that keeps a line on stderr up to date.

    None when stderr is not a terminal, and one that does nothing when `quiet`. The line disappears at the
    end.
    """
    if quiet:
        yield lambda _: None
        return
    if not sys.stderr.isatty():
        yield None
        return
    with on_terminal() as callback:
        yield callback
