"""From blocks on disk to a completion in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..completion.result.completion import Completion
from ..completion.result.fitted_model import FittedModel
from ..completion.solvers.posterior import Posterior, Side
from ..errors import InputError
from ..problem import Problem
from ..scale import inverse
from .sweep import chunks, fold

if TYPE_CHECKING:
    from .result import DistributedCompletion

_ERRORS = ("oversampling", "ridge", "sgd_train", "sgd_validation", "train", "refit_ridge", "steps")


def to_local(given: DistributedCompletion, max_cells: int) -> Completion:
    """See :meth:`~.result.DistributedCompletion.to_local`."""
    if given.n_observed > max_cells:
        raise InputError(
            f"The completion has {given.n_observed:,} observed cells, more than {max_cells:,}; "
            "to_local(max_cells=...) reads them all the same."
        )
    model = given.model
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
    n_rows, n_cols = given.shape
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
        held_errors=given.held_errors,
    )
    path = given.path.assign(**dict.fromkeys(_ERRORS, np.nan))
    return Completion(
        problem=problem,
        outcome=given.outcome,
        warnings=(),
        model=fitted,
        path=path,
        history={},
        settings={
            "seed": given.settings["seed"],
            "effects": given.settings["effects"],
            "scale": model.scale,
            "bounds": None if model.bounds is None else list(model.bounds),
            "errors": "units of the data" if model.scale == "linear" else "logarithms",
            "ordered": "none",
        },
        seconds=given.seconds,
        versions=given.versions,
        units=np.ones(n_cols),
        scale=model.scale,  # type: ignore[arg-type]
        bounds=model.bounds,
        row_names=tuple(map(str, model.row_keys.labels.to_pylist())),
        col_names=tuple(map(str, model.col_keys.labels.to_pylist())),
    )
