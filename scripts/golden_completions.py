"""Completions whose numbers ``golden.py`` hashes: small tables that reach most branches."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

import rankfall as rf
from golden_api import Numbers, case, complete, of_certificate, of_completion, prefixed, table

# -- tables ----------------------------------------------------------------------------------------


def with_effects(m: int, n: int, seed: int = 0) -> np.ndarray:
    """A noisy table of rank 2 with row and column effects, and columns of several sizes."""
    rng = np.random.default_rng([m, n, seed, 1])
    X = table(m, n, 2, 0.7, noise=0.3, seed=seed)
    return (X + rng.standard_normal((m, 1)) + 2 * rng.standard_normal(n)) * np.geomspace(0.5, 3, n) + 4


def ratings(m: int, n: int, observed: float, seed: int = 0) -> np.ndarray:
    """Whole numbers from 1 to 5."""
    rng = np.random.default_rng([m, n, seed, 2])
    X = table(m, n, 2, observed, noise=0.5, seed=seed) + 0.7 * rng.standard_normal((m, 1))
    return np.clip(np.rint(X + 3.4), 1, 5)


def folded(X: np.ndarray, **options: object) -> Numbers:
    """Complete, and fold in lines made of the first ones, with other holes."""
    rng = np.random.default_rng(7)
    rows, columns = X[:4].copy(), X[:, :3].copy()
    rows[rng.random(rows.shape) < 0.3] = np.nan
    columns[rng.random(columns.shape) < 0.3] = np.nan
    return of_completion(complete(X, **options), rows, columns)


# -- completions: exact ----------------------------------------------------------------------------


@case("completion-exact-square")
def exact_square() -> Numbers:
    return folded(table(40, 40, 2, 0.4))


@case("completion-exact-wide")
def exact_wide() -> Numbers:
    return folded(table(25, 70, 3, 0.5, spread=10))


@case("completion-exact-tall")
def exact_tall() -> Numbers:
    return folded(table(120, 30, 4, 0.45))


@case("completion-exact-tight")
def exact_tight() -> Numbers:
    return folded(table(50, 50, 5, 0.25, seed=3, spread=30))


@case("completion-exact-single-precision")
def exact_single() -> Numbers:
    return folded(table(35, 45, 3, 0.5).astype(np.float32))


@case("completion-exact-units")
def exact_units() -> Numbers:
    return folded(table(40, 24, 2, 0.6) * 10.0 ** np.linspace(-4, 4, 24) + 3)


@case("completion-exact-blocks")
def exact_blocks() -> Numbers:
    X = np.full((40, 40), np.nan)
    X[:20, :20], X[20:, 20:] = table(20, 20, 1, 0.6), table(20, 20, 1, 0.6, seed=1)
    return folded(X)


# -- completions: noisy ----------------------------------------------------------------------------


@case("completion-noisy-square")
def noisy_square() -> Numbers:
    return folded(table(40, 40, 2, 0.6, noise=0.1))


@case("completion-noisy-tall")
def noisy_tall() -> Numbers:
    return folded(table(150, 12, 2, 0.6, noise=0.3))


@case("completion-noisy-wide")
def noisy_wide() -> Numbers:
    return folded(table(15, 90, 3, 0.7, noise=0.2))


@case("completion-noisy-units")
def noisy_units() -> Numbers:
    return folded(with_effects(60, 14) * 10.0 ** np.linspace(-3, 3, 14))


@case("completion-noise-differs")
def noise_differs() -> Numbers:
    rng = np.random.default_rng(11)
    X = table(100, 40, 1, 0.8)
    return folded(X + np.geomspace(0.1, 3, 100)[:, None] * rng.standard_normal(X.shape), max_rank=2)


@case("completion-ratings")
def rated() -> Numbers:
    return folded(ratings(90, 50, 0.4))


@case("completion-ratings-small")
def rated_small() -> Numbers:
    return folded(ratings(14, 9, 0.7, seed=1))


@case("completion-triplets")
def triplets() -> Numbers:
    X = table(50, 30, 2, 0.5, noise=0.2, seed=5)
    rows, cols = np.nonzero(~np.isnan(X))
    order = np.random.default_rng(5).permutation(rows.size)
    rows, cols = np.append(rows[order], rows[:5]), np.append(cols[order], cols[:5])
    values = X[rows, cols]
    values[-5:] += 0.1
    return of_completion(
        complete(rf.Problem.from_triplets(rows, cols, values, shape=(51, 31), duplicates="mean"))
    )


@case("completion-weights")
def weighted() -> Numbers:
    X = table(40, 25, 2, 0.6, noise=0.3, seed=6)
    weights = np.random.default_rng(6).choice([0.0, 0.5, 1.0, 4.0], X.shape)
    return folded(X, weights=weights)


@case("completion-log")
def logarithm() -> Numbers:
    return folded(np.exp(table(40, 30, 2, 0.6, noise=0.2, seed=7)), scale="log")


@case("completion-log1p")
def logarithm_of_counts() -> Numbers:
    X = np.floor(np.exp(table(40, 30, 1, 0.6, noise=0.2, seed=8)))
    return folded(X, scale="log1p", bounds=(0, None))


@case("completion-folds")
def in_folds() -> Numbers:
    return folded(with_effects(30, 12), folds=3)


@case("completion-bounds-observed")
def bounds_observed() -> Numbers:
    return folded(ratings(40, 30, 0.5, seed=2), bounds="observed")


@case("completion-bounds-rule-min")
def bounds_pair() -> Numbers:
    return folded(table(40, 25, 3, 0.6, noise=0.4, seed=9), bounds=(-2.0, 1.5), rule="min")


@case("completion-max-rank")
def limited_rank() -> Numbers:
    return folded(table(40, 30, 5, 0.7, noise=0.1, seed=10), max_rank=2)


@case("completion-forced-columns")
def forced_columns() -> Numbers:
    return folded(with_effects(50, 15, seed=1), effects="columns", scaling="columns")


@case("completion-forced-both")
def forced_both() -> Numbers:
    return folded(with_effects(30, 30, seed=2), effects="both", scaling="all")


@case("completion-forced-none")
def forced_none() -> Numbers:
    return folded(table(30, 40, 2, 0.6, noise=0.3, seed=12), effects="none")


@case("completion-empty-lines")
def empty_lines() -> Numbers:
    X = with_effects(40, 16, seed=3)
    X[:, 3], X[7], X[:, 9] = 5.0, np.nan, np.nan
    X[::7, 3] = np.nan
    return of_completion(complete(X, fill="effects"), X[:3], X[:, :2])


@case("completion-frame")
def frame() -> Numbers:
    values = table(40, 10, 2, 0.7, noise=0.15, seed=4) + np.arange(10)
    X = pd.DataFrame(values, [f"day {i}" for i in range(40)], [f"gauge {j}" for j in range(10)])
    return of_completion(complete(X), X.iloc[:3], X.iloc[:, :2].to_numpy())


@case("completion-sparse")
def stored() -> Numbers:
    X = table(60, 40, 2, 0.4, noise=0.2, seed=13)
    return of_completion(complete(sparse.csr_array(np.nan_to_num(X))))


@case("completion-wrong-model")
def wrong_model() -> Numbers:
    rng = np.random.default_rng(14)
    x, y = rng.random((30, 2)), rng.random((20, 2))
    X = np.sin(9 * np.linalg.norm(x[:, None] - y, axis=-1))
    X[rng.random(X.shape) < 0.4] = np.nan
    return folded(X)


@case("completion-noise-only")
def noise_only() -> Numbers:
    X = np.random.default_rng(15).standard_normal((30, 20))
    X[::3, ::2] = np.nan
    return folded(X)


@case("completion-saved")
def saved() -> Numbers:
    result = complete(table(30, 20, 2, 0.7, noise=0.2, seed=16))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.npz"
        result.save(file)
        return of_completion(rf.load(file), result.to_dense()[:2])


@case("imputer")
def imputer() -> Numbers:
    X = with_effects(60, 8, seed=5)
    model = rf.LowRankImputer(random_state=3).fit(X[:50])
    return {"fitted": model.transform(X[:50]), "others": model.transform(X[50:])}


@case("regressor")
def regressor() -> Numbers:
    X = table(30, 20, 2, 0.7, noise=0.2, seed=17)
    pairs = np.argwhere(~np.isnan(X))
    model = rf.LowRankRegressor(random_state=3).fit(pairs, X[tuple(pairs.T)])
    return {"predicted": model.predict(np.argwhere(np.isnan(X)))}


@case("certificate-completion")
def of_completions() -> Numbers:
    exact = complete(table(30, 30, 2, 0.5, seed=19))
    noisy = complete(table(30, 20, 2, 0.7, noise=0.1, seed=19))
    return {
        **prefixed("exact", of_certificate(exact.certificate)),
        **prefixed("noisy", of_certificate(noisy.certificate)),
    }


# -- the command line ------------------------------------------------------------------------------


def command(*words: str) -> None:
    """Run ``python -m rankfall`` with this process's environment."""
    subprocess.run(
        [sys.executable, "-m", "rankfall", *words], check=True, capture_output=True, env=os.environ.copy()
    )


@case("command-complete")
def completed_file() -> Numbers:
    with tempfile.TemporaryDirectory() as folder:
        given, filled = Path(folder) / "given.csv", Path(folder) / "filled.csv"
        X = with_effects(30, 6, seed=7).round(2)
        pd.DataFrame(X, columns=list("abcdef")).to_csv(given, index=False)
        command("complete", str(given), "-o", str(filled), "--quiet")
        return {"values": pd.read_csv(filled).to_numpy(np.float64)}


@case("demo")
def demo() -> Numbers:
    with tempfile.TemporaryDirectory() as folder:
        command("demo", "--quiet", "--out", folder)
        return {"file": (Path(folder) / "completed.csv").read_bytes()}
