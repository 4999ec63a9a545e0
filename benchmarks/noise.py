"""Is the rank found in noise, and is the completion as good as if the rank had been told?

Random matrices of rank r, a share of the cells observed, Gaussian noise at a signal-to-noise ratio (standard
deviation of the entries over that of the noise). ``rankfall.complete(problem, seed=seed)`` is told nothing;
the oracle is told the rank, and of a grid of ridges the one with the smallest error at the hidden cells,
which nobody could know: alternating ridge regressions from the truth. Printed: how often the rank was found,
and the ratio of the errors (root mean square, at hidden cells, against the matrix without noise).

    python benchmarks/noise.py
    python benchmarks/noise.py --snr 3 --seeds 5
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np

import rankfall as rf
from rankfall.datasets import low_rank

_RIDGES = np.geomspace(1e-3, 1e2, 21)


def oracle(problem: rf.Problem, truth: np.ndarray, rank: int, hidden: np.ndarray) -> float:
    """Error of the fixed-rank ridge fit with the best of all ridges, started from the truth."""
    observed = np.zeros(problem.shape, bool)
    observed[problem.rows, problem.cols] = True
    X = np.where(observed, problem.to_dense(), 0.0)
    _, s, Vt = np.linalg.svd(truth, full_matrices=False)
    start = Vt[:rank].T * np.sqrt(s[:rank])
    noise = float(np.var((problem.to_dense() - truth)[observed]))
    return min(_ridge_fit_error(X, observed, truth, hidden, start, ridge * noise) for ridge in _RIDGES)


def _ridge_fit_error(
    X: np.ndarray, observed: np.ndarray, truth: np.ndarray, hidden: np.ndarray, V: np.ndarray, ridge: float
) -> float:
    fitted = truth
    for _ in range(200):
        U = _half(X, observed, V, ridge)
        V = _half(X.T, observed.T, U, ridge)
        before, fitted = fitted, U @ V.T
        if np.linalg.norm(fitted - before) < 1e-6 * np.linalg.norm(fitted):
            break
    return float(np.sqrt(np.mean((fitted - truth)[hidden] ** 2)))


def _half(X: np.ndarray, observed: np.ndarray, V: np.ndarray, ridge: float) -> np.ndarray:
    """Ridge regressions of all rows on V."""
    products = (V[:, :, None] * V[:, None, :]).reshape(V.shape[0], -1)
    grams = (observed.astype(float) @ products).reshape(-1, V.shape[1], V.shape[1])
    grams += ridge * np.eye(V.shape[1])
    return np.linalg.solve(grams, (X @ V)[:, :, None])[:, :, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--snr", type=float, nargs="+", default=[10.0, 3.0])
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--rank", type=int, default=5)
    parser.add_argument("--observed", type=float, default=0.3)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    for snr in options.snr:
        ranks: Counter[int] = Counter()
        ratios, seconds = [], []
        for seed in range(options.seeds):
            shape = (options.n, options.n)
            problem, truth = low_rank(
                shape, rank=options.rank, observed=options.observed, noise=1 / snr, seed=seed
            )
            hidden = np.ones(shape, bool)
            hidden[problem.rows, problem.cols] = False
            started = time.perf_counter()
            result = rf.complete(problem, seed=seed)
            seconds.append(time.perf_counter() - started)
            ranks[result.rank] += 1
            error = float(np.sqrt(np.mean((result.to_dense(observed="fitted") - truth)[hidden] ** 2)))
            ratios.append(error / oracle(problem, truth, options.rank, hidden))
        found = ", ".join(f"rank {rank}: {count}" for rank, count in sorted(ranks.items()))
        print(
            f"signal-to-noise {snr:g}: {found} of {options.seeds}; error over the oracle's: median "
            f"{np.median(ratios):.3f}, mean {np.mean(ratios):.3f}, worst {np.max(ratios):.3f}; "
            f"median {np.median(seconds):.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
