"""What rows without entries, or with few, are filled with."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import rankfall as rf


def of_two_factors(n_rows: int, seed: int, level: float) -> np.ndarray:
    """Rank 2 beside column levels, and noise of 0.3; columns and levels are the same for all `n_rows`."""
    fixed, rng = np.random.default_rng(seed), np.random.default_rng([seed, n_rows])
    V, levels = fixed.standard_normal((2, 12)), level * fixed.standard_normal(12)
    noise = 0.3 * rng.standard_normal((n_rows, 12))
    return levels + rng.standard_normal((n_rows, 2)) @ V + noise


def holed(X: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(X.shape) < share, X, np.nan)


def quietly(result: rf.Completion, rows: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return result.transform(rows)


@pytest.mark.parametrize("spreads", [(5.0, 1.0, 5.0, 0.05), (1.0, 1.0, 1.0, 1.0)])
def test_a_row_without_entries_gets_the_level_of_every_column(spreads: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    X = np.array([1013.0, 3.0, 60.0, 0.5]) + rng.standard_normal((40, 4)) * spreads
    X = holed(X, 0.8)
    X[7] = np.nan
    result = rf.complete(X, fill="effects", max_rank=0)
    error = np.abs(result.to_dense()[7] - np.nanmean(X, axis=0)) / spreads
    assert np.all(error < 0.5)
    np.testing.assert_allclose(quietly(result, X[7:8]), result.to_dense()[7:8], rtol=1e-12)


def test_a_constant_column_stays_constant_there() -> None:
    X = holed(of_two_factors(60, 0, 3.0), 0.7)
    X[:, 4] = 7.0
    result = rf.complete(X, max_rank=2)
    assert quietly(result, np.full((1, 12), np.nan))[0, 4] == 7.0


@pytest.mark.parametrize("effects", ["none", "mean", "columns"])
def test_few_entries_are_better_than_none(effects: str) -> None:
    """Without column effects the factors carry the columns' levels; rows are not drawn towards zero then."""
    result = rf.complete(holed(of_two_factors(60, 4, 1.0), 0.7), max_rank=3, effects=effects)
    new = of_two_factors(400, 4, 1.0)
    errors = []
    for shown in (0, 1, 2, 4):
        rows = np.full_like(new, np.nan)
        rows[:, :shown] = new[:, :shown]
        errors.append(np.sqrt(np.mean((quietly(result, rows) - new)[:, 4:] ** 2)))
    assert np.all(np.diff(errors) < 0)
    assert errors[0] < 1.05 * np.std(new[:, 4:] - new[:, 4:].mean(axis=0))


def test_a_saved_result_folds_rows_in_alike(tmp_path: Path) -> None:
    result = rf.complete(holed(of_two_factors(60, 4, 1.0), 0.7), max_rank=3, effects="none")
    result.save(tmp_path / "result.npz")
    again = rf.load(tmp_path / "result.npz")
    rows = holed(of_two_factors(10, 4, 1.0), 0.3)
    np.testing.assert_array_equal(quietly(again, rows), quietly(result, rows))
    assert again.path.attrs == result.path.attrs == {"rule": result.settings["rule"]}
