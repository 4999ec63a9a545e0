"""Values that stand for missing ones, also in new rows and columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import rankfall as rf


def test_new_rows_and_columns_take_the_same_marks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 8)) + 5
    table += 0.1 * rng.standard_normal(table.shape)
    holes = rng.random(table.shape) < 0.2
    marked, plain = np.where(holes, -999.0, table), np.where(holes, np.nan, table)
    result = rf.complete(marked, seed=0, missing_values=-999)
    np.testing.assert_array_equal(result.to_dense(), rf.complete(plain, seed=0).to_dense())
    assert result.settings["missing_values"] == (-999.0,)
    result.save(tmp_path / "result.npz")
    for one in (result, rf.load(tmp_path / "result.npz")):
        np.testing.assert_array_equal(one.transform(marked[:3]), result.transform(plain[:3]))
        assert one.transform(marked[:3]).min() > -900
        np.testing.assert_array_equal(one.fold_columns(marked[:, :2]), result.fold_columns(plain[:, :2]))
