"""The sections of the pages of a trace, and of a study or sweep."""

from __future__ import annotations

import base64

import numpy as np

from . import trace_charts
from .completion_page import jump_table
from .lab_tables import Chains, ClaimText, Raster, StudyTables, SurvivalCurve, TraceTables
from .parts import Chart, Code, Key, ListPart, Page, Part, Picture, Section, TablePart, last_sections
from .tables import TextTable
from .theme import SERIES

_MARKS = ("line", "dashed", "dotted", "dashed")
# rows of a table that says in numbers what a curve shows
_FEW_ROWS = 12


def trace_page(tables: TraceTables) -> Page:
    """Chains, their jumps, and how long they stay."""
    sections = [
        _chains(tables),
        _raster(tables.raster, tables.rates),
        _survival(tables.survival),
        *last_sections(tables.repeat, tables.settings, tables.versions),
    ]
    return Page(
        tables.title,
        tables.subtitle,
        tables.found,
        tables.headline,
        tuple(section for section in sections if section is not None),
        tables.warnings,
    )


def _chains(tables: TraceTables) -> Section | None:
    chains = tables.chains
    figure = None if chains is None else trace_charts.overlaid(chains)
    if chains is None or figure is None:
        return None
    drawn, k = chains.singular_values.shape[0], chains.singular_values.shape[2]
    which = (
        f"{drawn} of {chains.total:,} chains are drawn"
        if drawn < chains.total
        else f"All {drawn} chains are drawn"
    )
    keys = tuple(Key(SERIES[i], f"{_ordinal(i + 1)} singular value") for i in range(min(k, len(SERIES))))
    if k > len(SERIES):
        which += f"; the colours repeat after {len(SERIES)}"
    text = f"Singular values of each chain, largest first. {which if drawn > 1 else 'There is one chain'}."
    described = (
        f"Line chart of the singular values of {drawn} chains against steps, up to step {chains.steps[-1]:,}."
    )
    table = TablePart(_chains_table(chains), "Medians over the drawn chains, as a table", folded=True)
    return Section("Chains overlaid", (Chart("chains", (figure,), described, keys=keys), table), text)


def _chains_table(chains: Chains) -> TextTable:
    """The first singular values at a few records."""
    at = _few(chains.steps.size)
    k = min(chains.singular_values.shape[2], len(SERIES))
    with np.errstate(all="ignore"):
        medians = np.median(chains.singular_values[:, at, :k], axis=0)
    header = ("step", *(f"{_ordinal(i + 1)} singular value" for i in range(k)))
    rows = tuple(
        (f"{step:,}", *(f"{value:.3g}" if np.isfinite(value) else "–" for value in values))
        for step, values in zip(chains.steps[at], medians, strict=True)
    )
    return TextTable(header, rows)


def _few(size: int) -> np.ndarray:
    """Evenly spaced places, the first and the last among them."""
    return np.unique(np.linspace(0, size - 1, min(size, _FEW_ROWS)).round().astype(np.int64))


