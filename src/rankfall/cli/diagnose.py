"""``rankfall diagnose``: what the observed cells can determine, before anything is fitted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..completion.deliver.input_notes import input_notes
from ..files import Table
from ..files.bad_cells import shell_word
from ..problem import Problem
from ..report import TextTable
from .reading import Reading
from .show import Printer, listed, plural

# observed cells per unknown from which random exact instances are recovered nearly always
_COMFORTABLE = 1.3
_EMPTIEST, _MAX_RANKS = 5, 12


def run(path: Path, reading: Reading, as_json: bool) -> None:
    """Read a table and say what can be determined from it."""
    table = reading.table(path)
    problem = Problem.from_triplets(table.rows, table.cols, table.entries, table.shape)
    table = replace(table, notes=(*table.notes, *input_notes(problem, table.col_names)))
    printer = Printer(sys.stdout, as_json)
    sure, top = _largest_rank(problem, _COMFORTABLE), _largest_rank(problem, 1.0)
    if as_json:
        printer.json({"input": str(path), **_facts(problem, table, sure, top)})
        return
    for note in table.notes:
        printer.text(f"Note: {note}")
    printer.text("\n".join(_sentences(problem, table)))
    printer.text("")
    printer.table(_rank_table(problem, _shown(sure, top, min(problem.shape)), sure, top))
    printer.text(_verdict(problem, sure, top))
    words = ["rankfall", "complete", shell_word(str(path)), *reading.words(), "-o", "filled.csv"]
    printer.text(f"Next: {' '.join(words)}")


def _largest_rank(problem: Problem, rho: float) -> int:
    """Largest rank with more than `rho` observed cells per unknown, also where cells check each other."""
    rank = problem.max_oversampled_rank(rho)
    while rank and problem.core_oversampling(rank) <= rho:
        rank -= 1
    return rank


def _sentences(problem: Problem, table: Table) -> list[str]:
    m, n = problem.shape
    lines = [
        f"{m:,} x {n:,} table, {problem.n_observed:,} of {m * n:,} cells observed "
        f"({problem.n_observed / (m * n):.1%})."
    ]
    for what, counts, size, name in (
        ("row", problem.row_counts, n, table.row_label),
        ("column", problem.col_counts, m, table.col_label),
    ):
        emptiest = _emptiest(counts, size, name)
        if emptiest:
            lines.append(
                f"Emptiest {what}s: {'; '.join(f'{who} ({k:,} of {size:,})' for who, k in emptiest)}."
            )
        empty = [name(int(k)) for k in np.flatnonzero(counts == 0)]
        if empty:
            verb = "has" if len(empty) == 1 else "have"
            lines.append(
                f"{plural(len(empty), what)} {verb} no observed cell and cannot be completed: "
                f"{listed(empty)}."
            )
    if problem.n_components > 1:
        lines.append(
            f"The observed cells fall into {problem.n_components:,} blocks that share no row or column "
            f"({_block_sizes(problem)}); what links them cannot be determined."
        )
    lost = _undetermined(problem)
    if lost:
        lines.append(f"{plural(lost, 'cell')} cannot be determined from the others at any rank.")
    return lines


def _emptiest(counts: np.ndarray, size: int, name: Callable[[int], str]) -> list[tuple[str, int]]:
    """Names and counts of the lines with the fewest observed cells; none if no cell is missing."""
    order = np.argsort(counts, kind="stable")[:_EMPTIEST]
    return [(name(int(k)), int(counts[k])) for k in order if counts[k] < size]


def _block_sizes(problem: Problem) -> str:
    rows, cols = (np.bincount(labels[labels >= 0]) for labels in problem.components)
    return listed([f"{a:,} x {b:,}" for a, b in zip(rows, cols, strict=True)])


def _undetermined(problem: Problem) -> int:
    """Cells whose row and column do not hang together."""
    rows, cols = (np.bincount(labels[labels >= 0]) for labels in problem.components)
    m, n = problem.shape
    return m * n - int(rows @ cols)


def _shown(sure: int, top: int, largest: int) -> list[int]:
    """The ranks worth a line: all if they are few, else some, and always the limits."""
    last = min(top + 1, largest)
    if last <= _MAX_RANKS:
        return list(range(1, last + 1))
    some = np.geomspace(1, top, _MAX_RANKS - 2).round().astype(int).tolist()
    return sorted({rank for rank in (*some, sure, top, last) if rank})


def _rank_table(problem: Problem, ranks: list[int], sure: int, top: int) -> TextTable:
    rows = []
    for rank in ranks:
        short_rows, short_cols = problem.deficient(rank)
        rows.append(
            (
                str(rank),
                f"{rank * (sum(problem.shape) - rank):,}",
                f"{problem.oversampling(rank):.2f}",
                f"{problem.core_oversampling(rank):.2f}",
                f"{short_rows.size:,}",
                f"{short_cols.size:,}",
                "yes" if rank <= sure else "barely" if rank <= top else "no",
            )
        )
    header = (
        "rank",
        "unknowns",
        "cells per unknown",
        "in the core",
        "short rows",
        "short columns",
        "determinable",
    )
    return TextTable(header, tuple(rows))


def _verdict(problem: Problem, sure: int, top: int) -> str:
    m, n = problem.shape
    if not top:
        return (
            f"No rank can be determined: even a matrix of rank 1 has {m + n - 1:,} unknowns, and "
            f"{plural(problem.n_observed, 'observed cell')} cannot check it. Only row and column effects can "
            "be fitted."
        )
    if not sure:
        text = f"{_ranks(1, top)} can be determined, but barely, and only if the cells hold next to no noise."
    else:
        text = f"{_ranks(1, sure)} can be determined"
        text += (
            f"; {_ranks(sure + 1, top).lower()} only barely, if the cells hold next to no noise."
            if top > sure
            else "."
        )
    if top < min(m, n):
        text += f" Above rank {top} there are not enough cells that check each other."
    return (
        text + "\nShort rows and columns have fewer observed cells than the rank; the core is what is left"
        " without those that have no cell to spare. With noise the rank that pays is usually smaller: "
        "rankfall complete finds it."
    )


def _ranks(first: int, last: int) -> str:
    return f"Rank {first}" if first == last else f"Ranks {first} to {last}"


def _facts(problem: Problem, table: Table, sure: int, top: int) -> dict[str, object]:
    m, n = problem.shape
    rows, cols = problem.row_counts, problem.col_counts
    return {
        "shape": [m, n],
        "observed": problem.n_observed,
        "observed_share": problem.n_observed / (m * n),
        "undetermined_cells": _undetermined(problem),
        "components": problem.n_components,
        "empty_rows": [table.row_label(int(k)) for k in np.flatnonzero(rows == 0)],
        "empty_columns": [table.col_label(int(k)) for k in np.flatnonzero(cols == 0)],
        "emptiest_rows": dict(_emptiest(rows, n, table.row_label)),
        "emptiest_columns": dict(_emptiest(cols, m, table.col_label)),
        "comfortable_rank": sure,
        "largest_rank": top,
        "ranks": [
            {
                "rank": rank,
                "oversampling": problem.oversampling(rank),
                "core_oversampling": problem.core_oversampling(rank),
                "deficient_rows": int(problem.deficient(rank)[0].size),
                "deficient_columns": int(problem.deficient(rank)[1].size),
            }
            for rank in _shown(sure, top, min(m, n))
        ],
        "notes": list(table.notes),
    }
