"""Figure of the study `absorbing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import FALLEN, GREEN, KEPT, STYLE, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def absorbing_figure(table: pd.DataFrame) -> Figure:
    """One panel per setting, with the ranks along one chain.

    Parameters
    ----------
    table : DataFrame
        setting, certified_lr, phase ("sgd" or "attack"), step, rank, hidden_rank, member and monitored (-1:
        none).
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings = list(dict.fromkeys(table["setting"]))
    n_cols = min(3, len(settings))
    n_rows = -(-len(settings) // n_cols)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.7 * n_cols, 2.7 * n_rows + 0.5), layout="constrained")
        axes = figure.subplots(n_rows, n_cols, squeeze=False).ravel()
        for ax, setting in zip(axes, settings, strict=False):
            ranks_along(ax, table[table["setting"] == setting].sort_values("step"), setting)
        for ax in axes[len(settings) :]:
            ax.set_axis_off()
        for ax in axes[::n_cols]:
            ax.set_ylabel("rank")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    return figure


def ranks_along(ax: Axes, run: pd.DataFrame, title: str) -> None:
    """Rank of A, largest rank of a hidden layer, smallest r with theta in B_r, and certified rank by step."""
    step = run["step"].to_numpy(float) / 1000
    attack = run["phase"].to_numpy() == "attack"
    if attack.any():
        ax.axvspan(step[attack].min(), step[attack].max(), color=FALLEN, alpha=0.3, lw=0)
        ax.text(
            0.97, 0.93, "shaded: one batch repeated", transform=ax.transAxes, ha="right", va="top", fontsize=8
        )
    if not run["certified_lr"].any():
        ax.text(0.97, 0.93, "no constants", transform=ax.transAxes, ha="right", va="top", fontsize=8)
    lines = (
        ("hidden_rank", FALLEN, "-", 2.5, "hidden layers"),
        ("rank", KEPT, "-", 1.6, "matrix A"),
        ("member", VALIDATION, "--", 2.0, r"smallest r with $\theta\in B_r$"),
        ("monitored", GREEN, ":", 2.6, "certified by the monitor"),
    )
    for name, colour, dash, width, label in lines:
        value = run[name].to_numpy(float)
        ax.plot(step, np.where(value < 0, np.nan, value), dash, color=colour, lw=width, label=label)
    ax.set_yscale("symlog", linthresh=4, linscale=1.5)
    ax.set_yticks([0, 1, 2, 3, 4, 10, 30], ["0", "1", "2", "3", "4", "10", "30"])
    ax.set(ylim=(-0.3, 40), xlabel="1000 steps", title=title)
    ax.minorticks_off()
    ax.grid(visible=True, axis="y")
