"""Figures about one completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .style import FALLEN, KEPT, MISSING, STYLE, TRAIN, VALIDATION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def falling_singular_values(ax: Axes, steps: np.ndarray, singular_values: np.ndarray, kept: int) -> None:
    """Singular values against SGD steps, on a logarithmic axis.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    steps : ndarray, shape (n,)
        SGD steps.
    singular_values : ndarray, shape (n, k)
        Largest first.
    kept : int
        The first `kept` are drawn as delivered, the others as fallen.
    """
    # a dead direction has no place on a logarithmic axis
    shown = np.where(singular_values > 0, singular_values, np.nan)
    if kept < shown.shape[1]:
        ax.plot(steps, shown[:, kept:], color=FALLEN, lw=0.9)
    if kept:
        ax.plot(steps, shown[:, :kept], color=KEPT, lw=1.3)
    for colour, label in ((KEPT, f"delivered ({kept})"), (FALLEN, "fallen or left out")):
        ax.plot([], [], color=colour, lw=2, label=label)
    spectrum_axes(ax, steps, singular_values)
    ax.set(xlabel="SGD steps", ylabel="singular value (standardised data)", title="How the rank fell")
    ax.legend(loc="lower left", frameon=True, framealpha=0.9, edgecolor="none")


def spectrum_axes(ax: Axes, steps: np.ndarray, singular_values: np.ndarray) -> None:
    """Five decades below the largest singular value against all steps."""
    top = float(np.nanmax(singular_values, initial=0.0))
    if top > 0:
        ax.set_yscale("log")
        ax.set_ylim(1e-5 * top, 1.6 * top)
    if len(steps) > 1:
        ax.set_xlim(steps[0], steps[-1])
    ax.xaxis.set_major_formatter(thousands)
    ax.grid(visible=True, axis="y")


def error_per_rank(
    ax: Axes,
    rank: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    chosen: int | None = None,
    label: str = "RMSE",
) -> None:
    """Training and held-out error of the candidate at each rank.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    rank : ndarray of int, shape (n,)
        Ranks.
    train, validation : ndarray, shape (n,)
        Root mean square errors; NaN where not measured.
    chosen : int, optional
        Position of the delivered candidate.
    label : str
        Label of the error axis, with the unit.
    """
    from matplotlib.ticker import MaxNLocator

    order = np.argsort(rank, kind="stable")
    styles = (
        (train, TRAIN, "s--", 1.2, "training cells"),
        (validation, VALIDATION, "o-", 1.8, "held-out cells"),
    )
    for values, colour, marks, width, name in styles:
        known = order[np.isfinite(values[order])]
        if known.size:
            ax.plot(rank[known], values[known], marks, color=colour, lw=width, ms=4.5, label=name)
    positive = np.concatenate([train, validation])
    positive = positive[np.isfinite(positive) & (positive > 0)]
    if positive.size and positive.max() > 50 * positive.min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    if chosen is not None:
        ax.axvline(rank[chosen], color=KEPT, lw=1.2, ls=":", label=f"delivered: rank {rank[chosen]}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="rank", ylabel=label, title="Error at each rank")
    ax.grid(visible=True, axis="y")
    if ax.get_legend_handles_labels()[0]:
        ax.legend()


def before_after(
    axes: tuple[Axes, Axes],
    before: np.ndarray,
    after: np.ndarray,
    shape: tuple[int, int] | None = None,
    label: str = "value",
    row_label: str = "row",
    col_label: str = "column",
) -> None:
    """The matrix with its holes, and completed, with one colour bar.

    Parameters
    ----------
    axes : (Axes, Axes)
        Where to draw.
    before, after : ndarray, shape (height, width)
        Values, possibly only every so-many-th row and column; NaN is drawn grey.
    shape : (int, int), optional
        Size of the whole matrix, for the axes; by default that of `before`.
    label : str
        Label of the colour bar, with the unit.
    row_label, col_label : str
        What rows and columns are.
    """
    n_rows, n_cols = shape or before.shape
    known = before[np.isfinite(before)]
    # a few extreme cells must not use up the colours
    low, high = np.quantile(known, [0.01, 0.99]) if known.size else (0.0, 1.0)
    for ax, values, title in zip(
        axes, (before, after), ("Before (light grey: not observed)", "After"), strict=True
    ):
        ax.set_facecolor(MISSING)
        ax.imshow(
            values,
            vmin=low,
            vmax=high,
            aspect="auto",
            interpolation="nearest",
            extent=(0, n_cols, n_rows, 0),
        )
        ax.set(title=title, xlabel=col_label, ylabel=row_label)
        ax.spines[:].set_visible(False)
    axes[0].figure.colorbar(axes[0].images[0], ax=axes, label=label, shrink=0.85, pad=0.02)


def overview(
    steps: np.ndarray,
    singular_values: np.ndarray,
    rank: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    chosen: int,
    before: np.ndarray,
    after: np.ndarray,
    shape: tuple[int, int] | None = None,
    label: str = "value",
    row_label: str = "row",
    col_label: str = "column",
    error_label: str = "RMSE",
) -> Figure:
    """One figure of four panels: falling singular values, error at each rank, before, after.

    The arguments are those of the functions for the single panels; the number of kept singular values is
    ``rank[chosen]``.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 7.4), layout="constrained")
        panels = figure.subplots(2, 2)
        falling_singular_values(panels[0, 0], steps, singular_values, int(rank[chosen]))
        error_per_rank(panels[0, 1], rank, train, validation, chosen, error_label)
        before_after((panels[1, 0], panels[1, 1]), before, after, shape, label, row_label, col_label)
    return figure


def thousands(value: float, _position: float) -> str:
    """Ticks like 20k and 1.5M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"
