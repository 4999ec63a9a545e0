"""Figure of the study `stochastic-collapse`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import INK, KEPT, STYLE, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def stochastic_collapse_figure(table: pd.DataFrame) -> Figure:
    """Ranks and errors of all students after the drop against the batch size, with their medians.

    Parameters
    ----------
    table : DataFrame
        batch_size, warmed, repeat, end_rank, end_error, true_rank.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    alive = table[table["end_rank"] >= 0]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        axes = figure.subplots(1, 2)
        for ax, name in zip(axes, ("end_rank", "end_error"), strict=True):
            for warmed, colour, label in ((1, KEPT, "with warm-up"), (0, VALIDATION, "without")):
                rows = alive[alive["warmed"] == warmed]
                shift = 1.06 if warmed else 1 / 1.06
                ax.plot(shift * rows["batch_size"], rows[name], "o", ms=3.5, color=colour, alpha=0.5)
                medians = rows.groupby("batch_size")[name].median()
                ax.plot(shift * medians.index.to_numpy(float), medians, color=colour, lw=1.8, label=label)
            ax.set_xscale("log", base=2)
            ax.set_xticks(np.unique(alive["batch_size"]), [f"{b}" for b in np.unique(alive["batch_size"])])
            ax.set_xlabel("batch size")
        axes[0].axhline(table["true_rank"].iloc[0], color=INK, lw=0.8, ls=":", label="rank of the teacher")
        axes[0].set(ylabel="rank of the student", title="Rank after the drop")
        axes[1].set(ylabel="error / mean square", title="Error on new inputs")
        axes[0].legend(loc="best", fontsize=8)
    return figure
