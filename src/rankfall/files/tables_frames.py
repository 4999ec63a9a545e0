"""Tables in Parquet and Feather files."""

# pyarrow has no types
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from decimal import Decimal
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import InputError
from .bad_cells import aside_remedy
from .columns_in_words import columns_in_words
from .inputs import Source, check_unpacked, open_input, size_of
from .missing_marks import MissingMarks
from .notation import PLAIN, Notation, format_filled
from .table import FrameSource, Table, TripletSource, check_finite, fits, label
from .tables_triplets import Roles, build, left_out

if TYPE_CHECKING:
    import pandas as pd
    from pandas.api.extensions import ExtensionArray, ExtensionDtype

_SHOWN = 5


def read_frame(
    source: Source, kind: str, aside: Sequence[str], beside: Sequence[str], marks: MissingMarks
) -> Table:
    """A table from a file; see :func:`rankfall.files.read_table`."""
    return _from_frame(_read(source, kind), aside, beside, marks, source)


def read_frame_triplets(
    source: Source, kind: str, duplicates: str, marks: MissingMarks, roles: Roles
) -> Table:
    """A table from a file that lists cells; see :func:`rankfall.files.read_table`."""
    frame = _read(source, kind)
    if frame.shape[1] < 3:
        raise InputError(f"{source} has {frame.shape[1]} columns, not a row, a column and a value.")
    if not len(frame):
        raise InputError(f"{source} has no rows.")
    names = [str(name) for name in frame.columns]
    places = roles.places(names, source)
    rows, cols, texts = ([label(x) for x in frame.iloc[:, k]] for k in places)
    head = TripletSource((), names[places[0]], notation=Notation(marks=marks))
    table = build(rows, cols, texts, head, duplicates, source)
    notes = left_out(names, places, roles) + head.notation.unused(texts)
    return replace(table, notes=tuple(notes))


def _read(source: Source, kind: str) -> pd.DataFrame:
    """The frame in a file; whole numbers beside missing cells stay whole numbers."""
    pa, feather, parquet = _pyarrow()
    what = "a Parquet file" if kind == ".parquet" else "a Feather file"
    with open_input(source) as stream:
        try:
            packed = size_of(stream)
            if kind == ".parquet":
                file = parquet.ParquetFile(stream, page_checksum_verification=True)
                check_unpacked(_promised(file.metadata), packed, source)
                content = file.read()
            else:
                content = feather.read_table(stream)
            _check_columns(content, source)
            # text that is no UTF-8 would come to light only when it is used
            content.validate(full=True)
            frame: pd.DataFrame = content.to_pandas()
        except InputError:
            raise
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise InputError(f"{source} is damaged or not {what} ({reason}).") from error
    for k, name in enumerate(frame.columns):
        if k < content.num_columns and content.column_names[k] == str(name):
            column = content.column(k)
            if pa.types.is_integer(column.type) and column.null_count:
                frame.isetitem(k, _nullable(column.to_pylist(), str(column.type)))
    return frame


def _promised(metadata: Any) -> int:
    """Bytes that a Parquet file unpacks to, as it says: a run of equal cells is stored as two numbers."""
    groups = (metadata.row_group(k).total_byte_size for k in range(metadata.num_row_groups))
    return max(sum(groups), 8 * metadata.num_rows * metadata.num_columns)


def _check_columns(content: Any, source: Source) -> None:
    """Refuse columns that no cell of a table can stand for."""
    for name, column in zip(content.column_names, content.columns, strict=True):
        if _pyarrow()[0].types.is_nested(column.type):
            raise InputError(f"{source}: column {name!r} holds lists or records, not numbers or texts.")


def _pyarrow() -> tuple[Any, Any, Any]:
    """The package, and its modules for Feather and for Parquet files."""
    import pyarrow
    from pyarrow import feather, parquet

    return pyarrow, feather, parquet


def _nullable(cells: list[Any], kind: str) -> ExtensionArray:
    """Whole numbers beside missing ones; pandas calls their types Int64, UInt8."""
    return _array(cells, kind.replace("u", "U").replace("int", "Int"))


def _array(cells: list[Any], dtype: Any) -> ExtensionArray:
    import pandas as pd

    # the stubs tell only for dtypes that are spelled out
    return cast("ExtensionArray", pd.array(cells, dtype=dtype))


