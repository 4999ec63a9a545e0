"""Errors at held-out cells, column by column, and where they are shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from rankfall.completion.result.column_errors import column_errors
from rankfall.report.adapters import completion as adapter

UNITS = np.array([1.0, 30.0, 1.0, 0.01, 1.0, 1.0])


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    table = np.outer(rng.standard_normal(40), rng.uniform(1, 2, 6)) + 0.3 * rng.standard_normal((40, 6))
    table = (table + 10) * UNITS
    table[rng.random(table.shape) < 0.2] = np.nan
    return pd.DataFrame(table, columns=["a<b>", *"bcdef"])


@pytest.fixture(scope="module")
def result(frame: pd.DataFrame) -> rf.Completion:
    return rf.complete(frame, seed=0, max_rank=1, folds=2)


def test_each_in_its_unit(frame: pd.DataFrame, result: rf.Completion) -> None:
    errors = result.errors
    assert list(errors.columns) == ["error", "relative", "spread", "n_held_out"]
    pd.testing.assert_index_equal(errors.index, frame.columns)
    np.testing.assert_allclose(errors["spread"], frame.std(ddof=0), rtol=1e-9)
    assert errors["n_held_out"].tolist() == frame.count().tolist()  # with folds, every cell
    held = result.model.held_out
    assert held is not None
    misfit = held.predicted - frame.to_numpy()[held.rows, held.cols]
    for k, error in enumerate(errors["error"]):
        np.testing.assert_allclose(error, np.sqrt(np.mean(misfit[held.cols == k] ** 2)), rtol=1e-9)
    np.testing.assert_allclose(errors["relative"], errors["error"] / errors["spread"])
    # noise of 0.3 on a signal of at least 1
    assert (errors["relative"] < 0.6).all()


def test_errors_of_logarithms_are_in_the_units_of_the_data(frame: pd.DataFrame) -> None:
    result = rf.complete(frame, seed=0, max_rank=1, scale="log")
    assert (result.errors["relative"] < 1).all()


def test_weights_and_ends_of_the_range_of_floats() -> None:
    problem = rf.Problem.from_dense([[1e300, 0.0], [-1e300, 0.0], [0.0, 0.0]])
    cells = (np.array([0, 1, 0]), np.array([0, 0, 1]), np.array([-1e300, 0.0, 0.0]))
    table = column_errors(problem, *cells, None)
    np.testing.assert_allclose(table["error"], [np.sqrt(2.5) * 1e300, 0.0])
    assert table["relative"].isna().tolist() == [False, True]
    weighted = problem.with_weights(np.array([3.0, 1.0, 1.0, 1.0, 1.0, 1.0]))
    table = column_errors(weighted, *cells, None)
    np.testing.assert_allclose(table["error"][0], np.sqrt((3 * 4 + 1) / 4) * 1e300)


def test_without_held_out_cells() -> None:
    problem, _ = rf.datasets.low_rank((12, 9), rank=1, observed=0.8, seed=0)
    result = rf.complete(problem)
    assert result.errors["error"].isna().all()
    assert not result.errors["n_held_out"].any()
    assert "Held-out error" not in result.summary()
    assert adapter.column_errors(result) is None


def test_the_summary_is_short(result: rf.Completion) -> None:
    errors = result.errors["relative"]
    line = (
        f"Held-out error of a column over its standard deviation: median {errors.median():.2g}, largest "
        f"{errors.max():.2g} (column {errors.idxmax()})."
    )
    assert line in result.summary().splitlines()
    for effects, words in (("both", " with row and column effects"), ("none", "")):
        named = replace(result, settings={**result.settings, "effects": effects})
        assert f"Rank {result.rank}{words} (" in named.summary()
    assert "ertificate" not in result.summary()


def test_notebooks(result: rf.Completion) -> None:
    page = result._repr_html_()
    assert "Ranks tried" in page
    assert "Errors at held-out cells by column" in page
    assert "a&lt;b&gt;" in page
    assert "<b>" not in page


def test_the_report_shows_the_worst_first(result: rf.Completion) -> None:
    table = adapter.column_errors(result)
    assert table is not None
    worst = [row[0] for row in table.rows]
    assert worst == result.errors.sort_values("relative", ascending=False).index.tolist()


def test_whole_numbers_that_are_rounded_are_noted(frame: pd.DataFrame) -> None:
    counts = frame.mul(10).round().assign(whole=range(40)).astype({"b": "Int64", "whole": "int64"})
    text = rf.complete(counts, max_rank=1).summary()
    assert "Note: Columns of whole numbers stay so: to_frame() rounds what it fills in (b); " in text
