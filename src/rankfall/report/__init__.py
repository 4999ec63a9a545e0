"""One self-contained HTML page about a completion, a trace, a study or a rank memory, from plain tables.

The page needs no network: the figures are drawn by Bokeh, whose script it holds, and follow the reader's
light or dark setting. Nothing is computed here: whoever has a result turns it into :class:`ReportTables`,
:class:`TraceTables`, :class:`StudyTables` or :class:`MemoryTables` first.
"""

from __future__ import annotations

from .lab_tables import Chains, ClaimText, Raster, StudyTables, SurvivalCurve, TraceTables
from .memory_tables import LayerRanks, MemoryTables
from .page import render
from .tables import (
    AxisCounts,
    HeatMaps,
    HeldOutCells,
    History,
    JumpMarks,
    RankErrors,
    ReportTables,
    TextTable,
)

__all__ = [
    "AxisCounts",
    "Chains",
    "ClaimText",
    "HeatMaps",
    "HeldOutCells",
    "History",
    "JumpMarks",
    "LayerRanks",
    "MemoryTables",
    "RankErrors",
    "Raster",
    "ReportTables",
    "StudyTables",
    "SurvivalCurve",
    "TextTable",
    "TraceTables",
    "render",
]
