"""Figure of the study `ring-array`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....plot.style import INK, SERIES, STYLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ring_array_figure(table: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Error on unseen orbits by number of observed cells, a panel for each size of the operator.

    Parameters
    ----------
    table : DataFrame
        size, observed, repeat, method, error, freedom.
    methods : sequence of str
        In the order of the legend.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    sizes = sorted(table["size"].unique())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.9 * len(sizes), 4.2), layout="constrained")
        axes = figure.subplots(1, len(sizes), squeeze=False, sharey=True)[0]
        for ax, size in zip(axes, sizes, strict=True):
            _panel(ax, table[table["size"] == size], methods)
            ax.set_title(f"{size} x {size} cells")
        axes[0].set_ylabel("relative error on unseen orbits")
        seen = {}
        for ax in axes:
            handles, labels = ax.get_legend_handles_labels()
            seen |= dict(zip(labels, handles, strict=True))
        figure.legend(seen.values(), seen.keys(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _panel(ax: Axes, table: pd.DataFrame, methods: Sequence[str]) -> None:
    """One mark per ring, and a line through the medians."""
    counts = sorted(table["observed"].unique())
    for k, method in enumerate(methods):
        part = table[table["method"] == method]
        if part.empty:
            continue
        offset = 0.07 * (k - (len(methods) - 1) / 2)
        places = [counts.index(n) + offset for n in part["observed"]]
        ax.plot(places, part["error"], "o", ms=2.5, mew=0, alpha=0.5, color=SERIES[k])
        medians = part.groupby("observed")["error"].median()
        line = [counts.index(n) + offset for n in medians.index]
        ax.plot(line, medians.to_numpy(), "-", lw=1.3, marker="s", ms=4, color=SERIES[k], label=method)
    ax.axhline(1, color=INK, lw=0.8, ls=":")
    ax.set_yscale("log")
    ax.set_xticks(range(len(counts)), [str(n) for n in counts])
    ax.set_xlim(-0.5, len(counts) - 0.5)
    ax.set_xlabel(f"observed cells ({table['freedom'].iloc[0]} degrees of freedom)")
    ax.grid(visible=True, axis="y")
