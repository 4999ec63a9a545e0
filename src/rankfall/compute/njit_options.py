"""Options of numba's ``njit`` for all kernels.

The compiler may reorder additions, so that it can vectorise loops; "nnan" and "ninf" stay off, because a NaN
must remain visible. Kernels release the interpreter's lock: threads call them on chunks of their range
(:func:`~rankfall.compute.threads.parallel_for`).
"""

from __future__ import annotations

from typing import Any

# operations in the order written: for random numbers and integers
IN_ORDER: dict[str, Any] = {"cache": True, "nogil": True}
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
LOOP: dict[str, Any] = {**IN_ORDER, "fastmath": FASTMATH}
# for callers that look for NaN: a division by zero gives infinity or NaN, as in NumPy, and raises nothing
LOOP_WITH_NAN: dict[str, Any] = {**LOOP, "error_model": "numpy"}
