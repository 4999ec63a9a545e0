"""Rows of a table as plain objects."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def rows_of(table: pd.DataFrame) -> list[SimpleNamespace]:
    """One object per row, with the columns (words without dots) as attributes."""
    return [SimpleNamespace(**record) for record in table.to_dict("records")]  # type: ignore[misc]
