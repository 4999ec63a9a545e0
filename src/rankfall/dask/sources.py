"""Where triplets come from: folders of Parquet or CSV, tables of pyarrow, pandas and polars, Dask's frames.

A source is a list of parts; a task reads one part, a table at a time, so that no part needs to fit in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..argument_checks import shown
from ..errors import InputError

# cells that a task holds at a time, of a table and of neighbouring row groups of a file
CELLS_AT_ONCE = 2_000_000
_KINDS = {".parquet": "Parquet", ".csv": "CSV", ".csv.gz": "CSV", ".tsv": "CSV", ".tsv.gz": "CSV"}


@dataclass(frozen=True)
class Names:
    """Names of the columns that hold the row, the column, the value and (None: there is none) the weight."""

    row: str
    column: str
    value: str
    weight: str | None = None

    def all(self) -> list[str]:
        """Those that are read."""
        return [name for name in (self.row, self.column, self.value, self.weight) if name is not None]


@dataclass(frozen=True)
class FilePart:
    """A file, or some neighbouring row groups of a Parquet file.

    Attributes
    ----------
    groups : (int, int) or None
        First row group and the one after the last.
    """

    path: str
    kind: str
    groups: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """What sentences call it."""
        return self.path

    def tables(self, names: Names) -> Iterator[pa.Table]:
        """Its cells, some at a time."""
        with readable(self.path, self.kind):
            if self.kind == "Parquet":
                import pyarrow.parquet as pq

                with pq.ParquetFile(self.path) as file:
                    for batch in file.iter_batches(
                        CELLS_AT_ONCE, list(range(*self.groups or (0, 0))), columns=names.all()
                    ):
                        yield pa.Table.from_batches([batch])
                return
            yield from _csv_tables(self.path, names)


@dataclass(frozen=True, eq=False)
class TablePart:
    """A table in memory, or what makes one: a fragment of a dataset, a partition of a frame of Dask."""

    name: str
    content: Any
    schema: Any = None

    def tables(self, names: Names) -> Iterator[pa.Table]:
        """Its cells, some at a time."""
        content = self.content
        if hasattr(content, "to_batches") and not isinstance(content, pa.Table):
            with readable(self.name, "a dataset"):
                for batch in content.to_batches(schema=self.schema, columns=names.all()):
                    yield pa.Table.from_batches([batch])
            return
        table = content if isinstance(content, pa.Table) else _from_pandas(content, names, self.name)
        require_columns(table.column_names, names, self.name)
        for first in range(0, table.num_rows, CELLS_AT_ONCE):
            yield table.slice(first, CELLS_AT_ONCE).select(names.all())


Part = FilePart | TablePart


def parts_of(source: Any, names: Names) -> tuple[list[Any], list[object] | None]:
    """The parts of a source (of a frame of Dask: delayed ones), and what tells whether it is still the same.

    The second is None for what has no identity beyond this process. Of files, schemas are read here, so that
    a file that cannot be read or has other columns is known before anything is computed.

    Raises
    ------
    InputError
        If it is no source, holds nothing, or its files do not agree with each other.
    """
    if isinstance(source, (str, os.PathLike)):
        files = _files(Path(source))
        parts = [part for path, kind in files for part in _file_parts(path, kind, names)]
        _agree_on_types(files, names)
        facts = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path, _ in files]
        return parts, list[object](facts)
    if isinstance(source, pa.Table):
        return [TablePart("the table", source)], None
    if hasattr(source, "get_fragments"):
        require_columns(source.schema.names, names, "the dataset")
        fragments = list(source.get_fragments())
        return [
            TablePart(f"part {k} of the dataset", part, source.schema) for k, part in enumerate(fragments)
        ], None
    if hasattr(source, "to_delayed") and hasattr(source, "columns"):
        from dask.delayed import delayed

        require_columns(list(map(str, source.columns)), names, "the frame")
        make = delayed(TablePart, pure=False)
        return [make(f"partition {k} of the frame", part) for k, part in enumerate(source.to_delayed())], None
    if hasattr(source, "to_arrow"):
        return [TablePart("the table", source.to_arrow())], None
    if hasattr(source, "columns") and hasattr(source, "iloc"):
        return [TablePart("the frame", source)], None
    raise InputError(
        "source must be a folder of Parquet or CSV, a table or dataset of pyarrow, or a frame of Dask, "
        f"pandas or polars, not {shown(source)}."
    )


@contextmanager
def readable(name: str, kind: str) -> Iterator[None]:
    """What pyarrow has to say about a file, as one sentence."""
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].strip("' .\"")
        raise InputError(f"{name} cannot be read as {kind} ({reason}).") from error


def require_columns(found: Sequence[str], names: Names, where: str) -> None:
    """Refuse a part without a column that was named."""
    if len(set(names.all())) < len(names.all()):
        raise InputError("row, column, value and weight must name different columns.")
    for name in names.all():
        if name not in found:
            known = ", ".join(map(repr, found))
            raise InputError(f"{where} has no column {name!r}; its columns are {known}.")


def key_type(given: pa.DataType, name: str, where: str) -> pa.DataType:
    """The type under which keys of a type are compared.

    Raises
    ------
    InputError
        If it is no type for keys.
    """
    kind = given.value_type if pa.types.is_dictionary(given) else given
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    raise InputError(
        f"{where}: column {name!r} holds {kind}; rows and columns are named by whole numbers, text, dates or "
        "times."
    )


def _files(path: Path) -> list[tuple[Path, str]]:
    if path.is_file():
        found = [path]
    elif path.is_dir():
        found = sorted(
            each
            for each in path.rglob("*")
            if each.is_file() and _suffix(each) in _KINDS and not _hidden(each.relative_to(path))
        )
    else:
        raise InputError(f"There is no folder {path}.")
    if not found or _suffix(found[0]) not in _KINDS:
        raise InputError(f"{path} holds no file that ends in {', '.join(_KINDS)}.")
    kinds = {_KINDS[_suffix(each)] for each in found}
    if len(kinds) > 1:
        raise InputError(f"{path} holds Parquet and CSV; put them into folders of their own.")
    return [(each, kinds.copy().pop()) for each in found]


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _suffix(path: Path) -> str:
    return "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]).lower()


def _file_parts(path: Path, kind: str, names: Names) -> Iterator[FilePart]:
    if kind == "CSV":
        yield FilePart(str(path), kind)
        return
    import pyarrow.parquet as pq

    with readable(str(path), kind), pq.ParquetFile(path) as file:
        require_columns(file.schema_arrow.names, names, str(path))
        sizes = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
    first, held = 0, 0
    for k, size in enumerate(sizes):
        if held and held + size > CELLS_AT_ONCE:
            yield FilePart(str(path), kind, (first, k))
            first, held = k, 0
        held += size
    if held:
        yield FilePart(str(path), kind, (first, len(sizes)))


def _agree_on_types(files: Sequence[tuple[Path, str]], names: Names) -> None:
    """Refuse keys that are numbers in one file and text in another."""
    import pyarrow.parquet as pq

    first: dict[str, tuple[pa.DataType, Path]] = {}
    for path, kind in files:
        if kind == "CSV":
            return
        with readable(str(path), kind):
            schema = pq.read_schema(path)
        for name in (names.row, names.column):
            found = key_type(schema.field(name).type, name, str(path))
            before, where = first.setdefault(name, (found, path))
            if before != found:
                raise mixed_keys(name, before, str(where), found, str(path))


def mixed_keys(name: str, one: pa.DataType, here: str, other: pa.DataType, there: str) -> InputError:
    """The refusal of keys of two types."""
    return InputError(
        f"Column {name!r} holds {one} in {here} and {other} in {there}; give it one type everywhere."
    )


def _csv_tables(path: str, names: Names) -> Iterator[pa.Table]:
    from pyarrow import csv

    delimiter = "\t" if _suffix(Path(path)).startswith(".tsv") else ","
    read, parse = csv.ReadOptions(block_size=1 << 24), csv.ParseOptions(delimiter=delimiter)
    with csv.open_csv(path, read, parse) as reader:
        require_columns(reader.schema.names, names, path)
        for batch in reader:
            yield pa.Table.from_batches([batch]).select(names.all())


def _from_pandas(frame: Any, names: Names, where: str) -> pa.Table:
    require_columns(list(map(str, frame.columns)), names, where)
    return table_of(frame, names.all(), where)


def table_of(given: Any, wanted: Sequence[str], where: str) -> pa.Table:
    """The columns that are named of a table in memory.

    Raises
    ------
    InputError
        If it is no table, or has no such columns.
    """
    if hasattr(given, "to_arrow"):
        given = given.to_arrow()
    if not isinstance(given, pa.Table) and not (hasattr(given, "columns") and hasattr(given, "iloc")):
        raise InputError(
            f"{where} must be a frame of pandas or polars or a table of pyarrow, not {shown(given)}."
        )
    found = given.column_names if isinstance(given, pa.Table) else list(map(str, given.columns))
    for name in wanted:
        if name not in found:
            raise InputError(
                f"{where} has no column {name!r}; its columns are {', '.join(map(repr, found))}."
            )
    if isinstance(given, pa.Table):
        return given.select(list(wanted))
    with readable(where, "a table"):
        return pa.Table.from_pandas(given[list(wanted)], preserve_index=False)


def key_array(column: Any, name: str, where: str) -> pa.Array:
    """Keys under the type by which they are compared; nulls are refused."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(column, pa.ChunkedArray):  # of no chunk, in older versions
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if column.null_count:
        at = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise InputError(f"{where}: column {name!r} is empty in entry {at + 1}, which names no cell.")
    wanted = key_type(column.type, name, where)
    with readable(where, f"{wanted} in column {name!r}"):
        return pc.cast(column, wanted)


def number_array(column: Any, name: str, where: str) -> np.ndarray:
    """Numbers as float64; NaN where there is none."""
    kind = column.type
    if not any(
        check(kind)
        for check in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    ):
        raise InputError(f"{where}: column {name!r} holds {kind}, not numbers.")
    if pa.types.is_boolean(kind):
        column = pc.cast(column, pa.int8())
    values = pc.cast(column, pa.float64(), safe=False).to_numpy()
    infinite = np.isinf(values)
    if infinite.any():
        raise InputError(
            f"{where}: column {name!r} is infinite in entry {int(np.argmax(infinite)) + 1}; remove that cell."
        )
    return np.asarray(values, dtype=np.float64)
