"""Critical ridges by continuation against a bisection of ``rankfall.theory.minima``, on twenty problems.

Ten problems of 10 x 10 with 70 cells and ten of 20 x 20 with 240 cells, all of rank two, depths 3 to 5, half
of them with noise of 0.5 of the entries' standard deviation. The minimum is one of rank three, one too many,
or of rank two where none of rank three was found. Bisection: the ridge rises in steps of 2% until ``minima``,
started from the minimum of the step before, finds none near it; then the last step is halved until it is
2e-7 of the ridge. Printed: both ridges, their relative difference, and the seconds that each took.

    python benchmarks/critical_ridges.py             about a minute
    python benchmarks/critical_ridges.py --quick     the first four problems
"""

from __future__ import annotations

import argparse
import itertools
import time

import numpy as np

import rankfall as rf
from rankfall.theory import CriticalRidge, Minimum, critical_ridge, minima

# Relative width at which the bisection ends. Just above a fold, minima stops at points that are stationary
# to its tolerance, so it cannot resolve much less.
RESOLUTION = 2e-7
STEP = 1.02
# a minimum further away than this, relative to its smallest singular value, is another one
NEAR = 0.3


def problems() -> list[tuple[str, int, rf.Problem]]:
    """Name, depth and problem."""
    found = []
    for (n, share), noise, seed in itertools.product(((10, 0.7), (20, 0.6)), (0.5, 0.0), range(5)):
        problem, _ = rf.datasets.low_rank((n, n), rank=2, observed=share, noise=noise, seed=seed)
        found.append((f"{n} x {n}, noise {noise:g}, seed {seed}", 3 + seed % 3, problem))
    return found


def bisected(problem: rf.Problem, minimum: Minimum) -> float:
    """The largest ridge at which the minimum, followed from its own ridge upwards, is found."""
    here, low = minimum, minimum.ridge
    high = low * STEP
    while (there := again(problem, here, high)) is not None:
        here, low, high = there, high, high * STEP
    while high - low > RESOLUTION * low:
        middle = 0.5 * (low + high)
        there = again(problem, here, middle)
        if there is None:
            high = middle
        else:
            here, low = there, middle
    return 0.5 * (low + high)


def again(problem: rf.Problem, minimum: Minimum, ridge: float) -> Minimum | None:
    """The same minimum at another ridge, if there is one near."""
    A = minimum.matrix()
    found = minima(problem, minimum.depth, ridge, ranks=[minimum.rank], n_starts=1, starts=[A]).at(
        minimum.rank
    )
    near = [(float(np.linalg.norm(other.matrix() - A)), other) for other in found]
    near = [pair for pair in near if pair[0] <= NEAR * minimum.s[-1]]
    return min(near, key=lambda pair: pair[0])[1] if near else None


def one_too_many(problem: rf.Problem, depth: int) -> CriticalRidge:
    """By continuation: of rank three, or of rank two where no minimum of rank three was found."""
    try:
        return critical_ridge(problem, 3, depth)
    except rf.InputError:
        return critical_ridge(problem, 2, depth)


def start_of(problem: rf.Problem, found: CriticalRidge) -> Minimum:
    """The minimum at which the branch starts."""
    first = found.branch.points[0]
    return rf.theory.critical_point(problem, first.matrix(), found.rank, found.depth, first.ridge)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the first four problems")
    quick = parser.parse_args().quick
    print(f"{'problem':26} {'L':>2} {'rank':>4} {'ridge':>13} {'bisected':>13} {'difference':>10} "
          f"{'end':>11} {'next':>4} {'s':>5} {'s':>6}")  # fmt: skip
    worst = 0.0
    for name, depth, problem in problems()[: 4 if quick else None]:
        began = time.perf_counter()
        found = one_too_many(problem, depth)
        between = time.perf_counter()
        ridge = bisected(problem, start_of(problem, found))
        difference = found.ridge / ridge - 1
        worst = max(worst, abs(difference))
        print(f"{name:26} {depth:2} {found.rank:4} {found.ridge:13.8f} {ridge:13.8f} {difference:10.1e} "
              f"{found.end:>11} {found.next_rank:4} {between - began:5.2f} "
              f"{time.perf_counter() - between:6.2f}", flush=True)  # fmt: skip
    print(f"largest relative difference {worst:.1e}")


if __name__ == "__main__":
    main()
