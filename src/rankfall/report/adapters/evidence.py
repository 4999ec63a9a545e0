"""What a report shows as evidence: the fall of the rank, the held-out cells, the thin rows and columns."""

from __future__ import annotations

from collections import Counter
from math import inf

import numpy as np

from ...analysis import find_jumps
from ...completion.result.column_errors import values_at
from ...completion.result.completion import Completion
from ...completion.result.intervals import conformal_quantile
from ...measures import RANK_TOL
from ...plot.picking import evenly
from .. import AxisCounts, HeldOutCells, History, JumpMarks, TextTable

# points per curve, singular values, and held-out cells that are drawn
_MAX_POINTS, _MAX_VALUES, _MAX_CELLS = 300, 80, 1500
_COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
# parts of the held-out cells of which each is judged by intervals calibrated on the others
_PARTS = 10
# columns whose errors are shown
_WORST = 60
# thinnest rows, and columns, that are named
_THINNEST = 8


def history_table(completion: Completion) -> History | None:
    """Singular values along the run, at evenly spaced records, and all lasting changes of the rank."""
    history = completion.history
    if not history or history["step"].size < 2:
        return None
    at = evenly(history["step"].size, _MAX_POINTS)
    values = history["singular_values"][:, :_MAX_VALUES]
    return History(
        history["step"][at], values[at], history["ridge"][at], completion.rank, completion_jumps(completion)
    )


def completion_jumps(completion: Completion) -> JumpMarks:
    """Where the recorded rank changed and stayed for two records at least, each with a sentence."""
    history = completion.history
    steps, s, ridge = history["step"], history["singular_values"], history["ridge"]
    table = find_jumps(history["rank"][None].astype(np.int64), steps=steps).table
    marks: list[np.ndarray] = [table[name].to_numpy() for name in ("after", "step", "rank_from", "rank_to")]
    after, step, rank_from, rank_to = marks
    at, before = np.searchsorted(steps, step), np.searchsorted(steps, after)
    # of the values that died (or came alive) the smallest one, at the last (first) record at which it was
    # alive
    smallest = np.minimum(np.maximum(rank_from, rank_to), s.shape[1]) - 1
    alive = np.where(rank_to < rank_from, before, at)
    notes = tuple(
        _why(s[before[k]], s[at[k]], int(rank_from[k]), int(rank_to[k]), float(ridge[at[k]]))
        for k in range(step.size)
    )
    chain = np.zeros(step.size, np.int64)
    return JumpMarks(after, step, rank_from, rank_to, s[alive, smallest], chain, notes)


def _why(before: np.ndarray, now: np.ndarray, rank_from: int, rank_to: int, ridge: float) -> str:
    low, high = sorted((rank_from, rank_to))
    place = min(high, before.size) - 1
    if low == 0:
        # relative to the largest, itself, a last singular value never changes
        verb = "died" if rank_to == 0 else "came alive"
        return (
            f"the network {verb}: singular value {high} went from {before[place]:.2g} to {now[place]:.2g}, "
            f"at ridge {ridge:.2g}"
        )
    which = f"singular value {high}" if high == low + 1 else f"singular values {low + 1} to {high}"
    it = "it" if high == low + 1 else "the last of them"
    verb = "fell to" if rank_to < rank_from else "rose above"
    was, is_now = (values[place] / values[0] if values[0] > 0 else 0.0 for values in (before, now))
    return (
        f"{which} {verb} {RANK_TOL:.0%} of the largest{' or less' if rank_to < rank_from else ''}: "
        f"{it} went from {was:.2g} to {is_now:.2g} of it, at ridge {ridge:.2g}"
    )


def held_out_cells(completion: Completion, label: str, coverage: float) -> HeldOutCells | None:
    """The held-out cells with their intervals, each calibrated on the nine tenths without the cell itself.

    None if no cell was held out, or the result was saved before these cells were kept.
    """
    held = completion.model.held_out
    if held is None or not held.rows.size:
        return None
    fitted = values_at(completion.fitted_problem, held.rows, held.cols)
    ratio = np.abs(fitted - held.predicted) / held.spread
    place = np.random.default_rng(0).permutation(ratio.size) % _PARTS
    factors = {c: _factors(ratio, place, c) for c in (*_COVERAGES, coverage)}
    realised = [float(np.mean(ratio <= factors[c])) for c in _COVERAGES]
    usable = [k for k, c in enumerate(_COVERAGES) if np.all(np.isfinite(factors[c]))]
    drawn = np.arange(ratio.size)
    if drawn.size > _MAX_CELLS:
        drawn = np.sort(np.random.default_rng(1).choice(drawn.size, _MAX_CELLS, replace=False))
    rows, cols = held.rows[drawn], held.cols[drawn]
    half = factors[coverage][drawn] * held.spread[drawn]
    center = held.predicted[drawn]
    curves, label = _in_units(completion, cols, (fitted[drawn], center, center - half, center + half), label)
    return HeldOutCells(
        *curves,
        row=tuple(label_of(completion.row_names, int(k)) for k in rows),
        col=tuple(label_of(completion.col_names, int(k)) for k in cols),
        total=ratio.size,
        coverage=coverage,
        nominal=np.array(_COVERAGES)[usable],
        realised=np.array(realised)[usable],
        label=label,
        log=completion.scale == "log" and not completion.mixed_units and bool(np.all(curves[0] > 0)),
    )