def _ordinal(number: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")


def _raster(raster: Raster | None, rates: TextTable | None) -> Section | None:
    figure = None if raster is None else trace_charts.raster(raster)
    if raster is None or figure is None:
        return None
    falls = int(np.count_nonzero(raster.jumps.falls))
    rises = raster.jumps.step.size - falls
    keys = (
        Key("kept", f"the rank falls ({falls:,})", "down"),
        Key("validation", f"the rank rises ({rises:,})", "up"),
    )
    described = (
        f"Raster of {falls:,} falls and {rises:,} rises of the rank in {len(raster.chains):,} chains, "
        "one row of marks each."
    )
    parts: list[Part] = [Chart("raster", (figure,), described, keys=keys)]
    if rates is not None:
        parts.append(TablePart(rates, "Rates"))
    n = raster.jumps.step.size
    if n:
        table = jump_table(raster.jumps, with_chain=True)
        title = f"The first {len(table.rows)} of {n:,} jumps" if len(table.rows) < n else "All jumps"
        parts.append(TablePart(table, title, folded=True))
    text = f"A change of the rank counts when it lasts for {raster.dwell:,} steps." if raster.dwell else ""
    return Section("Jumps", tuple(parts), text)


def _survival(curves: tuple[SurvivalCurve, ...]) -> Section | None:
    curves = tuple(curve for curve in curves if curve.step.size)
    figure = trace_charts.survival(curves)
    if figure is None:
        return None
    keys = tuple(
        Key(SERIES[k % len(SERIES)], f"to rank {curve.rank} ({curve.events:,} fell)", _MARKS[k % len(_MARKS)])
        for k, curve in enumerate(curves)
    )
    words = [
        f"to rank {curve.rank}: {curve.survival[-1]:.0%} not yet at step {curve.step[-1]:,}"
        for curve in curves
    ]
    described = f"Step curves of the share of chains that have not yet fallen; {'; '.join(words)}."
    parts = [Chart("survival", (figure,), described, keys=keys)]
    tables = [
        TablePart(_survival_table(curve), f"Not yet at rank {curve.rank}, as a table", folded=True)
        for curve in curves
    ]
    text = (
        "Kaplan-Meier estimate of the share of chains whose rank has not yet fallen so far, with 95% "
        "intervals; chains whose watch ended count until then."
    )
    return Section("How long the chains stay", (*parts, *tables), text)


def _survival_table(curve: SurvivalCurve) -> TextTable:
    at = _few(curve.step.size)
    rows = tuple(
        (
            f"{curve.step[k]:,}",
            f"{curve.at_risk[k]:,}",
            f"{curve.survival[k]:.1%}",
            f"{curve.low[k]:.1%} to {curve.high[k]:.1%}",
        )
        for k in at
    )
    return TextTable(("step", "chains at risk", "not yet fallen", "interval"), rows)


def study_page(tables: StudyTables) -> Page:
    """Claims with their verdicts, the figure, the results, and how to do it again."""
    sections: list[Section] = []
    if tables.claims:
        sections.append(_claims(tables.claims))
    if tables.picture is not None:
        words = tables.picture_text or f"Figure of {tables.title}"
        dark = "" if tables.picture_dark is None else _data(tables.picture_dark)
        sections.append(Section("Figure", (Picture(_data(tables.picture), words, dark),)))
    if tables.results is not None:
        shown = len(tables.results.rows)
        text = (
            f"The first {shown:,} of {tables.results_total:,} rows." if shown < tables.results_total else ""
        )
        title = f"{shown:,} rows"
        sections.append(Section("Results", (TablePart(tables.results, title, folded=shown > 20),), text))
    if tables.source:
        sections.append(Section("The study itself", (Code("What its cells are made from", tables.source),)))
    sections += last_sections(tables.repeat, tables.settings, tables.versions)
    return Page(
        tables.title, tables.subtitle, tables.found, tables.headline, tuple(sections), tables.warnings
    )


def _data(picture: bytes) -> str:
    # as an image, a file can neither run scripts nor ask the network, whatever is in it
    kind = "png" if picture.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _claims(claims: tuple[ClaimText, ...]) -> Section:
    rows = tuple((f"{k}. {c.statement}", c.verdict, c.estimate, c.interval) for k, c in enumerate(claims, 1))
    parts: list[Part] = [TablePart(TextTable(("claim", "verdict", "estimate", "interval"), rows))]
    # many claims share a rule
    of_rule: dict[str, list[str]] = {}
    for k, claim in enumerate(claims, 1):
        of_rule.setdefault(claim.rule, []).append(str(k))
    if any(claim.note for claim in claims):
        notes = tuple(f"{k}: {claim.note}" for k, claim in enumerate(claims, 1) if claim.note)
        parts.append(ListPart(notes, "What else to know, by claim"))
    rules = tuple(f"{', '.join(numbers)}: {rule}" for rule, numbers in of_rule.items())
    parts.append(ListPart(rules, "Rules of the verdicts, written before the run, by claim"))
    return Section("Claims", tuple(parts))
