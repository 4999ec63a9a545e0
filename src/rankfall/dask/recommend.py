"""The columns of largest value in a row, and rows that are new."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from ..completion.solvers.kernels import variational as kernels
from ..errors import InputError
from ..scale import check_scale, forward
from .blocks import Cells
from .model import Model
from .sources import number_array
from .sweep import fold

# numbers of a table of rows and all columns that are there at a time
_AT_ONCE = 4_000_000
_WHERE = "the table of new rows"

Best = tuple[np.ndarray, np.ndarray]


def best_columns(model: Model, rows: np.ndarray, n: int, seen: bool) -> list[Best]:
    """For rows of the source, -1 for unknown ones: positions and values (standardised) of the n columns of
    largest value, those that were observed left out unless `seen`.
    """
    if model.layout.swapped:
        return _best_layout_rows(model, rows, n, seen)
    out: list[Best] = [(np.empty(0, np.int64), np.empty(0))] * rows.size
    right = model.columns.state.mean.T
    for places, local, folded, cells in model.folded(rows):
        step = max(1, _AT_ONCE // model.layout.n_cols)
        for a in range(0, places.size, step):
            values = folded.mean[local[a : a + step]] @ right
            for place, row, line in zip(places[a : a + step], local[a : a + step], values, strict=True):
                taken = cells.indices[cells.indptr[row] : cells.indptr[row + 1]]
                out[place] = _largest(line, taken[:0] if seen else taken, n)
    return out


def _best_layout_rows(model: Model, asked: np.ndarray, n: int, seen: bool) -> list[Best]:
    """The same where the rows of the source are columns of the layout: all blocks are gone through."""
    right = model.with_unknown.state.mean[np.where(asked < 0, model.layout.n_cols, asked)]
    out: list[Best] = [(np.empty(0, np.int64), np.empty(0))] * asked.size
    for block in range(model.layout.n_blocks):
        cells = model.standardised(model.block(block).cells(None))
        left, rows = fold(cells, model.columns).mean, cells.rows
        for k, col in enumerate(asked):
            taken = rows[cells.indices == col]
            at, values = _largest(left @ right[k], taken[:0] if seen else taken, n)
            at = np.append(out[k][0], at + model.layout.edges[block])
            values = np.append(out[k][1], values)
            order = np.argsort(-values, kind="stable")[:n]
            out[k] = at[order], values[order]
    return out


def _largest(values: np.ndarray, taken: np.ndarray, n: int) -> Best:
    """Positions and values of the n largest, those that are taken left out; ties by position."""
    values = values.copy()
    values[taken] = -np.inf
    at = np.argsort(-values, kind="stable")[: min(n, values.size - taken.size)]
    return at, values[at]


def new_rows(model: Model, table: pa.Table) -> tuple[Any, np.ndarray]:
    """Rows that were not there before, each from its own cells.

    Returns
    -------
    keys : pyarrow array, shape (k,)
    values : ndarray, shape (k, n)
        Standardised, for all columns of the source. Cells of unknown columns are left out.
    """
    keys, rows = _numbered(table.column(model.names.row))
    cols = model.col_keys.positions(table.column(model.names.column), model.names.column, _WHERE)
    values = number_array(table.column(model.names.value), model.names.value, _WHERE)
    weights = None
    if model.names.weight is not None:
        weights = number_array(table.column(model.names.weight), model.names.weight, _WHERE)
    kept = np.flatnonzero((cols >= 0) & ~np.isnan(values))
    kept = kept[np.lexsort((cols[kept], rows[kept]))]
    rows, at, values = rows[kept], cols[kept], values[kept]
    if np.any((np.diff(rows) == 0) & (np.diff(at) == 0)):
        raise InputError(f"{_WHERE} names a cell twice; remove one of them.")
    if check_scale(values, model.scale) is not None:
        raise InputError(f"{_WHERE} holds a value that has no logarithm.")
    weights = None if weights is None else weights[kept]
    cells = model.standardised(Cells.of(len(keys), rows, at, forward(values, model.scale), weights))
    if not model.layout.swapped:
        return keys, fold(cells, model.columns).mean @ model.columns.state.mean.T
    return keys, _new_layout_columns(model, cells)


def _new_layout_columns(model: Model, cells: Cells) -> np.ndarray:
    """New columns of the layout from their cells at its rows, and their values at all of its rows."""
    state, k = model.columns.state, cells.indptr.size - 1
    wanted, local = np.unique(cells.indices, return_inverse=True)
    left = np.zeros((wanted.size, state.size))
    second = np.zeros((wanted.size, state.size * (state.size + 1) // 2))
    noise = np.ones(wanted.size)
    for places, at, folded, _ in model.folded(wanted):
        left[places], second[places], noise[places] = (
            folded.mean[at], folded.second[at], folded.noise[at, 0],
        )  # fmt: skip
    mean, free, scale = np.zeros((k, state.size)), state.col_free, np.ones((k, 2))
    if state.col_fixed >= 0:
        mean[:, state.col_fixed] = 1.0
    weights = 1 / noise[local]
    if cells.weights is not None:
        weights = weights * cells.weights
    kernels.update_rows(
        cells.indptr, local.astype(np.int64), cells.values, weights, left, second, free, state.col_fixed,
        state.col_prior, np.zeros(free.size), state.noise, state.prior_cells, 1, mean,
        np.zeros((k, free.size * (free.size + 1) // 2)), scale,
    )  # fmt: skip
    out = np.empty((k, model.layout.n_rows))
    for block in range(model.layout.n_blocks):
        here = model.standardised(model.block(block).cells(None))
        first, last = model.layout.edges[block], model.layout.edges[block + 1]
        out[:, first:last] = mean @ fold(here, model.columns).mean.T
    return out


def _numbered(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """Different keys in the order of their first appearance, and which each entry has."""
    encoded = pa.chunked_array([column.combine_chunks()] if column.num_chunks else column.chunks)
    encoded = encoded.dictionary_encode().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    if encoded.null_count:
        raise InputError(f"{_WHERE} has an entry that does not say its row.")
    return encoded.dictionary, encoded.indices.to_numpy().astype(np.int64)
