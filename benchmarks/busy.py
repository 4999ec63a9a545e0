"""Completions on a busy machine: seconds alone, and beside processes that keep every processor busy.

    python benchmarks/busy.py
    python benchmarks/busy.py --sizes 1000 3000 --repeats 5

Random n x n matrices of rank 5 without noise, rho = 3, as in ``scaling.py``, and n x n / 2 with noise (a
fifth of the signal), three tenths of the cells known. With as many busy processes as processors a program
that uses one thread gets about half of one and takes up to twice as long. Threads that often wait for each
other lose more: each time the slowest of them has to get its turn. The medians of a few repeats, the two
cases in turn.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

import rankfall as rf
from big_problems import draw, n_observed

SIZES = (100, 300, 1000, 3000)
NOISY = (200, 600)
RANK, RHO = 5, 3.0


def spin() -> None:
    """Keep a processor busy until the end."""
    x = 0.0
    while True:
        x = (x + 1.0) % 1e6


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    others = [multiprocessing.get_context("spawn").Process(target=spin, daemon=True) for _ in range(count)]
    for other in others:
        other.start()
    time.sleep(1.0)
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.join()


def seconds(problem: rf.Problem) -> float:
    began = time.perf_counter()
    rf.complete(problem, seed=0)
    return time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--noisy", type=int, nargs="*", default=NOISY, help="sizes of the tables with noise")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--others", type=int, default=os.cpu_count(), help="busy processes")
    options = parser.parse_args(arguments)
    problems = {f"{n} x {n}": draw(n, RANK, n_observed(n, RANK, RHO), seed=0).problem for n in options.sizes}
    for n in options.noisy:
        shape = (n, n // 2)
        noisy, _ = rf.datasets.low_rank(shape, rank=RANK, observed=0.3, noise=0.2)
        problems[f"{n} x {n // 2}, noisy"] = noisy
    times: dict[tuple[str, bool], list[float]] = {(name, b): [] for name in problems for b in (False, True)}
    for problem in problems.values():
        seconds(problem)  # compiles, loads
    for _ in range(options.repeats):
        for name, problem in problems.items():
            times[name, False].append(seconds(problem))
        with busy(options.others):
            for name, problem in problems.items():
                times[name, True].append(seconds(problem))
    print(f"{os.cpu_count()} processors, {options.others} other processes")
    print(f"{'':18} {'alone, s':>10} {'busy, s':>10} {'times':>7}")
    for name in problems:
        alone, beside = (float(np.median(times[name, b])) for b in (False, True))
        print(f"{name:18} {alone:10.3f} {beside:10.3f} {beside / alone:7.1f}")


if __name__ == "__main__":
    main()
