"""How compiled loops run: threads, numba options, cache lines, vector loops. No mathematics of rankfall."""

import os

from ..errors import InputError


def _check_threads() -> None:
    """Refuse a number of threads on which numba itself trips when it is imported."""
    said = os.environ.get("NUMBA_NUM_THREADS", "1").strip()
    if not said.isdigit() or int(said) < 1:
        raise InputError(
            f"The environment variable NUMBA_NUM_THREADS must be a whole number from 1, not {said!r}; "
            "unset it to use all processors."
        )


_check_threads()
