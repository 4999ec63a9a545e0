"""``rankfall complete``: read, complete, write, print."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, Outcome
from ..files import (
    Cells,
    Table,
    check_draws_table,
    check_table_path,
    read_cells,
    whole_number_columns,
    write_cells,
    write_draws,
    write_table,
    written_in_parts,
)
from ..files.formats import TEXT, kind_of_output
from ..files.inputs import STDIN
from ..problem import Problem
from .held_interrupts import held_interrupts
from .job import Job
from .kinds import kinds_of, read_kinds_option, run_mixed
from .outputs import STDOUT, check_outputs, stdout_or
from .progress import live_progress
from .reading import column_of
from .show import Printer, listed

if TYPE_CHECKING:
    from ..completion import Completion


def run(job: Job) -> Outcome:
    """Do the job; how the completion ended."""
    options, bounds = job.options(), job.bounds()
    _check_interval(job)
    check_outputs(
        {"IN": job.source, "CELLS": job.cells}, {"OUT": job.out, "PAGE": job.report, "RESULT": job.save}
    )
    _check_format(job)
    if job.draws is not None and job.cells is not None:
        raise InputError("--draws writes whole tables and --cells single cells: give one of them.")
    if STDIN == job.source == job.cells:
        raise InputError("IN and CELLS cannot both be stdin.")
    asked = read_kinds_option(job.kinds)
    table = replace(job.reading, kinds=asked).table(job.source)
    if table.entries.size == table.shape[0] * table.shape[1]:
        table = replace(table, notes=(*table.notes, "No cell is empty: there is nothing to fill in."))
    options = replace(
        options,
        bounds=bounds.of(table),
        row_positions=column_of(table, "--positions", job.positions),
        groups=column_of(table, "--groups", job.groups),
    )
    kinds = kinds_of(table, asked)
    if any(kind != "number" for kind in kinds.values()):
        return run_mixed(job, table, options, kinds).outcome
    if job.draws is not None:
        check_draws_table(table)
    wanted = None if job.cells is None else read_cells(job.cells, table)
    problem = Problem.from_triplets(table.rows, table.cols, table.entries, table.shape)
    if wanted is None and not written_in_parts(job.out if job.out != STDOUT else Path("stdout.csv"), table):
        # the whole table and its like will be needed in the end; better to run out of memory now
        np.empty((3, *table.shape))
    with live_progress(job.quiet) as callback:
        # importing this compiles or loads kernels; bad input is reported before
        from ..completion.complete import complete

        _check_values(table, options.scale)
        labelled = problem.with_labels(table.row_names, table.col_names)
        result = complete(labelled, callback=callback, censored=table.limits, **vars(options))
    settings = {**result.settings, "source": "stdin" if job.source == STDIN else job.source.name}
    if job.command:
        settings["command"] = shlex.join(job.command)
    result = replace(result, settings=settings)
    interval = None
    if wanted is not None and job.interval is not None:
        interval = result.interval(wanted.rows, wanted.cols, job.interval)
        table = replace(table, notes=(*table.notes, *_unbounded(*interval)))
    if wanted is None and job.rounded:
        table = replace(table, notes=(*table.notes, *_rounded(table)))
    with held_interrupts():
        _write(job, table, wanted, result, interval)
    _print(job, table, result)
    return result.outcome


def _check_format(job: Job) -> None:
    """Refuse an OUT whose name asks for a format that is not written."""
    if job.out == STDOUT:
        return
    check_table_path(job.out)
    if job.cells is not None and kind_of_output(job.out)[0] not in TEXT:
        raise InputError(
            f"With --cells, OUT is a text table: its name must end in {', '.join(TEXT)}, not {job.out.name}."
        )


def _check_interval(job: Job) -> None:
    if job.interval is None:
        return
    if not 0 < job.interval < 1:
        raise InputError(
            f"--interval takes a coverage between 0 and 1, 0.9 for example, not {job.interval:g}."
        )
    if job.cells is None:
        raise InputError(
            "--interval needs --cells CELLS, a CSV of the row,column pairs whose intervals OUT is to hold."
        )


def _check_values(table: Table, scale: str) -> None:
    """Refuse values that the scale cannot take, by the names that the user knows."""
    from ..scale import check_scale

    bad = check_scale(table.entries, scale)
    if bad is not None:
        first = bad[0]
        raise InputError(
            f"--scale {scale} needs {'positive numbers' if scale == 'log' else 'numbers above -1'}, but row "
            f"{table.row_label(int(table.rows[first]))}, column {table.col_label(int(table.cols[first]))} "
            f"holds {table.entries[first]:g}."
        )


def _unbounded(lower: np.ndarray, upper: np.ndarray) -> list[str]:
    """A note if some intervals say nothing."""
    count = int(np.count_nonzero(np.isinf(lower) | np.isinf(upper)))
    if not count:
        return []
    return [
        f"{count:,} of {lower.size:,} intervals are unbounded: too few cells were held out for this "
        "coverage, or nothing is known about the cell."
    ]


def _rounded(table: Table) -> list[str]:
    """A note if whole numbers were made of what was computed."""
    whole = whole_number_columns(table)
    if not whole:
        return []
    names = "every column" if len(whole) == table.shape[1] else listed([table.col_label(j) for j in whole])
    return [
        f"Only whole numbers were observed, and filled in, in {names}; --no-round writes what was computed."
    ]


def _write(
    job: Job,
    table: Table,
    wanted: Cells | None,
    result: Completion,
    interval: tuple[np.ndarray, np.ndarray] | None,
) -> None:
    """Everything that was asked for, each file whole or not at all."""
    with stdout_or(job.out) as path:
        if job.draws is not None:
            drawn = result.draws(job.draws, seed=job.asked["seed"])
            write_draws(path, table, drawn.arrays(), rounded=job.rounded)
        elif wanted is None:
            write_table(path, table, lambda a, b: result.to_dense(rows=slice(a, b)), rounded=job.rounded)
        else:
            values = result.predict(wanted.rows, wanted.cols)
            write_cells(path, wanted.row_labels, wanted.col_labels, values, interval)
    if job.save is not None:
        result.save(job.save)
    if job.report is not None:
        from .reports import write_report

        write_report(result, job.report)


def _print(job: Job, table: Table, result: Completion) -> None:
    printer = Printer(sys.stderr if job.out == STDOUT else sys.stdout)
    if job.as_json:
        printer.json(_facts(job, table, result))
        return
    for note in table.notes:
        printer.text(f"Note: {note}")
    from ..report.adapters.completion import path_table

    path = path_table(result)
    if path is not None:
        printer.table(path, note="chosen")
        printer.text("")
    printer.text(result.summary(certificate=job.certificate))
    if job.compare:
        _print_comparison(printer, result)
    written = [str(path) for path in (job.out, job.save, job.report) if path not in (None, STDOUT)]
    if written:
        printer.text(f"Wrote {', '.join(written)}.")
    printer.text(f"Next: {_next_step(job, result)}")


def _print_comparison(printer: Printer, result: Completion) -> None:
    """Other methods at the same held-out cells, and a warning if one of them is better."""
    from ..report.adapters.completion import comparison_table

    comparison = result.comparison
    if comparison is None:
        printer.text(
            "Other methods were not compared: no cell was held out (the fit is exact, or cells are few)."
        )
        return
    printer.text("")
    printer.table(comparison_table(comparison), note="")
    printer.text(comparison.scope)
    if comparison.advice:
        printer.text(f"Warning: {comparison.advice}")


def _next_step(job: Job, result: Completion) -> str:
    """What a user would do now."""
    if result.outcome is Outcome.INTERRUPTED:
        return "the same command starts again from the beginning; --max-time SECONDS stops it by itself."
    if job.report is not None:
        return f"open {job.report} in a browser."
    if job.save is not None:
        return shlex.join(["rankfall", "report", str(job.save), "-o", f"{job.save.stem}.html"])
    return "the same command with --report page.html draws what was found; with --save result.npz it is kept."


def _facts(job: Job, table: Table, result: Completion) -> dict[str, object]:
    """The result as plain values."""
    problem = result.problem
    short_rows, short_cols = problem.deficient(result.rank)
    return {
        "input": str(job.source),
        "output": str(job.out),
        "save": None if job.save is None else str(job.save),
        "report": None if job.report is None else str(job.report),
        "shape": list(result.shape),
        "observed": problem.n_observed,
        "scale": result.scale,
        "errors": result.settings["errors"],
        "coverage": job.interval,
        "draws": job.draws,
        "rank": result.rank,
        "outcome": result.outcome.value,
        "converged": result.outcome.converged,
        "advice": result.outcome.advice,
        "warnings": list(result.warnings),
        "notes": list(table.notes),
        "train_rmse": result.train_rmse,
        "validation_rmse": result.validation_rmse,
        "validation_standard_error": result.validation_standard_error,
        "column_errors": [
            {"column": table.col_label(k), **row} for k, row in enumerate(result.errors.to_dict("records"))
        ],
        "seconds": result.seconds,
        "comparison": _comparison(result) if job.compare else None,
        "certificate": None if result.certificate is None else result.certificate.as_dict(),
        "path": [_visit(row) for row in result.path.to_dict("records")],
        "identifiability": {
            "oversampling": problem.oversampling(result.rank),
            "components": problem.n_components,
            "deficient_rows": short_rows.size,
            "deficient_columns": short_cols.size,
        },
        "settings": result.settings,
        "versions": result.versions,
    }


def _comparison(result: Completion) -> dict[str, object] | None:
    return None if result.comparison is None else result.comparison.as_dict()


def _visit(row: dict) -> dict[str, object]:
    # the column has gaps, for which pandas made fractions of whole numbers
    return {**row, "steps": int(row["steps"]) if row["steps"] == row["steps"] else None}
