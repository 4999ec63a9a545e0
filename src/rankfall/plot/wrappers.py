"""One figure from one result: ``rankfall.plot.path(result)`` and its like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from . import completion as panels
from . import ensembles
from .jumps import survival_curves
from .picking import cells_at, evenly, map_positions
from .style import STYLE

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from ..analysis import Jumps
    from ..completion import Completion
    from ..dynamics import Trace

_MAX_CHAINS, _MAX_VALUES = 16, 8


def singular_values(result: Trace | Completion, ax: Axes | None = None) -> Figure:
    """Singular values against steps: those of all chains of a trace, or those of a completion's run.

    Parameters
    ----------
    result : Trace or Completion
        A trace must have recorded "singular_values". At most 16 chains (evenly spaced) and 8 values are
        drawn.
    ax : Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If there is nothing to draw.
    """
    history = getattr(result, "history", None)
    if history is not None:
        if not history:
            raise InputError("This completion has no SGD run to draw.")
        with _axes(ax) as place:
            panels.falling_singular_values(
                place.ax,
                history["step"],
                history["singular_values"],
                result.rank,  # type: ignore[union-attr]
            )
        return place.figure
    values = result.singular_values  # type: ignore[union-attr]
    chains = evenly(values.shape[0], _MAX_CHAINS)
    with _axes(ax) as place:
        ensembles.overlaid(place.ax, result.steps, values[chains, :, :_MAX_VALUES])  # type: ignore[union-attr]
    return place.figure


def path(result: Completion, ax: Axes | None = None, label: str = "RMSE") -> Figure:
    """Training and held-out error of the candidate at each rank, the delivered one marked.

    Parameters
    ----------
    result : Completion
    ax : Axes, optional
    label : str
        Label of the error axis, with the unit.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If no rank was tried.
    """
    table = result.path
    if not len(table):
        raise InputError("This completion tried no rank.")
    chosen = np.flatnonzero(table["chosen"].to_numpy(dtype=bool))
    columns = [table[name].to_numpy() for name in ("rank", "train", "validation")]
    with _axes(ax) as place:
        panels.error_per_rank(place.ax, *columns, chosen=int(chosen[0]) if chosen.size else None, label=label)
    return place.figure


def heatmap(
    result: Completion, label: str = "value", row_label: str = "row", col_label: str = "column"
) -> Figure:
    """The matrix with its holes, and completed; of a large one evenly spaced rows and columns, none averaged.

    Parameters
    ----------
    result : Completion
    label : str
        What the values are, with the unit.
    row_label, col_label : str

    Returns
    -------
    Figure
    """
    rows, cols = map_positions(result.problem.shape)
    before = cells_at(result.problem, rows, cols)
    after = np.where(np.isnan(before), result.predict(rows[:, None], cols[None, :], labels=False), before)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        panels.before_after((left, right), before, after, result.problem.shape, label, row_label, col_label)
    return figure


@declared
def survival(
    jumps: Jumps, ranks: int | Sequence[int] | None = None, ax: Axes | None = None, level: float = 0.95
) -> Figure:
    """Share of chains whose rank has not yet fallen so far, with its interval: Kaplan-Meier curves.

    Parameters
    ----------
    jumps : Jumps
        From :func:`rankfall.analysis.find_jumps`.
    ranks : int or sequence of int, optional
        Ranks that are waited for; by default (at most six of) those that chains fell to.
    ax : Axes, optional
    level : float
        Of the intervals.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If no chain fell and no rank is asked for.
    """
    if ranks is None:
        table = jumps.table
        fallen = np.sort(table.loc[table["kind"] == "fall", "rank_to"].unique())[::-1]
        if not fallen.size:
            raise InputError("No chain fell; say which rank to wait for.")
        wanted = [int(rank) for rank in fallen[evenly(fallen.size, 6)]]
    else:
        wanted = [int(rank) for rank in np.atleast_1d(ranks)]
    curves = {f"to rank {rank}": jumps.survival(rank, level=level) for rank in wanted}
    with _axes(ax) as place:
        survival_curves(place.ax, curves, jumps.begin)
    return place.figure


def phase(
    table: DataFrame,
    x: str | None = None,
    y: str | None = None,
    value: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A phase diagram: the mean of one column over a grid of two others.

    Parameters
    ----------
    table : DataFrame
        Tidy rows, as a sweep returns them.
    x, y, value : str, optional
        Columns; by default the first three of the table.
    ax : Axes, optional

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If a column is missing.
    """
    names = [
        name or default for name, default in zip((x, y, value), [*table.columns, "", "", ""], strict=False)
    ]
    for name in names:
        if name not in table.columns:
            raise InputError(
                f"The table has no column {name!r}; it has {', '.join(map(str, table.columns))}."
            )
    grid = table.pivot_table(index=names[1], columns=names[0], values=names[2], aggfunc="mean")
    with _axes(ax) as place:
        ensembles.phase_diagram(
            place.ax, grid.columns.to_numpy(), grid.index.to_numpy(), grid.to_numpy(), *map(str, names)
        )
    return place.figure


@declared
def save(figure: Figure, path: str | PathLike[str]) -> None:
    """Write a figure for a paper, whole or not at all; PDF and SVG keep text as text and are reproducible.

    Parameters
    ----------
    figure : Figure
    path : path
        Ends in .pdf, .svg, .png or another format of matplotlib's.

    Raises
    ------
    InputError
        If the format is unknown or the file cannot be written.
    """
    from pathlib import Path

    import matplotlib as mpl

    from ..files import atomic_path

    kind = Path(path).suffix.lower().removeprefix(".")
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise InputError(f"The name of a figure ends in {', '.join(f'.{name}' for name in sorted(known))}.")
    # dates would make every file another one
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
    with mpl.rc_context(STYLE), atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind, metadata=undated)


class _axes:
    """A context of style: the axes that were given, or those of a new figure."""

    def __init__(self, ax: Axes | None) -> None:
        import matplotlib as mpl

        self._context: Any = mpl.rc_context(STYLE)
        self._given = ax

    def __enter__(self) -> _axes:
        from matplotlib.figure import Figure

        self._context.__enter__()
        self.ax: Axes = (
            Figure(figsize=(5.6, 3.8), layout="constrained").subplots()
            if self._given is None
            else self._given
        )
        figure = self.ax.figure
        self.figure: Figure = figure  # type: ignore[assignment]
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)
