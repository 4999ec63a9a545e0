"""Booleans, categories and text in the imputer, whose output is numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from rankfall import Completion, InputError, LowRankImputer


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    u = rng.normal(size=60)
    out = pd.DataFrame({f"x{j}": u + 0.3 * rng.normal(size=60) for j in range(3)})
    out["yes"] = pd.array(u + 0.3 * rng.normal(size=60) > 0, dtype="boolean")
    out.loc[:4, "yes"] = pd.NA
    out.loc[5:9, "x0"] = np.nan
    return out


@pytest.mark.parametrize(
    "convert", [lambda x: x, lambda x: x.astype(object).where(x.notna(), None), pl.from_pandas]
)
def test_booleans_are_numbers(convert) -> None:
    table = frame()
    imputer = LowRankImputer(max_rank=1, folds=2)
    filled = imputer.fit_transform(convert(table))
    assert type(imputer.completion_) is Completion and filled.dtype == float
    seen = table["yes"].notna().to_numpy()
    assert np.array_equal(filled[seen, 3], table["yes"][seen].to_numpy(float))
    assert np.all(np.abs(filled[~seen, 3] - 0.5) < 1.0)


def test_categories_of_numbers_are_numbers() -> None:
    table = frame().assign(grade=pd.Categorical(np.arange(60) % 4, ordered=True))
    filled = LowRankImputer(max_rank=1, folds=2).fit_transform(table)
    assert np.array_equal(filled[:, 4], np.arange(60) % 4)


@pytest.mark.parametrize(
    "levels", [np.array(["a", "b"], object), pd.Categorical(["a", "b"]), pd.Categorical(["<5", "7"])]
)
def test_text_is_refused_at_fit_and_in_new_rows(levels) -> None:
    table = frame().assign(town=pd.Series(levels).iloc[np.arange(60) % 2].to_numpy())
    with pytest.raises(InputError, match=r"'town' holds text .*; convert it to numbers"):
        LowRankImputer().fit(table)
    imputer = LowRankImputer(max_rank=0).fit(table.assign(town=1.0))
    with pytest.raises(InputError, match=r"'town' holds text .*; convert it to numbers"):
        imputer.transform(table)


@pytest.mark.parametrize("name", ["kinds", "censored"])
def test_kinds_and_limits_are_no_parameters(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        LowRankImputer(**{name: None})  # type: ignore[arg-type]