def _from_frame(
    frame: pd.DataFrame, aside: Sequence[str], beside: Sequence[str], marks: MissingMarks, path: Source
) -> Table:
    import pandas as pd

    all_names = [label(name) for name in frame.columns]
    named = [] if frame.index.name is None else [label(frame.index.name)]
    for name in (*aside, *beside):
        if name not in (all_names if name in aside else [*named, *all_names]):
            known = ", ".join(map(repr, all_names))
            raise InputError(f"{path} has no column {name!r} to leave aside; its columns are {known}.")
    row_names, names_at = None, None
    if not isinstance(frame.index, pd.RangeIndex):
        row_names = tuple(label(x) for x in frame.index)
    elif frame.shape[1] > 1 and all_names[0] not in aside and not _numeric(frame.iloc[:, 0]):
        row_names, names_at = tuple(label(x) for x in frame.iloc[:, 0]), 0
    unread = {*aside, *beside}
    places = [k for k, name in enumerate(all_names) if k != names_at and name not in unread]
    if not places or not len(frame):
        raise InputError(f"{path} has no {'rows' if places else 'column of numbers'}.")
    values = np.empty((len(frame), len(places)))
    bad: list[int] = []
    spelled: list[str] = []
    for j, k in enumerate(places):
        column = frame.iloc[:, k]
        if pd.api.types.is_complex_dtype(column):
            raise InputError(f"{path}: column {all_names[k]!r} holds complex numbers.")
        try:
            if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
                raise TypeError
            if pd.api.types.is_string_dtype(column) and column.notna().any():
                values[:, j] = _spelled(column, marks)
                spelled.append(str(all_names[k]))
            else:
                values[:, j] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            bad.append(k)
    if bad:
        raise _no_numbers(frame, bad, all_names, row_names, path)
    names = tuple(all_names[k] for k in places)
    notes: list[str] = []
    if spelled:
        what = columns_in_words(spelled).replace("column", "Column", 1)
        notes.append(f"{what} {'holds' if len(spelled) == 1 else 'hold'} text, which was read as numbers.")
    notes += marks.unused(values)
    values[marks.among(values)] = np.nan
    source = FrameSource(frame, names_at, tuple(places))
    table = Table.from_values(values, row_names, names, notes=tuple(notes), source=source)
    check_finite(table, path)
    return table


def _no_numbers(
    frame: pd.DataFrame, bad: list[int], names: list[str], row_names: tuple[str, ...] | None, path: Source
) -> InputError:
    """The error that names the first cell that is no number, the other columns with such, and the remedy."""

    def first_bad(k: int) -> tuple[int, str]:
        column = frame.iloc[:, k]
        at = next((i for i, x in enumerate(column) if not _is_real(x)), 0)
        return at, str(column.iloc[at])[:40]

    at, cell = first_bad(bad[0])
    row = row_names[at] if row_names is not None else str(at)
    text = f"{path}: the cell in row {row!r}, column {names[bad[0]]!r} is not a number: {cell!r}"
    if len(bad) > 1:
        listed = [f"{names[k]!r} ({first_bad(k)[1]!r})" for k in bad[1:]]
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        text += f"; the same is wrong in column {', '.join(listed[:_SHOWN])}{more}"
    return InputError(f"{text}; {aside_remedy([names[k] for k in bad])}.")


def _spelled(column: pd.Series, marks: MissingMarks) -> np.ndarray:
    """The numbers that a column of text spells; ValueError if it holds anything else, or nothing."""
    notation = Notation(marks=marks)
    values = np.array([notation.number(label(x)) for x in column])
    if np.isnan(values).all() or np.isinf(values).any():
        raise ValueError
    return values


def _numeric(column: pd.Series) -> bool:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return True
    return pd.api.types.is_object_dtype(column) and all(map(_is_real, column))


def _is_real(value: object) -> bool:
    import pandas as pd

    # a cell may hold a list, of whose entries each would be asked
    if pd.api.types.is_scalar(value) and pd.isna(value):  # type: ignore[call-overload]
        return True
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return not isinstance(value, str)


