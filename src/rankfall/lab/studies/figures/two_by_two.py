"""Figure of the study `two-by-two`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import FALLEN, KEPT, MISSING, SERIES, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = SERIES[:4]
ENDS = (
    ("end_2", KEPT, "rank 2"),
    ("end_1", SERIES[4], "rank 1"),
    ("end_0", FALLEN, "rank 0"),
    ("diverged", MISSING, "diverged"),
)


def two_by_two_figure(table: pd.DataFrame) -> Figure:
    """Rates of first falls above and final ranks below, by learning rate; a column of panels per depth.

    Parameters
    ----------
    table : DataFrame
        One row per setting: depth, ridge_share, lr, chains, fell, at_risk, rate, low, high, end_0, end_1,
        end_2, diverged.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    depths = sorted(table["depth"].unique())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.35 * len(depths) + 1.2, 5.3), layout="constrained")
        axes = figure.subplots(
            2, len(depths), squeeze=False, sharex="col", sharey="row", height_ratios=(3, 2)
        )
        for column, depth in enumerate(depths):
            part = table[table["depth"] == depth]
            rates_against_lr(axes[0, column], part)
            axes[0, column].set_title(f"depth {depth}")
            ends_against_lr(axes[1, column], part)
        axes[0, 0].set_ylabel("first falls per step")
        axes[1, 0].set_ylabel("share of chains")
        _legends(figure, axes)
    return figure


def rates_against_lr(ax: Axes, table: pd.DataFrame) -> None:
    """Rates with intervals, a colour for each ridge; hollow triangles are upper bounds where nothing fell."""
    places = _places(table)
    shares = sorted(table["ridge_share"].unique())
    for k, share in enumerate(shares):
        part = table[table["ridge_share"] == share].sort_values("lr")
        x = np.array([places[lr] for lr in part["lr"]]) + 0.16 * (k - (len(shares) - 1) / 2)
        rate, low, high = (part[name].to_numpy(float) for name in ("rate", "low", "high"))
        seen = part["fell"].to_numpy() > 0
        colour, spread = COLOURS[k % len(COLOURS)], np.abs(np.stack([rate - low, high - rate])[:, seen])
        label = f"{share:g}"
        ax.errorbar(
            x[seen], rate[seen], yerr=spread, fmt="o", color=colour, ms=4, lw=1, capsize=2, label=label
        )
        ax.plot(x[~seen], high[~seen], "v", mfc="none", color=colour, ms=5)
    ax.set_yscale("log")
    ax.tick_params(which="minor", left=False)
    _name_places(ax, places)
    ax.grid(visible=True, axis="y")


def ends_against_lr(ax: Axes, table: pd.DataFrame) -> None:
    """Stacked shares of the chains by the rank they ended at, all ridges together."""
    places = _places(table)
    sums = table.groupby("lr")[[name for name, _, _ in ENDS] + ["chains"]].sum().sort_index()
    x, bottom = np.array([places[lr] for lr in sums.index]), np.zeros(len(sums))
    for name, colour, label in ENDS:
        height = (sums[name] / sums["chains"]).to_numpy(float)
        hatch = "///" if name == "diverged" else None
        ax.bar(x, height, 0.8, bottom, color=colour, label=label, hatch=hatch, edgecolor="white", lw=0.5)
        bottom += height
    ax.set_ylim(0, 1)
    ax.set_xlabel("learning rate")
    _name_places(ax, places)


def _places(table: pd.DataFrame) -> dict[float, int]:
    """Learning rates at equal distances: the interesting ones lie close together."""
    return {lr: k for k, lr in enumerate(sorted(table["lr"].unique()))}


def _name_places(ax: Axes, places: dict[float, int]) -> None:
    ax.set_xticks(list(places.values()), [f"{lr:.3g}" for lr in places], rotation=60, fontsize=8)
    ax.set_xlim(-0.6, len(places) - 0.4)


def _legends(figure: Figure, axes: np.ndarray) -> None:
    from matplotlib.lines import Line2D

    handles, labels = axes[0, 0].get_legend_handles_labels()
    if not handles:
        colour = COLOURS[0]
        handles, labels = [Line2D([], [], color=colour, marker="o", ls="")], ["rate"]
    hollow = Line2D([], [], color="#5B6570", marker="v", mfc="none", ls="", ms=5)
    axes[0, -1].legend(
        [*handles, hollow], [*labels, "none fell:\n97.5% bound"], title="ridge / last ridge", fontsize=8,
        title_fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5),
    )  # fmt: skip
    axes[1, -1].legend(
        title="end", fontsize=8, title_fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5)
    )
