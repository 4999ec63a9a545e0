"""How kernels are compiled: options of numba's ``njit``.

The order of additions is left to the compiler, so that loops become vectors; "nnan" and "ninf" are left out, since a
NaN must stay visible. Kernels release the interpreter's lock: threads call them for pieces of their range
(:func:`~rankfall.compute.threads.parallel_for`).
"""

from __future__ import annotations

from typing import Any

# the order of operations as written: random numbers and whole numbers
IN_ORDER: dict[str, Any] = {"cache": True, "nogil": True}
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
LOOP: dict[str, Any] = {**IN_ORDER, "fastmath": FASTMATH}
# for callers that look for NaN: a division by zero is infinite or NaN, as in NumPy, and raises nothing
LOOP_WITH_NAN: dict[str, Any] = {**LOOP, "error_model": "numpy"}
