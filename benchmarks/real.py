"""rankfall and its peers on real data: the same hidden cells, each method tuned on validation cells only.

    make bench-real                                   # makes .venv-real with the peers, then runs this
    make bench-real MOVIELENS=path/to/u.data          # with MovieLens-100K, which you fetch yourself
    python benchmarks/real.py --only camera,coffee --methods rankfall,soft-impute --out results
    python benchmarks/real.py --quick                 # minutes: small parts of the tables, the fast methods

Every method gets the same training cells. A peer holds a random tenth of them out, tries its settings there
and fits the best one to all of them ("seconds" is all of that, "last fit" the final fit alone). rankfall is
called as ``rf.complete(X, seed=0)``, for ratings with their range as ``bounds``, and told nothing else.
Ratings predicted by any method are clipped to the observed range; where a method has no prediction, row and
column effects stand in (the remark says for how many cells). Each run has a process of its own and a time
limit. With ``--out`` every run is kept in a file of its own and not repeated, and ``results.json``
holds them all.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import real_data
import real_tables
from rankfall.files import atomic_path
from real_methods import FULL, METHODS, Record, applies, run_within

QUICK = {
    "only": ("camera", "coffee", "temperature", "grass"),
    "methods": ("rankfall", "column-means", "effects", "knn", "soft-impute"),
    "hidden": ("50",),
}
FULLY = {"only": real_data.DATA, "methods": METHODS, "hidden": tuple(real_data.HIDINGS)}
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def obtain(method: str, case: real_data.Case, options: argparse.Namespace) -> Record:
    """The record of one run: from the folder if it is there, else made and kept."""
    file = options.out / "runs" / f"{case.name}.{method}.json" if options.out else None
    if file is not None and file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    print(f"{case.name}: {method} ...", file=sys.stderr, flush=True)
    record = run_within(method, case, options.full_limit if method == FULL else options.limit)
    if file is not None:
        write(file, record)
    return record


def write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as temporary:
        Path(temporary).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def run_case(case: real_data.Case, options: argparse.Namespace) -> list[Record]:
    records = [obtain(method, case, options) for method in options.methods if applies(method, case)]
    source = real_data.SOURCES.get(case.data)
    print(
        real_tables.report(records, real_tables.title(records[0], source.remark if source else "")),
        flush=True,
    )
    return records


def print_means(records: Sequence[Record]) -> None:
    """For every data set and hiding with several seeds or folds, the table of means."""

    def place(r: Record) -> tuple[str, str]:
        return r["data"], r["hiding"]

    for (data, hiding), group in groupby(records, key=place):
        runs = list(group)
        count = len({r["seed"] for r in runs})
        if count > 1:
            over = "folds" if hiding == "fold" else f"seeds, {hiding} hidden"
            print(real_tables.report(real_tables.averaged(runs), f"{data}, mean over {count} {over}"))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=names_among(real_data.DATA), help=", ".join(real_data.DATA))
    parser.add_argument("--methods", type=names_among(METHODS), help=", ".join(METHODS))
    parser.add_argument(
        "--hidden", type=names_among(tuple(real_data.HIDINGS)), help="20, 50, 80, days, station-weeks"
    )
    parser.add_argument("--seeds", type=_numbers, default=[0], help="of what is hidden, as 0,1,2")
    parser.add_argument("--folds", type=_numbers, default=list(real_data.FOLDS), help="of MovieLens")
    parser.add_argument("--movielens", type=Path, help="u.data, or recbole's ml-100k.inter")
    parser.add_argument("--limit", type=float, default=3600, help="seconds for a method on a case")
    parser.add_argument("--full-limit", type=float, default=600, help=f"the same for {FULL}")
    parser.add_argument("--threads", type=int, help="for every method; all by default")
    parser.add_argument("--out", type=Path, help="folder of results; what is there is not run again")
    parser.add_argument("--quick", action="store_true", help="small parts of the tables, the fast methods")
    options = parser.parse_args(arguments)
    for name, usual in (QUICK if options.quick else FULLY).items():
        setattr(options, name, getattr(options, name) or usual)
    if options.quick and options.out:
        # the folder's records do not say that they are of small parts
        parser.error("--quick is for looking only; leave --out away")
    return options


def names_among(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A reader of options: names separated by commas, each of which must be known."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not one of {', '.join(known)}")
        return names

    return read


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    if options.threads:
        # the methods run in processes of their own, which read these when they start
        os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(options.threads)))
    records: list[Record] = []
    for case in real_data.cases(
        options.only, options.seeds, options.hidden, options.movielens, options.folds, options.quick
    ):
        records += run_case(case, options)
        if options.out:
            write(options.out / "results.json", records)
    print_means(records)


if __name__ == "__main__":
    main()
