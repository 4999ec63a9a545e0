"""Figure of the study `label-noise`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....plot.completion import thousands
from ....plot.style import INK, SERIES, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def label_noise_figure(table: pd.DataFrame) -> Figure:
    """Mean over the chains of every problem of the log volume and of the numerical rank of Z, against steps.

    Parameters
    ----------
    table : DataFrame
        method, noise, problem, step, volume, hidden_rank, true_rank, diverged.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    sgd = table[(table["method"] == "SGD") & (table["diverged"] == 0)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        axes = figure.subplots(1, 2)
        for ax, name in zip(axes, ("volume", "hidden_rank"), strict=True):
            for colour, (noise, rows) in zip(SERIES, sgd.groupby("noise"), strict=False):
                means = rows.groupby(["step", "problem"])[name].mean().unstack("problem")
                ax.plot(means.index, means, color=colour, lw=0.6, alpha=0.5)
                ax.plot(means.index, means.mean(axis="columns"), color=colour, lw=2, label=f"noise {noise:g}")
            ax.set_xlabel("SGD steps")
            ax.xaxis.set_major_formatter(thousands)
        axes[1].axhline(table["true_rank"].iloc[0], color=INK, lw=0.8, ls=":", label="rank of the matrix")
        axes[0].set(ylabel="sum of log singular values of Z", title="Log volume")
        axes[1].set(ylabel="numerical rank of Z", title="Rank of the hidden layer")
        axes[1].legend(loc="best", fontsize=8)
    return figure
