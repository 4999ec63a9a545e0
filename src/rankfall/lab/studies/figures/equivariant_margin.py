"""Figure of the study `equivariant-margin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import INK, SERIES, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def margin_figure(table: pd.DataFrame, threshold: float) -> Figure:
    """Distances from stationarity, and Schatten costs against those of the largest margin.

    Parameters
    ----------
    table : DataFrame
        group, depth, repeat, early, residual, cost, cost_of_margin.
    threshold : float
        Of the distance.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    groups, depths = list(dict.fromkeys(table["group"])), sorted(table["depth"].unique())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        for k, depth in enumerate(depths):
            part = table[table["depth"] == depth]
            places = np.array([groups.index(g) for g in part["group"]]) + 0.16 * (k - (len(depths) - 1) / 2)
            left.plot(
                places, part["residual"], "o", ms=4, mew=0, color=SERIES[k], alpha=0.7, label=f"depth {depth}"
            )
            ratio = part["cost"] / part["cost_of_margin"]
            right.plot(places, ratio, "o", ms=4, mew=0, color=SERIES[k], alpha=0.7)
        left.axhline(threshold, color=INK, lw=0.8, ls=":")
        right.axhline(1, color=INK, lw=0.8, ls=":")
        left.set(yscale="log", title="Distance from stationarity", ylabel="relative distance")
        right.set(title="Schatten cost at margin one", ylabel="over that of the largest margin")
        for ax in (left, right):
            ax.set_xticks(range(len(groups)), groups)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return figure
