"""Options of numba's ``njit`` for all kernels.

The compiler may reorder additions, so that it can vectorise loops; "nnan" and "ninf" stay off, because a NaN
must remain visible. Kernels release the interpreter's lock: threads call them on chunks of their range
(:func:`~rankfall.compute.threads.parallel_for`).
"""

from __future__ import annotations

from typing import Any

from numba import njit
from numba.core import config

from ..errors import InputError


def _check_numba() -> None:
    """Refuse settings of numba under which no kernel runs, before numba trips over them."""
    if config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]
        raise InputError(
            "The environment variable NUMBA_DISABLE_JIT is set, and rankfall's kernels are not for Python "
            "itself; unset it."
        )


def _can_keep() -> bool:
    """Whether there is a folder for compiled kernels: none where neither the package nor HOME can be written
    (a container).
    """
    try:
        njit(cache=True)(lambda: None)
    except RuntimeError:
        return False
    return True


_check_numba()
KEPT = _can_keep()
"""Whether kernels are compiled once on a computer, or once in each process."""

# operations in the order written: for random numbers and integers
IN_ORDER: dict[str, Any] = {"cache": KEPT, "nogil": True}
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
LOOP: dict[str, Any] = {**IN_ORDER, "fastmath": FASTMATH}
# for callers that look for NaN: a division by zero gives infinity or NaN, as in NumPy, and raises nothing
LOOP_WITH_NAN: dict[str, Any] = {**LOOP, "error_model": "numpy"}
