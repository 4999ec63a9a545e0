"""From the completion of a latent table to that of the table with kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...bounds import Bounds, read_bounds, sides_at
from ...errors import InputError
from ...limits import read_limits, require_within
from ...problem import Problem
from ..deliver.assemble import Request
from ..deliver.fit_models import Delivered
from ..deliver.input_notes import input_notes
from ..deliver.unlike_observed import unlike_observed
from ..noisy.first_values import ranges_on_scale
from ..options import Options
from ..result.completion import Completion
from ..result.limit_cells import LimitCells
from ..standardise import Standardisation
from .columns import KindsTable
from .encode import Encoded, encode
from .levels import LevelColumn
from .mixed_completion import MixedCompletion


def prepared(
    table: KindsTable, options: Options, censored: object, missing: tuple[float, ...]
) -> tuple[Encoded, Request, Bounds | None]:
    """The latent table, what is asked about it, and the bounds of the numbers.

    Raises
    ------
    InputError
        If bounds or limits do not fit the table.
    """
    table = table.without(missing)
    layout = table.problem.layout
    rows, cols = (None, None) if layout is None else (layout.row_names, layout.col_names)
    bounds = read_bounds(options.bounds, table.numbers(), cols)
    if isinstance(options.bounds, Mapping):
        _refuse_bounds_of_levels(bounds, table)
    limits = read_limits(censored, table.problem, cols, rows)
    if limits is not None:
        require_within(limits, bounds, cols)
    encoded = encode(table, limits, options.scale, options.seed)
    # with effects of columns, how frequent levels are does not hang on the factors
    effects = "columns" if options.effects == "auto" else options.effects
    latent = replace(options, scale="linear", bounds=None, effects=effects)
    standardisation = Standardisation.of(encoded.problem, "linear", encoded.augmentation)
    return encoded, Request(standardisation, latent, None, missing), bounds


def _refuse_bounds_of_levels(bounds: Bounds | None, table: KindsTable) -> None:
    """Whether a column that is no number was given bounds of its own."""
    if bounds is None:
        return
    low, high = sides_at(bounds, np.arange(len(table.kinds)))
    for j in np.flatnonzero(np.isfinite(low) | np.isfinite(high)).tolist():
        if table.kinds[j].kind != "number":
            raise InputError(
                f"bounds are for numbers, and column {table.names[j]} is of the kind "
                f"{table.kinds[j].kind!r}: leave it out of bounds, or out of kinds."
            )


def decode(
    encoded: Encoded, latent: Completion, delivered: Delivered, bounds: Bounds | None, options: Options
) -> MixedCompletion:
    """The levels and numbers behind a completed latent table."""
    table = encoded.table
    mixed = MixedCompletion(
        latent=latent,
        table=table,
        latent_cols=encoded.cols,
        center=encoded.center,
        spread=encoded.spread,
        scale=options.scale,
        bounds=bounds,
        fill=options.fill,
        levels=_levels(encoded, delivered, table),
        limits=_limits(encoded, delivered, options.scale),
    )
    numbers = _Numbers(mixed, table.numbers())
    if not numbers.problem.n_observed:
        return mixed
    notes = input_notes(numbers.problem, mixed.col_names, mixed.row_names)
    warnings = (*notes, *latent.warnings, *unlike_observed(numbers))
    return replace(mixed, latent=replace(latent, warnings=warnings))


@dataclass(frozen=True, eq=False)
class _Numbers:
    """The columns of numbers of a completed table, as warnings look at them."""

    mixed: MixedCompletion
    problem: Problem

    @property
    def shape(self) -> tuple[int, int]:
        return self.mixed.shape

    @property
    def col_names(self) -> Sequence[str] | None:
        return self.mixed.col_names

    @property
    def bounds(self) -> Bounds | None:
        return self.mixed.bounds

    @property
    def scale(self) -> str:
        return self.mixed.scale

    @property
    def settings(self) -> Mapping[str, object]:
        return self.mixed.settings

    def predict(self, rows: np.ndarray, cols: np.ndarray, *, labels: bool | None = None) -> np.ndarray:
        # an array of objects where another column holds text
        return self.mixed.predict(rows, cols, labels=labels).astype(np.float64)


def _levels(encoded: Encoded, delivered: Delivered, table: KindsTable) -> dict[int, LevelColumn]:
    """Probabilities of all columns with levels."""
    places, m = encoded.places(), table.problem.n_rows
    out: dict[int, LevelColumn] = {}
    for j, one in enumerate(table.kinds):
        if not one.has_levels or not one.levels:
            continue
        n_levels = len(one.levels)
        nothing = np.empty(0, np.int64), np.empty((0, n_levels))
        if n_levels == 1:
            out[j] = LevelColumn(np.ones((m, 1)), *nothing)
            continue
        if delivered.learned is None:  # there was no chain
            codes = table.problem.values[table.problem.cols == j].astype(np.int64)
            counts = np.bincount(codes, minlength=n_levels)
            out[j] = LevelColumn(np.tile(counts / counts.sum(), (m, 1)), *nothing)
            continue
        back = encoded.orders.get(j, np.arange(n_levels))
        first = int(encoded.cols[j][0])
        rows, held = [nothing[0]], [nothing[1]]
        for cells, learned in delivered.learned_of_folds:
            here = cells.rows[cells.cols == first]
            rows.append(here)
            held.append(_in_order(learned.probabilities[places[j]][here], back))
        all_rows = _in_order(delivered.learned.probabilities[places[j]], back)
        out[j] = LevelColumn(all_rows, np.concatenate(rows), np.vstack(held))
    return out


def _in_order(probabilities: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Columns in the order of the levels, of which those of `probabilities` are `levels`."""
    out = np.empty_like(probabilities)
    out[:, levels] = probabilities
    return out


def _limits(encoded: Encoded, delivered: Delivered, scale: str) -> LimitCells | None:
    """What is known of numbers with limits, on the scale of the fit."""
    limits = encoded.limits
    if limits is None:
        return None
    on_scale, ranges = ranges_on_scale(limits, scale), encoded.augmentation.ranges
    width = encoded.problem.n_cols
    latent = np.array([int(encoded.cols[j][0]) for j in limits.cols.tolist()])
    at = np.searchsorted(ranges.rows * width + ranges.cols, limits.rows * width + latent)
    center, spread = encoded.center[limits.cols], encoded.spread[limits.cols]
    if delivered.learned is None:
        mean = np.clip(center, on_scale.lower, on_scale.upper)
        sd = spread
    else:
        mean, sd = center + spread * delivered.learned.mean[at], spread * delivered.learned.sd[at]
    mean = np.clip(mean, on_scale.lower, on_scale.upper)
    return LimitCells(limits.rows, limits.cols, on_scale.lower, on_scale.upper, mean, sd)
