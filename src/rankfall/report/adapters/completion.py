"""From a :class:`Completion` to the plain tables of its report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...completion.descent.watched_run import sentence
from ...completion.result.comparison import Comparison
from ...completion.result.completion import Completion
from ...errors import Outcome
from ...files.plain_values import is_table
from ...plot.picking import cells_at, map_positions
from .. import HeatMaps, RankErrors, ReportTables, TextTable
from .draws import pooled_means, suspects_table
from .evidence import axis_counts, column_errors, distinct, held_out_cells, history_table, thinnest
from .words import choice, found, repeat

_COVERAGE = 0.9
# share of max_time after whose end a report adds nothing that takes seconds (other methods, draws)
_LATE = 0.5
# entries of a setting that are shown one by one: bounds may be given for every column
_ENTRIES = 8


def report_tables(
    completion: Completion,
    *,
    title: str = "Completed matrix",
    value_label: str = "value",
    error_label: str = "root mean square error",
    row_label: str = "rows",
    col_label: str = "columns",
    comparison: TextTable | None = None,
) -> ReportTables:
    """What the report of a completion shows.

    Parameters
    ----------
    completion : Completion
        The result.
    title : str
        Name of the data, for example the file name.
    value_label, error_label : str
        What the cells and the errors are, with the unit.
    row_label, col_label : str
        What rows and columns are, in the plural.
    comparison : TextTable, optional
        Other methods on the same data; by default those of :attr:`Completion.comparison`, but none if the
        completion used up more than half of its `max_time`. Then means with what the missing cells leave open
        are left out, too: both take seconds.

    Returns
    -------
    ReportTables
        To be given to :func:`rankfall.report.render`.
    """
    # before the copy below, which would compute it again
    late = _is_late(completion)
    compared = completion.comparison if comparison is None and not late else None
    completion = replace(
        completion,
        row_names=distinct(completion.row_names, "row"),
        col_names=distinct(completion.col_names, "column"),
    )
    problem = completion.problem
    (m, n), share = problem.shape, problem.n_observed / (problem.n_rows * problem.n_cols)
    return ReportTables(
        title=title,
        subtitle=f"{m:,} × {n:,} matrix, {problem.n_observed:,} cells observed",
        headline=_headline(completion, share),
        outcome=completion.outcome.value.capitalize(),
        advice=completion.outcome.advice,
        found=found(completion),
        warnings=(*completion.warnings, *([compared.advice] if compared and compared.advice else [])),
        history=history_table(completion),
        errors=_errors(
            completion,
            f"{error_label} (column standard deviations)" if completion.mixed_units else error_label,
        ),
        heat_maps=heat_maps(completion, value_label, row_label, col_label),
        held_out=held_out_cells(completion, value_label, _COVERAGE),
        path=path_table(completion),
        choice=choice(completion),
        column_errors=column_errors(completion),
        means=None if late else pooled_means(completion),
        suspects=suspects_table(completion),
        n_suspects=len(completion.suspects),
        comparison=comparison if compared is None else comparison_table(compared),
        compared="" if compared is None else compared.scope,
        certificate=certificate_table(completion),
        certified=sentence(completion.certificate) or "",
        counts=axis_counts(completion),
        thin=thinnest(completion),
        repeat=repeat(completion),
        identifiability=_identifiability(completion),
        settings=tuple(
            (name.replace("_", " "), _short(value))
            for name, value in completion.settings.items()
            if name not in ("command", "rank_choices")
        ),
        versions=tuple(completion.versions.items()),
    )


def _is_late(completion: Completion) -> bool:
    """Whether little or nothing is left of the time that the caller set."""
    if completion.outcome is Outcome.TIME_LIMIT:
        return True
    asked = completion.settings.get("max_time")
    return isinstance(asked, int | float) and completion.seconds > _LATE * asked


def heat_maps(completion: Completion, label: str, row_label: str, col_label: str) -> HeatMaps:
    """The matrix before and after, and its uncertainty, at evenly spaced rows and columns (all, if few).

    Cells are picked, not averaged: an average would hide the holes, which are what the picture is about.
    """
    problem = completion.problem
    rows, cols = map_positions(problem.shape)
    before = cells_at(problem, rows, cols)
    after = np.where(np.isnan(before), completion.predict(rows[:, None], cols[None, :], labels=False), before)
    low, high = completion.interval(rows[:, None], cols[None, :], _COVERAGE, labels=False)
    with np.errstate(invalid="ignore"):
        half = (high - low) / 2
    names = (() if given is None else given for given in (completion.row_names, completion.col_names))
    row_names, col_names = (
        tuple(given[int(k)] for k in lines) if given else ()
        for given, lines in zip(names, (rows, cols), strict=True)
    )
    center, unit = _column_units(before) if completion.mixed_units else (None, None)
    return HeatMaps(
        before,
        after,
        problem.shape,
        label,
        row_label,
        col_label,
        np.where(np.isfinite(half), half, np.nan),
        _COVERAGE,
        row_names,
        col_names,
        center,
        unit,
    )


def _column_units(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of what was observed in each column; 0 and 1 where that says nothing."""
    known = np.isfinite(values)
    counts = np.maximum(known.sum(0), 1)
    center = np.where(known, values, 0.0).sum(0) / counts
    spread = np.sqrt(np.where(known, (values - center) ** 2, 0.0).sum(0) / counts)
    return center, np.where(spread > 0, spread, 1.0)


