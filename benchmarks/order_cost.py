"""What the order of the rows costs: a variational sweep with it over one without, in one run.

    python benchmarks/order_cost.py
    python benchmarks/order_cost.py --only 2000x20

Made tables with a fifth of their cells missing; sweeps of both kinds in turns, the fastest of each counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

import rankfall as rf
from rankfall.completion.ordered import AxisOrder
from rankfall.completion.solvers.noise_model import EQUAL
from rankfall.completion.solvers.posterior import Posterior
from rankfall.completion.solvers.variational import VariationalFit
from rankfall.compute.threads import threads_without_blas

# rows, columns, factors
SIZES = {"2000x20": (2000, 20, 20), "35064x72": (35_064, 72, 30), "1461x288": (1461, 288, 75)}
HIDDEN, REPEATS = 0.2, 5


def fits(m: int, n: int, rank: int, seed: int = 0) -> tuple[VariationalFit, Posterior, Posterior]:
    """A problem with a fit that knows no order, and one that knows that of the rows."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((m, n))
    values[rng.random((m, n)) < HIDDEN] = np.nan
    fitter = VariationalFit(rf.Problem.coerce(values), False, False, np.ones(n))
    plain = fitter.start(rng.standard_normal((n, rank)), 0.5, EQUAL)
    chain = AxisOrder.plain(m).chain().begun(plain.rows.free.size)
    return fitter, plain, fitter.fold_rows(replace(plain, rows=replace(plain.rows, chain=chain)))


def seconds(fitter: VariationalFit, fit: Posterior) -> float:
    """Of one sweep."""
    began = time.perf_counter()
    fitter.improve(fit, 1)
    return time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=SIZES, help="one size")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args(arguments)
    print(f"{'rows x columns':>16} {'factors':>8} {'without (s)':>12} {'with (s)':>9} {'ratio':>6}")
    for name in [options.only] if options.only else SIZES:
        m, n, rank = SIZES[name]
        with threads_without_blas(None):
            fitter, plain, ordered = fits(m, n, rank)
            turns = [(seconds(fitter, plain), seconds(fitter, ordered)) for _ in range(options.repeats)]
        without, with_order = (min(times) for times in zip(*turns, strict=True))
        print(
            f"{f'{m} x {n}':>16} {rank:>8} {without:>12.4f} {with_order:>9.4f} {with_order / without:>6.2f}"
        )


if __name__ == "__main__":
    main()
