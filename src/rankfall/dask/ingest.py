"""Triplets to blocks of rows: each part is read once for its keys and once to sort its cells by block.

A part is written as one piece sorted by block for every table that was read; a block is then gathered from
its slices of all pieces. So each cell is moved once, no task holds more than one table or one block, and the
cells of a block have the same order whatever the parts were.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..completion.seeds import Stream
from ..errors import InputError
from ..files import atomic_path
from ..scale import check_scale, forward
from .blocks import Block, Layout, block_facts, block_path, write_arrow, write_block
from .keys import Keys, count_keys, finished, keys_at, merge_keys
from .scheduler import Scheduler
from .sources import Names, Part, number_array, readable

# share of the cells that is held out: a tenth, as in memory, but not more than are needed to compare errors
_HELD, _ENOUGH_HELD, _LEAST_HELD = 0.1, 1_000_000, 0.01


@dataclass(frozen=True)
class Plan:
    """What decides how blocks come about.

    Attributes
    ----------
    folder : str
        Where everything is.
    names : Names
    duplicates : {"error", "mean"}
    scale : {"linear", "log", "log1p"}
    seed : int
        Of the held-out cells.
    """

    folder: str
    names: Names
    duplicates: str
    scale: str
    seed: int


@dataclass(frozen=True)
class Totals:
    """Number of cells and of held-out ones; mean, mean square deviation and range of the values."""

    n_cells: int
    n_held: int
    mean: float
    variance: float
    low: float
    high: float


def key_paths(folder: Path) -> tuple[Path, Path]:
    """Where the keys of rows and of columns are."""
    return folder / "row_keys.parquet", folder / "column_keys.parquet"


def read_keys(folder: Path) -> tuple[Keys, Keys]:
    """The keys of a completion, read once by every process."""
    rows, cols = key_paths(folder)
    return keys_at(rows), keys_at(cols)


def make_keys(parts: list[Part], plan: Plan, scheduler: Scheduler) -> tuple[Keys, Keys]:
    """The dictionary, from the folder if it is there."""
    paths = key_paths(Path(plan.folder))
    if not all(path.exists() for path in paths):
        counted = scheduler.reduce(count_keys, merge_keys, parts, plan.names, merge_more=(plan.names,))
        for keys, path in zip(finished(counted), paths, strict=True):
            keys.write(path)
    return read_keys(Path(plan.folder))


def make_blocks(parts: list[Part], plan: Plan, layout: Layout, scheduler: Scheduler) -> Totals:
    """Shuffle the cells into blocks; those that are there already stay."""
    folder = Path(plan.folder)
    missing = [b for b in range(layout.n_blocks) if not block_path(folder, b).exists()]
    pieces = folder / "work" / "pieces"
    if missing:
        pieces.mkdir(parents=True, exist_ok=True)
        (folder / "cells").mkdir(exist_ok=True)
        at = [k for k in range(len(parts)) if not (pieces / f"part-{k:05d}.json").exists()]
        scheduler.map(_write_pieces, [(k, parts[k]) for k in at], plan, layout)
        scheduler.map(_build_block, missing, plan, layout, len(parts))
    shutil.rmtree(pieces, ignore_errors=True)
    return totals(folder, layout)


def totals(folder: Path, layout: Layout) -> Totals:
    """Summary of all blocks, in their order."""
    n, n_held, mean, squares, low, high = 0, 0, 0.0, 0.0, np.inf, -np.inf
    for block in range(layout.n_blocks):
        facts = block_facts(block_path(folder, block))
        if facts is None:
            raise InputError(f"{block_path(folder, block)} is missing.")
        k = int(facts["n"])
        if k:
            step = facts["mean"] - mean
            squares += facts["squares"] + step**2 * n * k / (n + k)
            n, mean = n + k, mean + step * k / (n + k)
            low, high = min(low, facts["low"]), max(high, facts["high"])
        n_held += int(facts["n_held"])
    if not n:
        raise InputError("There is no observed entry: nothing to complete the matrix from.")
    return Totals(n, n_held, mean, squares / n, low, high)


def _write_pieces(numbered: tuple[int, Part], plan: Plan, layout: Layout) -> None:
    k, part = numbered
    names, folder = plan.names, Path(plan.folder)
    row_keys, col_keys = read_keys(folder)
    pieces = folder / "work" / "pieces"
    written = []
    for table in part.tables(names):
        values = number_array(table.column(names.value), names.value, part.name)
        rows = row_keys.positions(table.column(names.row), names.row, part.name)
        cols = col_keys.positions(table.column(names.column), names.column, part.name)
        arrays = [cols, rows, values] if layout.swapped else [rows, cols, values]
        if names.weight is not None:
            arrays.append(_weights(table.column(names.weight), names.weight, part.name))
        kept = ~np.isnan(values) & (arrays[-1] > 0 if names.weight is not None else True)
        block = layout.block_of(arrays[0])
        order = np.argsort(block, kind="stable")
        order = order[kept[order]]
        starts = np.searchsorted(block[order], np.arange(layout.n_blocks + 1))
        columns = [array[order].astype(t) for array, t in zip(arrays, ("i4", "i4", "f8", "f8"), strict=False)]
        path = pieces / f"part-{k:05d}-{len(written):05d}.arrow"
        write_arrow(path, pa.table(columns, names=["row", "column", "value", "weight"][: len(columns)]))
        written.append([path.name, starts.tolist()])
    with atomic_path(pieces / f"part-{k:05d}.json") as temporary:
        temporary.write_text(json.dumps(written))


def _weights(column: object, name: str, where: str) -> np.ndarray:
    weights = number_array(column, name, where)
    if not (weights >= 0).all():
        at = int(np.argmax(~(weights >= 0)))
        raise InputError(f"{where}: weight {name!r} of entry {at + 1} is not a number of 0 or more.")
    return weights


def _build_block(block: int, plan: Plan, layout: Layout, n_parts: int) -> None:
    first, last = layout.edges[block], layout.edges[block + 1]
    arrays = [np.concatenate(column) for column in zip(*_slices(block, plan, n_parts), strict=True)]
    if not arrays:
        arrays = [np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0)]
    rows, cols, values = arrays[:3]
    weights = arrays[3] if len(arrays) > 3 else None
    # by value, too: sums over repeated cells do not depend on where they came from
    order = np.lexsort((values, cols, rows))
    rows, cols, values = (array[order] for array in (rows, cols, values))
    weights = None if weights is None else weights[order]
    cell = partial(_cell, plan, layout)
    rows, cols, values, weights = _merged(rows, cols, values, weights, plan.duplicates, cell)
    bad = check_scale(values, plan.scale)
    if bad is not None:
        need = "positive numbers" if plan.scale == "log" else "numbers above -1"
        at = int(bad[0])
        raise InputError(
            f'scale="{plan.scale}" needs {need}, but {cell(rows[at], cols[at])} holds {values[at]:g}.'
        )
    values = forward(values, plan.scale)
    n_given = int(keys_at(key_paths(Path(plan.folder))[0]).counts.sum())
    held = _held_out(rows, cols, layout.n_cols, n_given, plan.seed)
    mean = float(np.mean(values)) if values.size else 0.0
    facts = {
        "n": float(values.size),
        "n_held": float(np.count_nonzero(held)),
        "mean": mean,
        "squares": float(np.sum((values - mean) ** 2)),
        "low": float(values.min(initial=np.inf)) if values.size else 0.0,
        "high": float(values.max(initial=-np.inf)) if values.size else 0.0,
    }
    here = (rows - first).astype(np.int32)
    write_block(
        block_path(Path(plan.folder), block),
        Block(int(last - first), here, cols, values, held, weights),
        facts,
    )


def _slices(block: int, plan: Plan, n_parts: int) -> list[list[np.ndarray]]:
    pieces = Path(plan.folder) / "work" / "pieces"
    out = []
    for k in range(n_parts):
        marker = pieces / f"part-{k:05d}.json"
        with readable(str(marker), "a list of pieces"):
            written = json.loads(marker.read_text())
        for name, starts in written:
            a, b = starts[block], starts[block + 1]
            if a < b:
                with readable(name, "a piece of the cells"), pa.memory_map(str(pieces / name)) as source:
                    table = pa.ipc.open_file(source).read_all().slice(a, b - a)
                    out.append([np.array(column.to_numpy()) for column in table.columns])
    return out


def _merged(rows, cols, values, weights, duplicates, cell):
    """Cells that were given more than once, merged; they are sorted by row, column and value."""
    new = np.ones(rows.size, bool)
    new[1:] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])
    if new.all():
        return rows, cols, values, weights
    group = np.cumsum(new) - 1
    differs = values != values[new][group]
    if duplicates == "error" and differs.any():
        at = int(np.argmax(differs))
        place = cell(rows[at], cols[at])
        raise InputError(
            f"{place[:1].upper()}{place[1:]} is given twice with different values "
            f'({values[new][group[at]]:g} and {values[at]:g}); remove one, or pass duplicates="mean".'
        )
    counting = np.ones(rows.size) if weights is None else weights
    total = np.bincount(group, counting)
    # the mean of equal numbers may differ from them by rounding: keep the number itself
    means = np.bincount(group, counting * values) / total
    merged = np.where(np.bincount(group, differs) > 0, means, values[new])
    return rows[new], cols[new], merged, None if weights is None else total


def _cell(plan: Plan, layout: Layout, row: int, col: int) -> str:
    """Where a cell is, by its keys."""
    row_keys, col_keys = read_keys(Path(plan.folder))
    row, col = (col, row) if layout.swapped else (row, col)
    return f"row {row_keys.label(row)!r}, column {col_keys.label(col)!r}"


def _held_out(rows: np.ndarray, cols: np.ndarray, n_cols: int, n_given: int, seed: int) -> np.ndarray:
    """Which cells are held out: decided for each by itself, from its position and the seed.

    A finaliser of good avalanche (D. Stafford's thirteenth mix, of SplitMix64) makes the draw.
    """
    share = min(_HELD, max(_LEAST_HELD, _ENOUGH_HELD / n_given))
    start = np.random.SeedSequence([seed, int(Stream.HELD_OUT)]).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        x = (rows.astype(np.uint64) * np.uint64(n_cols) + cols.astype(np.uint64)) + start
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return x < np.uint64(int(share * 2.0**64))
