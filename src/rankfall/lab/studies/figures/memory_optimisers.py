"""Figure of the study `memory-optimisers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....plot.style import GREEN, KEPT, STYLE, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def optimisers_figure(table: pd.DataFrame) -> Figure:
    """Rank at the end, what the spectral bounds allow, and what is certified, a panel for each decay.

    Parameters
    ----------
    table : DataFrame
        optimiser, rate, rank, allowed, certified (-1 for nothing), limit; rows of one layer.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rates = sorted(table["rate"].unique())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(3.3 * len(rates), 5), 3.9), layout="constrained")
        panels = figure.subplots(1, len(rates), squeeze=False, sharey=True)[0]
        for ax, rate in zip(panels, rates, strict=True):
            counts(ax, table[table["rate"] == rate])
            ax.set_title(f"clock {rate:g} per step")
        panels[0].set_ylabel("directions of the square layer")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def counts(ax: Axes, table: pd.DataFrame) -> None:
    """One mark per run; a certificate of nothing stands at all directions."""
    names = list(dict.fromkeys(table["optimiser"]))
    limit = float(table["limit"].max())
    certified = table["certified"].where(table["certified"] >= 0, limit)
    for index, (values, colour, mark, label) in enumerate(
        (
            (table["rank"], KEPT, "o", "rank"),
            (table["allowed"], GREEN, "^", "allowed by Theorem S1, or by the sum of updates"),
            (certified, VALIDATION, "s", "certified by the log"),
        )
    ):
        place = [names.index(name) + 0.2 * (index - 1) for name in table["optimiser"]]
        ax.plot(place, values.to_numpy(float), mark, color=colour, ms=5, mfc="none", label=label)
    ax.axhline(limit, color="0.6", lw=0.8)
    ax.set_xticks(range(len(names)), names, fontsize=9)
    ax.set(xlim=(-0.5, len(names) - 0.5), ylim=(0, 1.06 * limit))
    ax.grid(visible=True, axis="y")