def _factors(ratio: np.ndarray, place: np.ndarray, coverage: float) -> np.ndarray:
    """For every cell the factor of its interval, from the ratios |error| / spread of the other parts."""
    out = np.full(ratio.size, inf)
    for part in range(_PARTS):
        out[place == part] = conformal_quantile(np.sort(ratio[place != part]), coverage)
    return out


def _in_units(
    completion: Completion, cols: np.ndarray, curves: tuple[np.ndarray, ...], label: str
) -> tuple[tuple[np.ndarray, ...], str]:
    """Back to the units of the data; columns with different units each in their own standard deviations."""
    if not completion.mixed_units:
        return tuple(completion.in_data_units(values, cols) for values in curves), label
    problem = completion.fitted_problem
    counts = np.maximum(problem.col_counts, 1)
    means = np.bincount(problem.cols, problem.values, problem.n_cols) / counts
    shown = tuple((values - means[cols]) / completion.units[cols] for values in curves)
    label = label if completion.scale == "linear" else f"logarithm of {label}"
    return shown, f"{label} (standard deviations of its column)"


def column_errors(completion: Completion) -> TextTable | None:
    """Errors at held-out cells of the columns, largest relative error first; None if no cell was held out."""
    table = completion.errors
    order = np.argsort(-table["relative"].fillna(-inf).to_numpy(), kind="stable")
    order = order[table["n_held_out"].to_numpy()[order] > 0][:_WORST]
    if not order.size:
        return None
    rows = [
        (
            label_of(completion.col_names, int(k)),
            f"{error:.4g}",
            "–" if np.isnan(relative) else f"{relative:.3g}",
            f"{spread:.4g}",
            f"{count:,}",
        )
        for k, (error, relative, spread, count) in zip(
            order, table.iloc[order].itertuples(index=False), strict=True
        )
    ]
    header = ("column", "root mean square error", "over the standard deviation", "standard deviation")
    return TextTable((*header, "held-out cells"), tuple(rows))


def axis_counts(completion: Completion) -> AxisCounts:
    """Observed cells of rows and columns, sorted, at evenly spaced places."""
    problem = completion.problem
    rows, cols = (np.sort(counts) for counts in (problem.row_counts, problem.col_counts))
    return AxisCounts(
        rows[evenly(rows.size, _MAX_POINTS)],
        cols[evenly(cols.size, _MAX_POINTS)],
        problem.n_rows,
        problem.n_cols,
        completion.rank,
    )


def thinnest(completion: Completion) -> TextTable | None:
    """The rows and columns with the fewest observed cells; None if nothing is missing."""
    problem, rank = completion.problem, completion.rank
    rows: list[tuple[str, str, str]] = []
    for what, counts, size, names in (
        ("row", problem.row_counts, problem.n_cols, completion.row_names),
        ("column", problem.col_counts, problem.n_rows, completion.col_names),
    ):
        for k in np.argsort(counts, kind="stable")[:_THINNEST]:
            count = int(counts[k])
            if count == size:
                break
            verdict = "empty" if not count else "fewer than the rank" if count < rank else ""
            rows.append((f"{what} {label_of(names, int(k))}", f"{count:,} of {size:,}", verdict))
    return TextTable(("row or column", "observed cells", "remark"), tuple(rows)) if rows else None


def distinct(names: tuple[str, ...] | None, what: str) -> tuple[str, ...] | None:
    """Names that occur more than once, with the number of their row or column, counted from zero."""
    if names is None:
        return None
    counts = Counter(names)
    return tuple(f"{name} ({what} {k})" if counts[name] > 1 else name for k, name in enumerate(names))


def label_of(names: tuple[str, ...] | None, number: int) -> str:
    """The name of a row or column, or its number, counted from zero."""
    return str(number) if names is None else names[number]