def write_frame(
    path: str | PathLike[str], kind: str, table: Table, dense: np.ndarray, rounded: bool, whole: Set[int]
) -> None:
    """Write a file; columns without holes, labels and the index stay what they were, and columns read from
    text become whole numbers if they are in `whole`.
    """
    save_frame(path, kind, filled_frame(table, dense, rounded, whole))


def filled_frame(table: Table, dense: np.ndarray, rounded: bool, whole: Set[int]) -> pd.DataFrame:
    """The frame that :func:`write_frame` writes."""
    import pandas as pd

    source = table.source
    if isinstance(source, FrameSource):
        frame = source.frame.copy()
        holes = np.isnan(table.values)
        for j in np.flatnonzero(holes.any(axis=0)).tolist():
            k = source.columns[j]
            frame.isetitem(k, _filled(frame.iloc[:, k], dense[:, j], holes[:, j], rounded))
    else:
        columns = [table.col_label(j) for j in range(table.shape[1])]
        frame = pd.DataFrame(dense, index=table.row_names, columns=columns)  # type: ignore[arg-type]
        for j in whole:
            if np.all(np.abs(dense[:, j][~np.isnan(dense[:, j])]) <= 2.0**53):
                frame.isetitem(j, pd.array(dense[:, j], dtype="Int64"))
        for shift, aside in enumerate(table.asides):
            cells = pd.Series(aside.cells, index=frame.index, dtype=object).replace("", None)
            frame.insert(aside.before + shift, aside.name, cells, allow_duplicates=True)
        if table.row_names is not None:
            frame.index.name = table.corner or None
    return frame


def save_frame(path: str | PathLike[str], kind: str, frame: pd.DataFrame) -> None:
    """Write a frame to Parquet or Feather."""
    pa, feather, _ = _pyarrow()
    try:
        if kind == ".parquet":
            frame.to_parquet(path, engine="pyarrow")
        else:
            # pandas would refuse an index
            feather.write_feather(pa.Table.from_pandas(frame), str(path))
    except (ValueError, pa.ArrowException) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise InputError(f"The table cannot be written to {kind[1:]} ({reason}).") from error


def _filled(column: pd.Series, dense: np.ndarray, holes: np.ndarray, rounded: bool) -> Any:
    """A column with its holes filled; floats stay as wide as they are, whole numbers and decimals what they
    are if the others are `rounded`.
    """
    import pandas as pd

    dtype = column.dtype
    filled = holes & np.isfinite(dense)
    if rounded and pd.api.types.is_integer_dtype(dtype):
        kind: np.dtype | ExtensionDtype = getattr(dtype, "numpy_dtype", dtype)
        if isinstance(kind, np.dtype) and kind.kind in "iu" and fits(dense[filled], kind):
            whole = _nullable(column.to_list(), kind.name)
            whole[filled] = np.rint(dense[filled]).astype(kind)
            return whole if not isinstance(dtype, np.dtype) else whole.to_numpy(kind)
    if pd.api.types.is_string_dtype(column):
        shown = [label(x) for x, hole in zip(column, holes, strict=True) if not hole]
        digits = PLAIN.most_decimals(shown) if rounded else None
        cells = column.to_list()
        for i in np.flatnonzero(filled).tolist():
            cells[i] = format_filled(float(dense[i]), digits)
        return _array(cells, dtype)
    decimals = _decimals(column) if rounded and pd.api.types.is_object_dtype(dtype) else None
    if decimals is not None:
        cells = column.to_list()
        for i in np.flatnonzero(filled).tolist():
            cells[i] = Decimal(f"{dense[i]:.{decimals}f}")
        return np.array(cells, dtype=object)
    out = np.where(filled, dense, column.to_numpy(dtype=np.float64, na_value=np.nan))
    # narrower floats hold the observed cells exactly
    return out.astype(dtype) if isinstance(dtype, np.dtype) and dtype.kind == "f" else out


def _decimals(column: pd.Series) -> int | None:
    """How many decimals a column of Decimal shows; None if it holds something else."""
    present = [x for x in column if not (x is None or x != x)]
    if not present or not all(isinstance(x, Decimal) for x in present):
        return None
    return max(0, *(-int(x.as_tuple().exponent) for x in present))
