"""Ranks over time with their jumps, and survival curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .completion import thousands
from .style import DASHES, FALLEN, KEPT, SERIES, TRAIN, VALIDATION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

# chains drawn as single lines; of more the shares are drawn
_LINES = 30


def rank_over_time(ax: Axes, steps: np.ndarray, ranks: np.ndarray, jumps: DataFrame | None = None) -> None:
    """Ranks of all chains against the steps: one line each, or of many chains the share at every rank.

    Parameters
    ----------
    ax : Axes
    steps : ndarray, shape (n_records,)
    ranks : ndarray of int, shape (n_chains, n_records)
        Negative after divergence.
    jumps : DataFrame, optional
        Columns chain, step, rank_to and kind, as in ``find_jumps(...).table``: marked, if chains are drawn as
        lines.
    """
    from matplotlib.ticker import MaxNLocator

    ranks = np.asarray(ranks)
    if len(ranks) > _LINES:
        _shares(ax, steps, ranks)
    else:
        # lines at the same rank lie beside each other
        shifts = np.linspace(-0.25, 0.25, len(ranks)) if len(ranks) > 1 else np.zeros(1)
        for shift, path in zip(shifts, ranks, strict=True):
            shown = np.where(path < 0, np.nan, path + shift)
            ax.plot(steps, shown, color=TRAIN, lw=0.8, alpha=0.6, drawstyle="steps-post")
        for kind, marker, colour in (("fall", "v", KEPT), ("rise", "^", VALIDATION)):
            rows = None if jumps is None else jumps[jumps["kind"] == kind]
            if rows is not None and len(rows):
                height = rows["rank_to"].to_numpy() + shifts[rows["chain"].to_numpy()]
                ax.plot(rows["step"], height, marker, color=colour, ms=5, label=f"{kind}s: {len(rows)}")
        ax.set_ylabel("rank")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="upper right")
    ax.set_xlabel("SGD steps")


def _shares(ax: Axes, steps: np.ndarray, ranks: np.ndarray) -> None:
    """Share of the chains at every rank, the lowest rank at the bottom."""
    from matplotlib import colormaps

    levels = [int(rank) for rank in np.unique(ranks) if rank >= 0]
    shares = [np.mean(ranks == level, axis=0) for level in levels]
    shades = colormaps["viridis"](np.linspace(0.15, 0.95, len(levels)))
    ax.stackplot(
        steps, shares, colors=list(shades), labels=[f"rank {level}" for level in levels], step="post"
    )
    gone = np.mean(ranks < 0, axis=0)
    if gone.any():
        ax.fill_between(steps, 1 - gone, 1, color=FALLEN, step="post", label="diverged")
    ax.set(ylabel="share of the chains", ylim=(0, 1), xlim=(steps[0], steps[-1]))
    handles, names = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], names[::-1], loc="center left", bbox_to_anchor=(1.01, 0.5))


def survival_curves(ax: Axes, curves: Mapping[str, DataFrame], begin: float = 0) -> None:
    """Kaplan-Meier curves with their intervals; ticks mark censored chains.

    Parameters
    ----------
    ax : Axes
    curves : mapping of str to DataFrame
        Tables with the columns step, survival, low, high and censored, as of ``Jumps.survival``, by name.
    begin : float
        Step at which observation began.
    """
    for number, (name, curve) in enumerate(curves.items()):
        colour, dash = SERIES[number % len(SERIES)], DASHES[number % len(DASHES)]
        step = np.concatenate([[begin], curve["step"]])
        survival, low, high = (np.concatenate([[1.0], curve[c]]) for c in ("survival", "low", "high"))
        ax.fill_between(step, low, high, color=colour, alpha=0.15, lw=0, step="post")
        ax.plot(step, survival, color=colour, ls=dash, lw=1.8, drawstyle="steps-post", label=name)
        lost = curve[curve["censored"] > 0]
        ax.plot(lost["step"], lost["survival"], "|", color=colour, ms=8)
    ax.set(xlabel="SGD steps", ylabel="share that has not fallen", ylim=(-0.02, 1.02))
    ax.xaxis.set_major_formatter(thousands)
    if curves:
        ax.legend(loc="best")
