"""Checks of the entries that a :class:`rankfall.Problem` is built from."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InputError

# positions are taken for labels if fewer than one in so many (and so many in all) has an entry
_SPARSE, _FEW = 100, 100_000


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
    except (TypeError, ValueError, OverflowError) as error:
        at = first_text(array)
        if at is not None and array.ndim == 2:
            raise InputError(
                f"Row {at[0]}, column {at[1]} holds text ({str(array[at])!r}); convert the column to "
                "numbers, or leave it out."
            ) from error
        raise InputError(f"The data hold something that is not a number ({error}).") from error


def first_text(values: object) -> tuple[int, ...] | None:
    """Where in an array the first text stands that is no number; None if there is none."""
    array = np.asarray(values)
    if array.dtype.kind not in "OUT":
        return None
    for at, value in np.ndenumerate(array):
        if isinstance(value, str):
            try:
                float(value)
            except ValueError:
                return at
    return None


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
        raise InputError(
            f"The {what} positions must be whole numbers, not {array.dtype}; "
            "labels=True makes numbers of any kind labels."
        )
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


# of rows and of columns: whatever gives a label by its position
Labels = tuple[Any, Any]


def holds_numbers(values: object) -> bool:
    """Whether these are numbers (or nothing at all), which text, dates and tuples are not."""
    kind = getattr(getattr(values, "dtype", None), "kind", None)  # of NumPy's types and those of pandas
    if not isinstance(kind, str):
        if isinstance(values, (list, tuple)) and any(isinstance(value, tuple) for value in values):
            return False
        try:
            array = np.asarray(values)
        except ValueError:  # of no shape
            return False
        kind = array.dtype.kind if array.size else "i"
    return kind in "iufbc"


def refuse_far_apart(positions: np.ndarray, what: str) -> None:
    """Raise InputError if hardly any position up to the largest has an entry: they must be labels."""
    if positions.size and positions.min() >= 0:
        size, used = int(positions.max()) + 1, np.unique(positions).size
        if size > _SPARSE * used + _FEW:
            raise InputError(
                f"The {what} positions reach {size - 1}, but only {used} of them have entries: pass "
                "labels=True if they are labels, or shape=(n_rows, n_columns) if they are positions."
            )


def refuse_infinities(
    rows: np.ndarray, cols: np.ndarray, values: np.ndarray, labels: Labels = (None, None)
) -> None:
    """Raise InputError, naming the first infinite cell, if there is one."""
    bad = np.flatnonzero(np.isinf(values))
    if bad.size:
        first = bad[0]
        more = f" ({bad.size} infinite cells in all)" if bad.size > 1 else ""
        raise InputError(f"The cell in {_cell(rows[first], cols[first], labels)} is infinite{more}.")


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
    rows: np.ndarray,
    cols: np.ndarray,
    values: np.ndarray,
    duplicates: str,
    labels: Labels = (None, None),
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
            cell = _cell(rows[at], cols[at], labels)
            raise InputError(
                f"{cell[:1].upper()}{cell[1:]} is given twice with different values "
                f"({values[first][group][at]:g} and {values[at]:g}); "
                'remove one, or pass duplicates="mean" to average them.'
            )
        return rows[first], cols[first], values[first]
    means = np.bincount(group, weights=values) / np.bincount(group)
    # the mean of equal numbers may differ from them by rounding: keep the number itself
    equal = np.bincount(group, weights=values != values[first][group]) == 0
    return rows[first], cols[first], np.where(equal, values[first], means)


def _cell(row: Any, col: Any, labels: Labels) -> str:
    """Where a cell is, by its labels where it has any."""
    by_row, by_col = labels
    row, col = (at if one is None else one[at] for at, one in ((row, by_row), (col, by_col)))
    return f"row {_said(row)}, column {_said(col)}"


def _said(label: object) -> str:
    return repr(label) if isinstance(label, (str, tuple)) else str(label)
