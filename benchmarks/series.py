"""rankfall on tables whose rows follow each other, beside methods for such tables and for any.

    make bench-series                                       # makes .venv-series, then runs this; many hours
    make bench-series ARGS="--only pm25,ar-0.9 --masks 1 --json series.json"
    python benchmarks/series.py --beijing path/to/beijing.csv --patterns single-20,block

Of the observed cells of each table some are hidden: a fifth or a half of them one by one ("single-20",
"single-50"), a tenth of each column in one run ("block"), a tenth of the rows, none beside another ("rows"),
or a tenth of the days of each station ("days"). Each method fills the same hidden cells, and the score is the
root mean square of its errors there, each divided by the standard deviation of its column (of the whole
table, where all cells have one unit). Peers choose their settings on a random tenth of what they see
("seconds" is all of that); rankfall is told nothing. Scores and seconds are means over the masks. "within 2%"
and "behind" compare rankfall with the best of the others; rankfall-no-order is rankfall as well, and is only
shown. "coverage" and "interval score" are those of rankfall's 90% intervals at hidden cells, in the units of
the score, beside those of intervals of one width, calibrated on the same held-out cells.

A fit may take ``--limit`` seconds. A method that is over time for one mask is not tried on those that follow.

With ``--json`` the file is written after every run. What it holds is not run again, except for what failed,
and what was over time with a shorter limit; ``--again rankfall,rankfall-no-order`` runs these anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

import series_data
import series_methods
import series_runs
from real import names_among, write
from real_tables import NEAR, text
from series_data import PATTERNS, SOURCES
from series_methods import METHODS, NO_ORDER, RANKFALL
from series_runs import Record

OVER_TIME = "over time"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Results:
    """Records by table, pattern, mask and method; with a file, what it holds is not run again."""

    def __init__(self, file: Path | None, again: Iterable[str] = ()) -> None:
        self.file = file
        self.records: dict[str, Record] = {}
        if file is not None and file.exists():
            held: dict[str, Record] = json.loads(file.read_text(encoding="utf-8"))
            self.records = {key: r for key, r in held.items() if r["method"] not in again}

    def get(self, key: str, limit: float) -> Record | None:
        """A record that still holds under this time limit."""
        record = self.records.get(key)
        if record is None:
            return None
        over_time = record["status"] == OVER_TIME and record["limit"] >= limit
        return record if record["status"] == "ok" or over_time else None

    def put(self, key: str, record: Record) -> None:
        self.records[key] = record
        if self.file is not None:
            write(self.file, self.records)


def run_pattern(
    name: str,
    table: series_data.Table,
    pattern: str,
    options: argparse.Namespace,
    results: Results,
    worker: series_runs.Worker,
) -> list[Record]:
    """Every method on every mask of one table and pattern."""
    records: list[Record] = []
    late: set[str] = set()
    for mask in range(options.masks):
        hidden = None
        for method in options.methods:
            if method in late or not METHODS[method].suits(table):
                continue
            key = f"{name}.{pattern}.{mask}.{method}"
            record = results.get(key, options.limit)
            if record is None:
                if hidden is None:
                    hidden = series_data.hide(name, table, pattern, mask)
                print(f"{key} ...", file=sys.stderr, flush=True)
                record = {
                    "table": name,
                    "shape": list(table.values.shape),
                    "pattern": pattern,
                    "mask": mask,
                    "method": method,
                    "n_hidden": int(np.count_nonzero(hidden)),
                    **series_runs.run(worker, method, table, hidden),
                }
                results.put(key, record)
            if record["status"] == OVER_TIME:
                late.add(method)
            records.append(record)
    return records


# -- what is printed ---------------------------------------------------------------------------------------


def averaged(records: Iterable[Record]) -> list[Record]:
    """Means over the masks, per method; the first status that is not "ok" stands for all masks."""
    by_method: dict[str, list[Record]] = {}
    for record in records:
        by_method.setdefault(record["method"], []).append(record)
    means = []
    for method, runs in by_method.items():
        bad = next((r for r in runs if r["status"] != "ok"), None)
        if bad is not None:
            means.append({"method": method, "status": bad["status"], "seconds": bad["seconds"]})
            continue
        mean: Record = {"method": method, "status": "ok", "masks": len(runs)}
        for part in ("error", "seconds", "without_prediction"):
            mean[part] = float(np.mean([r[part] for r in runs]))
        mean["intervals"] = {
            kind: {part: float(np.mean([r["intervals"][kind][part] for r in runs])) for part in parts}
            for kind, parts in runs[0]["intervals"].items()
        }
        means.append(mean)
    return means


def report(records: Sequence[Record], remark: str) -> str:
    """Heading, table of means, best first, and rankfall's place."""
    first, means = records[0], averaged(records)
    lines = [["method", "masks", "score", "seconds", "remark"]]
    for mean in sorted(means, key=lambda mean: mean.get("error", np.inf)):
        if mean["status"] != "ok":
            lines.append([mean["method"], "-", "-", f"{mean['seconds']:.1f}", mean["status"]])
            continue
        lacking = mean["without_prediction"]
        note = f"effects for {lacking:.0f} cells" if lacking else ""
        numbers = [str(mean["masks"]), f"{mean['error']:.4f}", f"{mean['seconds']:.1f}"]
        lines.append([mean["method"], *numbers, note])
    rows, columns = first["shape"]
    heading = f"{first['table']}, {first['pattern']}: {rows} x {columns}, {first['n_hidden']} cells hidden"
    return "\n".join([f"{heading} ({remark})", text(lines), verdict(means), ""])


