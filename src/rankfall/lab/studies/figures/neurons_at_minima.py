"""Figure of the study `neurons-at-minima`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import GREEN, KEPT, STYLE, TRAIN, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def minima_figure(table: pd.DataFrame) -> Figure:
    """Live neurons, rays and neurons after pruning of the last hidden layer, a panel per output and depth.

    Parameters
    ----------
    table : DataFrame
        N, n_outputs, n_layers, width, live, rays, pruned.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    kinds = sorted(set(zip(table["n_outputs"].tolist(), table["n_layers"].tolist(), strict=True)))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(2.9 * len(kinds), 5), 3.7), layout="constrained")
        axes = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
        for ax, (outputs, depth) in zip(axes, kinds, strict=True):
            here = (table["n_outputs"] == outputs) & (table["n_layers"] == depth)
            counts(ax, table[here], outputs)
            ax.set_title(f"outputs {outputs}, depth {depth}")
        axes[0].set_ylabel("neurons of the last hidden layer")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    return figure


def counts(ax: Axes, table: pd.DataFrame, outputs: int) -> None:
    """One point per network, and the bound."""
    sizes = sorted(table["N"].unique())
    for index, (name, colour, mark, label) in enumerate(
        (
            ("live", TRAIN, "^", "live"),
            ("rays", KEPT, "o", "rays"),
            ("pruned", VALIDATION, "s", "after pruning"),
        )
    ):
        place = np.array([sizes.index(n) for n in table["N"]]) + 0.18 * (index - 1)
        ax.plot(place, table[name].to_numpy(float), mark, color=colour, ms=5, mfc="none", label=label)
    bound = np.minimum(np.array(sizes) * outputs, float(table["width"].max()))
    ax.plot(range(len(sizes)), bound, "_", color=GREEN, ms=22, mew=2, label="N x outputs, or all")
    ax.set_xticks(range(len(sizes)), [str(n) for n in sizes])
    ax.set(xlabel="samples N", ylim=(0, 1.06 * float(table["width"].max())))
    ax.grid(visible=True, axis="y")
