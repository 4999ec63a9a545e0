"""From a :class:`Trace` to the plain tables of its report."""

from __future__ import annotations

import numpy as np

from ...analysis import Jumps, find_jumps
from ...dynamics import Trace
from ...dynamics.record import OBSERVABLES
from ...files.plain_values import is_list, is_table
from ...measurements import Measurements
from ...plot.picking import evenly
from .. import Chains, JumpMarks, Raster, SurvivalCurve, TextTable, TraceTables

# records, chains, singular values that are drawn; marks in the raster; survival curves
_MAX_POINTS, _MAX_CHAINS, _MAX_VALUES, _MAX_MARKS, _MAX_CURVES = 300, 16, 8, 5000, 6
# numbers of a list of settings that are written out
_LISTED = 8


def trace_tables(trace: Trace, *, title: str = "trace.npz", dwell: int | None = None) -> TraceTables:
    """What the report of a trace shows.

    Parameters
    ----------
    trace : Trace
    title : str
        Name of the run: the file name.
    dwell : int, optional
        Steps for which a change of the rank must last, as in :func:`rankfall.analysis.find_jumps`.

    Returns
    -------
    TraceTables
        To be given to :func:`rankfall.report.render`. Jumps and survival are there if the rank was recorded.
    """
    m, n = trace.problem.shape
    jumps = find_jumps(trace, dwell=dwell) if "rank" in trace.measured else None
    last = int(trace.n_steps.max(initial=0))
    return TraceTables(
        title=title,
        subtitle=f"{_chains_of(trace)} of {last:,} steps on a {m:,} × {n:,} matrix, "
        f"{trace.problem.n_observed:,} {_observed(trace)}",
        found=_found(trace, jumps),
        headline=_headline(trace, jumps),
        warnings=_warnings(trace),
        chains=_chains(trace),
        raster=None if jumps is None else _raster(trace, jumps),
        survival=() if jumps is None else _survival(jumps),
        rates=None if jumps is None else _rates(jumps),
        repeat=(("In Python, from what is saved with the trace", _repeat(trace, title)),),
        settings=tuple((name.replace("_", " "), _plain(value)) for name, value in trace.settings.items()),
    )


def _observed(trace: Trace) -> str:
    return "measurements" if isinstance(trace.problem, Measurements) else "cells observed"


def _chains_of(trace: Trace) -> str:
    return "1 chain" if trace.n_chains == 1 else f"{trace.n_chains:,} chains"


def _found(trace: Trace, jumps: Jumps | None) -> str:
    if jumps is None:
        return "The rank was not recorded, so there are no jumps to show."
    falls, rises = jumps.count(False), jumps.count(True)
    ranks = sorted(set(jumps.last_rank[jumps.last_rank >= 0].tolist()))
    ends = (
        f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}" if ranks else "no rank"
    )
    fell = (
        f"the rank fell {falls:,} time{'' if falls == 1 else 's'} "
        f"and rose {rises:,} time{'' if rises == 1 else 's'}"
    )
    return f"In {_chains_of(trace)} {fell}; {'it ends' if trace.n_chains == 1 else 'they end'} at {ends}."


def _headline(trace: Trace, jumps: Jumps | None) -> tuple[tuple[str, str], ...]:
    out = [("chains", f"{trace.n_chains:,}"), ("steps", f"{int(trace.n_steps.max(initial=0)):,}")]
    if jumps is not None:
        out += [("falls", f"{jumps.count(False):,}"), ("rises", f"{jumps.count(True):,}")]
    return (*out, ("time", f"{trace.seconds:.1f} s"))


def _warnings(trace: Trace) -> tuple[str, ...]:
    gone = np.flatnonzero(trace.diverged)
    if not gone.size:
        return ()
    lr = float(np.nanmin(trace.stable_lr[gone])) if np.isfinite(trace.stable_lr[gone]).any() else float("nan")
    advice = f"; a learning rate of {lr:.2g} would probably have been stable" if np.isfinite(lr) else ""
    return (f"{gone.size:,} of {_chains_of(trace)} diverged{advice}.",)


