"""Figure of the study `connectivity`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import INK, KEPT, STYLE, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAMES = {"connected": "connected", "disconnected": "two parts", "blocks": "two complete\nparts"}


def connectivity_figure(table: pd.DataFrame) -> Figure:
    """Left: nuclear norms over the smallest one; right: ranks at which both methods end.

    Parameters
    ----------
    table : DataFrame
        graph, nuclear, smallest_nuclear, true_nuclear, rank, sgd_rank.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    graphs = [graph for graph in NAMES if (table["graph"] == graph).any()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        for k, graph in enumerate(graphs):
            rows = table[table["graph"] == graph]
            across = k + 0.5 * (np.arange(len(rows)) / max(len(rows) - 1, 1) - 0.5)
            for name, colour, mark in (("nuclear", KEPT, "o"), ("true_nuclear", VALIDATION, "_")):
                label = None if k else {"nuclear": "gradient descent", "true_nuclear": "rank one"}[name]
                left.plot(
                    across, rows[name] / rows["smallest_nuclear"], mark, ms=5, color=colour, label=label
                )
            for name, colour, shift in (("rank", KEPT, -0.2), ("sgd_rank", VALIDATION, 0.2)):
                label = {"rank": "gradient descent, depth 2, no ridge", "sgd_rank": "SGD, depth 3, ridge"}[
                    name
                ]
                for rank, share in rows[name].value_counts(normalize=True).items():
                    right.scatter(k + shift, rank, s=400 * share, color=colour, alpha=0.7)
                if not k:
                    right.scatter([], [], s=40, color=colour, label=label)
        left.axhline(1, color=INK, lw=0.8, ls=":")
        left.set(ylabel="nuclear norm / smallest one", title="Nuclear norm of the completion")
        right.set(ylabel="numerical rank", title="Rank (areas: shares of problems)", ylim=(-0.5, None))
        right.yaxis.set_major_locator(MaxNLocator(integer=True))
        for ax in (left, right):
            ax.set_xticks(range(len(graphs)), [NAMES[graph] for graph in graphs])
            ax.set_xlim(-0.5, len(graphs) - 0.5)
            ax.legend(loc="best", fontsize=8)
    return figure
