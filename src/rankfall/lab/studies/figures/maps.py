"""Maps of shares over the scale of the initial weights and the ridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import INK, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


def map_figure(table: pd.DataFrame, titles: dict[str, str]) -> Figure:
    """Maps of several shares, a row of panels for each depth.

    Parameters
    ----------
    table : DataFrame
        One row per setting: depth, scale, ridge and the shares named in `titles`.
    titles : dict
        Title of the panel for each share.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    depths = sorted(table["depth"].unique())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.5 * len(titles) + 1.2, 2.5 * len(depths) + 0.5), layout="constrained")
        axes = figure.subplots(len(depths), len(titles), squeeze=False, sharex=True, sharey=True)
        image = None
        for row, depth in enumerate(depths):
            for column, (name, title) in enumerate(titles.items()):
                image = share_map(axes[row, column], table[table["depth"] == depth], name)
                if row == 0:
                    axes[row, column].set_title(title, fontsize=9)
            axes[row, 0].set_ylabel(f"depth {depth}\nridge")
        for ax in axes[-1]:
            ax.set_xlabel("initial scale")
        assert image is not None
        figure.colorbar(image, ax=axes, label="share of runs", shrink=0.8)
    return figure


def share_map(ax: Axes, table: pd.DataFrame, name: str) -> AxesImage:
    """Shares as colours and percentages; ridge upwards, initial scale to the right."""
    grid = table.pivot_table(index="ridge", columns="scale", values=name)
    values = grid.to_numpy(float)
    image = ax.imshow(values, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*values.shape):
        if np.isfinite(values[row, column]):
            colour = "white" if values[row, column] > 0.6 else INK
            text = f"{100 * values[row, column]:.0f}%"
            ax.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    ax.set_xticks(range(grid.shape[1]), [f"{x:g}" for x in grid.columns])
    ax.set_yticks(range(grid.shape[0]), [f"{y:g}" for y in grid.index])
    ax.grid(visible=False)
    return image
