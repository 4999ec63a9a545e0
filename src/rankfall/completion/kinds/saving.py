"""What is written to disk of a completion of a table with kinds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..result.schema import LIMITS


def arrays_and_meta(result: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What a file holds of a :class:`~.mixed_completion.MixedCompletion` beside its latent completion."""
    problem, layout = result.table.problem, result.table.problem.layout
    m, n = problem.shape
    columns = sorted(result.levels.items())
    arrays: dict[str, np.ndarray] = {
        "kinds_center": result.center,
        "kinds_spread": result.spread,
        "kinds_widths": np.array([own.size for own in result.latent_cols]),
        "kinds_rows": problem.rows,
        "kinds_cols": problem.cols,
        "kinds_values": problem.values,
        "kinds_probabilities": np.hstack([np.empty((m, 0)), *(one.probabilities for _, one in columns)]),
        "kinds_held_rows": np.concatenate([np.empty(0, np.int64), *(one.held_rows for _, one in columns)]),
        "kinds_held_cols": np.concatenate(
            [np.empty(0, np.int64), *(np.full(one.held_rows.size, j) for j, one in columns)]
        ),
        "kinds_held": np.concatenate([np.empty(0), *(one.held.ravel() for _, one in columns)]),
    }
    if result.bounds is not None:
        for name, side in zip(("low", "high"), result.bounds, strict=True):
            arrays[f"kinds_bounds_{name}"] = np.broadcast_to(np.asarray(side, dtype=np.float64), (n,)).copy()
    if result.limits is not None:
        arrays |= {f"kinds_limits_{name}": getattr(result.limits, name) for name in LIMITS}
    meta = {
        "columns": [
            {
                "kind": one.kind,
                "levels": list(one.levels),
                "dtype": one.dtype,
                "categories": list(one.categories),
            }
            for one in result.table.kinds
        ],
        "scale": result.scale,
        "layout": None if layout is None else layout.as_plain(),
        "row_names": None if layout is None or layout.row_names is None else list(layout.row_names),
        "col_names": None if layout is None or layout.col_names is None else list(layout.col_names),
        "fill": result.fill,
    }
    return arrays, meta
