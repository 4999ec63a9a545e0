"""How time, memory and steps grow with the size of the matrix, when the rank is not told.

    make bench-scaling
    python benchmarks/scaling.py --sizes 300 1000 3000
    python benchmarks/scaling.py --large              # adds 20,000 x 20,000, rank 10, 4 million entries

Random n x n matrices of rank 5, N = rho r (2 n - r) of their entries (masks "guaranteed": every line gets r
entries first, the rest is uniform), and one call ``rankfall.complete(problem, seed=0)``: no rank, no tuned
argument, all processors. Every size has a process of its own, whose peak memory is the operating system's
count and includes Python and all libraries; a small completion before the clock starts loads the compiled
kernels. "steps" are those of SGD, all chains together; the error is relative, on 100,000 random cells (all
of them for small n), observed or not. Without ``--sizes`` come the requirements: 20 instances of n = 100
and one of n = 5000 are run for them, too. The exponent is that of the least-squares line through log
seconds against log N.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import rankfall as rf
from big_problems import draw, n_observed, relative_error, sample
from peak_memory import peak_megabytes
from peer_process import ask, start_afresh, verdict

SIZES = (100, 300, 1000, 3000, 10_000)
RHOS = (2.0, 3.0)
RANK = 5
EXACT = 1e-6
# (n, rank, entries) of --large
LARGE = (20_000, 10, 4_000_000)
EXPONENT = 1.3

Record = dict[str, Any]


# -- one size, in a process of its own ---------------------------------------------------------------------


def warm_up() -> None:
    """Load the compiled kernels."""
    rf.complete(rf.datasets.low_rank((30, 30), rank=2, oversampling=2.5)[0], seed=0)


def measure(request: Record) -> Record:
    """Complete every instance of a request, one after the other."""
    warm_up()
    return {"runs": [measure_one(**request["instance"], seed=seed) for seed in request["seeds"]]}


def measure_one(n: int, rank: int, count: int, seed: int) -> Record:
    instance = draw(n, rank, count, seed)
    before = peak_megabytes()
    began = time.perf_counter()
    result = rf.complete(instance.problem, seed=0)
    seconds = time.perf_counter() - began
    # read before the check, which is ours
    peak = peak_megabytes()
    rows, cols = sample(n)
    return {
        "n": n,
        "count": instance.problem.n_observed,
        "seconds": seconds,
        "before": before,
        "peak": peak,
        "steps": result.settings["sgd_steps"],
        "rank": result.rank,
        "true_rank": rank,
        "error": relative_error(result.predict(rows, cols), instance.values(rows, cols)),
    }


# -- the table ---------------------------------------------------------------------------------------------

HEADER = (
    f"{'n':>6} {'rank':>4} {'rho':>5} {'N':>9} {'seconds':>8} {'MB':>6} {'before':>6} {'steps':>11} "
    f"{'found':>5}   error"
)


def obtain(n: int, rank: int, count: int, seeds: Sequence[int] = (0,)) -> list[Record]:
    """The records of some instances of one size; the process ends when one of them fails."""
    request = {"instance": {"n": n, "rank": rank, "count": count}, "seeds": list(seeds)}
    answer = ask(Path(__file__), request, "--one")
    if "error" in answer:
        print(f"n = {n}, N = {count}: {answer['error']}", flush=True)
        return []
    return answer["runs"]


def line(record: Record) -> str:
    n, rank = record["n"], record["true_rank"]
    rho = record["count"] / (rank * (2 * n - rank))
    return (
        f"{n:6} {rank:4} {rho:5.3g} {record['count']:9} {record['seconds']:8.2f} {record['peak']:6.0f} "
        f"{record['before']:6.0f} {record['steps']:11} {record['rank']:5}   {record['error']:.1e}"
    )


def show(records: Sequence[Record]) -> None:
    for record in records:
        print(line(record), flush=True)


def exponent(counts: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of the least-squares line through log seconds against log N; NaN for fewer than two sizes."""
    if len(counts) < 2:
        return float("nan")
    return float(np.polyfit(np.log(counts), np.log(seconds), 1)[0])


def within(what: str, records: Sequence[Record], seconds: float, megabytes: float | None = None) -> str:
    """Whether the median time is below a bound and everything was recovered."""
    if not records:
        return verdict(what, False, "did not end")
    middle = statistics.median(r["seconds"] for r in records)
    recovered = sum(r["error"] < EXACT and r["rank"] == r["true_rank"] for r in records)
    met = middle < seconds and recovered == len(records)
    figure = f"{middle:.2f} s, {recovered} of {len(records)} recovered to {EXACT:g}"
    if megabytes is not None:
        peak = max(r["peak"] for r in records)
        met &= peak < megabytes
        figure += f", {peak:.0f} MB"
    return verdict(what, met, figure)


def fit(records: Sequence[Record]) -> tuple[str, float]:
    """What is printed about the growth, and the exponent."""
    grown = [r for r in records if r["n"] >= 300 and r["error"] < EXACT]
    slope = exponent([r["count"] for r in grown], [r["seconds"] for r in grown])
    sizes = ", ".join(map(str, sorted({r["n"] for r in grown})))
    return f"seconds grow with N to the power {slope:.2f} (n = {sizes})", slope


def requirements(tables: dict[float, list[Record]], large: list[Record] | None) -> None:
    """Those of the project, with the runs that only they need."""
    print("\nfor the requirements:\n" + HEADER)
    hundred = obtain(100, RANK, n_observed(100, RANK, 1.5), range(20))
    five_thousand = obtain(5000, RANK, n_observed(5000, RANK, 3.0))
    show([*hundred, *five_thousand])
    thousand = [r for r in tables[2.0] if r["n"] == 1000]
    _, slope = fit(tables[3.0])
    whole = {r["n"] for r in tables[3.0] if r["error"] < EXACT} >= {300, 1000, 3000, 10_000}
    print()
    print(within("n = 100, rho 1.5: median under 0.25 s", hundred, 0.25))
    print(within("n = 1000, rho 2: under 10 s", thousand, 10))
    print(within("n = 5000, rho 3: under 60 s", five_thousand, 60))
    if large is not None:
        print(within("n = 20,000, rank 10, 4 million entries: under 15 min and 4 GB", large, 900, 4096))
    what = f"rho 3, n from 300 to 10,000: exponent at most {EXPONENT:g}"
    print(verdict(what, whole and slope <= EXPONENT, f"{slope:.2f}" + ("" if whole else ", sizes missing")))


def main() -> None:
    start_afresh()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", help=f"instead of {SIZES}, without requirements")
    parser.add_argument("--rho", type=float, nargs="+", default=list(RHOS))
    parser.add_argument("--seeds", type=int, default=1, help="instances of every size; the fit uses all")
    parser.add_argument("--large", action="store_true", help="adds n = 20,000; half a minute, 1 GB")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        json.dump(measure(json.load(sys.stdin)), sys.stdout)
        return
    tables: dict[float, list[Record]] = {}
    print(HEADER)
    for rho in options.rho:
        tables[rho] = []
        for n in options.sizes or SIZES:
            found = obtain(n, RANK, n_observed(n, RANK, rho), range(options.seeds))
            show(found)
            tables[rho] += found
        print(f"rho {rho:g}: {fit(tables[rho])[0]}", flush=True)
    large = None
    if options.large:
        large = obtain(*LARGE)
        show(large)
    if not options.sizes and set(options.rho) >= set(RHOS):
        requirements(tables, large)


if __name__ == "__main__":
    main()
