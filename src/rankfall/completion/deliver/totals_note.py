"""A row of totals, or of means, among the rows that it sums up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...problem import Problem

# rows of a table, and columns that bear a total out, without which there is none
_ROWS, _COLUMNS = 4, 3
# totals are written with as many digits as anything else: relative difference that is rounding
_ROUNDED = 1e-3
# what such rows are called, and share of the columns whose largest value they hold then
_CALLED = {
    "all", "average", "durchschnitt", "gesamt", "insgesamt", "mean", "media", "moyenne", "sum", "summe",
    "suma", "somme", "subtotal", "total", "totals", "totale", "grand total",
}  # fmt: skip
_LARGEST = 0.9


def totals_note(problem: Problem, row_names: Sequence[str] | None = None) -> Iterator[str]:
    """A sentence for each row that holds the sums, or the means, of all others.

    In every column without a missing cell; where there are not enough of these, a row that is called so and
    holds the largest values of nearly all columns.
    """
    m, n = problem.shape
    if m < _ROWS or not problem.n_observed:
        return

    def name(row: int) -> str:
        return str(row) if row_names is None else str(row_names[row])

    full = np.flatnonzero(problem.col_counts == m)
    if full.size >= _COLUMNS:
        at = np.isin(problem.cols, full)
        cells = np.zeros((m, n))
        cells[problem.rows[at], problem.cols[at]] = problem.values[at]
        cells = cells[:, full]
        cells = cells[:, np.ptp(cells, axis=0) > 0]
        if cells.shape[1] >= _COLUMNS:
            others = cells.sum(axis=0) - cells
            for what, expected in (("sum", others), ("mean", others / (m - 1))):
                away = np.abs(cells - expected) <= _ROUNDED * np.abs(cells)
                for row in np.flatnonzero(away.all(axis=1)).tolist():
                    yield _sentence(name(row), f"holds the {what} of all other rows in every column")
            return
    if row_names is None:
        return
    most = np.full(n, -np.inf)
    np.maximum.at(most, problem.cols, problem.values)
    for row in (row for row in range(m) if name(row).strip().lower() in _CALLED):
        here = problem.rows == row
        if np.count_nonzero(here) >= _COLUMNS:
            share = np.mean(problem.values[here] == most[problem.cols[here]])
            if share >= _LARGEST:
                yield _sentence(name(row), "holds the largest value of nearly every column")


def _sentence(row: str, what: str) -> str:
    return f"Row {row} {what}: if it sums the others up, delete it, or it will be taken for one of them."
