"""Frames of pandas, polars, pyarrow and others as arrays of floats."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..argument_checks import shown
from ..entries import first_text
from ..errors import InputError
from .layout import FrameLayout, Kind

if TYPE_CHECKING:
    import narwhals as nw
    import pandas as pd


def is_frame(X: object) -> bool:
    """Whether this is a table with named columns, of whatever library."""
    # of the class: a lazy frame works on the way to its columns
    return hasattr(type(X), "columns") or hasattr(type(X), "__narwhals_dataframe__")


def _is_lazy(X: object) -> bool:
    """Whether its cells are not there yet: frames of dask, and lazy ones of polars."""
    return hasattr(type(X), "collect") or hasattr(type(X), "compute")


def read_frame(X: object) -> tuple[np.ndarray, FrameLayout]:
    """The cells of a frame, NaN where one is missing, and how it is laid out.

    Parameters
    ----------
    X : frame of pandas, polars or pyarrow, or whatever else narwhals reads
        Numbers (integers, floats, decimals) and booleans, with missing values of any kind. The index of a
        frame of pandas is not data.

    Returns
    -------
    values : ndarray of float64, shape (m, n)
    layout : FrameLayout

    Raises
    ------
    InputError
        If a column does not hold numbers; it is named.
    """
    if _is_lazy(X):
        how = "compute" if hasattr(type(X), "compute") else "collect"
        raise InputError(f"The frame's cells are not computed yet; pass the result of its {how}().")
    pandas = sys.modules.get("pandas")  # a frame of pandas without pandas being there does not exist
    if pandas is not None and isinstance(X, pandas.DataFrame):
        return _read_pandas(cast("pd.DataFrame", X))
    import narwhals as nw
    import pandas as pd

    X, names = _with_different_names(X)
    try:
        frame = nw.from_native(cast("Any", X), eager_only=True)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"A frame must be one of pandas, polars or pyarrow, not {shown(X)} ({error})."
        ) from error
    if frame.implementation.is_pandas_like():
        return _read_pandas(frame.to_pandas())
    kind: Kind = "polars" if frame.implementation.is_polars() else "pyarrow"
    columns, dtypes = [], []
    for column in frame.iter_columns():
        columns.append(_read_column(column, column.name if names is None else names[len(columns)]))
        native = column.to_native()
        dtypes.append(str(native.type if kind == "pyarrow" and hasattr(native, "type") else native.dtype))
    values = np.column_stack(columns) if columns else np.empty(frame.shape)
    return values, FrameLayout(kind, None, pd.Index(names or frame.columns), tuple(dtypes))


def _with_different_names(X: Any) -> tuple[object, list[str] | None]:
    """Tables and batches of pyarrow in the way that narwhals reads, and their names, which may repeat."""
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is None or not isinstance(X, (pyarrow.Table, pyarrow.RecordBatch)):
        return X, None
    names = list(X.schema.names)
    table = pyarrow.Table.from_batches([X]) if isinstance(X, pyarrow.RecordBatch) else X
    if len(set(names)) < len(names):
        table = table.rename_columns([str(k) for k in range(len(names))])
    return table, names


def _read_column(column: nw.Series, name: str) -> np.ndarray:
    import narwhals as nw

    dtype = column.dtype
    if dtype.is_temporal():
        raise InputError(f"Column {name!r} holds dates or times, not numbers; convert it, or drop it.")
    if not (dtype.is_numeric() or dtype == nw.Boolean) and column.null_count() < len(column):
        text = column.drop_nulls()[0]
        what = "text" if isinstance(text, str) else "something that is not a number"
        raise InputError(f"Column {name!r} holds {what} ({shown(text)}); convert it to numbers, or drop it.")
    try:
        return column.cast(nw.Float64).to_numpy().astype(np.float64)
    except Exception:  # each library has its own error for integers that floats do not hold exactly
        return np.array([np.nan if x is None else float(x) for x in column.to_list()])


def _read_pandas(frame: pd.DataFrame) -> tuple[np.ndarray, FrameLayout]:
    import pandas as pd

    columns = []
    for name, column in frame.items():
        if isinstance(column.dtype, pd.SparseDtype):
            column = column.sparse.to_dense()
        if column.dtype.kind in "M" or isinstance(column.dtype, pd.PeriodDtype):
            raise InputError(f"Column {name!r} holds dates, not numbers; make it the index, or drop it.")
        if column.dtype.kind == "m":
            raise InputError(
                f"Column {name!r} holds durations; make them numbers with .dt.total_seconds(), or drop it."
            )
        if column.dtype.kind == "c":
            raise InputError(
                f"Column {name!r} holds complex numbers; give real and imaginary parts as columns of "
                "their own."
            )
        try:
            columns.append(column.to_numpy(dtype=np.float64, na_value=np.nan))
        except (TypeError, ValueError) as error:
            words = column.to_numpy(dtype=object)
            at = first_text(words)
            what = f"something that is not a number ({error})" if at is None else f"text ({shown(words[at])})"
            raise InputError(
                f"Column {name!r} holds {what}; convert it to numbers, drop it, or make it the index."
            ) from error
    values = np.column_stack(columns) if columns else np.empty(frame.shape)
    dtypes = tuple(str(column.dtype) for _, column in frame.items())
    return values, FrameLayout("pandas", frame.index, frame.columns, dtypes)
