"""Compiled loops side by side: how many threads a call is given, and how its pieces reach them.

numba can share loops among threads itself, but takes one to three seconds longer to compile each of them, and some of
its thread pools may not be entered from two threads of a program at once. Here loops are compiled plainly, without
the interpreter's lock, and called for pieces of their range by threads that are kept. A piece computes what it would
compute alone: no bit depends on the number of threads.
"""

from __future__ import annotations

import _thread
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import pairwise
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# pieces per thread: whoever is done early takes another
_PIECES = 4
# multiplications from which on a call is given all threads: a few milliseconds
_WORTH = 4e6
_count: ContextVar[int | None] = ContextVar("threads of rankfall", default=None)


def max_threads() -> int:
    """Threads there may be: the processors of this process, or NUMBA_NUM_THREADS."""
    from numba.core import config

    return config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]


def count() -> int:
    """Threads that a loop is given at present."""
    return _count.get() or max_threads()


@contextmanager
def threads(n_threads: int | None) -> Iterator[None]:
    """Give loops `n_threads` threads inside, at most as many as there may be; None changes nothing."""
    wanted = count() if n_threads is None else max(1, min(int(n_threads), max_threads()))
    token = _count.set(wanted)
    try:
        yield
    finally:
        _count.reset(token)


@contextmanager
def threads_for(multiplications: float) -> Iterator[None]:
    """One thread for kernels inside that have little to do; otherwise as many as there were.

    Threads that meet often wait for each other, and on a busy machine for whoever else runs there: up to ten
    milliseconds a call (``benchmarks/busy.py``). No bit of a result depends on it.
    """
    with threads(1 if multiplications < _WORTH else None):
        yield


@contextmanager
def threads_without_blas(n_threads: int | None) -> Iterator[None]:
    """This many threads for loops, and one BLAS thread.

    For small matrices inside parallel loops: BLAS threads would only wait for each other, and results would depend
    on their number.
    """
    with threads(n_threads), _blas().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas() -> ThreadpoolController:
    """The BLAS of numpy and of scipy, which are loaded by now; looking for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def parallel_for(kernel: Callable[..., None], size: int, *arguments: object) -> None:
    """Call ``kernel(first, last, *arguments)`` for pieces of ``range(size)``, side by side.

    It returns, or raises, when all pieces are done: Ctrl-C is heard then, as it is after a compiled function. A
    kernel that calls this itself gets no other threads.
    """
    n_threads = min(count(), size)
    if n_threads <= 1 or not _crew.has(n_threads):
        kernel(0, size, *arguments)
        return
    kernel(0, 0, *arguments)  # compiled here, where messages about it belong
    _Job(kernel, size, n_threads, arguments).run()


class _Crew:
    """Threads that wait for something to do.

    They are not those of :mod:`threading` and :mod:`concurrent.futures`, which stop when the main thread ends, and whose
    locks an interrupt in the wrong moment leaves locked for ever.
    """

    def __init__(self) -> None:
        self.tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.size = 0

    def has(self, size: int) -> bool:
        """Whether there are that many, after some were started if need be (a few too many do no harm)."""
        while self.size < size:
            try:
                _thread.start_new_thread(self._serve, ())
            except RuntimeError:  # the system has no more, or the program is ending
                return False
            self.size += 1
        return True

    def _serve(self) -> None:
        _count.set(1)
        while True:
            self.tasks.get()()


class _Job:
    """The pieces of one call. Whoever waits for them uses nothing that an interrupt could leave half done."""

    def __init__(
        self, kernel: Callable[..., None], size: int, n_threads: int, arguments: tuple[object, ...]
    ) -> None:
        self.kernel, self.arguments, self.n_threads = kernel, arguments, n_threads
        self.left = min(size, _PIECES * n_threads)
        edges = [size * k // self.left for k in range(self.left + 1)]
        self.waiting = list(pairwise(edges))[::-1]
        self.error: BaseException | None = None
        self.finished = False
        self.lock, self.done = _thread.allocate_lock(), _thread.allocate_lock()
        self.done.acquire()

    def run(self) -> None:
        interrupt: BaseException | None = None
        sent = 0
        while True:
            try:
                while sent < self.n_threads and not self.finished:
                    _crew.tasks.put(self._help)
                    sent += 1  # one too many, after an interrupt here, finds nothing to do
                while not self.finished:
                    self.done.acquire()
                break
            except BaseException as heard:
                interrupt = heard
        error, self.error = self.error or interrupt, None
        if error is not None:
            try:
                raise error
            finally:
                del error, interrupt  # they hold this frame, and it the arrays

    def _help(self) -> None:
        """What a thread does: piece after piece."""
        while True:
            try:
                first, last = self.waiting.pop()
            except IndexError:
                return
            if self.error is None:
                try:
                    self.kernel(first, last, *self.arguments)
                except BaseException as error:
                    self.error = error
            with self.lock:
                self.left -= 1
                last_of_all = not self.left
            if last_of_all:
                self.finished = True
                self.done.release()


_crew = _Crew()


def _new_crew() -> None:
    global _crew
    _crew = _Crew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_crew)  # threads do not survive a fork
