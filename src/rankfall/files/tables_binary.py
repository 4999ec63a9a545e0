"""Tables in .npz and .npy files."""

from __future__ import annotations

from os import PathLike

import numpy as np

from ..errors import InputError
from .inputs import Source
from .missing_marks import MissingMarks
from .npz import read_npy, read_npz
from .schema import Field, Length, Saved, blamed_on, check_arrays
from .table import ArraySource, Table, check_finite, fits, merge_triplets

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


def read_array(path: Source, marks: MissingMarks) -> Table:
    """A table from an .npy file that holds a matrix with NaN for missing cells."""
    return _from_array(read_npy(path), "values", path, marks)


def read_zip(path: Source, duplicates: str, marks: MissingMarks) -> Table:
    """A table from an .npz file: one matrix with NaN, or a sparse matrix as scipy saves it."""
    arrays, raw = read_npz(path, (_RESULT,))
    if raw:
        raise InputError(f"{path} is a result saved by rankfall, not a table.")
    if {"format", "shape", "data"} <= arrays.keys():
        return _from_sparse(arrays, duplicates, path, marks)
    if len(arrays) != 1:
        names = ", ".join(arrays) or "none"
        raise InputError(f"{path} must hold exactly one matrix; its arrays are: {names}.")
    ((name, array),) = arrays.items()
    return _from_array(array, name, path, marks)


def _from_array(array: np.ndarray, name: str, path: Source, marks: MissingMarks) -> Table:
    field = Field(name, "number", ("rows", "columns"), allowing=("nan", "inf"))
    try:
        array = check_arrays({name: array}, [field], not_empty=("rows", "columns"))[name]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    values = array.astype(np.float64)
    notes = tuple(marks.unused(values))
    values[marks.among(values)] = np.nan
    table = Table.from_values(values, notes=notes, source=ArraySource(array.dtype, name))
    check_finite(table, path)
    return table


def _from_sparse(arrays: dict[str, np.ndarray], duplicates: str, path: Source, marks: MissingMarks) -> Table:
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
    kept = ~(np.isnan(values) | marks.among(values))
    table = Table(rows[kept], cols[kept], values[kept], (m, n), source=source)
    check_finite(table, path)
    try:
        merged = merge_triplets(table.rows, table.cols, table.entries, duplicates, range(m), range(n))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return Table(*merged[:3], (m, n), notes=tuple(marks.unused(values)), source=source)


def _whole_pointer(saved: Saved) -> str | None:
    pointer, size = saved["indptr"], saved["data"].size
    fits = pointer[0] == 0 and pointer[-1] == size
    return None if fits else f"indptr does not lead from 0 to {size}, the number of entries."


def write_array(
    path: str | PathLike[str], table: Table, dense: np.ndarray, zipped: bool, rounded: bool
) -> None:
    """Write an .npy, or an .npz with one array; floats keep their precision, and whole numbers their type if
    the others are `rounded`.
    """
    source = table.source if isinstance(table.source, ArraySource) else ArraySource(np.dtype(np.float64))
    dtype = source.dtype if source.dtype.kind == "f" else np.dtype(np.float64)
    if rounded and source.dtype.kind in "iu" and fits(dense, source.dtype):
        dense, dtype = np.rint(dense), source.dtype
    array = dense.astype(dtype)
    with open(path, "wb") as stream:
        if zipped:
            # the array is passed by name, and "file" is the name of savez's own argument
            name = source.name if source.name != "file" else "values"
            np.savez_compressed(stream, **{name: array})  # type: ignore[arg-type]
        else:
            np.save(stream, array, allow_pickle=False)
