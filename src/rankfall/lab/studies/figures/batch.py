"""Figure of the study `batch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import FALLEN, INK, KEPT, SERIES, STYLE, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

COLOURS = SERIES[:6]
MARKS = "osD^PX"


def batch_figure(table: pd.DataFrame) -> Figure:
    """Three panels: rate of falls per step, per epoch, and the rank bound against the layers' ranks.

    Parameters
    ----------
    table : DataFrame
        One row per setting: problem, lr, batch_size, n_observed, fell, rate, low, high (the 3/n bound where
        nothing fell), layer_rank, bound, width, vacuous.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        axes = figure.subplots(1, 3)
        many = table.groupby(["problem", "ridge"])["batch_size"].transform("nunique") > 1
        rates = table[many] if many.any() else table
        rates = rates[rates["rate"].notna()]  # gradient descent has none
        falls_against_batch(axes[0], rates, per_epoch=False)
        falls_against_batch(axes[1], rates, per_epoch=True)
        bound_against_rank(axes[2], table)
        figure.legend(handles=_keys(rates), loc="outside lower center", ncols=6, fontsize=8)
    return figure


def falls_against_batch(ax: Axes, table: pd.DataFrame, per_epoch: bool) -> None:
    """Rates with their intervals on logarithmic axes.

    Hollow triangles are upper bounds where nothing fell.
    """
    problems = sorted(table["problem"].unique())
    lrs = sorted(table["lr"].unique(), reverse=True)
    for (problem, lr), group in table.groupby(["problem", "lr"]):
        group = group.sort_values("batch_size")
        colour, mark = COLOURS[problems.index(problem) % 6], MARKS[lrs.index(lr) % 6]
        b = group["batch_size"].to_numpy(float) * 1.06 ** (problems.index(problem) - (len(problems) - 1) / 2)
        unit = (group["n_observed"] / group["batch_size"]).to_numpy() if per_epoch else np.ones(len(group))
        rate, low, high = (group[name].to_numpy(float) * unit for name in ("rate", "low", "high"))
        seen = group["fell"].to_numpy() > 0
        ax.errorbar(
            b[seen],
            rate[seen],
            yerr=np.abs(np.stack([rate - low, high - rate])[:, seen]),
            fmt=f"{mark}-",
            color=colour,
            ms=5,
            lw=1,
            capsize=2,
        )
        ax.plot(b[~seen], high[~seen], "v", mfc="none", color=colour, ms=5, alpha=0.8)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="batch size b",
        ylabel="first falls per epoch" if per_epoch else "first falls per step",
        title="Per epoch" if per_epoch else "Per step",
    )
    ax.xaxis.set_major_formatter("{x:g}")
    ax.grid(visible=True, axis="y")


def _keys(table: pd.DataFrame) -> list[Line2D]:
    """Colours for problems, marks for learning rates."""
    from matplotlib.lines import Line2D

    problems, lrs = sorted(table["problem"].unique()), sorted(table["lr"].unique(), reverse=True)
    colours = [Line2D([], [], color=c, lw=2, label=p) for c, p in zip(COLOURS, problems, strict=False)]
    marks = [
        Line2D([], [], color=INK, marker=m, ls="", ms=5, label=f"lr {lr:g}")
        for m, lr in zip(MARKS, lrs, strict=False)
    ]
    hollow = Line2D([], [], color=INK, marker="v", mfc="none", ls="", ms=5, label="nothing fell: bound 3/n")
    return [*colours, *marks, hollow]


def bound_against_rank(ax: Axes, table: pd.DataFrame) -> None:
    """Largest rank of a layer and Galanti's bound, both relative to the layer's width, by batch size."""
    b, width = table["batch_size"].to_numpy(float), table["width"].to_numpy(float)
    vacuous = table["vacuous"].to_numpy(bool)
    bound, rank = table["bound"].to_numpy(float) / width, table["layer_rank"].to_numpy(float) / width
    ax.axhspan(1, max(10 * bound.max(), 10), color=FALLEN, alpha=0.18, lw=0)
    ax.text(0.97, 0.95, "the bound says nothing", transform=ax.transAxes, ha="right", va="top", fontsize=9)
    ax.plot(b[vacuous], bound[vacuous], "x", color=VALIDATION, ms=6, label="bound, vacuous")
    ax.plot(b[~vacuous], bound[~vacuous], "*", color=VALIDATION, ms=10, label="bound, not vacuous")
    alive = rank > 0
    ax.plot(b[alive], rank[alive], "o", color=KEPT, ms=5, mfc="none", label="measured, at the end")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="batch size b",
        ylabel="rank of a layer / its width",
        title="Galanti's bound",
        ylim=(0.5 * min(rank[alive].min(initial=1), 0.1), max(10 * bound.max(), 10)),
    )
    ax.xaxis.set_major_formatter("{x:g}")
    ax.grid(visible=True, axis="y")
    ax.legend(loc="center right", fontsize=8)
