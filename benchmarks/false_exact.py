"""Tables without an exact fit: how often is one claimed?

Fourteen kinds of tables: noise, noise beside a low rank, coarse readings, large offsets (Unix times), counts,
an identity, copies of columns, one absurd cell. Every table has hidden cells whose values are known. A claim
is the outcome "exact" with an error at the hidden cells above a thousandth of the spread of these around
their column means. Printed per kind: tables, claims, third answers ("undecided"), uncaught errors, and the
seconds of the exact question (process time: median and largest).

    python benchmarks/false_exact.py
    python benchmarks/false_exact.py --tables 40 --first-seed 7000
    python benchmarks/false_exact.py --whole

By default only the exact question is asked; --whole runs completions (much slower) and compares what is
delivered.
"""

from __future__ import annotations

import argparse
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

import rankfall as rf
from rankfall.completion.clock import Clock
from rankfall.completion.deliver.absurd_cells import without_absurd
from rankfall.completion.exact import Precision, search
from rankfall.completion.standardise import Standardisation

WRONG = 1e-3
Rng = np.random.Generator


def low_rank(rng: Rng, m: int, n: int, rank: int) -> np.ndarray:
    return rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))


def noise(rng: Rng) -> np.ndarray:
    return rng.standard_normal((int(rng.integers(20, 120)), int(rng.integers(6, 60))))


def noisy_low_rank(rng: Rng) -> np.ndarray:
    X = low_rank(rng, int(rng.integers(40, 200)), int(rng.integers(10, 80)), 3)
    return X + 10 ** rng.uniform(-4, 0) * rng.standard_normal(X.shape)


def readings(rng: Rng) -> np.ndarray:
    return np.round(noisy_low_rank(rng), int(rng.integers(0, 4)))


def offset(rng: Rng) -> np.ndarray:
    return noisy_low_rank(rng) + 10 ** rng.uniform(6, 9.3)


def offset_noise(rng: Rng) -> np.ndarray:
    return noise(rng) + 10 ** rng.uniform(6, 9.3)


def unix_times(rng: Rng) -> np.ndarray:
    X = noise(rng)
    return np.round(1.7e9 + 86_400 * rng.uniform(1, 300) * (X + rng.standard_normal((X.shape[0], 1))))


def column_offsets(rng: Rng) -> np.ndarray:
    X = noise(rng)
    return X + 10 ** rng.uniform(3, 9, X.shape[1])


def single_offset(rng: Rng) -> np.ndarray:
    # beyond this the observed cells are all the same number, which is exactly of rank 1
    return (noise(rng) + 10 ** rng.uniform(4, 7.3)).astype(np.float32).astype(float)


def counts(rng: Rng) -> np.ndarray:
    rate = np.exp(0.5 * low_rank(rng, int(rng.integers(30, 100)), int(rng.integers(8, 60)), 2))
    return rng.poisson(np.minimum(rate, 50)).astype(float)


def rare_counts(rng: Rng) -> np.ndarray:
    shape = int(rng.integers(30, 100)), int(rng.integers(8, 60))
    return rng.poisson(rng.uniform(0.02, 0.5), shape).astype(float)


def yes_or_no(rng: Rng) -> np.ndarray:
    return (noise(rng) > rng.uniform(-1, 2)).astype(float)


def identity(rng: Rng) -> np.ndarray:
    n = int(rng.integers(30, 101))
    return np.eye(n)[rng.permutation(n)]


