"""A completed table as a frame of the kind that came in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .layout import FrameLayout

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_DECIMAL = re.compile(r"decimal(\d*)\D*(\d+)\D+(\d+)\)", re.IGNORECASE)
_POLARS = re.compile(r"U?Int(8|16|32|64|128)|Float(16|32|64)|Boolean")
# names of whole numbers and of booleans in all three libraries
_WHOLE = re.compile(r"(u?)int(\d+)", re.IGNORECASE)
_FLAG = re.compile(r"bool(ean)?", re.IGNORECASE)


def holds_whole_numbers(dtype: str) -> bool:
    """Whether columns of this type hold nothing but whole numbers or booleans."""
    return bool(_WHOLE.match(dtype) or _FLAG.match(dtype))


def write_frame(layout: FrameLayout, values: np.ndarray, *, round: bool = True) -> Any:
    """A frame like the one that was read.

    Parameters
    ----------
    layout : FrameLayout
    values : ndarray, shape (m, n)
        NaN becomes a missing value.
    round : bool
        Columns of whole numbers keep their type, and what is no whole number is rounded (and kept within the
        type's range); otherwise such columns become floats.

    Returns
    -------
    frame of pandas or polars, or table of pyarrow

    Raises
    ------
    InputError
        If the library is not installed.
    """
    dtypes = layout.dtypes or ("float64",) * values.shape[1]
    columns = [_column(values[:, k], dtype, round) for k, dtype in enumerate(dtypes)]
    if layout.kind == "pandas":
        return _to_pandas(columns, dtypes, layout, values.shape)
    names = layout.col_names or ()
    if layout.kind == "polars":
        return _to_polars(columns, dtypes, names)
    import pyarrow as pa

    arrays = [_to_arrow(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)]
    return pa.Table.from_arrays(arrays, names=list(names))


def _column(values: np.ndarray, dtype: str, round: bool) -> np.ma.MaskedArray:
    """Values in the range of a type: whole numbers, booleans or floats; the mask is what is missing."""
    empty = np.isnan(values)
    known = np.where(empty, 0.0, values)
    match = _WHOLE.match(dtype)
    if _FLAG.match(dtype) and (round or np.all((known == 0) | (known == 1))):
        return np.ma.array(known >= 0.5, mask=empty)
    if match and (round or np.all(known == np.rint(known))):
        unsigned, bits = bool(match[1]), min(int(match[2]), 64)
        low, high = (0.0, 2.0**bits) if unsigned else (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1))
        # the largest of 64 bits is no float: the next one below stands for it
        known = np.clip(np.rint(known), low, min(high - 1, np.nextafter(high, 0)))
        return np.ma.array(known.astype(np.uint64 if unsigned else np.int64), mask=empty)
    return np.ma.array(known, mask=empty)


def _to_arrow(column: np.ma.MaskedArray, dtype: str) -> pa.Array:
    """As the type; floats where this cannot be."""
    import pyarrow as pa

    array = pa.array(column.data, mask=np.ma.getmaskarray(column))
    fits = column.dtype.kind != "f" or not holds_whole_numbers(dtype)
    try:
        return array.cast(_arrow_type(dtype), safe=False) if fits else array
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return array


def _arrow_type(dtype: str) -> pa.DataType:
    """The type of this name; floats if there is none that holds numbers."""
    import pyarrow as pa

    match = _DECIMAL.match(dtype)
    if match:
        return (
            pa.decimal256(int(match[2]), int(match[3]))
            if match[1] == "256"
            else pa.decimal128(int(match[2]), int(match[3]))
        )
    try:
        found = pa.type_for_alias(dtype)
    except ValueError:
        return pa.float64()
    number = pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_boolean(found)
    return found if number else pa.float64()


def _to_pandas(
    columns: Sequence[np.ma.MaskedArray], dtypes: Sequence[str], layout: FrameLayout, shape: tuple[int, int]
) -> pd.DataFrame:
    import pandas as pd

    index = pd.RangeIndex(shape[0]) if layout.rows is None else layout.rows
    names = pd.RangeIndex(shape[1]) if layout.cols is None else layout.cols
    series = [_pandas_array(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)]
    # by number first: names may occur twice
    frame = pd.DataFrame(dict(enumerate(series)), index=index)
    frame.columns = names
    return frame


def _pandas_array(column: np.ma.MaskedArray, dtype: str) -> Any:
    import pandas as pd

    if dtype.endswith("[pyarrow]"):
        return pd.arrays.ArrowExtensionArray(_to_arrow(column, dtype.removesuffix("[pyarrow]")))
    mask = np.ma.getmaskarray(column)
    with_nan: np.ndarray = np.where(mask, np.nan, column.data)
    try:
        found: Any = pd.api.types.pandas_dtype(dtype)
    except (TypeError, NotImplementedError):
        found = np.dtype("float64")
    floats = column.dtype.kind == "f"
    nullable = dtype[:1].isupper() or dtype == "boolean"  # Int64, Float64, ...
    if floats and (holds_whole_numbers(dtype) or not (nullable or found.kind == "f" or dtype == "object")):
        found = pd.Float64Dtype() if nullable and holds_whole_numbers(dtype) else np.dtype("float64")
    if isinstance(found, pd.SparseDtype):
        return pd.arrays.SparseArray(with_nan if floats else column.data, dtype=found)
    if isinstance(found, np.dtype):
        if mask.any() and not floats:  # NumPy has no missing whole numbers
            return with_nan
        return (with_nan if floats else column.data).astype(found)
    out = pd.array(column.data, dtype=found)
    out[mask] = pd.NA
    return out


def _to_polars(columns: Sequence[np.ma.MaskedArray], dtypes: Sequence[str], names: Sequence[str]) -> Any:
    try:
        import polars as pl
    except ModuleNotFoundError as error:
        raise InputError(
            "The table was a frame of polars, which is not installed here; to_dense() gives the values."
        ) from error
    series = []
    for name, column, dtype in zip(names, columns, dtypes, strict=True):
        one = pl.Series(name, column.data).set(pl.Series(np.ma.getmaskarray(column)), None)
        match = _DECIMAL.match(dtype)
        floats = column.dtype.kind == "f" and holds_whole_numbers(dtype)
        if match:
            one = one.cast(pl.Decimal(int(match[2]), int(match[3])))
        elif _POLARS.fullmatch(dtype) and not floats:
            one = one.cast(getattr(pl, dtype))
        series.append(one)
    return pl.DataFrame(series)
