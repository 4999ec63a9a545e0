"""Figure of the study `jumps-per-irrep`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import DASHES, INK, SERIES, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def jumps_figure(table: pd.DataFrame) -> Figure:
    """Rank of A and ranks over D of its irreps against the step, a panel for each group.

    Parameters
    ----------
    table : DataFrame
        group, irrep, dimension, step, rank.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys(table["group"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(3.4 * len(groups), 4.5), 3.8), layout="constrained")
        axes = figure.subplots(1, max(len(groups), 1), squeeze=False)[0]
        for ax, group in zip(axes, groups, strict=False):
            _panel(ax, table[table["group"] == group])
            ax.set_title(str(group))
        axes[0].set_ylabel("rank")
    return figure


def _panel(ax: Axes, table: pd.DataFrame) -> None:
    irreps = list(dict.fromkeys(table["irrep"]))
    total = np.zeros(table["step"].nunique())
    for k, irrep in enumerate(irreps):
        part = table[table["irrep"] == irrep].sort_values("step")
        d, rank = int(part["dimension"].iloc[0]), part["rank"].to_numpy(float)
        total = total + d * rank
        # irreps of equal rank lie on top of each other
        place = rank + 0.06 * (k - (len(irreps) - 1) / 2)
        ax.step(
            part["step"].clip(lower=1),
            place,
            where="post",
            lw=1.3,
            color=SERIES[k % len(SERIES)],
            ls=DASHES[k % len(DASHES)],
            label=f"{irrep}, over D",
        )
    first = table[table["irrep"] == irreps[0]].sort_values("step")
    ax.step(first["step"].clip(lower=1), total, where="post", lw=1.8, color=INK, label="A")
    # room for the legend
    ax.set_ylim(-0.5, 1.4 * max(float(total.max()), 1.0))
    ax.set_xscale("log")
    ax.set_xlabel("step")
    ax.legend(fontsize=7, loc="upper right")