def place(means: Iterable[Record]) -> tuple[str, float] | None:
    """The best of the other methods, and how far rankfall is behind it (negative: ahead); None if unknown."""
    errors = {mean["method"]: mean["error"] for mean in means if mean["status"] == "ok"}
    ours = errors.pop(RANKFALL, None)
    errors.pop(NO_ORDER, None)
    if ours is None or not errors:
        return None
    best = min(errors, key=errors.__getitem__)
    return best, ours / errors[best] - 1


def verdict(means: Sequence[Record]) -> str:
    found = place(means)
    if found is None:
        return "no comparison: rankfall, or every other method, has no result"
    best, gap = found
    if gap <= 0:
        return f"rankfall is first; {best} follows, {1 / (1 + gap) - 1:.1%} behind"
    return f"rankfall is {_words(gap)}: {gap:.1%} behind {best}"


def _words(gap: float) -> str:
    return "first" if gap <= 0 else "within 2% of the first" if gap <= NEAR else "NOT within 2% of the first"


def summary(groups: Mapping[tuple[str, str], Sequence[Record]]) -> str:
    """One line per table and pattern, the share of those where rankfall is near, and the largest gap."""
    lines = [["table", "pattern", RANKFALL, "best other", "score", "gap", ""]]
    gaps: dict[tuple[str, str], tuple[str, float]] = {}
    for group, means in groups.items():
        found = place(means)
        if found is None:
            lines.append([*group, "-", "-", "-", "-", "no comparison"])
            continue
        errors = {mean["method"]: mean["error"] for mean in means if mean["status"] == "ok"}
        gaps[group] = best, gap = found
        lines.append(
            [*group, f"{errors[RANKFALL]:.4f}", best, f"{errors[best]:.4f}", f"{gap:+.1%}", _words(gap)]
        )
    near = sum(gap <= NEAR for _, gap in gaps.values())
    said = [text(lines), f"rankfall is first or within 2% of the first in {near} of {len(groups)}"]
    said[-1] += f" ({near / len(groups):.0%})" if groups else ""
    if gaps:
        worst = max(gaps, key=lambda group: gaps[group][1])
        best, gap = gaps[worst]
        said.append(f"largest gap: {gap:+.1%}, {', '.join(worst)}, to {best}")
    return "\n".join([*said, *order_line(groups), ""])


