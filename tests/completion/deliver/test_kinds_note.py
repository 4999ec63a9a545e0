"""Kinds that are proposed for columns of numbers: where they are, and how seldom elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from rankfall.completion.deliver.kinds_note import proposals


def latent(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    return rng.normal(size=(m, 2)) @ rng.normal(size=(2, n)) + 0.5 * rng.normal(size=(m, n))


MEASURED: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "normal": lambda _, z: z,
    "rounded": lambda rng, z: np.rint(rng.uniform(3, 40) + rng.uniform(1, 10) * z),
    "lognormal": lambda _, z: np.exp(z),
    "ages": lambda rng, z: np.rint(np.clip(40 + 15 * z, 0, 95)),
    "near 100": lambda _, z: np.rint(100 + 3 * z),
    "yes or no": lambda _, z: (z > 0).astype(float),
}


def holed(rng: np.random.Generator, X: np.ndarray) -> rf.Problem:
    return rf.Problem.from_dense(np.where(rng.random(X.shape) < 0.15, np.nan, X))


def tables(seed: int, count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, k]) for k in range(count)]


@pytest.mark.parametrize("what", MEASURED)
def test_measurements_are_left_alone(what: str) -> None:
    alarms = 0
    for rng in tables(1, 20):
        X = MEASURED[what](rng, latent(rng, int(rng.integers(60, 400)), 8))
        alarms += any(proposals(holed(rng, X), "linear").values())
    assert alarms == 0


def test_grades_and_counts_are_found() -> None:
    right = 0
    for rng in tables(2, 20):
        X = latent(rng, 150, 4)
        levels = int(rng.integers(3, 7))
        X[:, 1] = np.digitize(X[:, 1], np.quantile(X[:, 1], np.arange(1, levels) / levels)) + rng.integers(2)
        X[:, 3] = rng.poisson(np.exp(1.0 + 0.8 * X[:, 3] / X[:, 3].std()))
        found = proposals(holed(rng, X), "linear")
        assert found["ordinal"] == [1] and found["count"] in ([], [3])
        right += found["count"] == [3]
        assert proposals(holed(rng, X), "log1p")["count"] == []
    assert right >= 16


@pytest.mark.parametrize("code", [-9.0, 9.0, 99.0])
def test_a_column_with_a_number_for_missing_cells_is_neither(code: float) -> None:
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.integers(1, 6, 200), rng.poisson(3.0, 200)]).astype(float)
    X[:7, 0 if code == 9 else slice(None)] = code  # 9 may be a count
    problem = rf.Problem.from_dense(np.where(rng.random(X.shape) < 0.1, np.nan, X))
    assert proposals(problem, "linear") == {"ordinal": [], "count": []}


def test_a_table_of_ratings_gets_one_sentence_or_none() -> None:
    rng = np.random.default_rng(4)
    ratings = np.clip(np.rint(3 + latent(rng, 200, 40)), 1, 5)
    dense = np.where(rng.random(ratings.shape) < 0.1, np.nan, ratings)
    result = rf.complete(dense, max_rank=0)
    said = [text for text in result.warnings if "--kinds" in text]
    assert len(said) == 1 and "more hold few whole numbers, as grades do" in said[0]
    sparse = np.where(rng.random(ratings.shape) < 0.8, np.nan, ratings)
    assert not any("--kinds" in text for text in rf.complete(sparse, max_rank=0).warnings)


def test_what_the_sentence_says_silences_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    u = rng.normal(size=120)
    frame = pd.DataFrame({f"x{j}": u + 0.3 * rng.normal(size=120) for j in range(3)})
    frame["my grade"] = np.digitize(u + 0.3 * rng.normal(size=120), [-1, 0, 1]) + 1.0
    frame = frame.mask(rng.random(frame.shape) < 0.1)
    (said,) = (text for text in rf.complete(frame, max_rank=1).warnings if "kinds" in text)
    assert said.startswith("Column my grade holds few whole numbers")
    assert '--kinds "my grade"=ordinal (in Python: kinds={\'my grade\': "ordinal"})' in said
    for kind in ("number", "ordinal"):
        again = rf.complete(frame, max_rank=1, kinds={"my grade": kind})
        assert not any("kinds" in text for text in again.warnings)
    weighted = rf.complete(frame, max_rank=1, weights=np.ones(frame.shape))
    assert not any("kinds" in text for text in weighted.warnings)
