"""Saying once that kernels are being compiled: it takes a while, and happens once on a computer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PHASE = "compiling (once on this computer, some twenty seconds)"
_NOTICE = "rankfall: compiling its kernels, once on this computer; this takes some twenty seconds."
_told: list[str] = []


@contextmanager
def announced(tell: Callable[[str], None] | None) -> Iterator[None]:
    """When a kernel of this package is compiled inside, because numba's cache does not hold it, say so.

    `tell` is told, or, where it is None, a line is printed to stderr; the first time in this process only.
    """
    from numba.core import event

    class Announcer(event.Listener):
        def on_start(self, event) -> None:
            kernel = event.data["dispatcher"].py_func.__module__
            if _told or not kernel.startswith(__name__.split(".")[0] + "."):
                return
            _told.append(kernel)
            if tell is None:
                print(_NOTICE, file=sys.stderr, flush=True)
            else:
                tell(PHASE)

        def on_end(self, event) -> None:
            """What took how long is of no interest."""

    with event.install_listener("numba:compile", Announcer()):
        yield
