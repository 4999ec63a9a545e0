"""What is decided on a sample: rank, effects, noise model, and the columns that the first sweep begins with.

The sample is a table of the rows and columns with most cells, where a rank is determined best; what was
decided is judged afterwards on held-out cells of everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ..completion.clock import Progress
from ..completion.complete import complete
from ..completion.seeds import Stream, generator
from ..files import atomic_path
from ..files.plain_values import read_json
from ..problem import Problem
from .blocks import Layout
from .scheduler import Scheduler
from .state import Judged, State, read_state, write_state
from .sweep import Source
from .update import with_more

# cells of the sample: its completion takes ten seconds or so of one processor at rank 10
SAMPLE = 300_000
# the noise of a fit that looked exact, relative to the variance of the values
_EXACT = 1e-6


@dataclass(frozen=True, eq=False)
class Sample:
    """What the sample says.

    Attributes
    ----------
    rank : int
    effects : str
        As for :func:`rankfall.complete`.
    start : State
        Of this rank; of the columns, those of the sample are known.
    center, scale : float
        By which all values are standardised.
    shape : (int, int)
    n_cells : int
    exact : bool
        Whether the sample has an exact fit.
    """

    rank: int
    effects: str
    start: State
    center: float
    scale: float
    shape: list[int]
    n_cells: int
    exact: bool


def choose_axes(row_counts: np.ndarray, col_counts: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns with most cells, twice as many rows if there are enough, for about `wanted` cells.

    Were cells independent of each other, cell (i, j) would be there with probability
    ``rows_i cols_j / N``; sums of these, at most one for each cell, say how many rows and columns it takes.
    """
    total = float(row_counts.sum())
    rows, cols = (np.argsort(-counts, kind="stable") for counts in (row_counts, col_counts))
    m, n = row_counts.size, col_counts.size
    if total <= wanted:
        return np.sort(rows), np.sort(cols)
    low, high = 1, n
    while low < high:
        middle = (low + high) // 2
        i, j = rows[: min(m, 2 * middle)], cols[:middle]
        if m < 2 * n and middle == n:
            i = rows
        by_row = row_counts[i][:: max(1, i.size // 512)] / total
        share = np.minimum(by_row[:, None] * col_counts[j][None, :: max(1, j.size // 512)], 1.0)
        low, high = (low, middle) if share.mean() * i.size * j.size >= wanted else (middle + 1, high)
    return np.sort(rows[: min(m, 2 * low)]), np.sort(cols[:low])


def ask_sample(
    source: Source,
    scheduler: Scheduler,
    row_counts: np.ndarray,
    col_counts: np.ndarray,
    deviation: float,
    options: dict[str, Any],
    callback: Callable[[Progress], None] | None,
) -> Sample:
    """Complete a sample, and begin with what it found.

    Counts are those of the layout's rows and columns; `deviation` is the standard deviation of all values,
    ``source.center`` their mean.
    """
    layout, folder = source.layout, Path(source.folder)
    start_at, facts_at = folder / "work" / "start.npz", folder / "work" / "sample.json"
    if facts_at.exists():
        facts = read_json(str(facts_at), facts_at.read_bytes())
        return Sample(start=read_state(start_at).state, **facts)
    rows, cols = choose_axes(row_counts, col_counts, SAMPLE)
    parts = scheduler.map(_sampled, range(layout.n_blocks), source, rows, cols)
    i, j, values = (np.concatenate(part) for part in zip(*(part[:3] for part in parts), strict=True))
    weights = None if parts[0][3] is None else np.concatenate([part[3] for part in parts])
    problem = Problem(i, j, values, (rows.size, cols.size), weights)
    given = problem.T if layout.swapped else problem
    found = complete(given, scaling="all", ordered="none", callback=callback, **options)
    effects = str(found.settings["effects"])
    center = 0.0 if effects == "none" else source.center
    scale = float(np.hypot(deviation, source.center - center)) or 1.0
    by_row, by_col = effects == "both", effects in ("columns", "both")
    with_effects = (by_col, by_row) if layout.swapped else (by_row, by_col)
    start = _start(found, rows, cols, layout, scale, with_effects, center)
    facts = {
        "rank": found.rank,
        "effects": effects,
        "center": center,
        "scale": scale,
        "shape": list(given.shape),
        "n_cells": given.n_observed,
        "exact": bool(found.model.exact),
    }
    write_state(start_at, Judged(start, np.zeros((0, 3)), np.zeros(start.rank)))
    with atomic_path(facts_at) as temporary:
        temporary.write_text(json.dumps(facts))
    return Sample(start=start, **facts)


def _sampled(block: int, source: Source, rows: np.ndarray, cols: np.ndarray) -> tuple[Any, ...]:
    """Cells of a block that are in the sample and not held out, at positions in the sample."""
    stored, layout = source.block(block), source.layout
    at = np.full(stored.n_rows, -1)
    first, last = layout.edges[block], layout.edges[block + 1]
    a, b = np.searchsorted(rows, [first, last])
    at[rows[a:b] - first] = np.arange(a, b)
    by_col = np.full(layout.n_cols, -1)
    by_col[cols] = np.arange(cols.size)
    i, j = at[stored.rows], by_col[stored.cols]
    kept = (i >= 0) & (j >= 0) & ~stored.held
    weights = None if stored.weights is None else stored.weights[kept]
    return i[kept], j[kept], stored.values[kept], weights


def _start(
    found: Any,
    rows: np.ndarray,
    cols: np.ndarray,
    layout: Layout,
    scale: float,
    with_effects: tuple[bool, bool],
    center: float,
) -> State:
    """The state before the first sweep; `with_effects` of the layout's rows and columns."""
    row_effects, col_effects = with_effects
    U, V = found.model.scores()
    effects = found.model.effects() or {
        "mean": 0.0,
        "cols": np.zeros(V.shape[0]),
        "rows": np.zeros(U.shape[0]),
    }
    levels = effects["cols"] + effects["mean"] - center
    if layout.swapped:
        U, V, levels = V, U, effects["rows"]
    rank, n = V.shape[1], layout.n_cols
    V = V / scale
    # both sides of equal size
    root = np.sqrt(np.linalg.norm(U, axis=0) / np.maximum(np.linalg.norm(V, axis=0), 1e-300))
    U, V = U / np.maximum(root, 1e-300), V * root
    mean = np.zeros((n, rank + row_effects + col_effects))
    mean[cols, :rank] = V
    if row_effects:
        mean[:, rank] = 1.0
    if col_effects:
        mean[cols, -1] = levels / scale
    F = rank + col_effects
    known = np.zeros(n, bool)
    known[cols] = True
    noise = float(found.model.posterior.noise * np.mean(found.model.scale**2) / scale**2)
    priors = [1 / np.maximum(np.mean(side**2, axis=0), 1e-12) for side in (U, V)]
    return State(
        rank=rank,
        row_effects=row_effects,
        col_effects=col_effects,
        mean=mean,
        cov=np.zeros((n, F * (F + 1) // 2)),
        col_noise=np.column_stack([np.ones(n), np.zeros(n)]),
        row_prior=np.append(priors[0], np.ones(int(row_effects))),
        col_prior=np.append(priors[1], np.ones(int(col_effects))),
        noise=max(noise, _EXACT),
        prior_cells=inf if found.model.exact else found.model.posterior.noise_model.prior_cells,
        spread=np.ones(n),
        known=known,
    )


def more_factors(state: State, rank: int, seed: int) -> State:
    """The state with more factors, see :func:`.update.with_more`."""
    return with_more(state, rank, generator(seed, Stream.PILOT, rank))
