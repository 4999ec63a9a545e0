"""Compiled loops side by side: how many threads a call is given, and how its pieces reach them.

numba can share loops among threads itself, but takes one to three seconds longer to compile each of them, and some of
its thread pools may not be entered from two threads of a program at once. Here loops are compiled plainly, without
the interpreter's lock, and called for pieces of their range by threads that are kept. A piece computes what it would
compute alone: no bit depends on the number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import pairwise

# pieces per thread: whoever is done early takes another
_PIECES = 4
_count: ContextVar[int | None] = ContextVar("threads of rankfall", default=None)


def most() -> int:
    """Threads there may be: the processors of this process, or NUMBA_NUM_THREADS."""
    from numba.core import config

    return config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]


def count() -> int:
    """Threads that a loop is given at present."""
    return _count.get() or most()


@contextmanager
def threads(n_threads: int | None) -> Iterator[None]:
    """Give loops `n_threads` threads inside, at most as many as there may be; None changes nothing."""
    wanted = count() if n_threads is None else max(1, min(int(n_threads), most()))
    token = _count.set(wanted)
    try:
        yield
    finally:
        _count.reset(token)


@contextmanager
def at_most(n_threads: int) -> Iterator[None]:
    """No more threads than this inside: those that have nothing to do would only be waited for."""
    with threads(min(n_threads, count())):
        yield


def spread(kernel: Callable[..., None], size: int, *arguments: object) -> None:
    """Call ``kernel(first, last, *arguments)`` for pieces of ``range(size)``, side by side.

    It returns, or raises, when all pieces are done. Ctrl-C is heard then, or before any was begun.
    """
    n_threads = min(count(), size)
    if n_threads <= 1:
        kernel(0, size, *arguments)
        return
    kernel(0, 0, *arguments)  # compiled here, where messages about it belong
    _Job(kernel, size, n_threads, arguments).run()


class _Job:
    """The pieces of one call."""

    def __init__(
        self, kernel: Callable[..., None], size: int, n_threads: int, arguments: tuple[object, ...]
    ) -> None:
        self.kernel, self.arguments, self.n_threads = kernel, arguments, n_threads
        n_pieces = min(size, _PIECES * n_threads)
        edges = [size * k // n_pieces for k in range(n_pieces + 1)]
        self.waiting = list(pairwise(edges))[::-1]
        self.working = 0
        self.error: BaseException | None = None
        self.change = threading.Condition()

    def run(self) -> None:
        interrupt: BaseException | None = None
        try:
            for _ in range(self.n_threads):
                _pool().submit(self._help)
        except BaseException as error:
            interrupt = self._unless_begun(error)
        while True:
            try:
                with self.change:
                    self.change.wait_for(lambda: not self.working and (not self.waiting or self.error))
                break
            except KeyboardInterrupt as error:
                interrupt = self._unless_begun(error)
        if self.error or interrupt:
            raise self.error or interrupt  # type: ignore[misc]

    def _unless_begun(self, error: BaseException) -> BaseException:
        """Give up if nothing was begun; what was is brought to its end."""
        with self.change:
            if not self.working and self.waiting and self.waiting[-1][0] == 0:
                self.error = error
        return error

    def _help(self) -> None:
        """What a thread does: piece after piece."""
        while True:
            with self.change:
                if not self.waiting or self.error:
                    return
                first, last = self.waiting.pop()
                self.working += 1
            error = None
            try:
                self.kernel(first, last, *self.arguments)
            except BaseException as caught:
                error = caught
            with self.change:
                self.working -= 1
                self.error = self.error or error
                self.change.notify_all()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(most(), thread_name_prefix="rankfall")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
