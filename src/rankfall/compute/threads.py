"""Compiled loops in parallel: how many threads a call gets, and how they share its range.

numba can parallelise loops itself, but then takes one to three seconds longer to compile each of them, and
some of its thread pools must not be entered from two threads of a program at once. Here loops are compiled
serially and release the interpreter's lock; a pool of threads that lives as long as the process calls them on
chunks of their range. A chunk computes what it would compute alone, so no bit depends on the number of
threads.
"""

from __future__ import annotations

import _thread
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import pairwise
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ..argument_checks import whole

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# chunks per thread: a thread that finishes early takes another
_CHUNKS = 4
# multiplications above which a call gets all threads: a few milliseconds
_PARALLEL_ABOVE = 4e6
_count: ContextVar[int | None] = ContextVar("threads of rankfall", default=None)


def max_threads() -> int:
    """Upper limit of the number of threads: the processors of this process, or NUMBA_NUM_THREADS."""
    from numba.core import config

    return config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]


def count() -> int:
    """Number of threads that a loop gets here and now."""
    return _count.get() or max_threads()


@contextmanager
def threads(n_threads: int | None) -> Iterator[None]:
    """Loops inside get `n_threads` threads, at most :func:`max_threads`; None changes nothing."""
    wanted = count() if n_threads is None else max(1, min(whole("n_threads", n_threads), max_threads()))
    token = _count.set(wanted)
    try:
        yield
    finally:
        _count.reset(token)


@contextmanager
def threads_for(multiplications: float) -> Iterator[None]:
    """One thread for kernels that have little work to do; otherwise no change.

    Threads that synchronise often wait for each other, and on a busy machine for other programs: up to ten
    milliseconds per call (``benchmarks/busy.py``). No bit of a result depends on it.
    """
    with threads(1 if multiplications < _PARALLEL_ABOVE else None):
        yield


@contextmanager
def threads_without_blas(n_threads: int | None) -> Iterator[None]:
    """`n_threads` threads for loops, and one for BLAS.

    For small matrices inside parallel loops: BLAS threads would only wait for each other, and results would
    depend on their number.
    """
    with threads(n_threads), _blas().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of numpy and scipy, which are loaded by now; finding them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def parallel_for(
    kernel: Callable[..., None], size: int, *arguments: object, uninterrupted: bool = False
) -> None:
    """Call ``kernel(first, last, *arguments)`` on chunks of ``range(size)`` in parallel.

    Returns, or raises, when all chunks are done; Ctrl-C takes effect then, as after a compiled function.
    Calls from inside a kernel run in the calling thread. So does a call that gets a single thread, where
    Ctrl-C may stop a kernel that is not compiled anywhere, unless it is to be `uninterrupted`.
    """
    n_threads = min(count(), size)
    # Python interrupts the main thread only
    apart = uninterrupted and size > 0 and threading.current_thread() is threading.main_thread()
    if (n_threads <= 1 and not apart) or not _pool.grow_to(n_threads):
        kernel(0, size, *arguments)
        return
    kernel(0, 0, *arguments)  # compile in this thread, whose caller announces it
    _Job(kernel, size, n_threads, arguments).run()


def uninterrupted(work: Callable[[], None]) -> None:
    """Call a function whose parts belong together; Ctrl-C takes effect afterwards."""

    def once(first: int, last: int) -> None:
        if first < last:
            work()

    parallel_for(once, 1, uninterrupted=True)


class _Pool:
    """Threads that wait for tasks.

    Built on :mod:`_thread`: the threads of :mod:`threading` and :mod:`concurrent.futures` stop when the main
    thread ends, and an interrupt at the wrong moment leaves their locks locked for ever.
    """

    def __init__(self) -> None:
        self.tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.size = 0

    def grow_to(self, size: int) -> bool:
        """Start threads until there are at least `size`; whether that worked. A few too many do no harm."""
        while self.size < size:
            try:
                _thread.start_new_thread(self._serve, ())
            except RuntimeError:  # the system refuses more, or the program is ending
                return False
            self.size += 1
        return True

    def _serve(self) -> None:
        _count.set(1)
        while True:
            self.tasks.get()()


class _Job:
    """The chunks of one call. An interrupt while waiting for them leaves no state inconsistent."""

    def __init__(
        self, kernel: Callable[..., None], size: int, n_threads: int, arguments: tuple[object, ...]
    ) -> None:
        self.kernel, self.arguments, self.n_threads = kernel, arguments, n_threads
        self.left = min(size, _CHUNKS * n_threads)
        edges = [size * k // self.left for k in range(self.left + 1)]
        self.chunks = list(pairwise(edges))[::-1]
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
                    _pool.tasks.put(self._work)
                    sent += 1  # an interrupt just before this sends a task too many, which does nothing
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
                del error, interrupt  # they refer to this frame, which refers to the arrays

    def _work(self) -> None:
        """Run chunks until none is left."""
        while True:
            try:
                first, last = self.chunks.pop()
            except IndexError:
                return
            if self.error is None:
                try:
                    self.kernel(first, last, *self.arguments)
                except BaseException as error:
                    self.error = error
            with self.lock:
                self.left -= 1
                was_last = not self.left
            if was_last:
                self.finished = True
                self.done.release()


_pool = _Pool()


def _new_pool() -> None:
    global _pool
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_pool)  # threads do not survive a fork
