"""Figure of the study `phase`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import FALLEN, INK, KEPT, SERIES, STYLE, TRAIN, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator


def phase_figure(results: pd.DataFrame) -> Figure:
    """Six panels: the band, the problems, the errors; exponents, noise of the data, batch size.

    Parameters
    ----------
    results : DataFrame
        The rows of the study, with the column part.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    parts = {name: results[results["part"] == name] for name in ("falls", "band", "noise", "batch")}
    shallow = parts["band"]
    shallow = shallow[shallow["depth"] == shallow["depth"].min()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.5, 7.4), layout="constrained")
        (band, problems, errors), (exponents, noise, batch) = figure.subplots(2, 3)
        band_map(band, shallow)
        by_size(problems, parts["falls"])
        both_errors(errors, parts["falls"])
        tail_exponents(exponents, shallow)
        by_noise(noise, parts["noise"])
        by_batch(batch, parts["batch"])
    return figure


def band_map(ax: Axes, rows: pd.DataFrame) -> None:
    """Share of the chains at the true rank, over lr K and the share of the critical ridge."""
    ax.set(title="Chains at the true rank", xlabel="lr K", ylabel="ridge / critical ridge")
    ax.grid(visible=False)
    if rows.empty:
        return
    table = rows.assign(there=rows["at_true"] / rows["chains"])
    grid = table.pivot_table(index="share", columns="relative_lr", values="there")
    values = grid.to_numpy(float)
    ax.imshow(values, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*values.shape):
        colour = "white" if values[row, column] > 0.6 else INK
        text = f"{100 * values[row, column]:.0f}%"
        ax.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    ax.set_xticks(range(grid.shape[1]), [f"{x:g}" for x in grid.columns])
    ax.set_yticks(range(grid.shape[0]), [f"{y:g}" for y in grid.index])


def by_size(ax: Axes, rows: pd.DataFrame) -> None:
    """Chains and descents of every problem that ended at the true rank, by size and depth."""
    groups = list(rows.groupby(["size", "depth"]))
    for place, (_, group) in enumerate(groups):
        spread = np.linspace(-0.28, 0.28, len(group)) if len(group) > 1 else np.zeros(1)
        label = place == 0
        for there, total, colour, mark, name in (
            ("gd_true", "gd_chains", TRAIN, "x", "gradient descent"),
            ("at_true", "chains", KEPT, "o", "SGD"),
        ):
            ax.plot(
                place + spread,
                group[there] / group[total],
                mark,
                color=colour,
                ms=4,
                label=name if label else None,
            )
    ax.axhline(0.75, color=FALLEN, lw=0.8, ls=":")
    ax.set(
        title="Each problem, 0.95 of the critical ridge",
        xlabel="size, depth",
        ylabel="share at the true rank",
        ylim=(-0.05, 1.05),
    )
    ax.set_xticks(range(len(groups)), [f"{size}, {depth}" for (size, depth), _ in groups], fontsize=8)
    if groups:
        ax.legend(loc="center left", fontsize=8)


def both_errors(ax: Axes, rows: pd.DataFrame) -> None:
    """Error of the whole matrix after SGD against that after gradient descent, a point per problem."""
    rows = rows.dropna(subset=["sgd_error", "gd_error"])
    ax.set(title="Error of the whole matrix", xlabel="gradient descent", ylabel="SGD")
    if rows.empty:
        return
    for index, (size, group) in enumerate(rows.groupby("size")):
        ax.plot(
            group["gd_error"],
            group["sgd_error"],
            "os^"[index % 3],
            color=SERIES[index],
            ms=4,
            label=f"{size} x {size}",
        )
    ends = rows[["sgd_error", "gd_error"]].to_numpy(float)
    span = np.array([ends.min() / 1.1, ends.max() * 1.1])
    ax.plot(span, span, color=FALLEN, lw=0.8)
    ax.set(xscale="log", yscale="log", xlim=span, ylim=span)
    ticks = [tick for tick in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0) if span[0] <= tick <= span[1]]
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(_no_ticks())
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.legend(loc="upper left", fontsize=8)


def tail_exponents(ax: Axes, rows: pd.DataFrame) -> None:
    """Lyapunov exponent of the tail at the true rank and half the mean of log Lambda, against lr K."""
    rows = rows.dropna(subset=["exponent"])
    for index, (share, group) in enumerate(rows.groupby("share")):
        mean = group.groupby("relative_lr")[["exponent", "log_factor"]].mean()
        colour = SERIES[index % len(SERIES)]
        ax.plot(mean.index, mean["exponent"], "o-", color=colour, ms=4, lw=1.2, label=f"{share:g}")
        ax.plot(mean.index, mean["log_factor"], "--", color=colour, lw=1)
    ax.axhline(0, color=VALIDATION, lw=0.8)
    ax.axhline(-1, color=FALLEN, lw=0.8, ls=":")
    ax.set(
        title="Tail at the true rank",
        xlabel="lr K",
        ylabel=r"per step, in units of 2 lr ridge",
    )
    if len(rows):
        ax.plot([], [], "--", color=INK, lw=1, label=r"$\frac{1}{2}\log\Lambda$")
        ax.legend(title="ridge / critical", fontsize=8, title_fontsize=8)


def by_noise(ax: Axes, rows: pd.DataFrame) -> None:
    """Share at the true rank against the share of the critical ridge, at the largest lr K."""
    rows = rows[rows["relative_lr"] == rows["relative_lr"].max()]
    table = rows.assign(there=rows["at_true"] / rows["chains"])
    for index, (noise, group) in enumerate(table.groupby("noise")):
        mean = group.groupby("share")["there"].mean()
        ax.plot(mean.index, mean, "o-", color=SERIES[index], ms=4, lw=1.2, label=f"{noise:g}")
    ax.set(
        title="Noise of the data, lr K = 2.5",
        xlabel="ridge / critical ridge",
        ylabel="share at the true rank",
        ylim=(-0.05, 1.05),
    )
    if len(rows):
        ax.legend(title="noise", fontsize=8, title_fontsize=8)


def by_batch(ax: Axes, rows: pd.DataFrame) -> None:
    """Share at the true rank against the batch size, a line per problem and the mean."""
    table = rows.assign(there=rows["at_true"] / rows["chains"])
    for _, group in table.groupby("problem"):
        group = group.sort_values("batch_size")
        ax.plot(group["batch_size"], group["there"], color=FALLEN, lw=1)
    mean = table.groupby("batch_size")["there"].mean()
    ax.plot(mean.index, mean, "o-", color=KEPT, ms=4, lw=1.6)
    ax.set(
        title="Batch size, 0.95, lr K = 2.5",
        xlabel="batch size (largest: all entries)",
        ylabel="share at the true rank",
        ylim=(-0.05, 1.05),
    )
    if len(mean):
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(_no_ticks())
        ax.set_xticks(mean.index, [f"{b:g}" for b in mean.index])


def _no_ticks() -> NullLocator:
    from matplotlib.ticker import NullLocator

    return NullLocator()
