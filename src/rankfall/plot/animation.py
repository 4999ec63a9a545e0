"""A run as a moving picture: singular values fall, and the rank with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import whole
from ..declared_arguments import declared
from ..errors import InputError
from .completion import thousands
from .picking import evenly
from .style import FALLEN, KEPT, STYLE

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation

    from ..dynamics import Trace

# drawn where a singular value is zero, relative to the largest of all
_BOTTOM = 1e-6


@declared
def animate(
    trace: Trace, *, chain: int = 0, max_frames: int = 100, max_values: int = 12, interval: int = 80
) -> FuncAnimation:
    """The singular values of one chain while it trains: their history, and the spectrum at each record.

    Left, singular values against steps, up to the present record; right, the spectrum at that record.
    Values at most ``trace.rank_tol`` times the largest are drawn grey: the numerical rank does not count
    them. Values below 1e-6 of the largest of all are drawn there.

    Parameters
    ----------
    trace : Trace
        With "singular_values" recorded.
    chain : int
        Position of the chain in the trace.
    max_frames : int
        Frames at most, at least 2; records are picked evenly.
    max_values : int
        Singular values drawn at most.
    interval : int
        Milliseconds between two frames.

    Returns
    -------
    FuncAnimation
        Save it with ``animation.save("run.gif", writer="pillow")``; in a notebook show
        ``animation.to_jshtml()``. Keep a reference to it: matplotlib warns about an animation that is
        deleted before it was drawn.

    Raises
    ------
    InputError
        If singular values were not recorded, there are fewer than two records of a living chain, or a number
        is out of range.
    """
    import matplotlib as mpl
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    chain = whole("chain", chain, least=0, most=trace.n_chains - 1)
    max_frames, max_values = (
        whole("max_frames", max_frames, least=2),
        whole("max_values", max_values, least=1),
    )
    interval = whole("interval", interval, least=1)
    s = trace.singular_values[chain]
    alive = np.flatnonzero(np.isfinite(s).all(axis=1))
    if alive.size < 2:
        raise InputError("An animation needs two records at least; record more often with Record(every=...).")
    frames = alive[evenly(alive.size, max_frames)]
    steps, values = trace.steps[frames], s[frames][:, :max_values]
    kept = values > trace.rank_tol * np.maximum(values[:, :1], np.finfo(np.float64).tiny)
    bottom = _BOTTOM * max(float(values.max()), np.finfo(np.float64).tiny)
    heights, places = np.maximum(values, bottom), np.arange(1, values.shape[1] + 1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        curves = [left.plot([], [], lw=1.6, color=KEPT)[0] for _ in places]
        bars = right.bar(places, heights[0] - bottom, bottom=bottom, color=KEPT)
        for ax in (left, right):
            ax.set(yscale="log", ylim=(bottom, 2 * float(heights.max())), ylabel="singular value")
        left.set(xlim=(steps[0], steps[-1]), xlabel="SGD steps")
        left.xaxis.set_major_formatter(thousands)
        right.set(xlabel="number of the singular value")
        right.xaxis.set_major_locator(MaxNLocator(integer=True))

    def show(frame: int) -> list[object]:
        for k, (curve, bar) in enumerate(zip(curves, bars, strict=True)):
            colour = KEPT if kept[frame, k] else FALLEN
            curve.set_data(steps[: frame + 1], heights[: frame + 1, k])
            curve.set_color(colour)
            bar.set_height(heights[frame, k] - bottom)
            bar.set_color(colour)
        n_kept = int(kept[frame].sum())
        right.set_title(f"step {steps[frame]:,}, {n_kept} values above the tolerance", loc="left")
        return [*curves, *bars]

    return FuncAnimation(figure, show, frames=len(frames), interval=interval)  # type: ignore[arg-type]
