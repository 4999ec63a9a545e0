"""Tell the user, once, that kernels are being compiled: it takes a while, and happens once per computer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PHASE = "compiling (once on this computer, about twenty seconds)"
_NOTICE = "rankfall: compiling its kernels, once on this computer; this takes about twenty seconds."
_NOTICE_AGAIN = (
    "rankfall: compiling its kernels; this takes about twenty seconds in each process, because neither the "
    "package nor the home folder can be written. Set NUMBA_CACHE_DIR to a folder that can."
)
_told: list[str] = []


@contextmanager
def announced(tell: Callable[[str], None] | None) -> Iterator[None]:
    """Say so when a kernel of this package is compiled inside because numba's cache does not hold it.

    Calls `tell`, or prints a line to stderr if it is None; only the first time in a process.
    """
    from numba.core import event

    from .njit_options import KEPT

    class Announcer(event.Listener):
        def on_start(self, event) -> None:
            kernel = event.data["dispatcher"].py_func.__module__
            if _told or not kernel.startswith(__name__.split(".")[0] + "."):
                return
            _told.append(kernel)
            if tell is None:
                print(_NOTICE if KEPT else _NOTICE_AGAIN, file=sys.stderr, flush=True)
            else:
                tell(PHASE)

        def on_end(self, event) -> None:
            """Nothing to do when a compilation ends."""

    with event.install_listener("numba:compile", Announcer()):
        yield
