"""Limits of detection: bias and coverage at cells below them, and how often missing low values are noticed.

``python benchmarks/detection_limits.py`` prints one row for each table of exp(rank 2 + noise);
``--alarms N`` instead counts warnings on N plain tables with the low values removed and on N with values
removed at random.
"""

from __future__ import annotations

import argparse

import numpy as np

import rankfall as rf

SHAPE, RANK, NOISE, SHARE = (40, 200), 2, 0.3, 0.15


def limited(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, which of them lie below their column's limit, and the limits."""
    rng = np.random.default_rng(seed)
    m, n = SHAPE
    logs = rng.normal(size=(m, RANK)) @ rng.normal(size=(RANK, n)) + NOISE * rng.normal(size=SHAPE)
    X = np.exp(logs)
    limit = np.broadcast_to(np.quantile(X, SHARE, axis=0), SHAPE)
    return X, limit > X, limit


def bias_and_coverage(seed: int) -> tuple[float, float, float]:
    """Mean error of the logarithms with limits and without, and coverage of 90% intervals with them."""
    X, below, limit = limited(seed)
    holes = np.where(below, np.nan, X)
    known = rf.complete(holes, scale="log", censored=(None, np.where(below, limit, np.nan)))
    missing = rf.complete(holes, scale="log")
    rows, cols = np.nonzero(below)
    low, high = known.interval(rows, cols)
    errors = [np.mean(np.log(each.to_dense()[below] / X[below])) for each in (known, missing)]
    return float(errors[0]), float(errors[1]), float(np.mean((low <= X[below]) & (X[below] <= high)))


def plain_table(seed: int, low: bool) -> np.ndarray:
    """A table of rank 1 to 3, every other one exponentiated, of which the low values, or random ones, are
    missing.
    """
    rng = np.random.default_rng([seed, 1])
    shape = [(40, 60), (100, 12), (200, 20), (60, 40)][seed % 4]
    rank, share = 1 + seed % 3, (0.1, 0.2, 0.3)[seed % 3]
    X = rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))
    X = X + 0.4 * rng.normal(size=shape) + rng.normal(size=shape[1])
    X = np.exp(0.5 * X) if seed % 2 else X
    gone = np.quantile(X, share, axis=0) > X if low else rng.random(shape) < share
    return np.where(gone, np.nan, X)


def alarms(count: int, first: int) -> tuple[int, int]:
    """Warnings where low values are missing, and where random ones are."""
    low, random = (
        sum(
            any(
                "Low values seem" in text
                for text in rf.complete(plain_table(seed, kind), max_rank=4).warnings
            )
            for seed in range(first, first + count)
        )
        for kind in (True, False)
    )
    return low, random


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=10, help="how many tables")
    parser.add_argument("--first", type=int, default=100, help="seed of the first")
    parser.add_argument("--alarms", type=int, default=0, help="count warnings on so many tables instead")
    asked = parser.parse_args()
    if asked.alarms:
        low, random = alarms(asked.alarms, asked.first)
        print(f"low values missing: {low} of {asked.alarms} warned; at random: {random} of {asked.alarms}")
        return
    found = []
    print("seed  bias with limits  bias without  coverage")
    for seed in range(asked.first, asked.first + asked.tables):
        found.append(bias_and_coverage(seed))
        print("{:4d}  {:16.4f}  {:12.4f}  {:8.3f}".format(seed, *found[-1]), flush=True)
    print("mean  {:16.4f}  {:12.4f}  {:8.3f}".format(*np.mean(found, axis=0)))


if __name__ == "__main__":
    main()
