"""Seconds to a relative error of 1e-6: rankfall, which is not told the rank, and solvers that are.

    make bench-peers                                  # makes .venv-bench with pymanopt, then runs this
    python benchmarks/end_to_end.py --sizes 300 1000 --rho 3
    python benchmarks/end_to_end.py --large           # adds n = 5000

Random n x n matrices of rank 5, N = rho r (2 n - r) of their entries without noise, in every line at least
5. The error is relative, on 100,000 random cells (all for small n), observed or not. rankfall runs to its
own end, which includes finding the rank and trying whether the fit is the only one. (The certificate is made
when it is asked for.) The others are stopped in the iteration in which they reach the error, which nobody
could know in practice; looking it up is not on their clock.

- pymanopt cg, pymanopt tr: conjugate gradients and trust regions on the manifold of fixed rank, with
  gradient and Hessian by hand, the residuals sparse, and without the dense products that pymanopt itself
  would make (``outside/pymanopt_fixed_rank.py``). With one thread of the BLAS, as for soft-impute, unless
  ``--blas-threads`` says otherwise: their matrices have 5 columns, and a second thread cost them more than
  it brought.
- als: normal equations for each row and column in turn, compiled, all threads (``peers/als.py``).
- soft-impute: nuclear norm, a falling path of penalties (``peers/soft_impute.py``). It makes the m x n
  array and its singular values; above n = 1000 it is left out.

What takes longer than ten times rankfall's time and a minute is stopped there, and the error it had reached
is printed. Each run has a process of its own; starting it, reading the data and compiling are not timed. What
arrived within seconds is run again, all methods in turns, and the medians count: single runs differ by half.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from big_problems import draw, n_observed, sample
from peer_process import HERE, HOW_TO_MAKE, OUTSIDE, ask, find_python, start_afresh, verdict

SIZES = (100, 300, 1000, 3000)
RHOS = (2.0, 3.0)
EXTRA = (100, 1.5)
LARGE = 5000
RANK = 5
TARGET = 1e-6
# runs that arrive within so many seconds are repeated
SHORT = 5.0
DENSE_UP_TO = 1000
PYMANOPT = {"pymanopt cg": "cg", "pymanopt tr": "tr"}
OWN = ("rankfall", "als", "soft-impute")

Record = dict[str, Any]


def cases(sizes: Sequence[int] | None, rhos: Sequence[float] | None, large: bool) -> list[tuple[int, float]]:
    """Sizes and oversamplings, smallest first."""
    chosen = {(n, rho) for n in sizes or SIZES for rho in rhos or RHOS}
    if not sizes and not rhos:
        chosen.add(EXTRA)
    if large:
        chosen |= {(LARGE, rho) for rho in rhos or RHOS}
    return sorted(chosen)


def write_instance(n: int, rho: float, seed: int, file: Path) -> int:
    """Keep the observed entries and the cells to check; returns N."""
    instance = draw(n, RANK, n_observed(n, RANK, rho), seed)
    rows, cols = sample(n, seed)
    problem = instance.problem
    np.savez(
        file, shape=np.array([n, n]), rank=np.array(RANK), rows=problem.rows, cols=problem.cols,
        values=problem.values, check_rows=rows, check_cols=cols, check_values=instance.values(rows, cols),
    )  # fmt: skip
    return problem.n_observed


def run(method: str, file: Path, seconds: float, python: Path | None, blas_threads: int) -> Record:
    """One method on one instance; its record has "error" as a sentence if there is none."""
    request = {"file": str(file), "seconds": seconds, "target": TARGET}
    # a method looks at its clock between two iterations; one that does not come back is ended
    patience = 3 * seconds + 120
    if method in PYMANOPT:
        request["method"] = PYMANOPT[method]
        script = OUTSIDE / "pymanopt_fixed_rank.py"
        return ask(script, request, python=python, threads=blas_threads, seconds=patience)
    request["method"] = method
    threads = blas_threads if method == "soft-impute" else None
    return ask(HERE / "end_to_end_methods.py", request, threads=threads, seconds=patience)


def again(records: dict[str, Record], repeats: int, once: Callable[[str], Record]) -> None:
    """Repeat the short runs in turns; their seconds become medians."""
    short = [m for m, r in records.items() if r.get("reached") and r["seconds"] < SHORT]
    times = {method: [records[method]["seconds"]] for method in short}
    for _ in range(repeats - 1):
        for method, found in times.items():
            record = once(method)
            # a repeat that failed or was too slow is the slowest
            found.append(record["seconds"] if record.get("reached") else math.inf)
    for method, found in times.items():
        records[method]["seconds"] = statistics.median(found)


def line(n: int, rho: float, count: int, method: str, record: Record, ours: float) -> str:
    start = f"{n:6} {rho:5.3g} {count:8}  {method:12}"
    if "seconds" not in record:
        return f"{start} {record['error']}"
    work = record.get("iterations", "")
    took = f"{record['seconds']:8.2f}" if record["reached"] else f"not in {record['seconds']:.1f} s"
    end = f"{record['seconds'] / ours:9.2f}" if record["reached"] else " " * 9
    return f"{start} {took:>14} {end} {work!s:>10}   {record['error']:.1e}"


def judge(results: Sequence[tuple[int, float, dict[str, Record]]]) -> list[str]:
    """Where pymanopt converges, is rankfall faster?"""
    out = []
    for n, rho, records in results:
        theirs = [r["seconds"] for m, r in records.items() if m in PYMANOPT and r.get("reached")]
        ours = records["rankfall"]
        what = f"n = {n}, rho {rho:g}: faster than pymanopt told the rank"
        if not any(m in records for m in PYMANOPT):
            continue
        if not ours.get("reached"):
            out.append(verdict(what, False, "rankfall did not reach the error"))
        elif not theirs:
            out.append(verdict(what, True, f"{ours['seconds']:.2f} s; pymanopt does not converge"))
        else:
            fastest = min(theirs)
            out.append(
                verdict(what, ours["seconds"] < fastest, f"{ours['seconds']:.2f} s and {fastest:.2f} s")
            )
    return out


def main() -> None:
    start_afresh()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", help=f"instead of {SIZES}")
    parser.add_argument("--rho", type=float, nargs="+", help=f"instead of {RHOS}")
    parser.add_argument("--large", action="store_true", help=f"adds n = {LARGE}")
    parser.add_argument("--seed", type=int, default=0, help="of the instances")
    parser.add_argument("--limit", type=float, default=600, help="most seconds for a peer on an instance")
    parser.add_argument("--repeats", type=int, default=5, help="of runs that arrive within seconds")
    parser.add_argument("--blas-threads", type=int, default=1, help="for pymanopt and soft-impute")
    parser.add_argument("--peers", metavar="PYTHON", help="a Python with pymanopt")
    options = parser.parse_args()
    python = find_python(options.peers)
    if python is None:
        print(HOW_TO_MAKE)
    methods = [m for m in (OWN[0], *PYMANOPT, *OWN[1:]) if python is not None or m not in PYMANOPT]
    print(
        f"{'n':>6} {'rho':>5} {'N':>8}  {'method':12} {'seconds':>14} {'/rankfall':>9} {'iterations':>10}   "
        "error"
    )
    results = []
    for n, rho in cases(options.sizes, options.rho, options.large):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "instance.npz"
            count = write_instance(n, rho, options.seed, file)
            records: dict[str, Record] = {}
            for method in methods:
                if method == "soft-impute" and n > DENSE_UP_TO:
                    continue
                ours = records.get("rankfall", {}).get("seconds", np.nan)
                allowed = options.limit if np.isnan(ours) else min(10 * ours + 60, options.limit)
                records[method] = run(method, file, allowed, python, options.blas_threads)
                ours = records["rankfall"].get("seconds", np.nan)
                print(line(n, rho, count, method, records[method], ours), flush=True)
            again(
                records,
                options.repeats,
                lambda m, f=file: run(m, f, SHORT * 10, python, options.blas_threads),
            )
            if options.repeats > 1:
                print(f"medians of {options.repeats}:")
                ours = records["rankfall"].get("seconds", np.nan)
                for method, record in records.items():
                    print(line(n, rho, count, method, record, ours), flush=True)
            results.append((n, rho, records))
    print("\n" + "\n".join(judge(results)))


if __name__ == "__main__":
    main()
