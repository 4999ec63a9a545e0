"""What looks like a slip in a table: said, never mended."""

from __future__ import annotations

import numpy as np

from ..files import Table

# a column whose positive values leave out two powers of ten may well hold two units
_GAP, _FEWEST = 100.0, 3


def doubts(table: Table) -> list[str]:
    """A sentence for every column that seems to hold two units.

    That is a column whose positive values fall into two groups, three at least in each, with a factor of a
    hundred and nothing between them: grams among milligrams, shares among percentages.
    """
    order = np.argsort(table.cols, kind="stable")
    columns = np.split(table.entries[order], np.searchsorted(table.cols[order], np.arange(1, table.shape[1])))
    out = []
    for col, values in enumerate(columns):
        ordered = np.sort(values[values > 0])
        if ordered.size < 2 * _FEWEST or ordered.size < values.size:
            continue
        ratio = ordered[1:] / ordered[:-1]
        place = _FEWEST - 1 + int(np.argmax(ratio[_FEWEST - 1 : ordered.size - _FEWEST]))
        if ratio[place] >= _GAP:
            out.append(
                f"Column {table.col_label(col)} seems to hold two units: {place + 1:,} of its values are at "
                f"most {ordered[place]:g}, the others at least {ordered[place + 1]:g}."
            )
    return out
