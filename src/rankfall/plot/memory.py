"""Ranks of layers along a run, with the bounds that their memory gives."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from .completion import thousands
from .style import FALLEN, KEPT, STYLE, TRAIN, VALIDATION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from ..memory import RankMemory

_MOST = 12
# column, label, colour, dashes
_CURVES = (
    ("certified_rank", "certified", VALIDATION, "-."),
    ("spectral_bound", "Theorem S1", TRAIN, "--"),
    ("numerical_rank", "today", KEPT, "-"),
)


@declared
def rank_memory(result: RankMemory | DataFrame) -> Figure:
    """The rank of every layer and its bounds, against the steps of the run; one panel for each layer.

    Parameters
    ----------
    result : RankMemory or DataFrame
        A RankMemory that keeps a history (``every=...``), or a frame like its `history`; with one step only,
        the ranks of that step are marked. At most 12 layers are drawn, evenly spaced.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If there is no layer.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    frame: Any = result
    if hasattr(result, "history"):
        frame = result.history if len(result.history) else result.to_frame()  # type: ignore[union-attr]
    names = list(dict.fromkeys(frame["layer"]))
    if not names:
        raise InputError("There is no layer to draw.")
    shown = [names[k] for k in np.unique(np.linspace(0, len(names) - 1, min(len(names), _MOST)).astype(int))]
    n_cols = min(len(shown), 3)
    n_rows = ceil(len(shown) / n_cols)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.3 * n_cols, 2.5 * n_rows), layout="constrained")
        panels = figure.subplots(n_rows, n_cols, squeeze=False).ravel()
        for ax, name in zip(panels, shown, strict=False):
            layer_ranks(ax, frame[frame["layer"] == name])
            ax.set_title(name)
        for ax in panels[len(shown) :]:
            ax.set_axis_off()
        panels[0].legend(loc="best")
    return figure


@declared
def layer_ranks(ax: Axes, frame: DataFrame) -> None:
    """Rank today, by Theorem S1, and certified; where nothing is certified there is no curve.

    Parameters
    ----------
    ax : Axes
    frame : DataFrame
        The rows of one layer.
    """
    steps = frame["step"].to_numpy()
    marker = "o" if len(steps) == 1 else None
    limit = int(frame[["rows", "columns"]].iloc[-1].min())
    ax.axhline(limit, color=FALLEN, lw=1, label="min(m, n)")
    for column, label, colour, dash in _CURVES:
        values = frame[column].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        if np.isfinite(values).any():
            ax.plot(steps, values, dash, color=colour, marker=marker, lw=1.6, label=label)
    ax.set(xlabel="steps", ylabel="rank", ylim=(0, 1.08 * limit))
    ax.xaxis.set_major_formatter(thousands)
