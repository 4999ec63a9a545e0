"""A fall in rank so rare that it cannot be sampled: a ladder of ridges from about 1e-3 down to below 1e-8.

The problem is ``[[1, 1], [1, -1]]``, all entries observed, depth 3, one entry per step, lr 0.05. Every path
starts at the rank-two minimum of its own ridge; gradient descent stays there (which is looked at, and
printed). The minimum disappears at ridge 0.09375, and the smaller the ridge, the higher the barrier. The
event: the numerical rank of A (relative tolerance 0.01) is at most one within 2000 steps, looked at every 20.
Printed for each ridge: the estimate by splitting with its 95% interval, relative error, steps of SGD,
seconds, and seconds of the processor (fewer, on a busy machine); on the first rungs also the share of direct
runs, with its exact binomial interval.

    python benchmarks/ladder.py                      some minutes
    python benchmarks/ladder.py --first 4            the last rung alone
    python benchmarks/ladder.py --quick              the first rungs
    python benchmarks/ladder.py --figure ladder.png --table ladder.csv
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from scipy.stats import binomtest

import rankfall as rf
from rankfall.files import atomic_path

LR, DEPTH, HORIZON, EVERY = 0.05, 3, 2000, 20
# the rarer the fall, the more replicas it takes
RUNGS = ((0.080, 100), (0.078, 100), (0.076, 100), (0.074, 200), (0.072, 200))
PROBLEM = rf.Problem.from_dense(np.array([[1.0, 1.0], [1.0, -1.0]]))


def start(ridge: float) -> rf.Network:
    """The rank-two minimum at this ridge, in which gradient descent stays for ten times the horizon."""
    point = rf.theory.minima(PROBLEM, depth=DEPTH, ridge=ridge, ranks=[2], n_starts=10).at(2)[0]
    network = rf.Network.lift(point.matrix(), depth=DEPTH)
    descent = rf.train(
        PROBLEM, network, rf.GD(lr=LR, ridge=ridge, n_steps=10 * HORIZON), record=rf.Record(every=HORIZON)
    )
    if descent.rank.min() < 2:
        raise SystemExit(f"At ridge {ridge} gradient descent leaves the minimum, too.")
    return network


def rung(network: rf.Network, ridge: float, n_replicas: int, repeats: int, seed: int) -> dict[str, float]:
    """One probability by splitting."""
    began, worked = time.perf_counter(), time.process_time()
    n_kill = max(1, n_replicas // 20)
    result = rf.splitting(
        PROBLEM, network, rf.SGD(lr=LR, ridge=ridge, n_steps=HORIZON), 1, HORIZON, n_replicas, repeats, seed,
        n_kill=n_kill, every=EVERY,
    )  # fmt: skip
    low, high = result.interval()
    return {
        "ridge": ridge, "estimate": result.estimate, "low": low, "high": high,
        "relative_error": result.relative_error, "steps": result.n_steps,
        "seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - worked,
        "extinct": int(result.extinct.sum()), "repeats": repeats,
    }  # fmt: skip


def direct(network: rf.Network, ridge: float, chains: int, seed: int) -> dict[str, float]:
    """The same probability by counting."""
    passage = rf.first_passage(
        PROBLEM,
        network,
        rf.SGD(lr=LR, ridge=ridge, n_steps=HORIZON),
        1,
        chains,
        HORIZON,
        seed=seed,
        every=EVERY,
    )
    interval = binomtest(passage.n_events, chains).proportion_ci(0.95, method="exact")
    return {
        "direct": passage.n_events / chains, "direct_low": interval.low, "direct_high": interval.high,
        "direct_events": passage.n_events, "direct_chains": chains,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--replicas", type=int, help="the same on all rungs; by default 100 or 200")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--chains", type=int, default=40_000, help="direct runs on each of the first rungs")
    parser.add_argument("--rungs", type=int, default=len(RUNGS))
    parser.add_argument("--first", type=int, default=0, help="rungs to skip")
    parser.add_argument("--direct-rungs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two rungs, small numbers")
    parser.add_argument("--table", help="CSV file to write")
    parser.add_argument("--figure", help="PNG file to write")
    options = parser.parse_args()
    if options.quick:
        options.replicas, options.repeats, options.chains = 40, 8, 2000
        options.rungs, options.direct_rungs = 2, 1
    rows = []
    rung(start(RUNGS[0][0]), RUNGS[0][0], 2, 2, 0)  # compiles, so that the seconds are those of the work
    for number in range(options.first, min(options.rungs, len(RUNGS))):
        ridge, n_replicas = RUNGS[number]
        network = start(ridge)
        row = rung(network, ridge, options.replicas or n_replicas, options.repeats, options.seed)
        line = (
            f"ridge {ridge:.4f}: {row['estimate']:.3g} [{row['low']:.3g}, {row['high']:.3g}], relative error "
            f"{row['relative_error']:.2f}, {row['steps'] / 1e6:.1f}M steps, {row['seconds']:.0f} s "
            f"({row['processor_seconds']:.0f} s of the processor), "
            f"{row['extinct']} of {row['repeats']} repeats extinct"
        )
        if number < options.direct_rungs:
            # another seed than splitting's: the noise must not be shared
            row |= direct(network, ridge, options.chains, options.seed + 1)
            line += (
                f"; direct {row['direct']:.3g} [{row['direct_low']:.3g}, {row['direct_high']:.3g}] "
                f"({row['direct_events']} of {row['direct_chains']})"
            )
        rows.append(row)
        print(line, flush=True)
    print(f"gradient descent from every one of these starts: rank 2 for {10 * HORIZON:,} steps")
    table = pd.DataFrame(rows)
    if options.table:
        with atomic_path(options.table) as path:
            table.to_csv(path, index=False)
    if options.figure:
        from rankfall.plot import ladder

        with atomic_path(options.figure) as path:
            ladder(table, "ridge").savefig(path, format="png")


if __name__ == "__main__":
    main()
