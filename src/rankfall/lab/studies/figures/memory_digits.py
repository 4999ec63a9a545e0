"""Figure of the study `memory-digits`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....plot.style import DASHES, GREEN, KEPT, STYLE, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXES = {"b": "batch size", "rate": "learning rate", "omega": "weight decay"}


def digits_figure(table: pd.DataFrame) -> Figure:
    """Rank of the first layer against batch size, learning rate and weight decay, a panel for each.

    Parameters
    ----------
    table : DataFrame
        at ("epochs", "clock"), b, rate, omega, rank, allowed; rows of the first layer.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.9), layout="constrained")
        panels = figure.subplots(1, len(AXES), sharey=True)
        for ax, name in zip(panels, AXES, strict=True):
            rest = table
            for other in AXES:
                if other != name:
                    rest = rest[rest[other].isin(table[other].mode()[:1])]
            ranks(ax, rest, name)
        panels[0].set(ylabel="rank of the first layer", ylim=(0, None))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def ranks(ax: Axes, table: pd.DataFrame, name: str) -> None:
    """Means and ranges over the repeats."""
    kinds = (
        ("epochs", "rank", KEPT, "o", "same epochs"),
        ("clock", "rank", VALIDATION, "s", "same clock"),
        ("clock", "allowed", GREEN, "^", "same clock, bound of Theorem S1"),
    )
    for dashes, (at, value, colour, mark, label) in zip(DASHES, kinds, strict=False):
        group = table[table["at"] == at].groupby(name)[value]
        mean, low, high = group.mean(), group.min(), group.max()
        ax.errorbar(
            mean.index.to_numpy(float),
            mean.to_numpy(float),
            yerr=[mean - low, high - mean],
            color=colour,
            ls=dashes,
            marker=mark,
            ms=5,
            mfc="none",
            capsize=2,
            lw=1.3,
            label=label,
        )
    ax.set_xscale("log")
    seen = sorted(table[name].unique())
    ax.set_xticks(seen, [f"{value:g}" for value in seen])
    ax.minorticks_off()
    ax.set_xlabel(AXES[name])
    ax.grid(visible=True, axis="y")
