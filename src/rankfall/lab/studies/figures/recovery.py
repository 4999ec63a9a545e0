"""Figure of the study `recovery`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import SERIES, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = SERIES[:6]


def recovery_figure(table: pd.DataFrame) -> Figure:
    """Share of instances recovered against rho, one panel per rank.

    Parameters
    ----------
    table : DataFrame
        method, rank, size, rho, share, low, high. Methods whose name begins with "depth" were not given the
        rank.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ranks = sorted(table["rank"].unique())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(4.8 * len(ranks), 6.5), 4.1), layout="constrained")
        axes = figure.subplots(1, len(ranks), squeeze=False, sharey=True)[0]
        for ax, rank in zip(axes, ranks, strict=True):
            recovered(ax, table[table["rank"] == rank])
        axes[0].set_ylabel("share recovered exactly")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=3 if len(ranks) > 1 else 2, fontsize=8
        )
    return figure


def recovered(ax: Axes, table: pd.DataFrame) -> None:
    """One line per method, places shifted a little so that intervals do not hide each other."""
    methods = sorted(table["method"].unique(), key=lambda name: (not name.startswith("depth"), name))
    rhos = sorted(table["rho"].unique())
    for index, method in enumerate(methods):
        group = table[table["method"] == method].sort_values("rho")
        place = np.array([rhos.index(rho) for rho in group["rho"]])
        place = place + 0.08 * (index - (len(methods) - 1) / 2)
        share, low, high = (group[name].to_numpy(float) for name in ("share", "low", "high"))
        free = method.startswith("depth")
        ax.errorbar(
            place,
            share,
            yerr=np.abs(np.stack([share - low, high - share])),
            fmt="o-" if free else "s--",
            color=COLOURS[index % len(COLOURS)],
            ms=5,
            lw=1.3,
            elinewidth=0.8,
            capsize=2,
            label=f"{method}, rank not given" if free else f"{method}, rank given",
        )
    size, rank = int(table["size"].iloc[0]), int(table["rank"].iloc[0])
    ax.set_xticks(range(len(rhos)), [f"{rho:g}" for rho in rhos])
    ax.set(xlabel="oversampling rho", ylim=(-0.04, 1.04), title=f"{size} x {size}, rank {rank}")
    ax.grid(visible=True, axis="y")
