"""Figure of the study `one-way`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import FALLEN, KEPT, SERIES, STYLE, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def one_way_figure(counts: pd.DataFrame, ranks: pd.DataFrame) -> Figure:
    """Rates of falls and rises of every matrix, beside the ranks at which the chains ended.

    Parameters
    ----------
    counts : DataFrame
        One row per setting and matrix: regime, setting, object, steps, falls, rises, and fall_* and rise_*
        with rate, low and high.
    ranks : DataFrame
        setting, last_rank (of A), chains.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 0.3 * len(counts) + 1.8), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 1.3))
        rates(left, counts)
        end_ranks(right, counts, ranks)
    return figure


def rates(ax: Axes, counts: pd.DataFrame) -> None:
    """Falls as dots and rises as squares, with intervals.

    A hollow triangle is the upper bound where none was seen, if there is one.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    y = np.arange(len(counts))[::-1]
    names = {"fall": "falls (burn-in included)", "rise": "rises after it"}
    for kind, mark, colour, shift in (("fall", "o", KEPT, 0.14), ("rise", "s", VALIDATION, -0.14)):
        rate, low, high = (counts[f"{kind}_{name}"].to_numpy(float) for name in ("rate", "low", "high"))
        seen = counts[f"{kind}s"].to_numpy() > 0
        spread = np.abs(np.stack([rate - low, high - rate]))[:, seen]
        at = y + shift
        if seen.any():
            ax.errorbar(
                rate[seen], at[seen], xerr=spread, fmt=mark, ms=4, color=colour, capsize=2, label=names[kind]
            )
        bounded = ~seen & np.isfinite(high)  # where all chains ended at zero there is no bound on rises
        if bounded.any():
            label = f"no {kind}: 97.5% bound"
            ax.plot(high[bounded], at[bounded], "<", mfc="none", color=colour, ms=5, label=label)
    labels = [f"{setting}: {name}" for setting, name in zip(counts["setting"], counts["object"], strict=True)]
    ax.set_yticks(y, labels, fontsize=8)
    ax.set_xscale("log")
    low, high = (f(ax.get_xlim()) for f in (min, max))
    ax.set_xlim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)))
    ax.xaxis.set_major_locator(LogLocator(numticks=12))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel="lasting changes of the numerical rank per step", title="Falls and rises")
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")
    _mark_regimes(ax, counts, y)
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.16), ncols=4, fontsize=8)


def _mark_regimes(ax: Axes, counts: pd.DataFrame, y: np.ndarray) -> None:
    certified = y[(counts["regime"] == "certified").to_numpy()]
    if certified.size:
        ax.axhspan(certified.min() - 0.5, certified.max() + 0.5, color="#E8F1F8", lw=0, zorder=0)
        place = {"transform": ax.get_yaxis_transform(), "ha": "right", "va": "top"}
        ax.text(0.99, certified.max() + 0.3, "certified", fontsize=8, **place)
    ax.set_ylim(-0.6, len(y) - 0.4)


def end_ranks(ax: Axes, counts: pd.DataFrame, ranks: pd.DataFrame) -> None:
    """Shares of the chains by their last rank of A, a bar for each setting."""
    settings = list(dict.fromkeys(counts["setting"]))
    palette = (FALLEN, *SERIES)
    named: set[int] = set()
    for k, setting in enumerate(settings):
        part = ranks[(ranks["setting"] == setting) & (ranks["last_rank"] >= 0)].sort_values("last_rank")
        left, total = 0.0, part["chains"].sum()
        for rank, chains in zip(part["last_rank"], part["chains"], strict=True):
            colour = palette[rank % len(palette)]
            label = None if rank in named else f"{rank}"
            ax.barh(
                len(settings) - 1 - k,
                chains / total,
                0.6,
                left,
                color=colour,
                edgecolor="white",
                lw=0.5,
                label=label,
            )
            named.add(rank)
            left += chains / total
    ax.set_yticks(range(len(settings)), [s.replace(", ", ",\n") for s in settings[::-1]], fontsize=8)
    ax.set(xlim=(0, 1), xlabel="share of chains", title="Rank of A at the end")
    handles, labels = ax.get_legend_handles_labels()
    order = np.argsort([int(label) for label in labels])
    ax.legend(
        [handles[i] for i in order], [labels[i] for i in order], loc="upper center",
        bbox_to_anchor=(0.4, -0.16),
        ncols=4, fontsize=8, title="rank", title_fontsize=8,
    )  # fmt: skip
    ax.grid(visible=False)
