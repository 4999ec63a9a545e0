"""The sections of a completion's page."""

from __future__ import annotations

import numpy as np

from . import charts
from .maps import heat_maps
from .parts import Chart, Facts, Key, Page, Part, Section, TablePart, last_sections
from .tables import HeatMaps, HeldOutCells, History, JumpMarks, RankErrors, ReportTables, TextTable

# rows of a table that stands beside a chart
_JUMP_ROWS = 60


def completion_page(tables: ReportTables) -> Page:
    """What was found, how, how sure, and how to do it again."""
    sections = [
        _compared(tables.comparison, tables.compared),
        _fall(tables.history),
        _choice(tables.errors, tables.path, tables.choice),
        _maps(tables.heat_maps),
        _held_out(tables.held_out, tables.column_errors),
        _means(tables.means),
        _suspects(tables.suspects, tables.n_suspects),
        _identifiable(tables),
        _certificate(tables),
        *last_sections(tables.repeat, tables.settings, tables.versions),
    ]
    return Page(
        tables.title,
        tables.subtitle,
        tables.found,
        tables.headline,
        tuple(section for section in sections if section is not None),
        tables.warnings,
        tables.outcome,
        tables.advice,
    )


def _compared(table: TextTable | None, text: str) -> Section | None:
    return None if table is None else Section("Compared with other methods", (TablePart(table),), text)


def _fall(history: History | None) -> Section | None:
    figure = None if history is None else charts.falling(history)
    if history is None or figure is None:
        return None
    jumps = history.jumps
    keys = [Key("kept", f"delivered ({history.kept})"), Key("fallen", "fallen or left out")]
    figures = [figure]
    ridge = charts.ridge(history, figure.x_range)
    if ridge is not None:
        figures.append(ridge)
    rising = history.ridge.size and history.ridge[-1] > history.ridge[0]
    text = (
        "Singular values of the network during training: one after another they fall away"
        f"{' as the ridge rises' if rising else ''}, and the rank with them. The delivered rank is chosen "
        "among those passed on the way."
    )
    parts: list[Part] = []
    if jumps is not None and jumps.step.size:
        keys.append(Key("validation", "the rank changes; point at a mark to see when and why", "down"))
        parts.append(TablePart(jump_table(jumps), _count("All {} changes of the rank", jumps), folded=True))
    described = f"Line chart of singular values against SGD steps. {_jump_words(jumps)}"
    return Section(
        "How the rank fell", (Chart("falling", tuple(figures), described, keys=tuple(keys)), *parts), text
    )


def _jump_words(jumps: JumpMarks | None) -> str:
    if jumps is None or not jumps.step.size:
        return "The recorded rank does not change."
    return (
        f"The rank changes {jumps.step.size:,} times, from {jumps.rank_from[0]} at the beginning to "
        f"{jumps.rank_to[-1]} by step {jumps.step[-1]:,}."
    )


def _count(template: str, jumps: JumpMarks) -> str:
    n = jumps.step.size
    if n > _JUMP_ROWS:
        return f"The first {_JUMP_ROWS} of {n:,} changes of the rank"
    return template.format(n) if n > 1 else "The change of the rank"


def jump_table(jumps: JumpMarks, with_chain: bool = False) -> TextTable:
    """The jumps as text, the first of them if they are many."""
    rows = [
        (
            *((f"{jumps.chain[k]}",) if with_chain else ()),
            f"{jumps.step[k]:,}",
            f"{jumps.rank_from[k]}",
            f"{jumps.rank_to[k]}",
            jumps.note[k],
        )
        for k in range(min(jumps.step.size, _JUMP_ROWS))
    ]
    return TextTable(
        (*(("chain",) if with_chain else ()), "step", "from rank", "to rank", "what happened"), tuple(rows)
    )


def _choice(errors: RankErrors | None, path: TextTable | None, choice: str) -> Section | None:
    figure = None if errors is None else charts.errors(errors)
    parts: list[Part] = []
    if errors is not None and figure is not None:
        keys: list[Key] = []
        if np.any(np.isfinite(errors.validation)):
            keys.append(Key("validation", "held-out cells"))
        keys.append(Key("train", "training cells", "dashed"))
        chosen = "" if errors.chosen is None else f" Rank {errors.rank[errors.chosen]} is delivered."
        ranks = f"ranks {errors.rank.min()} to {errors.rank.max()}"
        text = f"Line chart of {errors.label} against the rank, for {ranks}.{chosen}"
        parts.append(Chart("errors", (figure,), text, keys=tuple(keys)))
    if path is not None:
        parts.append(TablePart(path, "The ranks tried"))
    if not parts:
        return None
    text = "Error of the refitted candidate at each rank tried." if figure is not None else ""
    return Section("Why this rank", tuple(parts), f"{text} {choice}".strip())


