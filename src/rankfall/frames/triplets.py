"""Triplets of row, column and value, whose rows and columns are positions or labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import one_of, wholes
from ..entries import (
    as_numbers,
    as_positions,
    as_shape,
    holds_numbers,
    merge_repeats,
    refuse_far_apart,
    refuse_infinities,
)
from ..errors import InputError
from .labels import categories
from .layout import FrameLayout

if TYPE_CHECKING:
    import pandas as pd

Entries = tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int], FrameLayout | None]


def read_triplets(
    rows: object,
    cols: object,
    values: object,
    shape: tuple[int, int] | None,
    labels: bool,
    duplicates: str,
) -> Entries:
    """Rows, columns and values of the observed entries, sorted, with the shape and the labels.

    The parameters are those of :meth:`rankfall.Problem.from_triplets`.
    """
    labels = one_of("labels", labels, (False, True))
    row_labels = col_labels = None
    if labels or not holds_numbers(rows):
        rows, row_labels = _categories(rows, "row")
    if labels or not holds_numbers(cols):
        cols, col_labels = _categories(cols, "column")
    rows, cols = as_positions(rows, "row"), as_positions(cols, "column")
    values = as_numbers(values)
    if not rows.shape == cols.shape == values.shape or rows.ndim != 1:
        raise InputError(
            "rows, cols and values must be one-dimensional and equally long, not of shapes "
            f"{rows.shape}, {cols.shape} and {values.shape}."
        )
    if shape is None:
        shape = (int(rows.max(initial=-1)) + 1, int(cols.max(initial=-1)) + 1)
        refuse_far_apart(rows, "row")
        refuse_far_apart(cols, "column")
    n_rows, n_cols = as_shape(wholes("shape", shape))
    for found, size, what in ((row_labels, n_rows, "row"), (col_labels, n_cols, "column")):
        if found is not None and len(found) != size:
            raise InputError(
                f"There are {len(found)} {what} labels, but shape says {size} {what}s; leave shape out."
            )
    duplicates = one_of("duplicates", duplicates, ("error", "mean"))
    if rows.size and (rows.min() < 0 or rows.max() >= n_rows or cols.min() < 0 or cols.max() >= n_cols):
        bad = np.flatnonzero((rows < 0) | (rows >= n_rows) | (cols < 0) | (cols >= n_cols))[0]
        raise InputError(
            f"Position ({rows[bad]}, {cols[bad]}) lies outside the {n_rows} x {n_cols} matrix "
            "(positions count from zero)."
        )
    kept = ~np.isnan(values)
    rows, cols, values = rows[kept], cols[kept], values[kept]
    names = (row_labels, col_labels)
    refuse_infinities(rows, cols, values, names)
    if not values.size:
        raise InputError("There is no observed entry: nothing to complete the matrix from.")
    rows, cols, values = merge_repeats(rows, cols, values, duplicates, names)
    labelled = row_labels is not None or col_labels is not None
    layout = FrameLayout("pandas", row_labels, col_labels) if labelled else None
    return rows, cols, values, (n_rows, n_cols), layout


def _categories(labels: object, what: str) -> tuple[np.ndarray, pd.Index]:
    try:
        return categories(labels, what, "entry")
    except TypeError as error:
        raise InputError(f"The {what} labels must be text, dates, numbers or tuples ({error}).") from error