def copies(rng: Rng) -> np.ndarray:
    X = noise(rng)
    return X[:, rng.integers(0, max(X.shape[1] // 2, 2), X.shape[1])]


def absurd_cell(rng: Rng) -> np.ndarray:
    X = noisy_low_rank(rng)
    X[rng.integers(X.shape[0]), rng.integers(X.shape[1])] = 999_999_999
    return X


KINDS: dict[str, Callable[[Rng], np.ndarray]] = {
    make.__name__.replace("_", " "): make
    for make in (
        noise,
        noisy_low_rank,
        readings,
        offset,
        offset_noise,
        unix_times,
        column_offsets,
        single_offset,
        counts,
        rare_counts,
        yes_or_no,
        identity,
        copies,
        absurd_cell,
    )
}


@dataclass(frozen=True)
class Verdict:
    """What became of one table."""

    claimed: bool
    undecided: bool
    failed: bool
    seconds: float


def table(kind: str, seed: int) -> tuple[rf.Problem, np.ndarray]:
    """The observed cells and the whole table."""
    rng = np.random.default_rng([sorted(KINDS).index(kind), seed])
    X = KINDS[kind](rng)
    seen = rng.random(X.shape) < rng.uniform(0.4, 0.9)
    seen[rng.integers(X.shape[0]), rng.integers(X.shape[1])] = True
    return rf.Problem.from_dense(np.where(seen, X, np.nan)), X


def asked_exactly(problem: rf.Problem, truth: np.ndarray, seed: int) -> tuple[bool, bool]:
    """Whether an exact fit is claimed that is wrong, and whether the question stays open."""
    problem, _ = without_absurd(problem, "linear")
    standardisation = Standardisation.of(problem, "linear")
    if standardisation.is_zero:
        return False, False
    precision = Precision.of(standardisation.fitted, standardisation.given, standardisation.problem)
    answer = search(standardisation.problem, precision, None, seed, Clock())
    if answer.fit is None:
        return False, answer.open_question is not None
    fitted = (answer.fit.U * answer.fit.s) @ answer.fit.V.T * standardisation.scales
    return is_wrong(problem, truth, fitted), False


def completed(problem: rf.Problem, truth: np.ndarray, seed: int) -> tuple[bool, bool]:
    """The same of a whole completion."""
    result = rf.complete(problem, seed=seed, max_time=60)
    claimed = result.outcome is rf.Outcome.EXACT
    return claimed and is_wrong(problem, truth, result.to_dense()), result.outcome is rf.Outcome.UNDECIDED


def is_wrong(problem: rf.Problem, truth: np.ndarray, fitted: np.ndarray) -> bool:
    """Whether hidden cells that were filled are wrong by a thousandth of their spread or more."""
    hidden = np.ones(problem.shape, bool)
    hidden[problem.rows, problem.cols] = False
    hidden &= np.isfinite(fitted)
    spread = (truth - truth.mean(axis=0))[hidden]
    error = np.linalg.norm((fitted - truth)[hidden])
    return bool(error > WRONG * max(float(np.linalg.norm(spread)), 1e-12 * float(np.abs(truth).max())))


def judged(kind: str, seed: int, whole: bool) -> Verdict:
    """Make a table and ask."""
    problem, truth = table(kind, seed)
    started = time.process_time()
    try:
        claimed, undecided = (completed if whole else asked_exactly)(problem, truth, seed)
    except Exception:
        traceback.print_exc()
        return Verdict(False, False, True, time.process_time() - started)
    return Verdict(claimed, undecided, False, time.process_time() - started)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=10, help="tables of every kind")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    parser.add_argument("--whole", action="store_true", help="whole completions")
    options = parser.parse_args(arguments)
    print(f"seeds {options.first_seed} to {options.first_seed + options.tables - 1}")
    judged("noise", 0, options.whole)  # compiles the kernels; not counted
    print(f"{'kind':<16}{'tables':>7}{'claims':>7}{'open':>6}{'errors':>7}{'median s':>9}{'largest':>8}")
    everything: list[Verdict] = []
    for kind in options.kinds:
        found = [judged(kind, options.first_seed + k, options.whole) for k in range(options.tables)]
        everything += found
        print(row(kind, found), flush=True)
    print(row("all", everything))
    return int(any(v.claimed or v.failed for v in everything))


def row(kind: str, found: list[Verdict]) -> str:
    claims, undecided, errors = (
        sum(getattr(v, name) for v in found) for name in ("claimed", "undecided", "failed")
    )
    seconds = [v.seconds for v in found]
    return (
        f"{kind:<16}{len(found):>7}{claims:>7}{undecided:>6}{errors:>7}{median(seconds):>9.2f}"
        f"{max(seconds):>8.2f}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
