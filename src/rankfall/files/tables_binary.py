"""Tables in Parquet, .npz and .npy files."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .npz import open_input, read_npy, read_npz
from .schema import Field, Length, Saved, blamed_on, check_arrays
from .table import ArraySource, FrameSource, Table, TripletSource, merge_triplets
from .tables_triplets import build

if TYPE_CHECKING:
    import pandas as pd

_RESULT = "rankfall.json"
# lines per stored entry beyond which a claimed shape is taken for damage: every line costs memory
_SPARSEST = 100


def _pointer(lines: str) -> Field:
    """Where each line begins among the entries, and the last one ends."""
    return Field(
        "indptr", "whole", (Length(lambda saved: saved.lengths[lines] + 1),), least=0, order="ascending"
    )


# a sparse matrix as scipy saves it
_HEAD = (Field("format", "text"), Field("shape", "whole", (2,), least=1))
_ENTRIES = Field("data", "number", ("S",), allowing=("nan", "inf"))
_PLACES = {
    "coo": (Field("row", "index", ("S",), of="m"), Field("col", "index", ("S",), of="n")),
    "csr": (_pointer("m"), Field("indices", "index", ("S",), of="n")),
    "csc": (_pointer("n"), Field("indices", "index", ("S",), of="m")),
}


def read_array(path: str | PathLike[str]) -> Table:
    """A table from an .npy file that holds a matrix with NaN for missing cells."""
    return _from_array(read_npy(path), "values", path)


def read_zip(path: str | PathLike[str], duplicates: str) -> Table:
    """A table from an .npz file: one matrix with NaN, or a sparse matrix as scipy saves it."""
    arrays, raw = read_npz(path, (_RESULT,))
    if raw:
        raise InputError(f"{path} is a result saved by rankfall, not a table.")
    if {"format", "shape", "data"} <= arrays.keys():
        return _from_sparse(arrays, duplicates, path)
    if len(arrays) != 1:
        names = ", ".join(arrays) or "none"
        raise InputError(f"{path} must hold exactly one matrix; its arrays are: {names}.")
    ((name, array),) = arrays.items()
    return _from_array(array, name, path)


def _from_array(array: np.ndarray, name: str, path: str | PathLike[str]) -> Table:
    field = Field(name, "number", ("rows", "columns"), allowing=("nan", "inf"))
    try:
        array = check_arrays({name: array}, [field], not_empty=("rows", "columns"))[name]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    table = Table.from_values(array, source=ArraySource(array.dtype, name))
    _check_finite(table, path)
    return table


def _from_sparse(arrays: dict[str, np.ndarray], duplicates: str, path: str | PathLike[str]) -> Table:
    """What is stored is observed, explicit zeros included; a stored NaN is not."""
    with blamed_on(path):
        head = check_arrays(arrays, _HEAD)
    kind = str(head["format"].astype(str))
    if kind not in _PLACES:
        raise InputError(f"{path} holds a sparse matrix of format {kind!r}; save it as csr, csc or coo.")
    m, n = (int(length) for length in head["shape"])
    with blamed_on(path):
        lengths, rules = {"m": m, "n": n}, () if kind == "coo" else (_whole_pointer,)
        found = check_arrays(arrays, (_ENTRIES, *_PLACES[kind]), lengths=lengths, rules=rules)
    data = found["data"]
    if kind == "coo":
        rows, cols = found["row"], found["col"]
    else:
        major, minor = (
            np.repeat(np.arange(found["indptr"].size - 1), np.diff(found["indptr"])),
            found["indices"],
        )
        rows, cols = (major, minor) if kind == "csr" else (minor, major)
    if m + n > _SPARSEST * (rows.size + 10_000):
        raise InputError(f"{path} claims a {m} x {n} matrix but stores only {rows.size} entries.")
    source = ArraySource(data.dtype)
    values = data.astype(np.float64)
    kept = ~np.isnan(values)
    table = Table(rows[kept], cols[kept], values[kept], (m, n), source=source)
    _check_finite(table, path)
    try:
        merged = merge_triplets(table.rows, table.cols, table.entries, duplicates, range(m), range(n))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return Table(*merged[:3], (m, n), source=source)


def _whole_pointer(saved: Saved) -> str | None:
    pointer, size = saved["indptr"], saved["data"].size
    fits = pointer[0] == 0 and pointer[-1] == size
    return None if fits else f"indptr does not lead from 0 to {size}, the number of entries."


def _check_finite(table: Table, path: str | PathLike[str]) -> None:
    infinite = np.isinf(table.entries)
    if infinite.any():
        first = int(np.argmax(infinite))
        row, col = table.row_label(int(table.rows[first])), table.col_label(int(table.cols[first]))
        raise InputError(f"{path}: the cell in row {row!r}, column {col!r} is infinite.")


def read_frame(path: str | PathLike[str], triplets: bool, duplicates: str) -> Table:
    """A table from a Parquet file; see :func:`rankfall.files.read_table`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_input(path) as stream:
        try:
            content = pq.ParquetFile(stream, page_checksum_verification=True).read()
            # text that is no UTF-8 would come to light only when it is used
            content.validate(full=True)
            frame = content.to_pandas()
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise InputError(f"{path} is damaged or not a Parquet file ({reason}).") from error
    if triplets:
        return _frame_triplets(frame, duplicates, path)
    return _from_frame(frame, path)


