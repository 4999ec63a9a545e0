"""``rankfall complete`` where columns are of several kinds."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..completion.options import Options
from ..errors import InputError
from ..files import Table, check_draws_table, write_draws, write_table
from ..files.formats import TEXT, kind_of_output
from ..files.table import SheetSource
from .held_interrupts import held_interrupts
from .job import Job
from .outputs import STDOUT, stdout_or
from .progress import live_progress
from .show import Printer

if TYPE_CHECKING:
    from ..completion.kinds import MixedCompletion


def read_kinds_option(texts: Sequence[str]) -> dict[str, str]:
    """Kinds by column, from ``COLUMN=KIND``.

    Raises
    ------
    InputError
        If a text is none, or a column is named twice.
    """
    from ..completion.kinds.columns import KINDS

    found: dict[str, str] = {}
    for text in texts:
        column, mark, kind = text.rpartition("=")
        if not mark or kind not in KINDS:
            raise InputError(f"--kinds takes COLUMN=KIND with a KIND of {', '.join(KINDS)}, not {text!r}.")
        if column in found:
            raise InputError(f"--kinds gives column {column} two kinds.")
        found[column] = kind
    return found


def kinds_of(table: Table, asked: dict[str, str]) -> dict[Any, str]:
    """The kinds of a table's columns as :func:`rankfall.complete` takes them."""
    names = [table.col_label(j) for j in range(table.shape[1])]
    for column in asked:
        if column not in names:
            several = "; every column takes a --kinds of its own" if "=" in column else ""
            raise InputError(f"--kinds names column {column!r}, which the table does not have{several}.")
    levels = table.levels or {}
    by_place = {j: asked.get(name, "category" if j in levels else "") for j, name in enumerate(names)}
    labelled = table.col_names is not None
    return {names[j] if labelled else j: kind for j, kind in by_place.items() if kind}


def run_mixed(job: Job, table: Table, options: Options, kinds: dict[Any, str]) -> MixedCompletion:
    """Complete, write and print."""
    for option, asked in (
        ("--cells", job.cells is not None),
        ("--compare", job.compare),
        ("--json", job.as_json),
    ):
        if asked:
            raise InputError(f"{option} cannot be used with columns of several kinds yet: leave it out.")
    is_text = job.out == STDOUT or kind_of_output(job.out)[0] in TEXT
    if table.levels and not (is_text and isinstance(table.source, SheetSource)):
        raise InputError(f"Columns of text come back as text only: OUT must end in {', '.join(TEXT)}.")
    if isinstance(options.bounds, Mapping):
        # a range of all columns is one of all numbers
        named = job.bounds().of_columns
        ranges = {
            key: side
            for key, side in options.bounds.items()
            if kinds.get(key, "number") == "number" or str(key) in named
        }
        options = dataclasses.replace(options, bounds=ranges)
    if job.draws is not None:
        check_draws_table(table)
    from ..completion.complete import complete
    from ..problem import Problem

    problem = Problem.from_triplets(table.rows, table.cols, table.entries, table.shape)
    with live_progress(job.quiet) as callback:
        labelled = problem.with_labels(table.row_names, table.col_names)
        result: Any = complete(
            labelled, callback=callback, censored=table.limits, kinds=kinds, **vars(options)
        )
    coded, result = result, _with_names(result, table.levels or {})
    with held_interrupts():
        with stdout_or(job.out) as path:
            if job.draws is not None:
                drawn = coded.draws(job.draws, seed=options.seed).arrays()
                write_draws(path, table, (one.astype(np.float64) for one in drawn), rounded=job.rounded)
            else:
                dense = np.asarray(coded.to_dense(), dtype=np.float64)
                write_table(path, table, dense, rounded=job.rounded)
        if job.save is not None:
            result.save(job.save)
        if job.report is not None:
            from .reports import write_report

            write_report(result.latent, job.report)
    _print(job, table, result)
    return result


def _with_names(result: MixedCompletion, levels: Mapping[int, Sequence[str]]) -> MixedCompletion:
    """The result whose levels are the texts of the file instead of the numbers that these were read as."""
    kinds = list(result.table.kinds)
    for j, names in levels.items():
        texts = tuple(names[int(code)] for code in kinds[j].levels)
        kinds[j] = dataclasses.replace(kinds[j], levels=texts, dtype="object")
    table = dataclasses.replace(result.table, kinds=tuple(kinds))
    return dataclasses.replace(result, table=table)


def _print(job: Job, table: Table, result: MixedCompletion) -> None:
    from ..report.adapters.completion import path_table

    printer = Printer(sys.stderr if job.out == STDOUT else sys.stdout)
    for note in table.notes:
        printer.text(f"Note: {note}")
    path = path_table(result.latent)
    if path is not None:
        printer.table(path, note="chosen")
        printer.text("")
    printer.text(result.summary(certificate=job.certificate))
    written = [str(path) for path in (job.out, job.save, job.report) if path not in (None, STDOUT)]
    if written:
        printer.text(f"Wrote {', '.join(written)}.")
