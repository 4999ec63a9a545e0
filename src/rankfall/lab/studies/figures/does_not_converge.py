"""Figure of the study `does-not-converge`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....plot.style import DASHES, SERIES, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# lengths below it are drawn there: those of networks that have died
_LEAST = 1e-12


def steps_figure(table: pd.DataFrame) -> Figure:
    """Mean length of the steps along the runs with tanh and with ReLU; gradients of samples at the end.

    Parameters
    ----------
    table : DataFrame
        row ("steps" or "end"), state, sigma, b, mu, step, length, disagreement.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(zip(table["state"], table["b"], table["mu"], strict=True)))
    names = [f"{state}, b = {b}" + (", momentum" if mu else "") for state, b, mu in kinds]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 4.2), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        middle.sharey(left)
        for index, (kind, name) in enumerate(zip(kinds, names, strict=True)):
            here = table[
                np.all([table[c] == v for c, v in zip(("state", "b", "mu"), kind, strict=True)], axis=0)
            ]
            colour = SERIES[index % len(SERIES)]
            for ax, sigma in ((left, "tanh"), (middle, "relu")):
                lengths(ax, here[(here["row"] == "steps") & (here["sigma"] == sigma)], index, name)
            for sigma, mark in (("tanh", "o"), ("relu", "s")):
                apart = here[(here["row"] == "end") & (here["sigma"] == sigma)]["disagreement"].to_numpy(
                    float
                )
                right.plot(apart, np.full(apart.size, index), mark, color=colour, mfc="none", ms=5)
        left.set(yscale="log", xlabel="share of the run", ylabel="length of a step", title="tanh")
        middle.set(xlabel="share of the run", title="ReLU")
        # where they agree; without decay the scale is zero, and nothing is drawn
        right.axvline(0, color="0.6", lw=0.8)
        right.set(xlabel="distance over |decay W|; circles tanh, squares ReLU", title="Gradients of samples")
        right.set_yticks(range(len(names)), names, fontsize=8)
        right.invert_yaxis()
        for ax in (left, middle, right):
            ax.grid(visible=True)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def lengths(ax: Axes, table: pd.DataFrame, index: int, name: str) -> None:
    """Medians over the repeats."""
    steps = table.groupby("step")["length"].median()
    ax.plot(
        steps.index.to_numpy(float) / float(steps.index.max()),
        np.maximum(steps.to_numpy(float), _LEAST),
        color=SERIES[index % len(SERIES)],
        ls=DASHES[index % len(DASHES)],
        lw=1.4,
        label=name,
    )
