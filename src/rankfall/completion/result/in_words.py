"""Parts of what a completion says of itself: lines of its summary, and its page in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ...frames.writing import holds_whole_numbers
from ...problem import Problem
from ..solvers.posterior import Posterior
from .column_errors import ENOUGH

if TYPE_CHECKING:
    import pandas as pd

# columns that a notebook shows the errors of, and that a note names
_SHOWN, _NAMED = 12, 3


def error_line(errors: pd.DataFrame) -> list[str]:
    """The typical and the largest error of a column, if there are several."""
    known = errors[(errors["n_held_out"] >= ENOUGH) & errors["relative"].notna()]
    if len(known) < 2:
        return []
    relative = known["relative"].to_numpy()
    worst = int(np.argmax(relative))
    return [
        f"Held-out error of a column over its standard deviation: median {np.median(relative):.2g}, largest "
        f"{relative[worst]:.2g} (column {known.index[worst]})."
    ]


def held_out_error(error: float, standard_error: float, in_gaps: bool = False) -> str:
    """The held-out error with its uncertainty, for the summary; empty if there is none."""
    if np.isnan(error):
        return ""
    where = "cells held out in gaps like the missing ones" if in_gaps else "held-out cells"
    return f", at {where} {error:.4g}" + (
        "" if np.isnan(standard_error) else f" with a standard error of {standard_error:.2g}"
    )


def order_line(posterior: Posterior) -> list[str]:
    """Which neighbours resemble each other, and how far the factors remember."""
    sides = ((posterior.rows.chain, "row", "Rows"), (posterior.cols.chain, "column", "Columns"))
    out = []
    for chain, one, name in sides:
        if chain is None:
            continue
        half_lives = np.sort(chain.half_lives)
        low, middle, high = (chain.in_words(float(each)) for each in np.quantile(half_lives, (0, 0.5, 1)))
        unit = "" if chain.is_time else f" {one}s" if chain.step == 1 else ""
        spread = f" (median {middle})" if half_lives.size > 2 else ""
        lives = f"of {low}{unit}" if low == high else f"from {low} to {high}{unit}{spread}"
        out.append(f"{name} that follow each other resemble each other: factors have half-lives {lives}.")
    n_cols = posterior.cols.mean.shape[0]
    if posterior.rank > n_cols:
        out.append(
            f"No rank is low: there are more factors than the {n_cols} columns, so that what is left of each "
            "has a memory of its own."
        )
    return out


def suspects_line(suspects: pd.DataFrame, n_observed: int, posterior: Posterior) -> list[str]:
    """How many cells a fit with heavy tails distrusts."""
    if not posterior.noise_model.is_heavy:
        return []
    count = len(suspects)
    cells = "cell is" if count == 1 else "cells are"
    return [
        f"The noise has heavy tails: {count:,} observed {cells} far from what the others say "
        f"({count / n_observed:.2%}; see result.suspects) and count for little."
    ]


def rank_choices(rank: int, choices: object) -> list[str]:
    """What other ways to choose the rank say, if they differ."""
    if not isinstance(choices, dict):
        return []
    parts = []
    if choices["smallest_error"] != choices["one_se"]:
        parts.append(
            f"the held-out error is smallest at rank {choices['smallest_error']}, and as good, within a "
            f"standard error, at rank {choices['one_se']}"
        )
    by_fold = choices["by_fold"]
    if by_fold and set(by_fold) != {rank}:
        others = [other for other in by_fold if other != rank]
        low, high = min(others), max(others)
        spread = f"rank {low}" if low == high else f"ranks {low} to {high}"
        same = by_fold.count(rank)
        parts.append(
            f"of the {len(by_fold)} folds alone {same} would choose rank {rank}, the others {spread}"
        )
    return [f"Choice of the rank: {'; '.join(parts)}."] if parts else []


def rounding_note(problem: Problem) -> list[str]:
    """A note if to_frame() rounds."""
    layout = problem.layout
    if layout is None or layout.dtypes is None or layout.col_names is None:
        return []
    missing = problem.col_counts < problem.n_rows
    names = [
        layout.col_names[k]
        for k, dtype in enumerate(layout.dtypes)
        if missing[k] and holds_whole_numbers(dtype)
    ]
    if not names:
        return []
    more = len(names) - _NAMED
    listed = ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
    return [
        f"Note: Columns of whole numbers stay so: to_frame() rounds what it fills in ({listed}); "
        "to_frame(round=False) does not."
    ]


def as_html(lines: Sequence[str], path: pd.DataFrame, errors: pd.DataFrame) -> str:
    """The lines for a notebook, with the ranks that were tried and the columns that are predicted worst."""
    first, *rest = map(escape, lines)
    parts = [f"<div><p><strong>{first}</strong></p>", *(f"<p>{line}</p>" for line in rest)]
    if len(path):
        columns = ["rank", "oversampling", "train", "validation", "chosen"]
        parts.append(_table("Ranks tried", path[columns], index=False))
    errors = errors[errors["n_held_out"] > 0]
    if len(errors):
        worst = errors.sort_values("relative", ascending=False, kind="stable").head(_SHOWN)
        more = f", the worst {_SHOWN} of {len(errors)}" if len(errors) > _SHOWN else ""
        parts.append(_table(f"Errors at held-out cells by column{more}", worst, index=True))
    return "\n".join([*parts, "</div>"])


def _table(title: str, table: pd.DataFrame, index: bool) -> str:
    shown = table.to_html(index=index, border=0, float_format=lambda x: f"{x:.3g}", na_rep="–")
    return f"<details open><summary>{escape(title)}</summary>{shown}</details>"
