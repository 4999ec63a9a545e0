"""What recording costs: microseconds per step of SGD by how often it is recorded, and per record.

    python benchmarks/recording.py [--repeats 5]

Depth 3, 30 x 30, widths 30, one entry per step, one chain on one thread; the fastest of the repeats counts.
The record is the default one (singular values, rank and loss). The last column is the time of one record:
what a run recorded that often takes more than one without records, divided by its records.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import rankfall as rf
from rankfall.compute.threads import threads_without_blas

STEPS = {1: 5_000, 10: 50_000, 100: 500_000, 1000: 1_000_000}


def seconds(every: int, n_steps: int, what: tuple[str, ...]) -> float:
    """Of one run."""
    problem, _ = rf.datasets.low_rank((30, 30), rank=3, observed=0.6, seed=0)
    network = rf.Network.gaussian((30,) * 4, scale=1.0, seed=0)
    sgd = rf.SGD(lr=0.02, ridge=1e-3, n_steps=n_steps)
    record = rf.Record(every=every, what=what)
    with threads_without_blas(1):
        began = time.perf_counter()
        rf.train(problem, network, sgd, record=record, n_threads=1)
        return time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    repeats = range(parser.parse_args(arguments).repeats)
    what = rf.Record().what
    seconds(100, 1000, what)  # compiles
    print(f"{'every':>6} {'per step (us)':>14} {'without (us)':>13} {'per record (us)':>16}")
    for every, n_steps in STEPS.items():
        bare = min(seconds(n_steps, n_steps, ()) for _ in repeats)
        full = min(seconds(every, n_steps, what) for _ in repeats)
        unit, records = 1e6 / n_steps, n_steps // every
        print(f"{every:>6} {full * unit:>14.2f} {bare * unit:>13.2f} {(full - bare) * 1e6 / records:>16.0f}")


if __name__ == "__main__":
    main()
