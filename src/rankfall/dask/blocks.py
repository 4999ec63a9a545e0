"""Blocks of rows on disk: all cells of neighbouring rows, sorted by row, then column."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import InputError
from ..files import atomic_path
from .sources import readable

# cells of a block at most (a row is never split), at least, and how many blocks there are in between: blocks
# and the shape of sums are functions of the data alone
_MOST, _LEAST, _BLOCKS = 2_000_000, 20_000, 32
# sums over blocks are made in so many tasks at most, each of neighbouring blocks one after the other
_GROUPS = 64
_FACTS = b"rankfall"
_FIELDS = (("row", pa.int32()), ("column", pa.int32()), ("value", pa.float64()), ("held", pa.uint8()))
_WEIGHT = ("weight", pa.float64())


@dataclass(frozen=True, eq=False)
class Layout:
    """Which rows each block holds. Rows are the longer axis of the source, whichever that is.

    Attributes
    ----------
    edges : ndarray of int64, shape (n_blocks + 1,)
        First rows of the blocks, and the number of rows.
    n_cols : int
    swapped : bool
        Whether rows here are the columns of the source.
    """

    edges: np.ndarray
    n_cols: int
    swapped: bool

    @property
    def n_rows(self) -> int:
        return int(self.edges[-1])

    @property
    def n_blocks(self) -> int:
        return self.edges.size - 1

    def groups(self) -> list[list[int]]:
        """Neighbouring blocks whose sums are made by one task."""
        size = ceil(self.n_blocks / _GROUPS)
        return [list(range(k, min(k + size, self.n_blocks))) for k in range(0, self.n_blocks, size)]

    def block_of(self, rows: np.ndarray) -> np.ndarray:
        """Which block each row is in."""
        return np.searchsorted(self.edges, rows, side="right") - 1

    @classmethod
    def of(cls, row_counts: np.ndarray, col_counts: np.ndarray) -> Layout:
        """The blocks for tables with so many cells in each row and column."""
        swapped = col_counts.size > row_counts.size
        counts, n_cols = (col_counts, row_counts.size) if swapped else (row_counts, col_counts.size)
        total = int(counts.sum())
        size = int(np.clip(total // _BLOCKS, _LEAST, _MOST))
        cuts = np.searchsorted(np.cumsum(counts), np.arange(size, total, size), side="left") + 1
        edges = np.unique(np.concatenate([[0], cuts, [counts.size]])).astype(np.int64)
        return cls(edges, int(n_cols), swapped)


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of some rows in compressed sparse rows.

    Attributes
    ----------
    indptr, indices : ndarray of int64
    values : ndarray
    weights : ndarray or None
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None

    @property
    def rows(self) -> np.ndarray:
        """The row of every cell, counted from the first row here."""
        return np.repeat(np.arange(self.indptr.size - 1), np.diff(self.indptr))

    def slice(self, first: int, last: int) -> Cells:
        """Some neighbouring rows."""
        a, b = self.indptr[first], self.indptr[last]
        weights = None if self.weights is None else self.weights[a:b]
        return Cells(self.indptr[first : last + 1] - a, self.indices[a:b], self.values[a:b], weights)

    def pick(self, rows: np.ndarray) -> Cells:
        """Some rows, in the order asked for."""
        counts = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        at = np.repeat(self.indptr[rows] - indptr[:-1], counts) + np.arange(indptr[-1])
        weights = None if self.weights is None else self.weights[at]
        return Cells(indptr, self.indices[at], self.values[at], weights)

    @classmethod
    def of(
        cls, n_rows: int, rows: np.ndarray, cols: np.ndarray, values: np.ndarray, weights: np.ndarray | None
    ) -> Cells:
        """Of cells sorted by row."""
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))]).astype(np.int64)
        return cls(indptr, cols.astype(np.int64), values, weights)


@dataclass(frozen=True, eq=False)
class Block:
    """The cells of a block.

    Attributes
    ----------
    n_rows : int
    rows, cols : ndarray of int32
        Rows are counted from the first one of the block.
    values : ndarray
        On the scale of the fit.
    held : ndarray of bool
        Cells that are held out.
    weights : ndarray or None
    """

    n_rows: int
    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    held: np.ndarray
    weights: np.ndarray | None

    def cells(self, held: bool | None) -> Cells:
        """The cells that are held out or not, or all."""
        if held is None:
            return Cells.of(self.n_rows, self.rows, self.cols, self.values, self.weights)
        kept = self.held if held else ~self.held
        weights = None if self.weights is None else self.weights[kept]
        return Cells.of(self.n_rows, self.rows[kept], self.cols[kept], self.values[kept], weights)


def block_path(folder: Path, block: int) -> Path:
    """Where a block of a completion is."""
    return folder / "cells" / f"block-{block:05d}.arrow"


def write_arrow(path: Path, table: pa.Table) -> None:
    """Write a file of Arrow, whole or not at all."""
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


def write_block(path: Path, block: Block, facts: dict[str, float]) -> None:
    """Write a block, whole or not at all, with some facts that are read without its cells."""
    columns = [block.rows, block.cols, block.values, block.held.astype(np.uint8)]
    fields = list(_FIELDS)
    if block.weights is not None:
        columns, fields = [*columns, block.weights], [*fields, _WEIGHT]
    schema = pa.schema(fields, metadata={_FACTS: json.dumps(facts)})
    table = pa.table([pa.array(column) for column in columns], schema=schema)
    write_arrow(path, table)


def block_facts(path: Path) -> dict[str, float] | None:
    """The facts of a block; None if there is no such block yet."""
    if not path.exists():
        return None
    with readable(str(path), "a block of cells"), pa.memory_map(str(path)) as source:
        return json.loads((pa.ipc.open_file(source).schema.metadata or {})[_FACTS])


def read_block(folder: Path, block: int, layout: Layout) -> Block:
    """Read a block and check it: kernels trust the positions that they are given.

    Raises
    ------
    InputError
        If there is no such block, or it is damaged.
    """
    path = block_path(folder, block)
    n_rows = int(layout.edges[block + 1] - layout.edges[block])
    with readable(str(path), "a block of cells"), pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
        wanted = [*_FIELDS, *([_WEIGHT] if table.num_columns > len(_FIELDS) else [])]
        if table.schema.names != [name for name, _ in wanted] or table.schema.types != [t for _, t in wanted]:
            raise InputError(f"{path} is damaged: it does not hold cells.")
        rows, cols, values, held, *weights = map(_as_numpy, table.columns)
    found = Block(n_rows, rows, cols, values, held != 0, weights[0] if weights else None)
    wrong = _flaw(found, layout.n_cols)
    if wrong is not None:
        raise InputError(f"{path} is damaged: {wrong}.")
    return found


def _as_numpy(column: Any) -> np.ndarray:
    if column.null_count:
        raise ValueError("cells are empty")
    return column.to_numpy()


def _flaw(block: Block, n_cols: int) -> str | None:
    rows, cols = block.rows, block.cols
    if rows.size and (rows[0] < 0 or rows[-1] >= block.n_rows or cols.min() < 0 or cols.max() >= n_cols):
        return "a cell lies outside the table"
    later = (rows[1:] > rows[:-1]) | ((rows[1:] == rows[:-1]) & (cols[1:] > cols[:-1]))
    if not later.all():
        return "its cells are not sorted"
    if not np.isfinite(block.values).all():
        return "a value is not finite"
    if block.weights is not None and not (np.isfinite(block.weights) & (block.weights > 0)).all():
        return "a weight is not positive"
    return None
