"""Microseconds per SGD step: the compiled kernel beside its literal NumPy twin.

    python benchmarks/kernels.py [--steps 10000] [--repeats 100]

One thread, float64, one entry per step, nothing recorded; then 64 chains on all threads, per step of one
chain. The fastest of many short repeats is printed (and the median, which shows how busy the machine is);
a repeat is shorter than a time slice, so that other processes disturb few of them. The requirement is at most 3 us for the widths (100, 100, 100, 100).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np

import rankfall as rf
from rankfall.dynamics import reference

TARGET = 3.0
WIDTHS = [
    (100, 100, 100, 100),
    (100, 40, 40, 100),
    (100, 100, 100, 100, 100),
    (100, 10, 10, 100),
    (100, 100, 100),
]
LR, RIDGE = 0.003, 1e-4


def microseconds(
    problem: rf.Problem, net: rf.Network, steps: int, repeats: int, **options
) -> tuple[float, float]:
    """Fastest and median time of one step of one chain."""
    nothing = rf.Record(every=steps, what=())
    rf.train(problem, net, rf.SGD(LR, RIDGE, 10), record=nothing, **options)
    times = []
    for _ in range(repeats):
        trace = rf.train(problem, net, rf.SGD(LR, RIDGE, steps), record=nothing, **options)
        if trace.diverged.any():
            raise SystemExit("A chain diverged; the times mean nothing.")
        times.append(1e6 * trace.seconds / (steps * trace.n_chains))
    return min(times), statistics.median(times)


def twin_microseconds(problem: rf.Problem, net: rf.Network, steps: int = 10, repeats: int = 10) -> float:
    """Time of one step of the NumPy twin, the fastest repeat."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        reference.train(problem, net, rf.SGD(LR, RIDGE, steps))
        times.append(1e6 * (time.perf_counter() - began) / steps)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=100)
    arguments = parser.parse_args()
    problem, _ = rf.datasets.low_rank((100, 100), rank=5, observed=0.3, seed=0)
    print(f"{'widths':26} {'kernel us':>10} {'median':>8} {'twin us':>9} {'ratio':>7}   float32 us")
    fastest = {}
    for widths in WIDTHS:
        net = rf.Network.gaussian(widths, 1.0, 0)
        fast, median = microseconds(problem, net, arguments.steps, arguments.repeats, n_threads=1)
        single, _ = microseconds(
            problem, net, arguments.steps, arguments.repeats, n_threads=1, dtype=np.float32
        )
        slow = twin_microseconds(problem, net)
        fastest[widths] = fast
        print(
            f"{widths!s:26} {fast:10.2f} {median:8.2f} {slow:9.0f} {slow / fast:7.0f}   {single:10.2f}",
            flush=True,
        )
    net = rf.Network.gaussian(WIDTHS[0], 1.0, 0)
    fast, median = microseconds(problem, net, max(arguments.steps // 10, 1), 7, chains=64)
    print(
        f"64 chains, all threads ({os.cpu_count()} processors), widths {WIDTHS[0]}: {fast:.2f} us per step of a chain"
    )
    verdict = "met" if fastest[WIDTHS[0]] <= TARGET else "MISSED (is the machine busy?)"
    print(f"target {TARGET:g} us for {WIDTHS[0]}: {fastest[WIDTHS[0]]:.2f} us, {verdict}")


if __name__ == "__main__":
    main()
