"""Where SGD leaves a minimum of one rank too many: the ridge over its critical value, and lr K.

Matrices of 10 x 10, rank two, 70 cells, noise of 0.5 of the entries' standard deviation, depth 3. The minimum
is the lowest one of rank three; 16 chains of SGD with single entries start at it and make 100,000 steps.
Printed: for each ridge over the critical ridge and each lr K (learning rate times the largest tangent kernel
of an observed entry at the minimum), how many chains end at rank three, at two (the true rank), below, and
above, and how many diverge, summed over six problems; chains of one problem share their minimum. Then the
same for gradient descent from the minimum with every layer disturbed by 3%, at a quarter of the chains, and
the range of the barriers where a saddle leads to rank two directly.

    python benchmarks/where_sgd_jumps.py             under a minute
    python benchmarks/where_sgd_jumps.py --quick     one problem
"""

from __future__ import annotations

import argparse

import numpy as np

import rankfall as rf
from rankfall.theory import Minimum, critical_ridge, minima, saddle, step_sharpness

DEPTH, N_STEPS, CHAINS = 3, 100_000, 16
SHARES = (0.8, 0.95)
SHARPNESS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


def problem_of(seed: int) -> rf.Problem:
    return rf.datasets.low_rank((10, 10), rank=2, observed=0.7, noise=0.5, seed=seed)[0]


def one_too_many(problem: rf.Problem, share: float) -> Minimum:
    """The lowest minimum of rank three on the branch that ends last, at this share of its critical ridge."""
    top = critical_ridge(problem, 3, DEPTH)
    return minima(problem, DEPTH, share * top.ridge, ranks=[3], starts=[top.last.matrix()]).at(3)[0]


def ends_of_sgd(problem: rf.Problem, point: Minimum, sharpness: float) -> np.ndarray:
    """Final ranks of the chains; -1 where one diverged."""
    network = point.network(width=5)
    lr = sharpness / step_sharpness(problem, network)
    sgd = rf.SGD(lr=lr, ridge=point.ridge, n_steps=N_STEPS)
    trace = rf.train(problem, network, sgd, chains=CHAINS, record=rf.Record(every=N_STEPS))
    return np.where(trace.diverged, -1, trace.rank[:, -1])


def ends_of_descent(problem: rf.Problem, point: Minimum) -> np.ndarray:
    """Final ranks of gradient descent from disturbed weights."""
    rng, ranks = np.random.default_rng(0), []
    for _ in range(CHAINS // 4):
        layers = []
        for W in point.network(width=5):
            E = rng.standard_normal(W.shape)
            layers.append(W + 0.03 * np.linalg.norm(W) / np.linalg.norm(E) * E)
        found = rf.descend(problem, rf.Network(tuple(layers)), ridge=point.ridge, gradient_norm=1e-6)
        ranks.append(found.rank())
    return np.array(ranks)


def barrier(problem: rf.Problem, point: Minimum) -> float | None:
    """Of the saddle to rank two; None where the way leads over another minimum of rank three."""
    try:
        return saddle(problem, point).barrier
    except rf.InputError:
        return None


def counted(ranks: np.ndarray) -> list[int]:
    """At rank three, two, below, above, diverged."""
    return [
        int(np.sum(test))
        for test in (ranks == 3, ranks == 2, (ranks >= 0) & (ranks < 2), ranks > 3, ranks < 0)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one problem")
    seeds = range(1 if parser.parse_args().quick else 6)
    problems = [problem_of(seed) for seed in seeds]
    print("ridge/critical     lr K  stay  rank 2  below  above  diverged")
    for share in SHARES:
        points = [one_too_many(problem, share) for problem in problems]
        pairs = list(zip(problems, points, strict=True))
        for sharpness in SHARPNESS:
            ranks = np.concatenate([ends_of_sgd(*pair, sharpness) for pair in pairs])
            row = counted(ranks)
            print(
                f"{share:14} {sharpness:8} {row[0]:5} {row[1]:7} {row[2]:6} {row[3]:6} {row[4]:9}", flush=True
            )
        row = counted(np.concatenate([ends_of_descent(*pair) for pair in pairs]))
        print(f"{share:14}  descent {row[0]:5} {row[1]:7} {row[2]:6} {row[3]:6} {row[4]:9}", flush=True)
        heights = [height for pair in pairs if (height := barrier(*pair)) is not None]
        print(
            f"{share:14}  barrier {min(heights):.1e} to {max(heights):.1e} ({len(heights)} problems)",
            flush=True,
        )


if __name__ == "__main__":
    main()
