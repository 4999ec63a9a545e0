"""All minima of rank r or less lie in B_r, and no others: twenty problems, several ridges, over 800 minima.

For every minimum that ``rankfall.theory.minima`` finds, and for r from 0 to one more than the largest rank
found: whether B_r holds it, with constants for single entries and for batches of all entries. Printed: minima
and pairs (minimum, B_r) checked for each size, and those that break the proposition of section 1.1, which
must be none.

    python benchmarks/minima_inside.py               five minutes
    python benchmarks/minima_inside.py --quick       the first two problems
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import replace

import numpy as np

import rankfall as rf
from rankfall.theory import AbsorbingSet, Constants, check_constants, check_minima_inside, minima, solve
from rankfall.theory.constants import with_imbalance
from rankfall.theory.critical_ridge import ridge_bound

RANKS = range(6)
# of the bound of section 4b(iii) on the ridge at rank one
SHARES = (0.003, 0.006, 0.012, 0.025, 0.05, 0.1, 0.2, 0.4)


def problems() -> list[tuple[int, rf.Problem]]:
    """Depth and problem: sizes 6 to 12, with noise of 0.1 and 0.6 of the entries' standard deviation."""
    shapes = ((6, 6), (8, 6), (10, 10), (12, 8))
    cases = itertools.product(shapes, ((3, 0.1), (3, 0.6), (4, 0.1), (4, 0.6), (5, 0.6)))
    return [
        (depth, rf.datasets.low_rank(shape, rank=2, observed=0.75, noise=noise, seed=seed)[0])
        for seed, (shape, (depth, noise)) in enumerate(cases)
    ]


def constants(problem: rf.Problem, depth: int, ridge: float) -> list[Constants]:
    """For single entries and for batches of all, with C at least a^2 / (8 ridge)."""
    a, N = float(np.abs(problem.values).max()), problem.n_observed
    found = []
    for k in (solve(depth, ridge, a).halved(), solve(depth, ridge, a, N, "distinct")):
        wide = replace(k, C=max(k.C, a**2 / (8 * ridge)))
        found.append(with_imbalance(wide, 1.05 * wide.eps_star))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the first two problems")
    quick = parser.parse_args().quick
    began, n_minima, n_pairs, wrong, refused = time.perf_counter(), 0, 0, 0, 0
    for depth, problem in problems()[: 2 if quick else None]:
        here = 0
        for share in SHARES:
            ridge = share * ridge_bound(problem, 1, depth)
            allowed = [
                k
                for k in constants(problem, depth, ridge)
                if check_constants(k).holds and check_minima_inside(k).holds
            ]
            refused += 2 - len(allowed)
            found = [point for point in minima(problem, depth, ridge, RANKS, n_starts=15) if point.is_minimum]
            here += len(found)
            for point, k, rank in itertools.product(found, allowed, range(max(RANKS) + 2)):
                network = point.network(width=max(point.rank, 1) + 1)
                wrong += AbsorbingSet(rank, k).contains(network) != (point.rank <= rank)
                n_pairs += 1
        n_minima += here
        print(f"{problem.shape[0]} x {problem.shape[1]}, depth {depth}: {here} minima", flush=True)
    print(f"{n_minima} minima, {n_pairs} pairs (minimum, B_r), {wrong} against the proposition; settings "
          f"without its hypotheses: {refused}; {time.perf_counter() - began:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
