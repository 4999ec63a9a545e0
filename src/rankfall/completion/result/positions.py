"""Positions of cells that somebody asks for, and how many of them are answered at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...errors import InputError

# what is needed beside an answer is in proportion to the cells that are worked on at a time
CHUNK = 1 << 20


def positions(shape: tuple[int, int], rows: object, cols: object) -> tuple[np.ndarray, np.ndarray]:
    """Positions broadcast against each other: views, which may be much larger than what they are made of.

    Raises
    ------
    InputError
        If they are not whole numbers, do not go together, or lie outside the matrix.
    """
    rows, cols = np.asarray(rows), np.asarray(cols)
    if rows.dtype.kind not in "iu" or cols.dtype.kind not in "iu":
        raise InputError(
            "Positions must be whole numbers, counted from zero; row_names.index(name) and "
            "col_names.index(name) find those of names."
        )
    for side, size in ((rows, shape[0]), (cols, shape[1])):
        if side.size and not (side.min() >= 0 and side.max() < size):
            m, n = shape
            raise InputError(f"A position lies outside the {m} x {n} matrix (positions count from zero).")
    try:
        # one type of whole numbers: kernels are compiled once more for every other
        rows, cols = np.broadcast_arrays(rows.astype(np.int64), cols.astype(np.int64))
    except ValueError as error:
        raise InputError(f"rows and cols do not go together ({error}).") from error
    return rows, cols


def chunks(size: int) -> Iterator[slice]:
    """Consecutive parts of a flat array."""
    return (slice(start, start + CHUNK) for start in range(0, size, CHUNK))
