"""From a RankMemory to the plain tables of its report."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from ...memory import RankMemory
from ...plot.picking import evenly
from .. import LayerRanks, MemoryTables, TextTable

Row = dict[Hashable, Any]

# layers whose ranks are drawn, and points of a curve
_MAX_LAYERS, _MAX_POINTS = 12, 300


def memory_tables(memory: RankMemory, *, title: str = "Rank memory") -> MemoryTables:
    """What the report of a watched network shows.

    Parameters
    ----------
    memory : RankMemory
        Curves are shown if it keeps a history (``every=...``).
    title : str
        Name of the network or run.

    Returns
    -------
    MemoryTables
        To be given to :func:`rankfall.report.render`.
    """
    rows, history = memory.to_frame().to_dict("records"), memory.history.to_dict("records")
    total, vacuous = len(rows), sum(bool(row["vacuous"]) for row in rows)
    return MemoryTables(
        title=title,
        subtitle=f"{total:,} weight {'matrix' if total == 1 else 'matrices'}, {memory.steps:,} steps watched",
        found=_found(total, vacuous),
        headline=(
            ("steps", f"{memory.steps:,}"),
            ("layers", f"{total:,}"),
            ("certified", f"{total - vacuous:,}"),
            ("vacuous", f"{vacuous:,}"),
        ),
        layers=_layers(rows),
        reasons=_reasons(rows),
        curves=_curves(history),
        settings=(
            ("tolerance", f"{memory.tolerance:g}"),
            ("in units of the norm", "yes" if memory.relative else "no"),
        ),
    )


def _found(total: int, vacuous: int) -> str:
    if vacuous == total:
        return "The log of this run certifies the rank of no layer."
    certified = total - vacuous
    return f"The log of this run certifies a rank below its matrix's size for {certified:,} of {total:,}."


def _layers(rows: list[Row]) -> TextTable:
    columns = (
        "layer",
        "matrix",
        "rank today",
        "Theorem S1",
        "certified",
        "window",
        "directions per step",
        "clock",
    )
    cells = tuple(
        (
            str(row["layer"]),
            f"{row['rows']} × {row['columns']}",
            _shown(row["numerical_rank"]),
            _shown(row["spectral_bound"]),
            "vacuous" if row["vacuous"] else _shown(row["certified_rank"]),
            _shown(row["window"]),
            _shown(row["directions_per_step"]),
            f"{row['decay_clock']:.3g}",
        )
        for row in rows
    )
    return TextTable(columns, cells)


def _reasons(rows: list[Row]) -> tuple[str, ...]:
    """Every reason once, with the layers that it is about."""
    layers: dict[tuple[str, str], list[str]] = {}
    for column, about in (("reason", ""), ("factors_lost", ", Theorem S1")):
        for row in rows:
            if row[column]:
                layers.setdefault((str(row[column]), about), []).append(str(row["layer"]))
    return tuple(f"{', '.join(names)}{about}: {reason}." for (reason, about), names in layers.items())


def _curves(rows: list[Row]) -> tuple[LayerRanks, ...]:
    by_layer: dict[str, list[Row]] = {}
    for row in rows:
        by_layer.setdefault(str(row["layer"]), []).append(row)
    names = list(by_layer)
    out: list[LayerRanks] = []
    for k in evenly(len(names), _MAX_LAYERS) if names else ():
        own = by_layer[names[int(k)]]
        own = [own[int(at)] for at in evenly(len(own), _MAX_POINTS)]
        ranks = [
            np.array([_number(row[name]) for row in own])
            for name in ("numerical_rank", "spectral_bound", "certified_rank")
        ]
        limit = min(int(own[0]["rows"]), int(own[0]["columns"]))
        steps = np.array([int(row["step"]) for row in own])
        out.append(LayerRanks(names[int(k)], limit, steps, *ranks))
    return tuple(out)


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value != value


def _number(value: Any) -> float:
    return float("nan") if _missing(value) else float(value)


def _shown(value: Any) -> str:
    return "–" if _missing(value) else f"{value:,}"
