"""Figures about many chains or many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .completion import spectrum_axes
from .style import MISSING, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def overlaid(ax: Axes, steps: np.ndarray, singular_values: np.ndarray) -> None:
    """Singular values of several chains; a colour for each place in the spectrum.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    steps : ndarray, shape (n,)
    singular_values : ndarray, shape (c, n, k)
        Largest first; NaN after a chain has diverged.
    """
    shown = np.where(singular_values > 0, singular_values, np.nan)
    alpha = float(np.clip(4 / max(len(shown), 1), 0.3, 0.9))
    for k in reversed(range(shown.shape[2])):
        colour = SERIES[k % len(SERIES)]
        ax.plot(steps, shown[:, :, k].T, color=colour, lw=1.0, alpha=alpha)
        ax.plot([], [], color=colour, lw=2, label=f"{k + 1}")
    spectrum_axes(ax, steps, singular_values)
    chains = f"{len(shown)} chain{'' if len(shown) == 1 else 's'}"
    ax.set(xlabel="steps", ylabel="singular value", title=f"Singular values, {chains}")
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles[::-1], labels[::-1], loc="lower left", ncols=4, frameon=True, framealpha=0.9, edgecolor="none"
    )


def phase_diagram(
    ax: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, x_label: str, y_label: str, label: str
) -> None:
    """A grid of values, one tile for each pair of settings.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    x, y : ndarray, shapes (n,), (m,)
        Settings, in order; the tiles are of one size whatever their distances.
    values : ndarray, shape (m, n)
        NaN (drawn grey) where there was no run.
    x_label, y_label, label : str
        What the axes and the colours are.
    """
    ax.set_facecolor(MISSING)
    image = ax.imshow(values, origin="lower", aspect="auto", interpolation="nearest")
    for axis, marks in ((ax.xaxis, x), (ax.yaxis, y)):
        # about eight labels are readable
        at = np.arange(0, len(marks), max(1, -(-len(marks) // 8)))
        axis.set_ticks(
            at,
            [f"{marks[k]:.3g}" if isinstance(marks[k], (float, np.floating)) else str(marks[k]) for k in at],
        )
    ax.set(xlabel=x_label, ylabel=y_label, title=label)
    ax.spines[:].set_visible(False)
    ax.figure.colorbar(image, ax=ax, pad=0.02)
