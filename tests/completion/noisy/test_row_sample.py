"""Tall tables: columns learned from some rows, the others folded in."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.noisy import row_sample
from rankfall.completion.noisy.row_sample import RowSample
from rankfall.completion.standardise import Standardisation


def tall(n_rows: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rank 2 and noise, a fifth of the cells hidden; the truth and what is observed."""
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((n_rows, 2)) @ rng.standard_normal((2, 6)) + [0, 5, 0, -3, 0, 1]
    table += 0.3 * rng.standard_normal(table.shape)
    hidden = rng.random(table.shape) < 0.2
    hidden[:, 0] &= ~hidden.all(axis=1)
    return table, np.where(hidden, np.nan, table)


@pytest.fixture
def few_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sample, "_ENTRIES", 500)


def test_every_column_has_as_many_entries_as_it_needs(few_entries: None) -> None:
    table = tall()[1]
    table[2000:, 2] = np.nan  # fewer entries than the others
    cells = Standardisation.of(rf.Problem.coerce(table), "linear").noisy
    sample = RowSample.of(cells, 0)
    counts = sample.cells.problem.col_counts
    assert 420 < counts[2] < 580 and counts[0] > 650
    assert np.all(np.diff(sample.rows) > 0)
    part = sample.cells.problem
    np.testing.assert_array_equal(part.to_dense(), cells.problem.to_dense()[sample.rows])
    assert not np.array_equal(RowSample.of(cells, 1).rows, sample.rows)


def test_a_column_with_few_entries_keeps_all_rows(few_entries: None) -> None:
    table = tall()[1]
    table[100:, 1] = np.nan
    cells = Standardisation.of(rf.Problem.coerce(table), "linear").noisy
    assert RowSample.of(cells, 0).is_all


@pytest.mark.parametrize("options", [{}, {"effects": "both"}, {"scaling": "columns"}, {"scale": "log"}])
def test_the_rows_left_out_are_folded_in(few_entries: None, options: dict[str, str]) -> None:
    truth, table = tall()
    if options.get("scale") == "log":
        truth, table = np.exp(truth / 4), np.exp(table / 4)
    result = rf.complete(table, seed=0, **options)
    assert result.rank >= 2
    assert 500 < result.settings["rows_learned_from"] < 1000
    hidden = np.isnan(table)
    np.testing.assert_allclose(result.transform(table)[hidden], result.to_dense()[hidden], atol=1e-6)
    held = result.model.held_out
    assert held is not None and not np.isnan(table[held.rows, held.cols]).any()
    assert np.unique(held.rows).size <= result.settings["rows_learned_from"]
    low, high = result.interval(*np.nonzero(hidden))
    assert 0.86 < np.mean((low <= truth[hidden]) & (truth[hidden] <= high)) < 0.93


def test_little_is_lost(few_entries: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than a percent on average; of one table of 3000 rows it is more in one of six."""
    ratios = []
    for seed in (0, 1, 2):
        truth, table = tall(seed=seed)
        hidden = np.isnan(table)
        results = []
        for entries in (500, 10**9):
            monkeypatch.setattr(row_sample, "_ENTRIES", entries)
            results.append(rf.complete(table, seed=0))
        assert ["rows_learned_from" in result.settings for result in results] == [True, False]
        assert all(result.rank == 2 for result in results)
        some, every = (np.sqrt(np.mean((result.to_dense() - truth)[hidden] ** 2)) for result in results)
        ratios.append(some / every)
    assert np.mean(ratios) < 1.01


def test_rows_without_entries_and_saved_results(few_entries: None, tmp_path) -> None:
    table = tall()[1]
    table[7] = np.nan
    result = rf.complete(table, seed=0)
    assert np.isnan(result.to_dense()[7]).all()
    result.save(tmp_path / "tall.npz")
    np.testing.assert_array_equal(rf.load(tmp_path / "tall.npz").to_dense(), result.to_dense())
    assert result.comparison is not None and result.comparison.n_cells > 200
