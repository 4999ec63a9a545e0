"""Faults on purpose: a full disk at the n-th write, Ctrl-C at the n-th line, death at the n-th checkpoint."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import rankfall

PACKAGE = str(Path(rankfall.__file__).parent)


@contextmanager
def full_disk(at: int) -> Generator[None]:
    """The `at`-th file that is written whole (counted from 1), and all later ones, find no space."""
    written = 0

    def fsync(descriptor: int) -> None:
        nonlocal written
        written += 1
        if written >= at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rankfall.files.atomic.os.fsync", fsync)
        yield


class Lines:
    """Counts the lines of rankfall that are executed, and presses Ctrl-C at one of them."""

    def __init__(self, at: int | None = None, inside: str = "") -> None:
        self.at, self.inside, self.count, self.place = at, inside, 0, ""

    def __enter__(self) -> Lines:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE) or self.inside not in name:
            return None
        if event == "line":
            self.count += 1
            if self.count == self.at:
                self.place = f"{Path(name).relative_to(PACKAGE)}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self._trace


def killed(run: Callable[[], object], at: int) -> int:
    """Run something in a process that dies by SIGKILL after its `at`-th checkpoint; how it ended."""
    from rankfall.dynamics.engine.checkpoints import Checkpoint

    pid = os.fork()
    if pid == 0:
        save, saved = Checkpoint.save, 0

        def deadly(self: Checkpoint, *state: Any) -> None:
            nonlocal saved
            save(self, *state)
            saved += 1
            if saved >= at:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            Checkpoint.save = deadly  # type: ignore[method-assign, assignment]
            run()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
