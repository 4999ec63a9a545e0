"""Run the cells of a study that are not finished yet."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from dataclasses import dataclass, field
from os import PathLike

from ...errors import InputError
from ..cell import Cell
from .interrupts import lasting_interrupts
from .pools import Borrowed, Pool, Processes, grace
from .store import Store
from .study import Study
from .worker import Result, limit_sentence

# How often a cell may lose its worker before that counts as the cell's own failure.
_TRIES = 3
_LOST = f"the worker died ({_TRIES} times) while it computed this cell; perhaps there was not enough memory"


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is.

    Attributes
    ----------
    n_cells : int
    found : int
        Cells that were finished before this run.
    done : int
        Finished cells, those included.
    failed : int
        Cells that failed in this run.
    seconds : float
        Since this run began.
    last_failure : str
        One sentence about the last failure, empty if there was none.
    """

    n_cells: int
    found: int
    done: int
    failed: int
    seconds: float
    last_failure: str = ""

    @property
    def left(self) -> int:
        """Cells that neither finished nor failed yet."""
        return self.n_cells - self.done - self.failed

    @property
    def time_left(self) -> float | None:
        """Seconds, if cells go on ending as often as in this run so far; None before the first did."""
        ended = self.done - self.found + self.failed
        return self.seconds / ended * self.left if ended else None


@dataclass(frozen=True)
class Sweep(SweepProgress):
    """How a sweep ended.

    Attributes
    ----------
    failures : tuple of (dict, str)
        The axes of every cell that failed, and why, in one sentence.
    other_versions : tuple of str
        Versions of rankfall, other than this one, that made some of the cells that were found.
    """

    failures: tuple[tuple[dict, str], ...] = ()
    other_versions: tuple[str, ...] = ()


def run_sweep(
    study: Study,
    out: str | PathLike[str],
    executor: Executor | None = None,
    n_workers: int | None = None,
    progress: Callable[[SweepProgress], None] | None = None,
) -> Sweep:
    """Compute the cells of a study that its folder does not have yet.

    Every finished cell is written at once and whole, so that a run that is killed loses only what was under
    way; the next one goes on from there. A cell that fails is recorded and tried again by the next run.
    A worker that dies (no memory, ``kill -9``) costs the cells under way another try, at most three each.

    Parameters
    ----------
    study : Study
    out : path
        Folder for the results; made if need be.
    executor : concurrent.futures.Executor, optional
        Runs the cells; it is not shut down. By default processes of our own (spawned, single-threaded).
    n_workers : int, optional
        Number of processes, by default one for each processor; with an `executor`, cells under way at
        once (by default as many as it has workers, or 1000 where it does not say).
    progress : function, optional
        Called with a :class:`SweepProgress` after every cell, and about once a second.

    Returns
    -------
    Sweep
        How many cells are done, and what failed.

    Raises
    ------
    InputError
        If the folder cannot be written or belongs to another study. What is finished is kept.
    """
    if n_workers is not None and n_workers < 1:
        raise InputError(f"n_workers must be at least 1, not {n_workers}.")
    store = Store.create(out)
    with store.in_use():
        store.adopt(study)
        run = _Run(store, study.cells, progress)
        run.look()
        if run.waiting:
            # workers elsewhere need the folder only if there is something to read in it
            folder = study.folder if study.data else None
            pool: Pool
            if executor is None:
                n_workers = min(n_workers or processors(), len(run.waiting))
                pool = Processes(n_workers, folder)
            else:
                pool = Borrowed(executor, n_workers, folder)
            run.go(pool)
    return run.summary()


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# -- the run ------------------------------------------------------------------------------------------


@dataclass
class _Task:
    cell: Cell
    lost: int = 0
    began: float = 0.0


