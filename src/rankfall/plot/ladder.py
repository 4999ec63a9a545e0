"""Small probabilities, rung by rung."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..declared_arguments import declared
from .style import KEPT, STYLE, VALIDATION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@declared
def ladder(table: pd.DataFrame, setting: str, label: str | None = None, title: str = "") -> Figure:
    """Probabilities by splitting against a setting, with intervals, and direct estimates beside them.

    Parameters
    ----------
    table : DataFrame
        Columns: `setting`, "estimate", "low", "high"; where there are direct runs also "direct", "direct_low"
        and "direct_high" (NaN on the other rungs). Rungs on which nothing was found are left out.
    setting : str
        Name of the column for the horizontal axis.
    label : str, optional
        Of that axis; by default the name.
    title : str

    Returns
    -------
    Figure
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        draw_ladder(figure.subplots(), table, setting, label, title)
    return figure


@declared
def draw_ladder(
    ax: Axes, table: pd.DataFrame, setting: str, label: str | None = None, title: str = ""
) -> None:
    """:func:`ladder` on given axes."""
    ordered = table.sort_values(setting)
    found = ordered[ordered["estimate"] > 0]
    _points(ax, found, setting, ("estimate", "low", "high"), KEPT, "o-", "splitting")
    if "direct" in ordered:
        sampled = ordered[ordered["direct"] > 0]
        if len(sampled):
            _points(
                ax, sampled, setting, ("direct", "direct_low", "direct_high"), VALIDATION, "s", "direct runs"
            )
    ax.set_yscale("log")
    ax.set(xlabel=label or setting, ylabel="probability", title=title or "Probability of the event")
    ax.grid(visible=True, axis="y")
    if len(found):
        ax.legend(loc="best")


def _points(
    ax: Axes,
    rows: pd.DataFrame,
    setting: str,
    names: tuple[str, str, str],
    colour: str,
    mark: str,
    label: str,
) -> None:
    middle, low, high = (rows[name].to_numpy(float) for name in names)
    # an interval that reaches zero ends at the bottom of the axis
    reach = np.array([middle - np.maximum(low, middle * 1e-3), high - middle])
    hollow = mark == "s"
    ax.errorbar(
        rows[setting].to_numpy(float), middle, yerr=np.maximum(reach, 0), fmt=mark, color=colour, lw=1.2,
        ms=9 if hollow else 4.5, mfc="none" if hollow else colour, capsize=5 if hollow else 3, label=label,
    )  # fmt: skip
