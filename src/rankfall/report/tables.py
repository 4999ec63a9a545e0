"""What a report shows, as plain arrays and strings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# letters of a cell from which on it is no name or number
_SENTENCE = 28


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

    @property
    def wordy(self) -> frozenset[int]:
        """The columns that hold sentences, which are to be broken into lines."""
        return frozenset(k for row in self.rows for k, cell in enumerate(row) if len(cell) > _SENTENCE)


@dataclass(frozen=True, eq=False)
class JumpMarks:
    """Changes of the rank, one entry each.

    Attributes
    ----------
    after, step : ndarray of int, shape (n,)
        The change happened in ``after < t <= step``.
    rank_from, rank_to : ndarray of int, shape (n,)
        Rank before and after.
    value : ndarray, shape (n,)
        Where to draw it: the smallest singular value that changed sides, NaN if it is not known.
    chain : ndarray of int, shape (n,)
        Number of the chain.
    note : tuple of str
        One sentence each, shown on hover.
    """

    after: np.ndarray
    step: np.ndarray
    rank_from: np.ndarray
    rank_to: np.ndarray
    value: np.ndarray
    chain: np.ndarray
    note: tuple[str, ...]

    @property
    def falls(self) -> np.ndarray:
        """Which of them lower the rank."""
        return self.rank_to < self.rank_from


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
    jumps : JumpMarks, optional
        Where the rank changed.
    """

    steps: np.ndarray
    singular_values: np.ndarray
    ridge: np.ndarray
    kept: int
    jumps: JumpMarks | None = None


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
    half_width : ndarray, shape (height, width), optional
        Half the width of the interval at every cell, as if it were missing; NaN where it has no end.
    coverage : float
        Of these intervals.
    row_names, col_names : tuple of str
        Names of the rows and columns that are drawn; empty: they are counted.
    center, unit : ndarray, shape (width,), optional
        Where columns have different units: what is subtracted from, and divides, a column for its colours.
        Values are shown as they are.
    """

    before: np.ndarray
    after: np.ndarray
    shape: tuple[int, int]
    label: str = "value"
    row_label: str = "rows"
    col_label: str = "columns"
    half_width: np.ndarray | None = None
    coverage: float = 0.9
    row_names: tuple[str, ...] = ()
    col_names: tuple[str, ...] = ()
    center: np.ndarray | None = None
    unit: np.ndarray | None = None

    def shade(self, values: np.ndarray, width: bool = False) -> np.ndarray:
        """What the colours stand for; widths are not centred."""
        if self.center is None or self.unit is None:
            return values
        return (values if width else values - self.center) / self.unit


@dataclass(frozen=True, eq=False)
class HeldOutCells:
    """Cells that were held out, and what was predicted for them.

    Attributes
    ----------
    observed, predicted, low, high : ndarray, shape (n,)
        Values, predictions by a fit that had not seen them, and the ends of their intervals.
    row, col : tuple of str
        Names of their rows and columns.
    total : int
        How many were held out; more than n if only a sample is drawn.
    coverage : float
        Of the intervals.
    nominal, realised : ndarray, shape (k,)
        Coverages that were asked for, and the shares of held-out cells that were covered.
    label : str
        What the values are, with the unit.
    log : bool
        Whether to draw them on logarithmic axes.
    """

    observed: np.ndarray
    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    row: tuple[str, ...]
    col: tuple[str, ...]
    total: int
    coverage: float
    nominal: np.ndarray
    realised: np.ndarray
    label: str = "value"
    log: bool = False


@dataclass(frozen=True, eq=False)
class AxisCounts:
    """How many observed cells the rows and columns have.

    Attributes
    ----------
    rows, cols : ndarray of int
        Counts at evenly spaced places of the sorted lists, smallest first.
    n_rows, n_cols : int
        How many rows and columns there are.
    rank : int
        A row or column needs at least as many cells.
    """

    rows: np.ndarray
    cols: np.ndarray
    n_rows: int
    n_cols: int
    rank: int


@dataclass(frozen=True, eq=False)
class ReportTables:
    """Everything on the page of a completion.

    All strings are plain text; they are escaped when the page is made.

    Attributes
    ----------
    title, subtitle : str
        Name of the data, and one line about them.
    headline : tuple of (str, str)
        The few numbers that matter most, as (label, value).
    outcome, advice : str
        How it ended, and what to do about it.
    found : str
        What was found, in one sentence.
    warnings : tuple of str
        One sentence each.
    history : History, optional
        Singular values along the run that was chosen.
    errors : RankErrors, optional
        Errors per rank.
    heat_maps : HeatMaps, optional
        Before and after, and how sure.
    held_out : HeldOutCells, optional
        Predicted against held-out values.
    path : TextTable, optional
        The ranks tried.
    choice : str
        Whether other ways to choose the rank agree.
    column_errors : TextTable, optional
        Errors at held-out cells, column by column.
    means : TextTable, optional
        Column means, pooled from draws.
    suspects : TextTable, optional
        Observed cells that the fit distrusts, those with the smallest weight.
    n_suspects : int
        How many there are.
    comparison : TextTable, optional
        Other methods on the same cells.
    compared : str
        What they were compared on, in a sentence or two.
    certificate : TextTable, optional
        Inequalities, both sides and the source of each.
    certified : str
        What they say, in one sentence.
    counts : AxisCounts, optional
        Observed cells per row and column.
    thin : TextTable, optional
        The rows and columns with the fewest cells.
    repeat : tuple of (str, str)
        Commands that do it again, as (what it is, text).
    identifiability, settings, versions : tuple of (str, str)
        Facts, as (label, value).
    """

    title: str
    subtitle: str
    headline: tuple[tuple[str, str], ...]
    outcome: str
    advice: str
    found: str = ""
    warnings: tuple[str, ...] = ()
    history: History | None = None
    errors: RankErrors | None = None
    heat_maps: HeatMaps | None = None
    held_out: HeldOutCells | None = None
    path: TextTable | None = None
    choice: str = ""
    column_errors: TextTable | None = None
    means: TextTable | None = None
    suspects: TextTable | None = None
    n_suspects: int = 0
    comparison: TextTable | None = None
    compared: str = ""
    certificate: TextTable | None = None
    certified: str = ""
    counts: AxisCounts | None = None
    thin: TextTable | None = None
    repeat: tuple[tuple[str, str], ...] = ()
    identifiability: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
