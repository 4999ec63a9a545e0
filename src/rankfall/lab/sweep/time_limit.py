"""A time limit inside a worker."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeLimit(BaseException):
    """The cell took too long.

    Not an Exception, so that ``except Exception`` in a runner does not swallow it.
    """


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise :class:`TimeLimit` in the block after so many seconds; None is no limit.

    In the main thread of a process it is raised by SIGALRM, elsewhere (the threads of a Dask worker) as an
    asynchronous exception. Either way Python raises it before its next instruction: the limit holds to
    within the longest call that does not return to Python, which for training is half a second. A call that
    never returns is ended by neither; :mod:`.pools` has a second limit for its own processes.
    """
    if seconds is None:
        yield
    elif threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        with _by_alarm(seconds):
            yield
    else:
        with _by_thread(seconds):
            yield


@contextmanager
def _by_alarm(seconds: float) -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    target = ctypes.c_ulong(threading.get_ident())
    lock = threading.Lock()
    ended = sent = False

    def ring() -> None:
        nonlocal sent
        with lock:
            if not ended:
                sent = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(TimeLimit))

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    arrived = False
    try:
        yield
    except TimeLimit:
        arrived = True
        raise
    finally:
        timer.cancel()
        with lock:
            ended = True
        # sent but not there yet: it must not hit whatever this thread does next
        while sent and not arrived:
            time.sleep(0.001)
