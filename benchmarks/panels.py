"""How often is the true rank found in panels of two factors? The constants of the rule of choice rest on it.

    python benchmarks/panels.py
    python benchmarks/panels.py --panels 50 --as-good 0,0.002,0.005,0.01

A panel has two factors and noise: factors are standard normal, loadings uniform with variance 1, noise is
standard normal; all cells are observed. Three shapes, 200 panels each. "min" takes the rank of the smallest
held-out error; "one-se" the smallest rank whose error is as good: within one standard error, or a fraction of
the error that ``--as-good`` varies.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

import rankfall as rf
from rankfall.completion.noisy import choose_rank

SHAPES = ((30, 40), (15, 80), (15, 120))
RANK = 2


def make(number: int, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Panel `number` of a shape."""
    m, n = shape
    rng = np.random.default_rng([seed, number, m, n])
    factors = rng.standard_normal((m, RANK))
    loadings = rng.uniform(-np.sqrt(3), np.sqrt(3), (RANK, n))
    return factors @ loadings + rng.standard_normal(shape)


def ranks_found(shape: tuple[int, int], panels: int, seed: int) -> dict[str, Counter[int]]:
    """Rule -> how often each rank was chosen."""
    found: dict[str, Counter[int]] = {"one-se": Counter(), "min": Counter()}
    for number in range(panels):
        choices: Any = rf.complete(make(number, shape, seed), seed=number).settings["rank_choices"]
        found["one-se"][choices["one_se"]] += 1
        found["min"][choices["smallest_error"]] += 1
    return found


def line(shape: tuple[int, int], rule: str, ranks: Counter[int]) -> str:
    """Share of panels whose rank was found, and all ranks."""
    share = ranks[RANK] / ranks.total()
    counts = ", ".join(f"{rank}: {ranks[rank]}" for rank in sorted(ranks))
    return f"{shape[0]:4d} x {shape[1]:<4d} {rule:16s} {share:6.1%}   {counts}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--panels", type=int, default=200, help="of each shape")
    parser.add_argument("--seed", type=int, default=0, help="of the panels")
    parser.add_argument(
        "--as-good",
        type=lambda text: [float(part) for part in text.split(",")],
        default=[choose_rank.AS_GOOD],
        help="fractions of the error, as 0,0.005",
    )
    options = parser.parse_args(arguments)
    for fraction in options.as_good:
        choose_rank.AS_GOOD = fraction
        for shape in SHAPES:
            found = ranks_found(shape, options.panels, options.seed)
            print(line(shape, f"one-se, {fraction:.1%}", found["one-se"]))
            print(line(shape, "min", found["min"]), flush=True)


if __name__ == "__main__":
    main()