def _maps(maps: HeatMaps | None) -> Section | None:
    figures = {} if maps is None else heat_maps(maps)
    if maps is None or not figures:
        return None
    n_rows, n_cols = maps.shape
    height, width = maps.before.shape
    size = f"{n_rows:,} {maps.row_label} by {n_cols:,} {maps.col_label}"
    words = {
        "observed": (
            "Observed",
            f"Heat map of the observed cells of {size}: {maps.label}{_range(maps.before)}. "
            "Grey cells were not observed.",
        ),
        "completed": (
            "Completed",
            f"Heat map of the completed matrix: {maps.label}{_range(maps.after)}. "
            "Grey cells are not determined.",
        ),
        "uncertainty": (
            "Uncertainty",
            f"Heat map of half the width of the {maps.coverage:.0%} interval at every cell as if it were "
            f"missing{_range(maps.half_width)}. Grey: no interval.",
        ),
    }  # fmt: skip
    parts = tuple(Chart(name, (fig,), words[name][1], words[name][0]) for name, fig in figures.items())
    text = (
        "Observed cells are unchanged. The colours span the 1st to the 99th percentile of the observed cells"
        f"{' (uncertainty: up to its 99th percentile)' if 'uncertainty' in figures else ''}. "
        "The buttons above a map zoom into all of them together."
    )
    if maps.unit is not None:
        text = (
            "The columns have different units: each has its colours in its own standard deviations from its "
            f"mean. Point at a cell for its value. {text}"
        )
    if maps.before.shape != maps.shape:
        text = (
            f"Too large to draw every cell: {height:,} of {n_rows:,} {maps.row_label} and {width:,} of "
            f"{n_cols:,} {maps.col_label} are drawn, evenly spaced, none averaged. {text}"
        )
    return Section("Before and after", parts, text, side_by_side=True)


def _range(values: np.ndarray | None) -> str:
    """What a map shows, for those who do not see it."""
    known = np.empty(0) if values is None else values[np.isfinite(values)]
    if not known.size:
        return ""
    low, middle, high = np.quantile(known, [0.0, 0.5, 1.0])
    return f"; from {low:.3g} to {high:.3g}, median {middle:.3g}, {known.size:,} of the cells that are drawn"


def _held_out(cells: HeldOutCells | None, columns: TextTable | None) -> Section | None:
    figure = None if cells is None else charts.held_out(cells)
    if cells is None or figure is None:
        return None
    inside = (cells.low <= cells.observed) & (cells.observed <= cells.high)
    drawn = cells.observed.size
    sample = f" A random {drawn:,} of them are drawn." if drawn < cells.total else ""
    parts: list[Part] = [
        Chart(
            "held-out",
            (figure,),
            f"Scatter plot of {drawn:,} held-out values against their predictions, with the diagonal; "
            f"{np.mean(inside):.1%} lie inside their {cells.coverage:.0%} intervals.",
            "Predicted and held out",
            (
                Key("kept", f"inside its {cells.coverage:.0%} interval", "dot"),
                Key("validation", "outside", "diamond"),
            ),
        )
    ]
    covered = charts.coverage(cells)
    if covered is not None:
        rows = tuple((f"{a:.0%}", f"{b:.1%}") for a, b in zip(cells.nominal, cells.realised, strict=True))
        text = (
            "Line chart of the share of held-out cells inside their intervals against the coverage asked "
            "for: " + ", ".join(f"{a} asked, {b} covered" for a, b in rows)
        )
        parts.append(Chart("coverage", (covered,), f"{text}.", "Coverage of the intervals"))
        parts.append(
            TablePart(
                TextTable(("coverage asked for", "held-out cells covered"), rows), "Coverage as a table", True
            )
        )
    if columns is not None:
        parts.append(TablePart(columns, "Errors by column"))
    text = (
        f"{cells.total:,} cells were held out and predicted by fits that had not seen them.{sample} Each "
        "interval is calibrated on the other held-out cells only. (These cells also chose the rank, so cells "
        "nobody ever saw may do slightly worse.)"
    )
    return Section("Predicted against held-out cells", tuple(parts), text, side_by_side=True)


def _means(means: TextTable | None) -> Section | None:
    if means is None:
        return None
    text = (
        "Means of the columns with 95% intervals, from twenty completed tables drawn from the posterior and "
        "pooled by Rubin's rules: as of a random sample of rows, the missing cells included. The last column "
        "is the share of the information about a mean that is missing; the columns that lack most are shown."
    )
    return Section("What the missing cells leave open", (TablePart(means),), text)


def _suspects(suspects: TextTable | None, count: int) -> Section | None:
    if suspects is None:
        return None
    shown = len(suspects.rows)
    which = "" if shown == count else f" The {shown} with the smallest weight are shown."
    text = (
        f"The noise has heavy tails, and {count:,} observed {'cells are' if count > 1 else 'cell is'} far "
        f"from what the others say. They come back as given but count for little in the fit.{which}"
    )
    return Section("Cells that the fit distrusts", (TablePart(suspects),), text)


def _identifiable(tables: ReportTables) -> Section | None:
    parts: list[Part] = []
    counts = tables.counts
    if counts is not None:
        figure = charts.axis_counts(counts)
        if figure is not None:
            text = (
                f"Line chart of the observed cells per row (fewest {counts.rows[0]:,}, most "
                f"{counts.rows[-1]:,}) and per column (fewest {counts.cols[0]:,}, most {counts.cols[-1]:,}), "
                f"sorted; the dotted line is the rank, {counts.rank}."
            )
            keys = (
                Key("kept", "rows"),
                Key("validation", "columns", "dashed"),
                Key("soft", "rank", "dotted"),
            )
            parts.append(Chart("counts", (figure,), text, "Observed cells per row and column", keys))
    if tables.identifiability:
        parts.append(Facts("Facts", tables.identifiability))
    if tables.thin is not None:
        parts.append(TablePart(tables.thin, "The thinnest rows and columns"))
    if not parts:
        return None
    return Section(
        "Identifiability",
        tuple(parts),
        "A row or column needs at least as many observed cells as the rank; thin ones are the least certain.",
        side_by_side=True,
    )


def _certificate(tables: ReportTables) -> Section | None:
    if tables.certificate is None:
        return None
    return Section("Whether the rank stays", (TablePart(tables.certificate),), tables.certified)
