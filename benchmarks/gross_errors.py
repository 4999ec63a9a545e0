"""How much do gross errors and heavy tails cost: under normal noise, and under the tails that are chosen?

    python benchmarks/gross_errors.py
    python benchmarks/gross_errors.py --tables 3 --first 100 --kinds swapped,t3

A table has rank 8, 360 rows and 280 columns. Half of the cells are observed, with normal noise of 0.3 times
the standard deviation of the entries (``--noise``). ``swapped``: 6% of the observed cells hold those of other
cells. ``added``: to 6% a normal number of five standard deviations is added. ``t3``: the noise is Student's t
with three degrees of freedom, scaled alike. ``normal``: nothing is added.

Errors are root mean squares against the table without noise, at the missing cells. ``reference`` is, where
cells were replaced, the fit of the table in which these are missing, otherwise the fit under normal noise.
The ratios are those to the reference, with normal noise and with ``noise="auto"``. ``suspects``: how many
cells are distrusted, how many of these were replaced, and which share of the replaced cells that is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

import rankfall as rf

SHAPE, RANK, OBSERVED, SHARE = (360, 280), 8, 0.5, 0.06
KINDS = ("swapped", "added", "t3", "normal")


def make(number: int, kind: str, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is true, what is observed, and which cells were replaced."""
    rng = np.random.default_rng([280, number, KINDS.index(kind)])
    truth = rng.standard_normal((SHAPE[0], RANK)) @ rng.standard_normal((RANK, SHAPE[1]))
    truth /= truth.std()
    errors = rng.standard_t(3, SHAPE) if kind == "t3" else rng.standard_normal(SHAPE)
    seen = rng.random(SHAPE) < OBSERVED
    table = np.where(seen, truth + noise * errors, np.nan)
    wrong = seen & (rng.random(SHAPE) < SHARE) & (kind in ("swapped", "added"))
    if kind == "swapped":
        table[wrong] = rng.permutation(table[seen])[: wrong.sum()]
    elif kind == "added":
        table[wrong] += 5 * rng.standard_normal(int(wrong.sum()))
    return truth, table, wrong


def error(result: rf.Completion, truth: np.ndarray, table: np.ndarray) -> float:
    """At the missing cells."""
    return float(np.sqrt(np.mean((result.to_dense("fitted") - truth)[np.isnan(table)] ** 2)))


def run(number: int, kind: str, noise: float) -> str:
    """A line about one table."""
    truth, table, wrong = make(number, kind, noise)
    normal = rf.complete(table, seed=number, noise="normal")
    auto = rf.complete(table, seed=number)
    reference = rf.complete(np.where(wrong, np.nan, table), seed=number) if wrong.any() else normal
    base, plain, chosen = (error(result, truth, table) for result in (reference, normal, auto))
    found = auto.suspects
    hits = int(wrong[found["row"], found["column"]].sum())
    share = f"{hits / wrong.sum():.0%} of the replaced" if wrong.any() else "none replaced"
    return (
        f"{kind:8s} {number:4d}  reference {base:.4f}  normal {plain / base:6.3f}  "
        f"auto {chosen / base:6.3f}  ranks {reference.rank} {normal.rank} {auto.rank}  "
        f"{'heavy' if 'heavy' in str(auto.settings['noise']) else 'normal'} tails  "
        f"suspects {len(found)}, {hits} replaced, {share}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=1, help="of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first table")
    parser.add_argument("--kinds", default=",".join(KINDS), help="separated by commas")
    parser.add_argument("--noise", type=float, default=0.3, help="over the standard deviation of the entries")
    asked = parser.parse_args(arguments)
    for kind in asked.kinds.split(","):
        for number in range(asked.first, asked.first + asked.tables):
            print(run(number, kind, asked.noise), flush=True)


if __name__ == "__main__":
    main()
