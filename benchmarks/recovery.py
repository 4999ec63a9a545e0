"""How often is a matrix of low rank recovered exactly, without being told the rank?

For every oversampling rho = N / (r (m + n - r)) and seed: a random matrix of rank r, N of its cells, and
one call ``rankfall.complete(problem, seed=seed)``; no rank, no tuned argument. Printed per rho: the ranks
found; exact fits (rank r, relative residual at the observed cells below 1e-9); recoveries, that is relative
errors at the unobserved cells below 1e-3 and below 1e-6, with a Wilson 95% interval; the median time. Near
rho = 1 some instances cannot be recovered by anyone, because another matrix of the same rank fits as well
nearby: an instance counts as identifiable when the Jacobian of the factor map at the truth has full rank
(smallest relevant singular value above 1e-6 of the largest). That check is skipped ("-") for large matrices.

    python benchmarks/recovery.py
    python benchmarks/recovery.py --condition 100 --rho 2
    python benchmarks/recovery.py --shape 50 2000 --rank 4 --rho 2 --mask guaranteed
    python benchmarks/recovery.py --n 1000 --rho 2 --seeds 3
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

import rankfall as rf
from rankfall.datasets import low_rank

EXACT_FIT = 1e-9
IDENTIFIABLE = 1e-6


@dataclass(frozen=True)
class Run:
    """One instance and what came out.

    Attributes
    ----------
    identifiable : bool or None
        None: not checked.
    residual, error : float
        Relative residual at the observed cells, relative error at the others.
    """

    seed: int
    identifiable: bool | None
    rank: int
    residual: float
    error: float
    seconds: float


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a binomial probability."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p, spread = successes / trials, z * z / trials
    middle = (p + spread / 2) / (1 + spread)
    half = z * np.sqrt(p * (1 - p) / trials + spread / (4 * trials)) / (1 + spread)
    # at 0 and at all the end is exact, and rounding must not cut it off
    low = 0.0 if successes == 0 else middle - half
    high = 1.0 if successes == trials else middle + half
    return float(low), float(high)


def is_identifiable(problem: rf.Problem, truth: np.ndarray, rank: int) -> bool | None:
    """Whether the truth is the only matrix of its rank nearby that fits; None if that is not checked."""
    U, s, Vt = np.linalg.svd(truth, full_matrices=False)
    local = rf.geometry.local_uniqueness(problem, U[:, :rank] * s[:rank], Vt[:rank].T)
    return None if local is None else local.relative_singular_value > IDENTIFIABLE


def run(options: argparse.Namespace, rho: float, seed: int) -> Run:
    """One instance: make it, complete it, compare."""
    problem, truth = low_rank(
        tuple(options.shape),
        rank=options.rank,
        oversampling=rho,
        condition=options.condition,
        seed=seed,
        mask=options.mask,
    )
    started = time.perf_counter()
    result = rf.complete(problem, seed=seed)
    seconds = time.perf_counter() - started
    fitted = result.to_dense(observed="fitted")
    observed = np.zeros(problem.shape, bool)
    observed[problem.rows, problem.cols] = True
    residual = np.linalg.norm((fitted - truth)[observed]) / np.linalg.norm(truth[observed])
    error = np.linalg.norm((fitted - truth)[~observed]) / np.linalg.norm(truth[~observed])
    identifiable = is_identifiable(problem, truth, options.rank)
    return Run(seed, identifiable, result.rank, float(residual), float(error), seconds)


def with_interval(successes: int, trials: int) -> str:
    low, high = wilson(successes, trials)
    return f"{successes}/{trials} [{low:.2f}, {high:.2f}]"


def row(rho: float, runs: Sequence[Run], rank: int) -> list[str]:
    """One line of the table."""
    ranks = Counter(r.rank for r in runs)
    exact = sum(r.rank == rank and r.residual < EXACT_FIT for r in runs)
    possible = [r for r in runs if r.identifiable]
    checked = runs[0].identifiable is not None
    return [
        f"{rho:g}",
        ", ".join(f"{rank} (x{count})" for rank, count in sorted(ranks.items())),
        f"{exact}/{len(runs)}",
        # a NaN, a cell that was not delivered, compares as false: not recovered
        with_interval(sum(r.error < 1e-3 for r in runs), len(runs)),
        with_interval(sum(r.error < 1e-6 for r in runs), len(runs)),
        f"{len(possible)}/{len(runs)}" if checked else "-",
        f"{sum(r.error < 1e-6 for r in possible)}/{len(possible)}" if checked else "-",
        f"{np.median([r.seconds for r in runs]):.2f}",
    ]


def notes(rho: float, runs: Sequence[Run]) -> list[str]:
    """Which instances are not identifiable, and which identifiable ones were missed."""
    hopeless = [r.seed for r in runs if r.identifiable is False]
    missed = [f"{r.seed} (rank {r.rank}, residual {r.residual:.1e}, error {r.error:.1e})" for r in runs
              if r.identifiable is not False and not r.error < 1e-6]  # fmt: skip
    out = []
    if hopeless:
        out.append(f"rho {rho:g}, not identifiable: seeds {', '.join(map(str, hopeless))}")
    if missed:
        out.append(f"rho {rho:g}, not recovered to 1e-6: seeds {', '.join(missed)}")
    return out


HEADER = [
    "rho",
    "rank found",
    "exact fits",
    "error < 1e-3",
    "error < 1e-6",
    "identifiable",
    "of those < 1e-6",
    "median s",
]


def print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    for cells in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=100, help="rows and columns of a square matrix")
    parser.add_argument("--shape", type=int, nargs=2, metavar=("ROWS", "COLUMNS"), help="in place of --n")
    parser.add_argument("--rank", type=int, default=5)
    parser.add_argument("--rho", type=float, nargs="+", default=[1.05, 1.1, 1.2, 1.3, 1.5, 2.0])
    parser.add_argument("--condition", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=20, help="number of instances per rho")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--mask", choices=["uniform", "guaranteed"], default="uniform")
    options = parser.parse_args()
    options.shape = options.shape or [options.n, options.n]
    return options


def main() -> None:
    options = parse()
    m, n = options.shape
    print(
        f"{m} x {n}, rank {options.rank}, condition {options.condition:g}, {options.mask} masks with at "
        f"least {options.rank} entries in every line, seeds {options.first_seed} to "
        f"{options.first_seed + options.seeds - 1}"
    )
    rf.complete(low_rank((20, 20), rank=2, oversampling=2.0)[0])  # compiles the kernels; not timed
    table, remarks = [HEADER], []
    for rho in options.rho:
        runs = [run(options, rho, options.first_seed + k) for k in range(options.seeds)]
        table.append(row(rho, runs, options.rank))
        remarks += notes(rho, runs)
        # a long benchmark shows where it is; the table itself is standard output
        print("  ".join(table[-1]), file=sys.stderr, flush=True)
    print_table(table)
    print("\n".join(["", *remarks]) if remarks else "")


if __name__ == "__main__":
    main()
