"""A completed table with kinds as a frame of the kind that came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...frames import FrameLayout, write_frame
from .columns import ColumnKind

if TYPE_CHECKING:
    import pandas as pd


def frame_like(layout: FrameLayout, kinds: Sequence[ColumnKind], codes: np.ndarray) -> Any:
    """The frame whose columns with levels hold these in place of their codes.

    Frames of polars and tables of pyarrow are made by way of one of pandas, so that text comes back as text
    and categories as categories.
    """
    import pandas as pd

    frame = write_frame(replace(layout, kind="pandas"), codes)
    names = frame.columns
    columns = {j: frame.iloc[:, j] for j in range(codes.shape[1])}
    for j, one in enumerate(kinds):
        if one.has_levels:
            columns[j] = _levels(one, codes[:, j], frame.index)
    out = pd.DataFrame(columns, index=frame.index)
    out.columns = names
    if layout.kind == "pandas":
        return out
    try:
        if layout.kind == "polars":
            import polars as pl

            return pl.from_pandas(out)
        import pyarrow as pa

        return pa.Table.from_pandas(out, preserve_index=False)
    except ModuleNotFoundError as error:
        raise InputError(
            f"The table was a frame of {layout.kind}, which is not installed here; to_dense() gives cells."
        ) from error


def _levels(one: ColumnKind, codes: np.ndarray, index: pd.Index) -> pd.Series:
    """The levels of a column, of its type where that can hold missing ones."""
    import pandas as pd

    missing = np.isnan(codes)
    named = np.empty(codes.size, dtype=object)
    known: np.ndarray = np.empty(len(one.levels), dtype=object)
    known[:] = one.levels
    named[~missing] = known[codes[~missing].astype(np.int64)]
    if one.categories:
        dtype = pd.CategoricalDtype(list(one.categories), ordered=one.kind == "ordinal")
        return pd.Series(pd.Categorical(named, dtype=dtype), index=index)
    series = pd.Series(named, index=index, dtype=object)
    if missing.any() and one.dtype == "bool":
        return series.astype("boolean")
    try:
        return series.astype(one.dtype)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return series
