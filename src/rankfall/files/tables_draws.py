"""Several completed tables written below each other as one long table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, TextIO

import numpy as np

from ..errors import InputError
from .filled_cells import columns_of, rounded_cells
from .formats import EXCEL, FRAMES, TEXT, kind_of_output, output_path
from .table import SheetSource, Table, TripletSource
from .tables import shown_decimals, text_delimiter, text_lines, whole_columns

if TYPE_CHECKING:
    import pandas as pd

COLUMN = "draw"
"""Name of the first column, which holds the number of the draw, from 1."""


def check_draws_table(table: Table) -> None:
    """Refuse a table that has a column of the name that draws are numbered in.

    Raises
    ------
    InputError
    """
    if COLUMN in (table.corner, *(table.col_names or ()), *(aside.name for aside in table.asides)):
        raise InputError(
            f"The table has a column called {COLUMN!r}, the name of the column that numbers the draws: "
            "rename it."
        )


def write_draws(
    path: str | PathLike[str], table: Table, draws: Iterable[np.ndarray], rounded: bool = True
) -> None:
    """Write completed tables below each other, whole or not at all.

    The first column, ``draw``, holds the numbers of the tables, from 1; in an array (.npy, .npz) it is the
    first column, too.

    Parameters
    ----------
    path : path
        The suffix tells the format, as in :func:`.tables.write_table`. Text is written a table at a time; of
        other formats all is in memory.
    table : Table
        What was read.
    draws : iterable of ndarray, shape ``table.shape``
        The numbers for the missing cells, NaN for those that stay missing.
    rounded : bool
        As there.

    Raises
    ------
    InputError
        If the file cannot be written, or a sheet of Excel has too few rows.
    """
    check_draws_table(table)
    suffix, _ = kind_of_output(path)
    with output_path(path) as temporary:
        if suffix in TEXT:
            with open(temporary, "w", encoding="utf-8", newline="") as stream:
                for number, draw in enumerate(draws, 1):
                    _write_lines(stream, table, draw, number, suffix, rounded)
            return
        made = (_with_observed(table, draw, rounded) for draw in draws)
        whole = whole_columns(table) - columns_of(table.limits) if rounded else set[int]()
        if suffix in FRAMES:
            from .tables_frames import filled_frame, save_frame

            save_frame(
                temporary, suffix, _stacked([filled_frame(table, draw, rounded, whole) for draw in made])
            )
        elif suffix in EXCEL:
            from .tables_excel import write_new_book

            write_new_book(temporary, table, made, whole, COLUMN)
        else:
            long = np.vstack([np.insert(draw, 0, number, axis=1) for number, draw in enumerate(made, 1)])
            with open(temporary, "wb") as stream:
                if suffix == ".npz":
                    np.savez_compressed(stream, values=long)
                else:
                    np.save(stream, long, allow_pickle=False)


def _write_lines(
    stream: TextIO, table: Table, draw: np.ndarray, number: int, suffix: str, rounded: bool
) -> None:
    """The lines of one table, each with its number; the header is written once."""
    delimiter = text_delimiter(table, suffix)
    has_header = table.col_names is not None
    for place, line in enumerate(text_lines(table, lambda a, b: draw[a:b], suffix, rounded)):
        is_header = has_header and place == 0
        if not is_header or number == 1:
            stream.write(f"{COLUMN if is_header else number}{delimiter}{line}")


def _with_observed(table: Table, draw: np.ndarray, rounded: bool) -> np.ndarray:
    """A completed table with the observed cells to the bit, others with the decimals of their columns."""
    dense = draw.copy()
    if rounded and isinstance(table.source, (SheetSource, TripletSource)):
        dense = rounded_cells(dense, shown_decimals(table), table.limits)
    dense[table.rows, table.cols] = table.entries
    return dense


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The frames below each other, with their numbers in the first column."""
    import pandas as pd

    for number, frame in enumerate(frames, 1):
        frame.insert(0, COLUMN, number)
    plain = isinstance(frames[0].index, pd.RangeIndex) and frames[0].index.name is None
    return pd.concat(frames, ignore_index=plain)
