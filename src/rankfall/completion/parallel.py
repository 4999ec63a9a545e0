"""How the kernels of this package are compiled, and how many threads a call of a parallel one is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from ..threads import threads as loop_threads

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# no "nnan"/"ninf": a NaN must stay visible
_FAST = {"reassoc", "contract", "arcp", "nsz"}
# a division by zero is infinite or NaN, as in NumPy, and raises nothing
SERIAL = {"cache": True, "fastmath": _FAST, "error_model": "numpy"}
# of kernels that threads call for pieces of their lines or cells (:func:`rankfall.threads.spread`)
LOOPS = {**SERIAL, "nogil": True}
# multiplications from which on a call is given all threads: a few milliseconds
_WORTH = 4e6


@contextmanager
def threads_for(multiplications: float) -> Iterator[None]:
    """One thread for kernels inside that have little to do; otherwise as many as there were.

    Threads that meet often wait for each other, and on a busy machine for whoever else runs there: up to ten
    milliseconds a call (``benchmarks/busy.py``). No bit of a result depends on it.
    """
    with loop_threads(1 if multiplications < _WORTH else None):
        yield


@contextmanager
def threads(n_jobs: int | None) -> Iterator[None]:
    """This many threads for loops, and one BLAS thread.

    The matrices here are small and the loops around them parallel: BLAS threads would only wait for each
    other, and results would depend on their number.
    """
    with loop_threads(n_jobs), _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """The BLAS of numpy and of scipy, which are loaded by now; looking for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
