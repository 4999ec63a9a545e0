"""What a report shows, as plain arrays and strings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TextTable:
    """A table of ready-made text.

    Attributes
    ----------
    header : tuple of str
        Column titles.
    rows : tuple of tuple of str
        Cells, row by row; the first column is text, the others are set as numbers.
    marked : int, optional
        The row to emphasise.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: int | None = None


@dataclass(frozen=True, eq=False)
class History:
    """Singular values along a run.

    Attributes
    ----------
    steps : ndarray, shape (n,)
        SGD steps, increasing.
    singular_values : ndarray, shape (n, k)
        Singular values of the network's product, largest first, of the standardised data.
    ridge : ndarray, shape (n,)
        The ridge at each record.
    kept : int
        How many singular values the delivered completion has.
    """

    steps: np.ndarray
    singular_values: np.ndarray
    ridge: np.ndarray
    kept: int


@dataclass(frozen=True, eq=False)
class RankErrors:
    """Errors of the candidates, one entry per rank; NaN where an error was not measured.

    Attributes
    ----------
    rank : ndarray of int, shape (n,)
        Ranks, increasing.
    train, validation : ndarray, shape (n,)
        Root mean square error on the training and on the held-out cells.
    chosen : int, optional
        Position of the delivered candidate.
    label : str
        What the errors are errors of, with the unit.
    """

    rank: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    chosen: int | None
    label: str


@dataclass(frozen=True, eq=False)
class HeatMaps:
    """The matrix before and after, possibly only every so-many-th row and column.

    Attributes
    ----------
    before, after : ndarray, shape (height, width)
        Values; NaN means not observed (before) or not determined (after).
    shape : (int, int)
        Size of the whole matrix.
    label : str
        What the values are, with the unit.
    row_label, col_label : str
        What rows and columns are.
    """

    before: np.ndarray
    after: np.ndarray
    shape: tuple[int, int]
    label: str = "value"
    row_label: str = "rows"
    col_label: str = "columns"


@dataclass(frozen=True, eq=False)
class ReportTables:
    """Everything on the page. All strings are plain text; they are escaped when the page is made.

    Attributes
    ----------
    title, subtitle : str
        Name of the data, and one line about them.
    headline : tuple of (str, str)
        The few numbers that matter most, as (label, value).
    outcome, advice : str
        How it ended, and what to do about it.
    warnings : tuple of str
        One sentence each.
    history : History, optional
        Singular values along the run that was chosen.
    errors : RankErrors, optional
        Errors per rank.
    heat_maps : HeatMaps, optional
        Before and after.
    path : TextTable, optional
        The ranks visited.
    comparison : TextTable, optional
        Other methods on the same cells.
    certificate : TextTable, optional
        Inequalities, both sides and the source of each.
    certified : str
        What they say, in one sentence.
    identifiability, settings, versions : tuple of (str, str)
        Facts, as (label, value).
    """

    title: str
    subtitle: str
    headline: tuple[tuple[str, str], ...]
    outcome: str
    advice: str
    warnings: tuple[str, ...] = ()
    history: History | None = None
    errors: RankErrors | None = None
    heat_maps: HeatMaps | None = None
    path: TextTable | None = None
    comparison: TextTable | None = None
    certificate: TextTable | None = None
    certified: str = ""
    identifiability: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
