"""One self-contained HTML page about a completion, from plain tables.

The page needs no network and no JavaScript: its figures are inline SVG, its heat maps inline PNG, and its
colours follow the reader's light or dark setting. Nothing is computed here: whoever has a result turns it
into :class:`ReportTables` first.
"""

from __future__ import annotations

from .page import render
from .tables import HeatMaps, History, RankErrors, ReportTables, TextTable

__all__ = ["HeatMaps", "History", "RankErrors", "ReportTables", "TextTable", "render"]
