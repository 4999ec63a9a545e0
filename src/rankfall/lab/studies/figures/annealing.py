"""Figure of the study `annealing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import INK, SERIES, STYLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def annealing_figure(table: pd.DataFrame, schedules: Sequence[str]) -> Figure:
    """Three panels, a row for each schedule: final rank, error on hidden cells, shrinkage.

    Parameters
    ----------
    table : DataFrame
        One row per run: schedule, depth, noise, repeat, true_rank, rank, error, shrinkage, diverged.
    schedules : sequence of str
        From top to bottom.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.4, 3.9), layout="constrained")
        axes = figure.subplots(1, 3, sharey=True)
        alive = table[table["diverged"] == 0]
        for name, ax in zip(("rank", "error", "shrinkage"), axes, strict=True):
            _points(ax, alive, name, schedules)
        axes[0].axvline(table["true_rank"].iloc[0], color=INK, lw=0.8, ls=":", label="true rank")
        axes[2].axvline(0, color=INK, lw=0.8, ls=":")
        axes[0].set(xlabel="numerical rank", title="Rank at the end", xlim=(-0.6, None))
        axes[1].set(xlabel="RMSE / standard deviation", title="Error on hidden cells", xscale="log")
        axes[2].set(xlabel="mean of 1 - s / true s", title="Shrinkage")
        axes[0].set_yticks(range(len(schedules))[::-1], _with_losses(table, schedules))
        axes[0].legend(loc="upper right", fontsize=8)
        _legend(figure, table)
    return figure


def _points(ax: Axes, table: pd.DataFrame, name: str, schedules: Sequence[str]) -> None:
    """One mark per run, set apart by repeat: colour for depth, hollow with noise."""
    depths = sorted(table["depth"].unique())
    for k, schedule in enumerate(schedules):
        part = table[table["schedule"] == schedule]
        for row in part.to_dict("records"):
            colour = SERIES[depths.index(row["depth"]) % 3]
            face = "none" if row["noise"] else colour
            spread = 0.5 * ((0.618 * row["repeat"]) % 1.0 - 0.5)
            ax.plot(row[name], len(schedules) - 1 - k + spread, "o", ms=3.5, color=colour, mfc=face, mew=0.8)
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")


def _with_losses(table: pd.DataFrame, schedules: Sequence[str]) -> list[str]:
    """Names of the schedules, with the number of runs that diverged."""
    lost = table.groupby("schedule")["diverged"].sum()
    names = []
    for schedule in schedules:
        gone = int(lost.get(schedule, 0))
        names.append(schedule.replace(", ", ",\n") + (f"\n({gone} diverged)" if gone else ""))
    return names


def _legend(figure: Figure, table: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for depth, colour in zip(sorted(table["depth"].unique()), SERIES, strict=False):
        for noise in np.sort(table["noise"].unique()):
            face = "none" if noise else colour
            label = f"depth {depth}, noise {noise:g}"
            handles.append(Line2D([], [], color=colour, marker="o", ls="", ms=4, mfc=face, label=label))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8)
