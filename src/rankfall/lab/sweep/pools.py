"""Where cells are computed: processes of our own, which may die, or an executor that the caller gives."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Protocol

from ...errors import InputError
from ..cell import Cell
from .worker import Result, compute

_STARTS = 3
# a process of Windows waits for at most 63 handles, of which an executor keeps two to itself
_MOST_PROCESSES = 61 if sys.platform == "win32" else None
# Cells that a cluster knows at once: enough for any, also for one that grows.
_ROOM = 1000
_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def grace(limit: float) -> float:
    """A call that does not return to Python for so long after the time limit is ended with its process."""
    return min(max(limit, 1.0), 5.0)


class Pool(Protocol):
    """What a sweep needs of the place where cells are computed."""

    room: int
    """How many cells may be under way at once."""

    def submit(self, cell: Cell) -> Future[Result]:
        """Begin a cell."""
        ...

    def renew(self) -> None:
        """Go on after a worker's death broke the pool."""
        ...

    def close(self) -> None:
        """End, whatever is under way."""
        ...


class Processes:
    """Worker processes of our own, started afresh (spawn), one cell in each at a time.

    They end when the process that made them does, however that happens.
    """

    def __init__(self, n_workers: int, folder: Path | None) -> None:
        self.room = n_workers if _MOST_PROCESSES is None else min(n_workers, _MOST_PROCESSES)
        self._folder = folder
        self._executor: ProcessPoolExecutor | None = None
        self.renew()

    def submit(self, cell: Cell) -> Future[Result]:
        """Begin a cell."""
        assert self._executor is not None
        return self._executor.submit(_compute_or_die, cell, self._folder)

    def renew(self) -> None:
        """New processes in place of those there may be.

        Raises
        ------
        InputError
            If processes cannot be started at all.
        """
        broken: BrokenExecutor | None = None
        for _ in range(_STARTS):
            self.close()
            with _environment():
                self._executor = ProcessPoolExecutor(self.room, get_context("spawn"), initializer=_prepare)
                # all of them now, while the environment is theirs
                probes = [self._executor.submit(_ready) for _ in range(self.room)]
            try:
                for probe in probes:
                    probe.result()
                return
            except BrokenExecutor as error:
                broken = error
            except BaseException:
                self.close()
                raise
        raise InputError(
            "Worker processes die as soon as they start; a script that calls run_sweep must do so below "
            "`if __name__ == '__main__':`, and there must be memory for another process."
        ) from broken

    def close(self) -> None:
        """End, whatever is under way."""
        executor, self._executor = self._executor, None
        if executor is not None:
            # there is no public way to do this before Python 3.14
            for process in list((getattr(executor, "_processes", None) or {}).values()):
                process.kill()
            executor.shutdown(wait=True, cancel_futures=True)


class Borrowed:
    """An executor that belongs to the caller; it is not shut down here."""

    def __init__(self, executor: Executor, room: int | None, folder: Path | None) -> None:
        self.room = room or getattr(executor, "_max_workers", None) or _ROOM
        self._executor = executor
        self._folder = folder
        self._futures: set[Future[Result]] = set()

    def submit(self, cell: Cell) -> Future[Result]:
        """Begin a cell."""
        future = self._executor.submit(compute, cell, self._folder)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def renew(self) -> None:
        """A broken executor of somebody else's cannot be mended."""
        raise InputError("The executor is broken (a worker died); the cells finished so far are kept.")

    def close(self) -> None:
        """Take back what has not begun."""
        for future in list(self._futures):
            future.cancel()


# -- in the worker ------------------------------------------------------------------------------------


def _prepare() -> None:
    """Set up a worker process: deaf to Ctrl-C (its parent decides), gone when its parent is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    # a worker whose parent was killed would otherwise wait for its next cell for ever
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _ready() -> None:
    # what every cell needs, so that the first one's time is its own
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import threadpoolctl  # noqa: F401


def _compute_or_die(cell: Cell, folder: Path | None) -> Result:
    """Compute a cell; a call stuck beyond the time limit takes the process with it."""
    if cell.time_limit is None:
        return compute(cell, folder)
    with open(os.devnull, "w") as nowhere:
        # its watchdog needs neither the interpreter's lock nor its attention
        faulthandler.dump_traceback_later(cell.time_limit + grace(cell.time_limit), exit=True, file=nowhere)
        try:
            return compute(cell, folder)
        finally:
            faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """One thread for the libraries of processes started now: most read this only when they load."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