def _chains(trace: Trace) -> Chains | None:
    if "singular_values" not in trace.measured or trace.steps.size < 2:
        return None
    at, chosen = evenly(trace.steps.size, _MAX_POINTS), evenly(trace.n_chains, _MAX_CHAINS)
    values = trace.singular_values[chosen][:, at, :_MAX_VALUES]
    return Chains(trace.steps[at], values, trace.chains[chosen], trace.n_chains)


def _raster(trace: Trace, jumps: Jumps) -> Raster:
    table = jumps.table.iloc[:_MAX_MARKS]
    columns = {name: table[name].to_numpy() for name in ("after", "step", "rank_from", "rank_to")}
    notes = tuple(
        f"between step {after:,} and step {step:,}"
        for after, step in zip(columns["after"].tolist(), columns["step"].tolist(), strict=True)
    )
    numbers = trace.chains[table["chain"].to_numpy()]
    marks = JumpMarks(**columns, value=np.full(len(table), np.nan), chain=numbers, note=notes)
    return Raster(marks, jumps.begin, int(trace.steps[-1]), tuple(trace.chains.tolist()), jumps.dwell)


def _survival(jumps: Jumps) -> tuple[SurvivalCurve, ...]:
    """One curve for each rank that chains fell to, the highest first."""
    table = jumps.table
    ranks = np.sort(table.loc[table["kind"] == "fall", "rank_to"].unique())[::-1]
    curves: list[SurvivalCurve] = []
    for rank in ranks[evenly(ranks.size, _MAX_CURVES)] if ranks.size else ():
        curve = jumps.survival(int(rank))
        columns = {
            name: curve[name].to_numpy(dtype=np.float64)
            for name in ("step", "survival", "low", "high", "at_risk")
        }
        curves.append(
            SurvivalCurve(rank=int(rank), begin=jumps.begin, events=int(curve["events"].sum()), **columns)
        )
    return tuple(curves)


def _rates(jumps: Jumps) -> TextTable:
    rows: list[tuple[str, ...]] = []
    for name, upward in (("falls", False), ("rises", True)):
        rate = jumps.rate(upward)
        rows.append(
            (
                name,
                f"{rate.events:,}",
                f"{rate.exposure:,}",
                f"{rate.rate:.3g}",
                f"{rate.low:.2g} to {rate.high:.2g}",
            )
        )
    header = ("jumps", "number", "chain-steps", "per step", "95% interval (Poisson)")
    return TextTable(header, tuple(rows))


def _repeat(trace: Trace, source: str) -> str:
    """The call that makes the same trace from what is saved with it."""
    every = int(trace.steps[1] - trace.steps[0]) if trace.steps.size > 1 else 1
    more = "" if trace.deflate is None else f",\n    deflate={trace.deflate!r}"
    what = tuple(name for name in OBSERVABLES if name in trace.measured)
    return (
        "import rankfall\n\n"
        f"saved = rankfall.Trace.load({source!r})\n"
        "trace = rankfall.train(\n"
        f"    saved.problem, saved.start, saved.optimiser, chains=saved.chains.tolist(), seed={trace.seed},\n"
        f"    dtype={trace.dtype!r}, record=rankfall.Record(every={every}, what={what!r}){more},\n)"
    )


def _plain(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if is_table(value) and "kind" in value:
        # a schedule
        return " ".join([str(value["kind"]).lower(), *(_plain(v) for k, v in value.items() if k != "kind")])
    if is_table(value):
        return ", ".join(f"{name.replace('_', ' ')} {_plain(item)}" for name, item in value.items())
    if is_list(value):
        shown = ", ".join(_plain(item) for item in value[:_LISTED])
        return shown + (f" and {len(value) - _LISTED:,} more" if len(value) > _LISTED else "")
    return str(value)
