"""Figure of the study `langevin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import SERIES, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = SERIES[:4]


def langevin_figure(rates: pd.DataFrame, paths: pd.DataFrame) -> Figure:
    """Three panels: rates of rises after a fall, tails along the way, rates of falls from the minimum.

    Parameters
    ----------
    rates : DataFrame
        noise, what ("rises of ..." or "falls, ..."), count, rate, low, high (the 3/n bound where nothing was
        seen).
    paths : DataFrame
        From the start of exactly known rank: noise, problem, step, tail.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 3.9), layout="constrained")
        axes = figure.subplots(1, 3, width_ratios=(1, 1.15, 1))
        rising = rates[rates["what"].str.startswith("rises")]
        rates_by_noise(axes[0], rising, "Rises after a fall")
        tails(axes[1], paths)
        rates_by_noise(axes[2], rates[rates["what"].str.startswith("falls")], "Falls from the minimum")
    return figure


def rates_by_noise(ax: Axes, table: pd.DataFrame, title: str) -> None:
    """Rates per step with intervals, one place per noise.

    Hollow triangles are 3/n bounds where nothing was seen.
    """
    names, kinds = list(dict.fromkeys(table["noise"])), list(dict.fromkeys(table["what"]))
    for index, kind in enumerate(kinds):
        group = table[table["what"] == kind]
        place = np.array([names.index(noise) for noise in group["noise"]])
        place = place + 0.2 * (index - (len(kinds) - 1) / 2)
        rate, low, high = (group[name].to_numpy(float) for name in ("rate", "low", "high"))
        seen = group["count"].to_numpy() > 0
        label = kind.removeprefix("rises of ").removeprefix("falls, ")
        ax.errorbar(
            place[seen],
            rate[seen],
            yerr=np.abs(np.stack([rate - low, high - rate])[:, seen]),
            fmt="os"[index % 2],
            color=COLOURS[index],
            ms=5,
            capsize=2,
            label={"A": "rank of A", "Z": "rank of a $Z_l$"}.get(label, label),
        )
        ax.plot(place[~seen], high[~seen], "v", mfc="none", color=COLOURS[index], ms=6)
    ax.plot([], [], "v", mfc="none", color="k", label="none seen: bound 3/n")
    ax.set(yscale="log", title=title, ylabel="per step", xlim=(-0.6, len(names) - 0.4))
    ax.set_xticks(range(len(names)), [noise.replace(" noise", "") for noise in names], fontsize=9)
    low, high = ax.get_ylim()
    ax.set_ylim(low / 2, high * (high / low) ** 0.45)
    ax.grid(visible=True, axis="y")
    ax.legend(fontsize=8, loc="upper left")


def tails(ax: Axes, paths: pd.DataFrame) -> None:
    """``sigma_{k+1}(Z_l) / sigma_1(Z_l)`` (largest over l, median of the chains) against the step."""
    last = paths.groupby("noise")["step"].max().min() if len(paths) else 1
    names = list(dict.fromkeys(paths["noise"]))
    for (noise, _), group in paths.groupby(["noise", "problem"], sort=False):
        group = group[group["step"] <= last]
        index = names.index(noise)
        level = group["tail"].to_numpy(float)
        ax.plot(group["step"], np.where(level > 0, level, np.nan), color=COLOURS[index], lw=1.4)
    for noise, colour in zip(names, COLOURS, strict=False):
        ax.plot([], [], color=colour, lw=2, label=noise)
    ax.axhline(1e-2, color="0.4", lw=0.8, ls=":")
    ax.text(last, 1.3e-2, "tolerance", ha="right", va="bottom", fontsize=8)
    ax.set(
        yscale="log",
        ylim=(1e-20, 30),
        xlabel="steps",
        ylabel=r"$\sigma_{k+1}(Z_l)\,/\,\sigma_1(Z_l)$",
        title="From rank k exactly",
    )
    ax.grid(visible=True, axis="y")
    if names:
        ax.legend(fontsize=8, loc="center right")
