"""Predictions from a finished completion: rows are folded in from their cells on disk when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..scale import inverse
from .blocks import Block, Cells, Layout, read_block
from .keys import Keys
from .sources import Names
from .state import Loaded
from .sweep import Rows, fold, predictions

_WHERE = "the table of cells"


@dataclass(frozen=True, eq=False)
class Model:
    """What predictions are made from.

    Attributes
    ----------
    folder : Path
    layout : Layout
    names : Names
    row_keys, col_keys : Keys
        Of the source.
    columns : Loaded
        Of the layout.
    center, deviation : float
        Values are ``center + deviation`` times the standardised ones, on the scale of the fit.
    scale : str
    bounds : (float, float) or None
    scores : ndarray
        Ascending; what intervals are calibrated on.
    """

    folder: Path
    layout: Layout
    names: Names
    row_keys: Keys
    col_keys: Keys
    columns: Loaded
    center: float
    deviation: float
    scale: str
    bounds: tuple[float, float] | None
    scores: np.ndarray

    @cached_property
    def with_unknown(self) -> Loaded:
        """The columns, and after them one of which nothing is known."""
        return Loaded.of(self.columns.state.with_unknown())

    def block(self, block: int) -> Block:
        """The cells of a block."""
        return read_block(self.folder, block, self.layout)

    def standardised(self, cells: Cells) -> Cells:
        """The same cells in the units of the fit."""
        values = (cells.values - self.center) / self.deviation
        return Cells(cells.indptr, cells.indices, values, cells.weights)

    def in_data_units(self, values: np.ndarray) -> np.ndarray:
        """From standardised values to those of the data, within the bounds."""
        out = inverse(self.center + self.deviation * values, self.scale)
        return out if self.bounds is None else np.clip(out, *self.bounds)

    def at(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Fitted values at cells that a table names, standardised, and the local scales of their errors.

        A row or column that is not known is what its prior says: effects and factors 0, and their spread.
        """
        rows = self.row_keys.positions(table.column(self.names.row), self.names.row, _WHERE)
        cols = self.col_keys.positions(table.column(self.names.column), self.names.column, _WHERE)
        if self.layout.swapped:
            rows, cols = cols, rows
        cols = np.where(cols < 0, self.layout.n_cols, cols)
        values, spread = np.empty(rows.size), np.empty(rows.size)
        for places, local, folded, _ in self.folded(rows):
            values[places], spread[places] = predictions(local, cols[places], folded, self.with_unknown)
        return values, spread

    def folded(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, Rows, Cells]]:
        """Rows of the layout (-1: unknown ones), folded in one block after the other.

        Yields
        ------
        places, local : ndarray
            Which of the rows asked for are in this block, and which of the folded ones each is.
        folded : Rows
        cells : Cells
            Their cells, standardised.
        """
        blocks = np.where(rows < 0, -1, self.layout.block_of(rows))
        order = np.argsort(blocks, kind="stable")
        for places in np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1):
            if not places.size:
                continue
            block = int(blocks[places[0]])
            wanted, local = np.unique(rows[places], return_inverse=True)
            if block < 0:
                cells = Cells(np.zeros(2, np.int64), np.empty(0, np.int64), np.empty(0), None)
            else:
                cells = self.block(block).cells(None).pick(wanted - self.layout.edges[block])
            cells = self.standardised(cells)
            yield places, local, fold(cells, self.with_unknown), cells