@dataclass
class _Run:
    """The cells still to do, those under way, and what came of the others."""

    store: Store
    cells: tuple[Cell, ...]
    progress: Callable[[SweepProgress], None] | None
    waiting: deque[_Task] = field(default_factory=deque)
    # cells whose worker died; each is tried again alone, so that only the guilty one dies again
    suspects: deque[_Task] = field(default_factory=deque)
    running: dict[Future[Result], _Task] = field(default_factory=dict)
    failures: list[tuple[Cell, str]] = field(default_factory=list)
    found: int = 0
    done: int = 0
    versions: set[str] = field(default_factory=set)
    began: float = field(default_factory=time.perf_counter)

    def look(self) -> None:
        """Which cells are there already?"""
        from ...version import __version__

        for cell in self.cells:
            versions = self.store.versions_of(cell)
            if versions is None:
                self.waiting.append(_Task(cell))
            else:
                self.versions.add(versions["rankfall"])
                self.done += 1
        self.found = self.done
        self.versions.discard(__version__)
        self.began = time.perf_counter()
        self.tell()

    def go(self, pool: Pool) -> None:
        """Compute what is missing."""
        try:
            with lasting_interrupts() as check:
                while self.waiting or self.suspects or self.running:
                    broken = not self._fill(pool)
                    if self.running:
                        ended, _ = wait(self.running, timeout=1.0, return_when=FIRST_COMPLETED)
                        for future in ended:
                            broken |= not self._take(future)
                    if broken:
                        self._mend(pool)
                    self.tell()
                    check()
        finally:
            pool.close()

    def _fill(self, pool: Pool) -> bool:
        """Put cells under way; False if the pool turns out to be broken."""
        while len(self.running) < pool.room and (self.waiting or self.suspects):
            alone = bool(self.suspects) or any(task.lost for task in self.running.values())
            if alone and self.running:
                return True
            task = (self.suspects or self.waiting).popleft()
            # another sweep may write into the same folder
            if self.store.has(task.cell):
                self.done += 1
                continue
            task.began = time.perf_counter()
            try:
                self.running[pool.submit(task.cell)] = task
            except BrokenExecutor:
                self.waiting.appendleft(task)
                return False
        return True

    def _take(self, future: Future[Result]) -> bool:
        """Note how a cell ended; False if its worker did and the pool is broken."""
        task = self.running.pop(future)
        try:
            result = future.result()
        except BrokenExecutor:
            self._lose(task)
            return False
        except CancelledError as error:
            raise InputError(
                "The cluster took back a cell (is the scheduler gone?); the cells finished so far are kept."
            ) from error
        except Exception as error:
            # a cluster's own last word, after tries of its own: its workers died, or it cannot send the cell
            sentence = " ".join(f"{type(error).__name__}: {error}".split())
            self._keep(task.cell, Result(task.cell.key, None, sentence))
            return True
        self._keep(task.cell, result)
        return True

    def _mend(self, pool: Pool) -> None:
        """When one process dies, a pool gives up all that is under way."""
        while self.running:
            ended, _ = wait(self.running, return_when=FIRST_COMPLETED)
            for future in ended:
                self._take(future)
        pool.renew()

    def _lose(self, task: _Task) -> None:
        task.lost += 1
        limit, seconds = task.cell.time_limit, time.perf_counter() - task.began
        if limit is not None and seconds >= limit + grace(limit):
            self._keep(task.cell, Result(task.cell.key, None, limit_sentence(task.cell), seconds=seconds))
        elif task.lost >= _TRIES:
            self._keep(task.cell, Result(task.cell.key, None, _LOST, seconds=seconds))
        else:
            self.suspects.append(task)

    def _keep(self, cell: Cell, result: Result) -> None:
        self.store.keep(cell, result)
        if result.payload is None:
            self.failures.append((cell, result.failure))
        else:
            self.done += 1

    def tell(self) -> None:
        if self.progress is not None:
            self.progress(SweepProgress(**self._counts()))

    def summary(self) -> Sweep:
        """How it ended."""
        failures = tuple((cell.axes, sentence) for cell, sentence in self.failures)
        return Sweep(**self._counts(), failures=failures, other_versions=tuple(sorted(self.versions)))

    def _counts(self) -> dict:
        return {
            "n_cells": len(self.cells),
            "found": self.found,
            "done": self.done,
            "failed": len(self.failures),
            "seconds": time.perf_counter() - self.began,
            "last_failure": self.failures[-1][1] if self.failures else "",
        }