def _headline(completion: Completion, share: float) -> tuple[tuple[str, str], ...]:
    held_out = completion.validation_rmse
    error = (
        ("RMSE, held-out cells", held_out) if np.isfinite(held_out) else ("RMSE, fit", completion.train_rmse)
    )
    return (
        ("rank", str(completion.rank)),
        (error[0], f"{error[1]:.3g}"),
        ("observed", f"{share:.1%}"),
        ("time", f"{completion.seconds:.1f} s"),
    )


def _errors(completion: Completion, label: str) -> RankErrors | None:
    path = completion.path
    if not len(path):
        return None
    chosen = np.flatnonzero(path["chosen"].to_numpy(dtype=bool))
    return RankErrors(
        path["rank"].to_numpy(),
        path["train"].to_numpy(),
        path["validation"].to_numpy(),
        int(chosen[0]) if chosen.size else None,
        label,
    )


def path_table(completion: Completion) -> TextTable | None:
    """The ranks tried, ready to print; None if there were none."""
    path = completion.path
    if not len(path):
        return None
    columns = (
        ("rank", "rank", "d"),
        ("oversampling", "oversampling", ".2f"),
        ("ridge", "ridge", ".2g"),
        ("SGD training", "sgd_train", ".4g"),
        ("SGD held-out", "sgd_validation", ".4g"),
        ("refit training", "train", ".4g"),
        ("refit held-out", "validation", ".4g"),
        ("relative", "relative", ".4g"),
        ("SGD steps", "steps", ",.0f"),
    )
    # a column that was never measured (held-out errors of exact data, say) would be all dashes
    shown = [column for column in columns if path[column[1]].notna().any()]
    cells = [[_number(value, style) for value in path[name]] for _, name, style in shown]
    marked = np.flatnonzero(path["chosen"].to_numpy(dtype=bool))
    return TextTable(
        tuple(title for title, _, _ in shown),
        tuple(zip(*cells, strict=True)),
        int(marked[0]) if marked.size else None,
    )


def comparison_table(comparison: Comparison) -> TextTable:
    """The methods side by side, ready to print."""
    rows = tuple(
        (
            method.name,
            f"{method.error:.3f}",
            _number(method.difference, "+.3f"),
            _number(method.standard_error, ".3f"),
            f"{method.seconds:.1f}",
        )
        for method in comparison.methods
    )
    return TextTable(("method", "error", "difference", "its standard error", "seconds"), rows, marked=0)


def certificate_table(completion: Completion) -> TextTable | None:
    """The inequalities of the certificate, ready to print; None if there is no certificate."""
    certificate = completion.certificate
    if certificate is None:
        return None
    rows = tuple(
        (
            c.statement,
            f"{c.left:.4g}",
            f"{c.right:.4g}",
            f"{c.margin:.3g}",
            "holds" if c.holds else "fails",
            c.source,
        )
        for c in certificate.conditions
    )
    return TextTable(("inequality", "left side", "right side", "margin", "verdict", "source"), rows)


def _number(value: float, style: str) -> str:
    return format(value, style) if np.isfinite(value) else "–"


def _identifiability(completion: Completion) -> tuple[tuple[str, str], ...]:
    problem, rank = completion.problem, completion.rank
    short_rows, short_cols = problem.deficient(rank)
    local = completion.identifiability.local
    unique = (
        "not checked"
        if local is None
        else "yes"
        if local.unique
        else f"no, {local.n_free_cells:,} free cells"
    )
    return (
        ("oversampling at this rank", f"{problem.oversampling(rank):.2f}" if rank else "–"),
        ("connected components", f"{problem.n_components:,}"),
        ("rows with fewer cells than the rank", f"{short_rows.size:,}"),
        ("columns with fewer cells than the rank", f"{short_cols.size:,}"),
        ("locally unique", unique),
    )


def _short(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if is_table(value) and len(value) > _ENTRIES:
        return f"{len(value):,} entries"
    if is_table(value):
        return ", ".join(f"{name.replace('_', ' ')} {_short(item)}" for name, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
