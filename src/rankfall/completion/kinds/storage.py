"""Completions of tables with kinds on disk, in one file with the latent completion; and reading either."""

from __future__ import annotations

from itertools import pairwise
from os import PathLike
from typing import Any, cast

import numpy as np

from ...declared_arguments import declared
from ...files.schema import blamed_on
from ...frames import FrameLayout
from ...frames.layout import read_layout
from ...problem import Problem
from ..result.completion import Completion
from ..result.limit_cells import LimitCells
from ..result.schema import LIMITS
from ..result.storage import read_saved
from .columns import ColumnKind, KindsTable
from .levels import LevelColumn
from .mixed_completion import MixedCompletion


@declared
def load(path: str | PathLike[str]) -> Completion:
    """Read a completion that was saved; a :class:`~rankfall.completion.kinds.MixedCompletion` where
    columns are of several kinds.

    Raises
    ------
    InputError
        If the file is not one of ours, is damaged, or was written by a later format.
    """
    saved, fields = read_saved(path)
    latent = Completion(**fields)
    if saved.meta["kinds"] is None:
        return latent
    meta = saved.meta["kinds"]
    kinds = tuple(
        ColumnKind(one["kind"], tuple(one["levels"]), one["dtype"], tuple(one["categories"]))
        for one in meta["columns"]
    )
    with blamed_on(path):
        layout = FrameLayout("pandas", None, None)
        if meta["layout"] is not None:
            layout = read_layout(
                "kinds.layout", meta["layout"], meta["row_names"], meta["col_names"], len(kinds)
            )
        cells = (saved["kinds_rows"], saved["kinds_cols"], saved["kinds_values"])
        problem = Problem(*cells, (latent.shape[0], len(kinds)), None, layout)
    ends = np.cumsum([0, *saved["kinds_widths"].tolist()])
    bounds = None
    if "kinds_bounds_low" in saved:
        bounds = (saved["kinds_bounds_low"], saved["kinds_bounds_high"])
    limits = None
    if "kinds_limits_rows" in saved:
        limits = LimitCells(*(saved[f"kinds_limits_{name}"] for name in LIMITS))
    mixed = MixedCompletion(
        latent=latent,
        table=KindsTable(problem, kinds),
        latent_cols=tuple(np.arange(a, b) for a, b in pairwise(ends.tolist())),
        center=saved["kinds_center"],
        spread=saved["kinds_spread"],
        scale=meta["scale"],
        bounds=bounds,
        fill=meta["fill"],
        levels=_levels(saved, kinds),
        limits=limits,
    )
    return cast("Completion", mixed)  # it has the same methods


def _levels(saved: Any, kinds: tuple[ColumnKind, ...]) -> dict[int, LevelColumn]:
    sizes = np.array([len(one.levels) for one in kinds])
    ends = np.cumsum([0, *sizes.tolist()])
    held_rows, held_cols = saved["kinds_held_rows"], saved["kinds_held_cols"]
    begins = np.cumsum([0, *sizes[held_cols].tolist()])[:-1]
    out = {}
    for j, size in enumerate(sizes.tolist()):
        if size:
            here = np.flatnonzero(held_cols == j)
            held = saved["kinds_held"][begins[here][:, None] + np.arange(size)]
            out[j] = LevelColumn(
                saved["kinds_probabilities"][:, ends[j] : ends[j + 1]], held_rows[here], held
            )
    return out
