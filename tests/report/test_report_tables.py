"""From a completion to the tables of its report."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.report_tables import report_tables
from rankfall.datasets import low_rank
from rankfall.report import TextTable, render


@pytest.fixture(scope="module")
def exact() -> rf.Completion:
    return rf.complete(low_rank((30, 25), 2, oversampling=2.5, seed=1)[0], seed=0)


def test_tables_say_what_the_completion_says(exact: rf.Completion) -> None:
    other = TextTable(("method", "error"), (("mean", "1"),))
    tables = report_tables(exact, title="a & b", value_label="T (K)", comparison=other)
    assert dict(tables.headline)["rank"] == str(exact.rank) == "2"
    assert tables.outcome == "Exact"
    assert tables.errors is not None
    assert tables.errors.chosen is not None
    assert tables.errors.rank[tables.errors.chosen] == exact.rank
    assert tables.history is not None
    assert tables.history.kept == exact.rank
    assert tables.path is not None
    assert len(tables.path.rows) == len(exact.path)
    assert tables.path.rows[tables.path.marked or 0][0] == "2"
    assert tables.comparison is other
    assert dict(tables.identifiability)["connected components"] == "1"
    page = render(tables)
    assert "a &amp; b" in page
    assert "T (K)" in page


def test_heat_maps_keep_observed_cells_and_fill_the_rest(exact: rf.Completion) -> None:
    maps = report_tables(exact).heat_maps
    assert maps is not None
    np.testing.assert_array_equal(maps.before, exact.problem.to_dense())
    np.testing.assert_allclose(maps.after, exact.to_dense(), rtol=0, atol=1e-12)


def test_large_matrices_are_sampled_without_being_filled() -> None:
    problem = rf.Problem.from_triplets([0, 0, 99_999, 99_999], [0, 49_999, 0, 49_999], [1.0, 2.0, 2.0, 4.0])
    maps = report_tables(rf.complete(problem, seed=0)).heat_maps
    assert maps is not None
    assert maps.shape == (100_000, 50_000)
    assert maps.before.shape == (300, 300)
    np.testing.assert_array_equal(maps.before[[0, 0, -1, -1], [0, -1, 0, -1]], [1.0, 2.0, 2.0, 4.0])
    assert np.isnan(maps.after).sum() == 300 * 300 - 4


def test_a_completion_without_factors_has_a_report() -> None:
    X = np.full((6, 5), 3.0)
    X[0, 0] = np.nan
    for data in (X, np.where(np.isnan(X), np.nan, 0.0)):
        page = render(report_tables(rf.complete(data, seed=0)))
        assert "<svg" in page
