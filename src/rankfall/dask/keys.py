"""From keys of any type to whole numbers: a dictionary that is built a part at a time.

Keys are numbered in their own order, so that a number does not depend on how the source was partitioned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import InputError
from ..files import atomic_path
from .sources import Names, Part, key_array, key_type, mixed_keys, number_array, readable

# keys of an axis: positions in blocks are 32-bit numbers
_MOST = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Keys:
    """The keys of an axis, all different and ascending, and how many cells with a value each has.

    Attributes
    ----------
    labels : pyarrow array, shape (k,)
    counts : ndarray of int64, shape (k,)
        Before cells that were given twice are merged.
    """

    labels: Any
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def positions(self, asked: Any, name: str, where: str) -> np.ndarray:
        """Positions of some keys, int64; -1 for unknown ones.

        Raises
        ------
        InputError
            If they are of another type.
        """
        found = key_array(asked, name, where)
        if found.type != self.labels.type:
            raise mixed_keys(name, self.labels.type, "the completion", found.type, where)
        return (
            pc.fill_null(pc.call_function("index_in", [found], pc.SetLookupOptions(self.labels)), -1)
            .to_numpy()
            .astype(np.int64)
        )

    def label(self, position: int) -> object:
        """One key, as Python has it."""
        return self.labels[int(position)].as_py()

    @cached_property
    def as_numpy(self) -> np.ndarray:
        """All of them."""
        return self.labels.to_numpy(zero_copy_only=False)

    def write(self, path: Path) -> None:
        """As a Parquet file, whole or not at all."""
        with atomic_path(path) as temporary:
            pq.write_table(pa.table({"key": self.labels, "cells": pa.array(self.counts)}), temporary)

    @classmethod
    def read(cls, path: Path) -> Keys:
        """What :meth:`write` wrote, checked.

        Raises
        ------
        InputError
            If there is no such file, or it is damaged.
        """
        with readable(str(path), "Parquet"):
            table = pq.read_table(path)
        if table.column_names != ["key", "cells"] or table.column("cells").type != pa.int64():
            raise InputError(f"{path} is damaged: it does not hold keys and numbers of cells.")
        labels = key_array(table.column("key"), "key", str(path))
        counts = table.column("cells").to_numpy()
        if (
            len(labels) > 1
            and not pc.call_function("all", [pc.call_function("less", [labels[:-1], labels[1:]])]).as_py()
        ):
            raise InputError(f"{path} is damaged: its keys are not in ascending order.")
        if counts.size and counts.min() < 0:
            raise InputError(f"{path} is damaged: it holds negative numbers of cells.")
        return cls(labels, counts)


def keys_at(path: Path) -> Keys:
    """The keys in a file, read once by every process."""
    return _keys_at(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=4)
def _keys_at(path: Path, stamp: int) -> Keys:
    return Keys.read(path)


Counted = tuple[pa.Table, pa.Table, str]


def count_keys(part: Part, names: Names) -> Counted:
    """The different keys of the rows and of the columns of a part, how many values each has, and its name."""
    rows, cols = [], []
    for table in part.tables(names):
        valid = ~np.isnan(number_array(table.column(names.value), names.value, part.name))
        for name, out in ((names.row, rows), (names.column, cols)):
            keys = key_array(table.column(name), name, part.name)
            out.append(pa.table({"key": keys, "cells": pa.array(valid.astype(np.int64))}))
            if len(out) > 1:
                out[:] = [_merged(out, name, (part.name, part.name))]
    return _grouped(rows), _grouped(cols), part.name


def merge_keys(one: Counted, other: Counted, names: Names) -> Counted:
    """The keys of two parts."""
    where = (one[2], other[2])
    rows = _merged([one[0], other[0]], names.row, where)
    return rows, _merged([one[1], other[1]], names.column, where), one[2]


def finished(counted: Counted) -> tuple[Keys, Keys]:
    """Keys of rows and of columns in their order.

    Raises
    ------
    InputError
        If there is none.
    """
    out = []
    for table, what in zip(counted[:2], ("rows", "columns"), strict=True):
        if not table.num_rows:
            raise InputError("There is no observed entry: nothing to complete the matrix from.")
        if table.num_rows > _MOST:
            raise InputError(f"There are {table.num_rows:,} {what}; {_MOST:,} is the most.")
        table = table.sort_by("key")
        out.append(Keys(key_array(table.column("key"), "key", what), table.column("cells").to_numpy()))
    return out[0], out[1]


def _merged(tables: Sequence[pa.Table], name: str, where: tuple[str, str]) -> pa.Table:
    full = [table for table in tables if table.num_rows]
    if len(full) < 2:
        return full[0] if full else tables[0]
    one, other = (table.column("key").type for table in full[:2])
    if one != other:
        raise mixed_keys(name, one, where[0], other, where[1])
    return _grouped(full)


def _grouped(tables: Sequence[pa.Table]) -> pa.Table:
    if not tables:
        return pa.table({"key": pa.array([], pa.int64()), "cells": pa.array([], pa.int64())})
    table = pa.concat_tables(tables)
    key_type(table.column("key").type, "key", "keys")
    grouped = table.group_by("key").aggregate([("cells", "sum")])
    return pa.table({"key": grouped.column("key"), "cells": grouped.column("cells_sum")})
