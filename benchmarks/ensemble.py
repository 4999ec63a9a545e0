"""Many chains at once: microseconds per chain-step beside single chains, and memory by number of steps.

    python benchmarks/ensemble.py [--chains 10000] [--steps 100000] [--quick]

Widths (20, 20, 20, 20), float64, one entry per step. First the speed, in turns: one chain on one thread, the
ensemble on one thread, one chain on every core at once, the ensemble on all of them; per core and step of one
chain, nothing recorded, medians and the range of the turns, and processor time, which a busy machine disturbs
less. The ensemble is held against single chains on as many cores: what two busy cores take from each other is
not the ensemble's doing. Then the whole run, recorded 10 times, on all cores, beside single chains on all of
them before and after it. Then the memory: in processes of their own, a run of the ensemble of n and one of 10
n steps, both recorded 10 times; their peaks must agree.

The requirement: at most 20% slower than single chains, memory that does not grow with the steps.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import numpy as np

import peak_memory
import rankfall as rf
from rankfall.compute.threads import max_threads

WIDTHS = (20, 20, 20, 20)
LR, RIDGE = 0.02, 1e-3
RECORDS = 10
SLOWER, GROWTH = 1.2, 1.02


def make() -> tuple[rf.Problem, rf.Network]:
    problem, _ = rf.datasets.low_rank((20, 20), rank=2, observed=0.6, seed=0)
    return problem, rf.Network.gaussian(WIDTHS, scale=1.0, seed=0)


def run(chains: int, steps: int, n_threads: int | None, record: rf.Record) -> rf.Trace:
    problem, network = make()
    trace = rf.train(
        problem,
        network,
        rf.SGD(lr=LR, ridge=RIDGE, n_steps=steps),
        chains=chains,
        n_threads=n_threads,
        record=record,
    )
    if trace.diverged.any():
        raise SystemExit("A chain diverged; the times mean nothing.")
    return trace


def microseconds(chains: int, steps: int, n_threads: int, record: rf.Record | None = None) -> np.ndarray:
    """Time of one step of one chain, times the cores that share the work; then its processor time."""
    record = rf.Record(every=steps, what=()) if record is None else record
    began = time.process_time()
    trace = run(chains, steps, n_threads, record)
    busy = time.process_time() - began
    return 1e6 * np.array([trace.seconds * min(n_threads, chains), busy]) / (steps * chains)


def peak_megabytes(chains: int, steps: int) -> float:
    """Largest memory of a process that makes this run."""
    arguments = [sys.executable, __file__, "--memory", "--chains", str(chains), "--steps", str(steps)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return float(done.stdout)


def speed(chains: int, steps: int, alone: int, turns: int, cores: int) -> bool:
    """Print the speeds; returns whether the ensemble keeps up with single chains on as many cores."""
    cases = {}
    for n in sorted({1, cores}):
        cases[f"one chain on each of {n}"] = (n, alone, n)
        cases[f"{chains} chains on {n}"] = (chains, steps * n, n)
    times: dict[str, list[np.ndarray]] = {name: [] for name in cases}
    for case in cases.values():
        microseconds(case[0], 10, case[2])  # compiles, and starts the threads
    for _ in range(turns):
        for name, case in cases.items():
            times[name].append(microseconds(*case))
    print(
        f"{'us per chain-step, cores':32} {'median':>8} {'fastest':>8} {'slowest':>8} {'ratio':>7}   "
        "processor"
    )
    met, single = True, 0.0
    for name, turn in times.items():
        wall, busy = np.array(turn).T
        if name.startswith("one"):
            single = float(np.median(wall))
        ratio = float(np.median(wall)) / single
        met &= ratio <= SLOWER
        print(
            f"{name:32} {np.median(wall):8.3f} {wall.min():8.3f} {wall.max():8.3f} {ratio:7.2f}   "
            f"{np.median(busy):9.3f}",
            flush=True,
        )
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--chains", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="2000 chains, 2000 steps")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    chains, steps = (2000, 2000) if arguments.quick else (arguments.chains, arguments.steps)
    if arguments.memory:
        run(chains, steps, None, rf.Record(every=max(steps // RECORDS, 1)))
        print(peak_memory.peak_megabytes())
        return

    cores = max_threads()
    # every turn some seconds, and short beside the whole run
    turn = max(min(steps, 20_000_000 // chains), 1)
    alone = chains * turn // 2
    met = speed(chains, turn, alone, arguments.turns, cores)
    before = microseconds(cores, alone, cores)[0]
    whole, busy = microseconds(chains, steps, cores, rf.Record(every=max(steps // RECORDS, 1)))
    single = (before + microseconds(cores, alone, cores)[0]) / 2
    print(
        f"whole run, {steps} steps, recorded {RECORDS} times: {whole:.3f} us, ratio {whole / single:.2f}, "
        f"processor {busy:.3f} us"
    )
    # a quick run is mostly records
    met &= arguments.quick or whole <= SLOWER * single
    print(f"at most {SLOWER:g} times single chains: {'met' if met else 'MISSED (is the machine busy?)'}")
    few, many = peak_megabytes(chains, max(steps // 10, RECORDS)), peak_megabytes(chains, steps)
    flat = many <= GROWTH * few
    print(f"peak memory: {few:.0f} MB for {max(steps // 10, RECORDS)} steps, {many:.0f} MB for {steps} steps")
    print(f"memory does not grow with the steps: {'met' if flat else 'MISSED'}")
    if not (met and flat):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
