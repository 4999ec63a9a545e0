"""Figure of the study `hold-and-lower`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import FALLEN, KEPT, STYLE, TRAIN, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHODS = (
    ("descent", "gradient descent", TRAIN, "x"),
    ("complete", "complete", VALIDATION, "s"),
    ("schedule", "hold and lower", KEPT, "o"),
)


def hold_figure(results: pd.DataFrame) -> Figure:
    """Two panels over the problems: chosen ranks, and errors of the whole matrix."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = results.sort_values(["noise", "repeat"]).reset_index(drop=True)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        ranks, errors = figure.subplots(1, 2)
        over_problems(ranks, rows, "rank")
        ranks.plot(rows.index, rows["true_rank"], color=FALLEN, lw=1, label="true rank", zorder=0)
        ranks.set(title="Rank", ylim=(0, None))
        ranks.legend(fontsize=8)
        over_problems(errors, rows, "error")
        errors.set(title="Error of the whole matrix", yscale="log")
    return figure


def over_problems(ax: Axes, rows: pd.DataFrame, what: str) -> None:
    """A column of each method, a mark for each problem; noise below."""
    for shift, (name, label, colour, mark) in zip((-0.2, 0.0, 0.2), METHODS, strict=True):
        ax.plot(rows.index + shift, rows[f"{name}_{what}"], mark, color=colour, ms=4, label=label)
    noises = list(rows.groupby("noise"))
    ax.set_xticks([float(np.mean(group.index)) for _, group in noises], [f"noise {n:g}" for n, _ in noises])
    ax.set(xlabel="problems")
    ax.grid(visible=True, axis="y")
