"""One self-contained HTML page about a completion, a trace or a study, from plain tables.

The page needs no network: the figures are drawn by Bokeh, whose script it holds, and follow the reader's light or
dark setting. Nothing is computed here: whoever has a result turns it into :class:`ReportTables`,
:class:`TraceTables` or :class:`StudyTables` first.
"""

from __future__ import annotations

from .lab_tables import Chains, ClaimText, Raster, StudyTables, SurvivalCurve, TraceTables
from .page import render
from .tables import (
    HeatMaps,
    HeldOutCells,
    History,
    JumpMarks,
    LineCounts,
    RankErrors,
    ReportTables,
    TextTable,
)

__all__ = [
    "Chains",
    "ClaimText",
    "HeatMaps",
    "HeldOutCells",
    "History",
    "JumpMarks",
    "LineCounts",
    "RankErrors",
    "Raster",
    "ReportTables",
    "StudyTables",
    "SurvivalCurve",
    "TextTable",
    "TraceTables",
    "render",
]
