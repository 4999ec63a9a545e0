"""How the kernels of this package are compiled, and how many threads a call of a parallel one is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# no "nnan"/"ninf": a NaN must stay visible
_FAST = {"reassoc", "contract", "arcp", "nsz"}
SERIAL = {"cache": True, "fastmath": _FAST}
LOOPS = {**SERIAL, "parallel": True}
# multiplications from which on a call is given all threads: about a millisecond
_WORTH = 1e6


@contextmanager
def threads_for(multiplications: float) -> Iterator[None]:
    """One thread for kernels inside that have little to do; otherwise as many as there were.

    Threads that meet every few microseconds wait for each other, and on a busy machine for whoever else runs
    there: up to ten milliseconds a call. No bit of a result depends on it.
    """
    import numba

    before = numba.get_num_threads()
    if multiplications < _WORTH:
        numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@contextmanager
def threads(n_jobs: int | None) -> Iterator[None]:
    """This many numba threads, and one BLAS thread.

    The matrices here are small and the loops around them parallel: BLAS threads would only wait for each
    other, and results would depend on their number.
    """
    import numba

    before = numba.get_num_threads()
    if n_jobs is not None:
        numba.set_num_threads(min(n_jobs, _most()))
    try:
        with _libraries().limit(limits=1, user_api="blas"):
            yield
    finally:
        numba.set_num_threads(before)


@cache
def _libraries() -> ThreadpoolController:
    """The BLAS of numpy and of scipy, which are loaded by now; looking for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _most() -> int:
    from numba.core import config

    return int(config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
