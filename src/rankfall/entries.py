"""Checks of the entries that a :class:`rankfall.Problem` is built from."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InputError


def as_numbers(values: object) -> np.ndarray:
    """An array of floats.

    Raises
    ------
    InputError
        If the values are not a regular array of real numbers.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"The data are not a regular array ({error}).") from error
    if array.dtype.kind == "c":
        raise InputError(
            "Complex numbers cannot be completed; pass the real and the imaginary part separately."
        )
    if array.dtype.kind in "mM":
        raise InputError("Dates and durations are not numbers; convert them first.")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"The data hold something that is not a number ({error}).") from error


def as_positions(values: object, what: str) -> np.ndarray:
    """An array of int64.

    Raises
    ------
    InputError
        If the values are not integers.
    """
    array = np.asarray(values)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind == "f" and np.all(np.isfinite(array)) and np.all(array == np.floor(array)):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise InputError(f"The {what} positions must be whole numbers, not {array.dtype}.")
    return array.astype(np.int64)


def as_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Number of rows and of columns, both at least 1.

    Raises
    ------
    InputError
        If the shape is not that of a matrix with cells.
    """
    if len(shape) != 2:
        raise InputError(f"A matrix has two dimensions; this shape has {len(shape)}.")
    n_rows, n_cols = int(shape[0]), int(shape[1])
    if n_rows < 1 or n_cols < 1:
        raise InputError(f"A {n_rows} x {n_cols} matrix has no cells.")
    return n_rows, n_cols


def refuse_infinities(rows: np.ndarray, cols: np.ndarray, values: np.ndarray) -> None:
    """Raise InputError, naming the first infinite cell, if there is one."""
    bad = np.flatnonzero(np.isinf(values))
    if bad.size:
        first = bad[0]
        more = f" ({bad.size} infinite cells in all)" if bad.size > 1 else ""
        raise InputError(f"The cell in row {rows[first]}, column {cols[first]} is infinite{more}.")


def stored(X: Any, name: str = "The sparse matrix") -> Any:
    """The entries of a sparse matrix as a coo_array; zeros that fill up blocks of the BSR format are none.

    Raises
    ------
    InputError
        If an entry is stored twice: scipy would add the two. `name` begins the sentence.
    """
    coo = X.tocoo()
    if getattr(X, "format", None) == "bsr":
        coo.eliminate_zeros()
    _, n_cols = coo.shape
    if np.unique(coo.row.astype(np.int64) * n_cols + coo.col).size < coo.nnz:
        raise InputError(f"{name} stores some entries twice; call its sum_duplicates() first.")
    return coo


def merge_repeats(
    rows: np.ndarray, cols: np.ndarray, values: np.ndarray, duplicates: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort by row, then column, and merge cells that occur more than once."""
    order = np.lexsort((cols, rows))
    rows, cols, values = rows[order], cols[order], values[order]
    first = np.ones(rows.size, bool)
    first[1:] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])
    if first.all():
        return rows, cols, values
    group = np.cumsum(first) - 1
    if duplicates == "error":
        wrong = np.flatnonzero(values != values[first][group])
        if wrong.size:
            at = wrong[0]
            raise InputError(
                f"Row {rows[at]}, column {cols[at]} is given twice with different values "
                f"({values[first][group][at]:g} and {values[at]:g}); "
                'remove one, or pass duplicates="mean" to average them.'
            )
        return rows[first], cols[first], values[first]
    means = np.bincount(group, weights=values) / np.bincount(group)
    # the mean of equal numbers may differ from them by rounding: keep the number itself
    equal = np.bincount(group, weights=values != values[first][group]) == 0
    return rows[first], cols[first], np.where(equal, values[first], means)
