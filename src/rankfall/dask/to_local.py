"""From blocks on disk to a completion in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..completion.result.completion import Completion
from ..completion.result.fitted_model import FittedModel
from ..completion.solvers.posterior import Posterior, Side
from ..problem import Problem
from ..scale import inverse
from .model import Model
from .sweep import chunks, fold

if TYPE_CHECKING:
    import pandas as pd

_ERRORS = ("oversampling", "ridge", "sgd_train", "sgd_validation", "train", "refit_ridge", "steps")


def to_local(
    model: Model, held_errors: np.ndarray, path: pd.DataFrame, settings: Mapping[str, Any], **facts: Any
) -> Completion:
    """See :meth:`~.result.DistributedCompletion.to_local`; `facts` are those of both kinds of completion."""
    layout, columns = model.layout, model.columns
    state = columns.state
    parts: list[tuple[Any, ...]] = []
    sides: list[tuple[np.ndarray, ...]] = []
    for block in range(layout.n_blocks):
        cells = model.block(block).cells(None)
        parts.append((cells.rows + layout.edges[block], cells.indices, cells.values, cells.weights))
        for _, chunk in chunks(model.standardised(cells), state.size):
            rows = fold(chunk, columns)
            sides.append((rows.mean, rows.cov, rows.noise, rows.spread))
    i, j, values = (np.concatenate(part) for part in zip(*(part[:3] for part in parts), strict=True))
    weights = None if parts[0][3] is None else np.concatenate([part[3] for part in parts])
    mean, cov, noise, spread = (np.concatenate(side) for side in zip(*sides, strict=True))
    center = np.zeros(state.row_free.size)
    left = Side(mean, cov, state.row_free, state.row_fixed, state.row_prior, center, noise)
    right, spreads = state.cols, (spread, state.spread)
    if layout.swapped:
        left, right, i, j, spreads = right, left, j, i, spreads[::-1]
    n_rows, n_cols = len(model.row_keys), len(model.col_keys)
    problem = Problem(i, j, inverse(values, model.scale), (n_rows, n_cols), weights)
    problem = problem.with_labels(model.row_keys.labels.to_pylist(), model.col_keys.labels.to_pylist())
    posterior = Posterior(
        state.rank, left, right, state.noise, state.noise_model, converged=True, sweeps=state.sweeps
    )
    fitted = FittedModel(
        posterior,
        np.full(n_cols, model.center),
        np.full(n_cols, model.deviation),
        *spreads,
        calibration=model.scores,
        held_errors=held_errors,
    )
    path = path.assign(**dict.fromkeys(_ERRORS, np.nan))
    return Completion(
        problem=problem,
        warnings=(),
        model=fitted,
        path=path,
        history={},
        settings={
            "seed": settings["seed"],
            "effects": settings["effects"],
            "scale": model.scale,
            "bounds": None if model.bounds is None else list(model.bounds),
            "errors": "units of the data" if model.scale == "linear" else "logarithms",
            "ordered": "none",
        },
        **facts,
        units=np.ones(n_cols),
        scale=model.scale,  # type: ignore[arg-type]
        bounds=model.bounds,
        row_names=tuple(map(str, model.row_keys.labels.to_pylist())),
        col_names=tuple(map(str, model.col_keys.labels.to_pylist())),
    )
