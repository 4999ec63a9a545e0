"""Figure of the study `neurons`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....plot.style import DASHES, SERIES, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def neurons_figure(table: pd.DataFrame) -> Figure:
    """Left: live neurons of both hidden layers from plain starts; right: rays from doubled ones.

    Parameters
    ----------
    table : DataFrame
        begin, decay, layer, step, live, rays, and repeat where there are several runs.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        curves(left, table[table["begin"] == "plain"], "live")
        left.set(ylabel="live neurons, both layers", title="Neurons die")
        curves(right, table[table["begin"] == "doubled"], "rays")
        right.set(ylabel="distinct rays, both layers", title="Rays do not multiply")
    return figure


def curves(ax: Axes, table: pd.DataFrame, name: str) -> None:
    """One curve per run, a colour and dashes per decay."""
    repeat = "repeat" if "repeat" in table else "begin"
    for index, (decay, group) in enumerate(table.groupby("decay")):
        for number, (_, run) in enumerate(group.groupby(repeat)):
            total = run.groupby("step")[name].sum()
            ax.plot(
                total.index,
                total.to_numpy(float),
                color=SERIES[index % len(SERIES)],
                ls=DASHES[index % len(DASHES)],
                lw=1.2,
                label=f"ridge {decay:g}" if number == 0 else None,
            )
    ax.set(xlabel="step", ylim=(0, None))
    ax.grid(visible=True, axis="y")
    if len(table):
        ax.legend(fontsize=9)