def _frame_triplets(frame: pd.DataFrame, duplicates: str, path: str | PathLike[str]) -> Table:
    if frame.shape[1] != 3:
        raise InputError(f"{path} has {frame.shape[1]} columns, not a row, a column and a value.")
    if not len(frame):
        raise InputError(f"{path} has no rows.")
    rows, cols, texts = (["" if missing(x) else _label(x) for x in frame.iloc[:, k]] for k in range(3))
    return build(rows, cols, texts, TripletSource((), str(frame.columns[0])), duplicates, path)


def missing(value: object) -> bool:
    """Whether a cell of a data frame is None, NaN, NaT or NA."""
    import pandas as pd

    # a cell may hold a list, of whose entries each would be asked
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))  # type: ignore[call-overload]


def _from_frame(frame: pd.DataFrame, path: str | PathLike[str]) -> Table:
    import pandas as pd

    row_names = None
    first = 0
    if not isinstance(frame.index, pd.RangeIndex):
        row_names = tuple(_label(x) for x in frame.index)
    elif frame.shape[1] > 1 and not _numeric(frame.iloc[:, 0]):
        row_names, first = tuple(_label(x) for x in frame.iloc[:, 0]), 1
    names = tuple(_label(name) for name in frame.columns[first:])
    if not names or not len(frame):
        raise InputError(f"{path} has no {'rows' if names else 'column of numbers'}.")
    values = np.empty((len(frame), len(names)))
    for j, name in enumerate(names):
        column = frame.iloc[:, first + j]
        if pd.api.types.is_complex_dtype(column):
            raise InputError(f"{path}: column {name!r} holds complex numbers.")
        try:
            if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
                raise TypeError
            values[:, j] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            bad = next((i for i, x in enumerate(column) if not _is_real(x)), 0)
            at = row_names[bad] if row_names is not None else str(bad)
            cell = str(column.iloc[bad])[:40]
            raise InputError(
                f"{path}: the cell in row {at!r}, column {name!r} is not a number: {cell!r}."
            ) from None
    table = Table.from_values(values, row_names, names, source=FrameSource(frame, first))
    _check_finite(table, path)
    return table


def _numeric(column: pd.Series) -> bool:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return True
    return pd.api.types.is_object_dtype(column) and all(map(_is_real, column))


def _is_real(value: object) -> bool:
    if missing(value):
        return True
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return not isinstance(value, str)


def _label(value: object) -> str:
    """Dates without a time are written as dates."""
    return str(value).removesuffix(" 00:00:00")


def write_frame(path: str | PathLike[str], table: Table, dense: np.ndarray) -> None:
    """Write a Parquet file; columns without holes, labels and the index stay what they were."""
    import pandas as pd

    source = table.source
    if isinstance(source, FrameSource):
        frame = source.frame.copy()
        holes = np.isnan(table.values).any(axis=0)
        for j in np.flatnonzero(holes).tolist():
            before = frame.dtypes.iloc[source.first + j]
            # narrower floats hold the observed cells exactly; whole numbers make room for fractions
            dtype = before if isinstance(before, np.dtype) and before.kind == "f" else np.dtype(np.float64)
            frame.isetitem(source.first + j, dense[:, j].astype(dtype))
    else:
        columns = [table.col_label(j) for j in range(table.shape[1])]
        frame = pd.DataFrame(dense, index=table.row_names, columns=columns)  # type: ignore[arg-type]
        if table.row_names is not None:
            frame.index.name = table.corner or None
    try:
        frame.to_parquet(path, engine="pyarrow")
    except ValueError as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise InputError(f"The table cannot be written as Parquet ({reason}).") from error


def write_array(path: str | PathLike[str], table: Table, dense: np.ndarray, zipped: bool) -> None:
    """Write an .npy, or an .npz with one array; floats keep their precision."""
    source = table.source if isinstance(table.source, ArraySource) else ArraySource(np.dtype(np.float64))
    array = dense.astype(source.dtype if source.dtype.kind == "f" else np.float64)
    with open(path, "wb") as stream:
        if zipped:
            # the array is passed by name, and "file" is the name of savez's own argument
            name = source.name if source.name != "file" else "values"
            np.savez_compressed(stream, **{name: array})  # type: ignore[arg-type]
        else:
            np.save(stream, array, allow_pickle=False)