def order_line(groups: Mapping[tuple[str, str], Sequence[Record]]) -> list[str]:
    """Where the order of rows costs rankfall most, where both kinds have a result."""
    ratios: dict[tuple[str, str], float] = {}
    for group, means in groups.items():
        errors = {mean["method"]: mean["error"] for mean in means if mean["status"] == "ok"}
        if RANKFALL in errors and NO_ORDER in errors:
            ratios[group] = errors[RANKFALL] / errors[NO_ORDER]
    if not ratios:
        return []
    worst = max(ratios, key=ratios.__getitem__)
    middle = float(np.exp(np.mean(np.log(list(ratios.values())))))
    return [
        f"errors relative to {NO_ORDER}: {middle:.3f} times (geometric mean), at worst {ratios[worst]:.3f} "
        f"times ({', '.join(worst)})"
    ]


def coverage_table(groups: Mapping[tuple[str, str], Sequence[Record]]) -> str:
    """90% intervals at hidden cells, of rankfall and of one width."""
    lines = [["table", "pattern", "method", "coverage", "interval score", "of one width", "", "without"]]
    for group, means in groups.items():
        for mean in means:
            if mean["status"] != "ok" or not mean["intervals"]:
                continue
            own, constant = mean["intervals"][RANKFALL], mean["intervals"]["constant"]
            numbers = [f"{kind[part]:.3f}" for kind in (own, constant) for part in ("coverage", "score")]
            lines.append([*group, mean["method"], *numbers, f"{own['without']:.0f}"])
    return text(lines)


# -- options -----------------------------------------------------------------------------------------------


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option, known in (("--only", SOURCES), ("--patterns", PATTERNS), ("--methods", METHODS)):
        names = tuple(known)
        parser.add_argument(option, type=names_among(names), default=names, help=", ".join(names))
    parser.add_argument("--masks", type=int, default=3, help="sets of hidden cells for each pattern")
    parser.add_argument("--limit", type=float, default=180.0, help="seconds for a fit")
    parser.add_argument("--threads", type=int, default=1, help="for every method")
    parser.add_argument("--json", type=Path, help="file of results; what is there is not run again")
    parser.add_argument(
        "--again", type=names_among(tuple(METHODS)), default=(), help="methods that are run all the same"
    )
    parser.add_argument("--beijing", type=Path, help="beijing.csv, if qolmat is not installed")
    options = parser.parse_args(arguments)
    if options.masks < 1:
        parser.error("there must be a mask: --masks 1")
    return options


def usable_methods(methods: Sequence[str]) -> tuple[str, ...]:
    """Those whose packages are there; about the others a sentence is said."""
    kept = []
    for method in methods:
        sentence = series_methods.absent(method)
        if sentence is None:
            kept.append(method)
        else:
            print(sentence, file=sys.stderr, flush=True)
    return tuple(kept)


def usable_tables(names: Sequence[str], hours: Path | None) -> tuple[str, ...]:
    """Those whose data are there; about the others a sentence is said."""
    kept = tuple(name for name in names if hours is not None or not SOURCES[name].beijing)
    if len(kept) < len(names):
        print(series_data.NO_HOURS, file=sys.stderr, flush=True)
    return kept


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    # the methods run in a process of their own, which reads these when it starts
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(options.threads)))
    hours = series_data.find_hours(options.beijing)
    options.methods = usable_methods(options.methods)
    results = Results(options.json, options.again)
    worker = series_runs.Worker(options.limit)
    groups: dict[tuple[str, str], list[Record]] = {}
    try:
        for name in usable_tables(options.only, hours):
            source = SOURCES[name]
            table = source.read(hours)
            for pattern in (pattern for pattern in source.patterns if pattern in options.patterns):
                records = run_pattern(name, table, pattern, options, results, worker)
                if records:
                    print(report(records, source.remark), flush=True)
                    groups[name, pattern] = averaged(records)
    finally:
        worker.close()
    print(summary(groups))
    print(coverage_table(groups))


if __name__ == "__main__":
    main()
