"""Filled values that no observed one is like are said, in one sentence for all columns of a kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.deliver.unlike_observed import unlike_observed

# effects alone are quick, and fill columns of skewed numbers with negative ones


def skewed(n_rows: int, n_cols: int, seed: int = 0) -> np.ndarray:
    """Rain: levels of rows and columns multiply, many zeros; a fifth of the cells is missing."""
    rng = np.random.default_rng(seed)
    rain = rng.gamma(0.3, 9, (n_rows, 1)) * rng.gamma(1.0, 1, n_cols) * rng.gamma(2, 0.5, (n_rows, n_cols))
    return np.where(rng.random(rain.shape) < 0.2, np.nan, np.round(rain, 1))


def signed(n_rows: int, n_cols: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(n_rows, n_cols))
    return np.where(rng.random(values.shape) < 0.2, np.nan, values)


def said(X: object, **options: object) -> list[str]:
    settings = {"max_rank": 0, "effects": "both", "scaling": "all", **options}
    found = rf.complete(X, seed=0, **settings).warnings  # type: ignore[arg-type]
    return [text for text in found if "bounds" in text]


def test_negative_cells_of_a_table_without_any() -> None:
    table = skewed(60, 8)
    (text,) = said(table)
    result = rf.complete(table, seed=0, max_rank=0, effects="both", scaling="all")
    holes = np.isnan(table)
    filled = result.to_dense()
    bad = np.flatnonzero(((filled < 0) & holes).any(axis=0))
    wrong, missing = ((filled < 0) & holes).sum(), holes[:, bad].sum()
    assert f"but {wrong} of {missing} filled cells there are negative" in text
    assert "bounds=(0, None) (--bounds 0,)" in text and 'scale="log1p"' in text
    assert said(table, bounds=(0, None)) == []
    assert said(table, scale="log1p", bounds=(0, None)) == []


def as_if_observed(n_rows: int, n_cols: int, sizes: list[int], shares: list[int]) -> rf.Completion:
    """A completion of numbers of either sign, as if no cell of some columns had been negative (above one)."""
    result = rf.complete(signed(n_rows, n_cols) - 1, seed=0, max_rank=0, effects="both")
    problem = result.problem
    values = np.where(np.isin(problem.cols, [*sizes, *shares]), np.abs(problem.values), problem.values)
    values = np.where(np.isin(problem.cols, shares), np.minimum(values, 1), values)
    names = tuple(f"c{j}" for j in range(n_cols - 1))
    return replace(result, problem=problem.with_values(values), col_names=(*names, "rain in mm"))


def test_columns_of_a_mixed_table_are_named() -> None:
    result = as_if_observed(60, 6, sizes=[1, 5], shares=[3])
    shares, sizes = unlike_observed(result)
    holes = np.isnan(result.problem.to_dense())
    filled = result.to_dense()
    wrong = int((holes & (filled < 0))[:, [1, 5]].sum())
    assert sizes == (
        f"Columns c1 and rain in mm hold no negative number, but {wrong} of {holes[:, [1, 5]].sum()} filled "
        "cells there are negative: bounds keep them within, as in bounds={'c1': (0, None)} (--bounds c1=0,)."
    )
    assert shares.startswith("Column c3 holds only numbers between 0 and 1, but ")
    assert shares.endswith("bounds={'c3': (0, 1)} (--bounds c3=0,1) keeps them within.")
    (text,) = unlike_observed(as_if_observed(60, 6, sizes=[5], shares=[]))
    assert text.endswith("""bounds={'rain in mm': (0, None)} (--bounds "rain in mm=0,") keeps them within.""")


def test_a_hundred_columns_are_one_sentence() -> None:
    (text,) = unlike_observed(as_if_observed(40, 101, sizes=[*range(1, 101)], shares=[]))
    assert text.startswith("Columns c1, c2, c3, c4, c5 and 95 more hold no negative number")
    assert len(text) < 250


def test_few_cells_say_nothing_about_a_column() -> None:
    table = signed(60, 8)
    table[:, 0] = np.where(np.arange(60) < 7, np.abs(table[:, 0]), np.nan)
    assert said(table) == []
    # what bounds were given for is the user's business
    assert said(skewed(60, 8), bounds=(-100, None)) == []


def test_rounding_is_not_a_negative_number() -> None:
    problem, _ = rf.datasets.low_rank((20, 15), rank=1, oversampling=3.0, seed=0)
    exact = np.abs(problem.to_dense())
    exact[:, 3] *= 0
    result = rf.complete(exact, seed=0)
    assert result.outcome is rf.Outcome.EXACT
    assert not [text for text in result.warnings if "negative" in text]


def test_observed_cells_outside_the_bounds() -> None:
    table = signed(60, 8)
    (text,) = said(table, bounds=(-2, 2))
    count = int((np.abs(table) > 2).sum())
    assert text.startswith(f"{count} observed cells lie outside the bounds (columns 0, ")
    assert said(table, bounds=(-9, 9)) == []


def test_the_range_of_a_few_cells_is_narrow() -> None:
    table = np.clip(np.round(3 + signed(60, 8)), 1, 5)
    table[9:, 2] = np.nan
    (text,) = said(table, bounds="observed")
    assert text.startswith("Column 2 has fewer than 10 observed cells") and "bounds=(1, 5)" in text


# -- scales of whole numbers ------------------------------------------------------------------------------


def grades(high: int = 5, seed: int = 0) -> np.ndarray:
    """Ratings that would often be better than the best one."""
    rng = np.random.default_rng(seed)
    liked = 3 + 1.5 * rng.normal(size=(80, 1)) + np.linspace(-1, 1, 12) + 0.5 * rng.normal(size=(80, 12))
    return np.where(rng.random((80, 12)) < 0.3, np.nan, np.clip(np.round(liked), 1, high))


def test_grades_beyond_the_scale() -> None:
    table = grades()
    (text,) = said(table)
    filled = rf.complete(table, seed=0, max_rank=0, effects="both", scaling="all").to_dense()
    outside = np.isnan(table) & (np.abs(filled - 3) > 2.2)
    beyond = int(np.count_nonzero(outside))
    assert "hold only whole numbers from 1 to 5" in text
    assert f"but {beyond} of " in text and "bounds=(1, 5) (--bounds 1,5) keeps them within" in text
    assert said(table, bounds=(1, 5)) == []


@pytest.mark.parametrize(("grade", "given"), [(3, 3.5), (3, 4)])
def test_numbers_that_are_no_grades_are_left_alone(grade: float, given: float) -> None:
    """One that is not whole, or one that nobody gave."""
    table = grades()
    assert not any("whole" in text for text in said(np.where(table == grade, given, table)))


def test_counts_are_no_grades() -> None:
    rng = np.random.default_rng(0)
    counts = 1.0 + rng.poisson(1.5, (80, 12))
    assert said(np.where(rng.random(counts.shape) < 0.3, np.nan, counts)) == []


def test_grades_beside_other_columns() -> None:
    table = np.hstack([grades(), np.random.default_rng(0).normal(size=(80, 3))])
    (text,) = said(table)
    assert "from 1 to 5" in text and "bounds keep them within, as in" in text
