"""A completed table with kinds as a frame of the kind that came in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...frames import FrameLayout, write_frame
from .columns import ColumnKind

if TYPE_CHECKING:
    import pandas as pd


def frame_like(
    layout: FrameLayout, kinds: Sequence[ColumnKind], codes: np.ndarray, round: bool = True
) -> Any:
    """The frame whose columns with levels hold these in place of their codes.

    Raises
    ------
    InputError
        If the library of the frame is not installed.
    """
    levels = {j: _levels(one, codes[:, j]) for j, one in enumerate(kinds) if one.has_levels}
    try:
        frame = write_frame(layout, codes, round=round)
    except InputError:
        raise InputError(
            f"The table was a frame of {layout.kind}, which is not installed here; to_dense() gives cells."
        ) from None
    if layout.kind == "pandas":
        return _with_pandas(frame, kinds, levels)
    if layout.kind == "polars":
        import polars as pl

        series = frame.get_columns()
        for j, cells in levels.items():
            series[j] = _polars(pl.Series(series[j].name, cells), kinds[j])
        return pl.DataFrame(series)
    import pyarrow as pa

    arrays = list(frame.columns)
    for j, cells in levels.items():
        array = pa.array(cells)
        arrays[j] = array.dictionary_encode() if kinds[j].dtype.startswith("dictionary") else array
    return pa.Table.from_arrays(arrays, names=frame.column_names)


def _polars(series: Any, one: ColumnKind) -> Any:
    """A column of levels as its type was, where polars can make it."""
    import polars as pl

    if one.dtype.startswith("Enum"):
        return series.cast(pl.Enum([str(level) for level in one.categories]))
    return series.cast(pl.Categorical) if one.dtype.startswith("Categorical") else series


def _levels(one: ColumnKind, codes: np.ndarray) -> list[Any]:
    """The levels of a column, None where nothing is known."""
    return [None if code != code else one.levels[int(code)] for code in codes.tolist()]


def _with_pandas(
    frame: pd.DataFrame, kinds: Sequence[ColumnKind], levels: dict[int, list[Any]]
) -> pd.DataFrame:
    import pandas as pd

    columns = {j: frame.iloc[:, j] for j in range(frame.shape[1])}
    for j, cells in levels.items():
        columns[j] = _series(kinds[j], cells, frame.index)
    out = pd.DataFrame(columns, index=frame.index)
    out.columns = frame.columns
    return out


def _series(one: ColumnKind, cells: list[Any], index: pd.Index) -> pd.Series:
    """A column of its type, where that can hold missing cells."""
    import pandas as pd

    if one.categories:
        dtype = pd.CategoricalDtype(list(one.categories), ordered=one.kind == "ordinal")
        return pd.Series(pd.Categorical(cells, dtype=dtype), index=index)
    series = pd.Series(cells, index=index, dtype=object)
    if None in cells and one.dtype == "bool":
        return series.astype("boolean")
    try:
        return series.astype(one.dtype)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return series
