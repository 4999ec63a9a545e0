"""Figure of the study `reach`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import GREEN, INK, KEPT, STYLE, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def reach_figure(table: pd.DataFrame) -> Figure:
    """Left: measured probabilities of a fall; right: these and all others beside the bound.

    Parameters
    ----------
    table : DataFrame
        problem, ridge, direct, direct_low, direct_high, split, split_low, split_high (probabilities), seen,
        log10 (of the measured one), log10_bound.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        falls(left, table[table["problem"] == "square"].sort_values("ridge"))
        beside_bound(right, table)
    return figure


def falls(ax: Axes, table: pd.DataFrame) -> None:
    """Probability of a fall within the horizon against the ridge, by both methods, with intervals."""
    for name, colour, mark, label, shift in (
        ("direct", KEPT, "o", "direct sampling", 0.5),
        ("split", VALIDATION, "s", "splitting", -0.5),
    ):
        value = table[name].to_numpy(float)
        low, high = table[f"{name}_low"].to_numpy(float), table[f"{name}_high"].to_numpy(float)
        at = table["ridge"].to_numpy(float) * (1 + 6e-5 * shift)
        seen = value > 0
        bars = np.abs(np.stack([value - low, high - value]))
        ax.errorbar(
            at[seen], value[seen], yerr=bars[:, seen], fmt=mark, color=colour, ms=5, capsize=2, label=label
        )
        if name == "direct" and not seen.all():
            ax.plot(at[~seen], high[~seen], "v", mfc="none", color=colour, label="none seen: upper end")
    ax.set(
        yscale="log",
        xlabel="ridge",
        ylabel="P(rank falls within the horizon)",
        title="Falls from the rank-two minimum",
    )
    ridges = table["ridge"].to_numpy(float)
    ax.set_xticks(ridges, [f"{ridge:g}" for ridge in ridges])
    ax.grid(visible=True, axis="y")
    ax.legend(loc="lower right", fontsize=9)


def beside_bound(ax: Axes, table: pd.DataFrame) -> None:
    """``-log10`` of the measured probability and of the bound, a curve per setting, on a logarithmic axis."""
    table = table.sort_values(["problem", "ridge"]).reset_index(drop=True)
    place = np.arange(len(table))
    # a probability of 1 has no place on this axis: it stands at its left edge
    edge = 1e-3
    measured = np.maximum(-table["log10"].to_numpy(float), edge)
    bound = -table["log10_bound"].to_numpy(float)
    seen = table["seen"].to_numpy(bool)
    ax.hlines(place[seen], measured[seen], bound[seen], color="#C9D0D6", lw=1.5)
    ax.plot(measured[seen], place[seen], "o", color=KEPT, label="measured")
    ax.plot(bound, place, "D", color=GREEN, label="bound of Theorem 2")
    ax.set_yticks(place, [f"{row.problem}, ridge {row.ridge:g}" for row in table.itertuples()], fontsize=8)
    ax.set(
        xscale="log",
        xlim=(edge / 1.8, 3 * bound.max(initial=1)),
        ylim=(-0.7, len(table) + 0.9),
        xlabel=r"$-\log_{10}$ of the probability (at the left edge it is 1)",
        title="Beside the bound",
    )
    ax.tick_params(axis="y", labelcolor=INK)
    ax.legend(loc="upper center", ncols=2, fontsize=9)
