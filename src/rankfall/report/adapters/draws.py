"""What a report shows of draws, and of the cells that a fit with heavy tails distrusts."""

from __future__ import annotations

import numpy as np

from ...completion.result.completion import Completion
from ...pooling import pool
from .. import TextTable

# draws; cells of a table up to which they are made; columns that are shown
_DRAWS, _MOST_CELLS, _SHOWN = 20, 1_000_000, 12
# missing cells of a column without which it is not shown
_LEAST_MISSING = 2
_SUSPECTS = 30


def pooled_means(completion: Completion) -> TextTable | None:
    """Column means with what the missing cells leave open, those with most of it first.

    None where nothing is drawn (an exact fit), rows follow each other and are no random sample, or the table
    is large.
    """
    m, n = completion.shape
    ordered = completion.model.posterior.rows.chain is not None
    missing = m - completion.problem.col_counts
    if completion.model.exact or ordered or m * n > _MOST_CELLS or m < 3 or missing.max() < _LEAST_MISSING:
        return None
    tables = list(completion.draws(_DRAWS, seed=0).arrays())
    known = ~np.isnan(tables[0]).any(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):  # numbers may be near the end of the range of floats
        deviations = np.array([table.std(axis=0, ddof=1) for table in tables])
        known &= np.isfinite(np.sum(deviations**2, axis=0)) & (deviations.min(axis=0) > 0)
    cols = np.flatnonzero(known & (missing >= _LEAST_MISSING))
    if not cols.size:
        return None
    means = np.array([table[:, cols].mean(axis=0) for table in tables])
    pooled = pool(means, deviations[:, cols] ** 2 / m, dof_complete=m - 1)
    values = (pooled.estimate, pooled.standard_error, *pooled.interval(), pooled.missing_information)
    numbers = np.column_stack(values)
    order = np.argsort(-numbers[:, 4], kind="stable")[:_SHOWN]
    names = completion.col_names
    rows = tuple(
        (
            str(cols[k]) if names is None else names[cols[k]],
            f"{missing[cols[k]]:,}",
            *(f"{number:.4g}" for number in numbers[k, :4]),
            f"{numbers[k, 4]:.0%}",
        )
        for k in order.tolist()
    )
    titles = ("column", "missing cells", "mean", "standard error", "from", "to", "missing information")
    return TextTable(titles, rows)


def suspects_table(completion: Completion) -> TextTable | None:
    """The cells that the fit distrusts most; None if there are none."""
    found = completion.suspects.head(_SUSPECTS)
    if found.empty:
        return None
    rows = tuple(
        (str(row), str(column), f"{value:.4g}", f"{predicted:.4g}", f"{weight:.2g}")
        for row, column, value, predicted, weight in found.itertuples(index=False)
    )
    return TextTable(("row", "column", "value", "predicted", "weight"), rows)
