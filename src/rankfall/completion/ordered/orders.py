"""The orders that a fit may know: of the rows, of the columns, or of both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...problem import Problem
from ..options import Options
from .axis_order import AxisOrder, read_groups, read_positions


@dataclass(frozen=True)
class Orders:
    """Along which axes a fit knows the order; None where it does not."""

    rows: AxisOrder | None = None
    cols: AxisOrder | None = None

    @classmethod
    def of(cls, given: Problem, options: Options) -> Orders:
        """The order of the rows and columns of a table, from what was said or from its labels.

        Raises
        ------
        InputError
            If positions or groups do not fit the table, or one another.
        """
        sides = []
        for name, positions, groups, size, labels in (
            ("row_positions", options.row_positions, options.groups, given.n_rows, "rows"),
            ("column_positions", options.column_positions, None, given.n_cols, "cols"),
        ):
            series = None if groups is None else read_groups("groups", groups, size)
            if positions is not None:
                at, is_time = read_positions(name, positions, size)
                sides.append(AxisOrder.of(at, series, is_time))
            elif series is not None:
                sides.append(AxisOrder.of(np.arange(size, dtype=float), series))
            else:
                index = None if given.layout is None else getattr(given.layout, labels)
                sides.append(AxisOrder.of_index(index, size))
        return cls(*sides)

    @property
    def name(self) -> str:
        """ "none", "rows", "columns" or "both"."""
        if self.rows is None:
            return "none" if self.cols is None else "columns"
        return "rows" if self.cols is None else "both"

    def of_rows(self, kept: np.ndarray) -> Orders:
        """Of some rows alone."""
        return self if self.rows is None else replace(self, rows=self.rows.some(kept))
