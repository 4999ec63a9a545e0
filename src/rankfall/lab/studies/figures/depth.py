"""Figure of the study `depth`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import FALLEN, INK, SERIES, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = SERIES[:6]


def depth_figure(found: pd.DataFrame, rates: pd.DataFrame) -> Figure:
    """Where minima are, how often chains fall from the highest of them, and what became of the chains.

    Parameters
    ----------
    found : DataFrame
        depth, rank, share (of the problems that have a minimum there).
    rates : DataFrame
        depth, relative_lr, chains, fell, diverged, rate, low, high.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        axes = figure.subplots(1, 3, width_ratios=(1, 1.2, 1.2))
        where_minima_are(axes[0], found)
        rates_against_lr(axes[1], rates)
        shares_against_lr(axes[2], rates)
        handles, labels = axes[2].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=8, fontsize=8)
    return figure


def where_minima_are(ax: Axes, found: pd.DataFrame) -> None:
    """Share of the problems that have a minimum, by rank and depth."""
    grid = found.pivot_table(index="rank", columns="depth", values="share")
    values = grid.to_numpy(float)
    ax.imshow(values, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*values.shape):
        if np.isfinite(values[row, column]) and values[row, column] > 0:
            colour = "white" if values[row, column] > 0.6 else INK
            text = f"{100 * values[row, column]:.0f}%"
            ax.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    ax.set_xticks(range(grid.shape[1]), [f"{depth:g}" for depth in grid.columns])
    ax.set_yticks(range(grid.shape[0]), [f"{rank:g}" for rank in grid.index])
    ax.set(xlabel="depth", ylabel="rank", title="Problems with a minimum")
    ax.grid(visible=False)


def rates_against_lr(ax: Axes, rates: pd.DataFrame) -> None:
    """First falls per step with intervals; hollow triangles are upper bounds where none was seen."""
    depths = sorted(rates["depth"].unique())
    for k, depth in enumerate(depths):
        part = rates[rates["depth"] == depth].sort_values("relative_lr")
        x = part["relative_lr"].to_numpy(float) + 0.05 * (k - (len(depths) - 1) / 2)
        rate, low, high = (part[name].to_numpy(float) for name in ("rate", "low", "high"))
        seen = part["fell"].to_numpy() > 0
        spread = np.abs(np.stack([rate - low, high - rate])[:, seen])
        colour = COLOURS[k % len(COLOURS)]
        ax.errorbar(x[seen], rate[seen], yerr=spread, fmt="o-", ms=4, lw=1, capsize=2, color=colour)
        none = ~seen & np.isfinite(high)
        ax.plot(x[none], high[none], "v", mfc="none", ms=5, color=colour)
    ax.set(yscale="log", xlabel="lr max K", ylabel="first falls per step", title="Rate of first falls")
    ax.grid(visible=True, axis="y")


def shares_against_lr(ax: Axes, rates: pd.DataFrame) -> None:
    """Shares of chains that fell (full lines) and that diverged (dotted)."""
    from matplotlib.lines import Line2D

    for k, depth in enumerate(sorted(rates["depth"].unique())):
        part = rates[rates["depth"] == depth].sort_values("relative_lr")
        colour = COLOURS[k % len(COLOURS)]
        x = part["relative_lr"].to_numpy(float)
        ax.plot(x, part["fell"] / part["chains"], "o-", ms=4, lw=1.2, color=colour, label=f"depth {depth:g}")
        ax.plot(x, part["diverged"] / part["chains"], ":", lw=1.2, color=colour)
    ax.add_line(Line2D([], [], color=FALLEN, ls="-", marker="o", ms=4, label="fell"))
    ax.add_line(Line2D([], [], color=FALLEN, ls=":", label="diverged"))
    ax.set(ylim=(-0.03, 1.03), xlabel="lr max K", ylabel="share of chains", title="What became of the chains")
    ax.grid(visible=True, axis="y")
