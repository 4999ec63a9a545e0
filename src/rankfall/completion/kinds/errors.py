"""Errors at held-out cells of columns of every kind, as a table and in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..result.column_errors import column_errors
from ..result.fitted_model import HeldOut
from .columns import KindsTable
from .levels import LevelColumn, brier, log_loss

if TYPE_CHECKING:
    import pandas as pd

_NAMES = ["kind", "error", "relative", "spread", "brier", "log_loss", "n_held_out"]


def number_errors(
    table: KindsTable,
    held: HeldOut | None,
    latent_cols: Sequence[np.ndarray],
    in_data_units: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> pd.DataFrame:
    """Errors of numbers and counts in their units; `held` are the held-out cells of the latent table."""
    problem, plain = table.problem, table.where("number", "count")
    rows, cols, predicted = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    if held is not None:
        back = np.full(sum(own.size for own in latent_cols), -1)
        for j in plain.tolist():
            back[latent_cols[j]] = j
        here = back[held.cols] >= 0
        rows, cols = held.rows[here], back[held.cols[here]]
        predicted = in_data_units(held.predicted[here], cols)
    return column_errors(problem.subset(np.isin(problem.cols, plain)), rows, cols, predicted, None)


def errors_of(
    table: KindsTable,
    numbers: pd.DataFrame,
    levels: Mapping[int, LevelColumn],
    held_codes: Callable[[int], np.ndarray],
) -> pd.DataFrame:
    """One row per column; `numbers` are the errors of numbers and counts."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for j, one in enumerate(table.kinds):
        if not one.has_levels:
            rows.append({"kind": one.kind, **{str(k): value for k, value in numbers.iloc[j].items()}})
            continue
        found: dict[str, Any] = {"kind": one.kind, "n_held_out": 0}
        if j in levels and levels[j].held_rows.size:
            found |= _of_levels(table, j, levels[j].held, held_codes(j))
        rows.append(found)
    out = pd.DataFrame(rows, columns=pd.Index(_NAMES)).astype({"n_held_out": int})
    layout = table.problem.layout
    labels = None if layout is None else layout.cols
    out.index = pd.RangeIndex(len(rows), name="column") if labels is None else labels
    return out


def _of_levels(table: KindsTable, j: int, held: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
    problem = table.problem
    seen = problem.values[problem.cols == j].astype(np.int64)
    counts = np.bincount(seen, minlength=held.shape[1])
    least = log_loss(np.tile(counts / counts.sum(), (codes.size, 1)), codes)
    loss = log_loss(held, codes)
    return {
        "error": float(np.mean(held.argmax(axis=1) != codes)),
        "relative": loss / least if least > 0 else float("nan"),
        "brier": brier(held, codes),
        "log_loss": loss,
        "n_held_out": codes.size,
    }


def error_lines(errors: pd.DataFrame) -> list[str]:
    """Sentences for the summary."""
    lines: list[str] = []
    levels = errors[errors["log_loss"].notna()]
    if len(levels):
        weights = levels["n_held_out"].to_numpy()
        wrong, loss, relative = (
            float(np.average(levels[name].fillna(1.0), weights=weights))
            for name in ("error", "log_loss", "relative")
        )
        lines.append(
            f"Of {weights.sum()} held-out levels {1 - wrong:.1%} were predicted; log loss {loss:.3g}, "
            f"{relative:.0%} of that of the levels' frequencies."
        )
    numbers = errors[errors["log_loss"].isna() & errors["relative"].notna()]
    if len(numbers):
        share = numbers["relative"].median()
        lines.append(f"Held-out error of numbers {share:.0%} of their spread (median).")
    return lines
