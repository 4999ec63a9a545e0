"""Draws of tables with limits and with columns of every kind, and what does not go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rankfall as rf
from completion.kinds.test_kinds import GRADES, mixed, with_holes
from rankfall import Completion, InputError
from rankfall.completion.kinds import MixedCompletion
from rankfall.compute.threads import threads


def limited(seed: int = 0, m: int = 40, n: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A skewed table with the lowest cells of each column empty and some others, all limits, and the low
    cells.
    """
    rng = np.random.default_rng(seed)
    truth = np.exp(rng.normal(size=(m, 2)) @ rng.normal(size=(2, n)) + 0.3 * rng.normal(size=(m, n)))
    limit = np.quantile(truth, 0.15, axis=0)
    below = truth < limit
    return np.where(below | (rng.random((m, n)) < 0.1), np.nan, truth), np.where(below, limit, np.nan), below


TABLE, LIMITS, BELOW = limited()


@pytest.fixture(scope="module")
def censored() -> Completion:
    return rf.complete(TABLE, scale="log", censored=(None, LIMITS), max_rank=2)


# -- limits -----------------------------------------------------------------------------------------------


def test_cells_with_limits_are_drawn_on_their_side(censored):
    tables = np.array(list(censored.draws(40)))
    known = ~np.isnan(TABLE)
    assert np.all(tables[:, known] == TABLE[known])
    assert np.all(tables[:, BELOW] <= LIMITS[BELOW]) and np.all(tables[:, BELOW] > 0)
    assert np.all(np.std(tables[:, ~known], axis=0) > 0)
    # moments of the truncated posterior, which the fit knows from its own chain
    logs = np.log(tables[:, BELOW])
    assert np.mean(logs) == pytest.approx(np.mean(censored.limits.mean), abs=0.03)
    assert np.mean(np.std(logs, axis=0)) == pytest.approx(np.mean(censored.limits.sd), rel=0.1)
    for cells in (BELOW, ~known & ~BELOW):
        i, j = np.nonzero(cells)
        low, high = censored.interval(i, j, 0.9)
        inside = (tables[:, i, j] >= low) & (tables[:, i, j] <= high)
        assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_every_way_to_ask_gives_the_same_bits_with_limits(censored, tmp_path: Path):
    tables = list(censored.draws(5, seed=2))
    i, j = np.indices(TABLE.shape)
    assert np.array_equal(censored.draws(5, seed=2)[4], tables[4])
    assert np.array_equal(censored.draws(5, seed=2, cells=(i, j)), tables)
    censored.save(tmp_path / "c.npz")
    loaded = rf.load(tmp_path / "c.npz")
    assert np.array_equal(loaded.draws(5, seed=2)[3], tables[3])
    assert np.array_equal(loaded.interval(i, j), censored.interval(i, j))
    with threads(1):
        assert np.array_equal(censored.draws(5, seed=2)[3], tables[3])


def test_draws_are_apart_where_nothing_but_limits_is_missing():
    """Two draws of a chain that are next to each other would be alike."""
    full = np.where(np.isnan(TABLE) & ~BELOW, 1.0, TABLE)
    result = rf.complete(full, scale="log", censored=(None, LIMITS), max_rank=1, folds=2)
    draws = result.draws(10)
    assert np.all(draws[0][BELOW] <= LIMITS[BELOW]) and 5 < draws.effective_size <= 10


@pytest.mark.parametrize("lower", [True, False])
def test_upper_and_two_sided_limits(lower):
    """The largest cells of a column, between two limits or above one."""
    high = np.nan_to_num(TABLE) > np.nanquantile(TABLE, 0.9, axis=0)
    above = np.where(high, np.nanquantile(TABLE, 0.9, axis=0), np.nan)
    ends = (above, 2 * above if lower else None)
    for table in rf.complete(np.where(high, np.nan, TABLE), censored=ends, max_rank=1, folds=2).draws(3):
        assert np.all(table[high] >= above[high])
        assert not lower or np.all(table[high] <= 2 * above[high])


def test_effects_alone_with_limits_are_drawn():
    result = rf.complete(TABLE, scale="log", censored=(None, LIMITS), max_rank=0)
    tables = np.array(list(result.draws(10)))
    assert np.all(tables[:, BELOW] <= LIMITS[BELOW]) and np.all(np.std(tables[:, BELOW], axis=0) > 0)


def test_draws_with_heavy_tails_keep_to_the_limits():
    result = rf.complete(TABLE, scale="log", censored=(None, LIMITS), noise="student", max_rank=2)
    tables = np.array(list(result.draws(6)))
    assert np.isfinite(tables).all()
    assert np.all(tables[:, BELOW] <= LIMITS[BELOW]) and np.all(np.std(tables[:, BELOW], axis=0) > 0)


def test_draws_with_heavy_tails_of_kinds():
    frame = mixed()
    frame.iloc[::7, 0] = np.nan
    result = rf.complete(frame, noise="student", max_rank=2)
    drawn = list(result.draws(3))
    assert len(drawn) == 3 and all(one.shape == frame.shape for one in drawn)


# -- kinds ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done() -> tuple[MixedCompletion, pd.DataFrame, np.ndarray, np.ndarray]:
    """A table with all kinds and limits, and its draws as codes."""
    full = mixed(7, m=100, each=2)
    full["k"] = np.floor(np.exp(1 + (full["n0"] - 10) / 6))
    table, hidden = with_holes(full)
    hidden[:, 4] = full["n1"] < full["n1"].quantile(0.1)
    upper = np.full(table.shape, np.nan)
    upper[hidden[:, 4], 4] = full["n1"].quantile(0.1)
    table["n1"] = full["n1"].mask(hidden[:, 4])
    result: Any = rf.complete(table, kinds={"k": "count"}, censored=(None, upper), max_rank=2, folds=3)
    return cast("MixedCompletion", result), table, hidden, np.array(list(result.draws(100).codes()))


def test_frames_come_back_with_levels(done):
    result, table, hidden, codes = done
    drawn = result.draws(3)
    assert len(drawn) == 3 and 1 < drawn.effective_size <= 3
    for one in drawn:
        assert one.dtypes.equals(result.to_frame().dtypes) and one.index.equals(table.index)
        assert not one.isna().any().any()
        for k, name in enumerate(table):
            seen = ~hidden[:, k]
            assert (one[name][seen].astype(object) == table[name][seen].astype(object)).all()
        assert set(one["g0"]) <= set(GRADES) and np.all(one["k"] % 1 == 0)
        assert one["n1"][hidden[:, 4]].max() <= table["n1"].min()
    assert np.mean(codes[0] != codes[1]) > 0.02


def test_levels_are_drawn_with_their_probabilities(done):
    """Of 100 draws: the standard error of a share is 0.05 at most. Probabilities are those of one chain,
    whose means vary by 0.03 from seed to seed.
    """
    result, table, hidden, codes = done
    for k, name in enumerate(table):
        if not result.table.kinds[k].has_levels:
            continue
        rows = np.flatnonzero(hidden[:, k])
        expected = result.probabilities(rows, name).to_numpy()
        levels = np.arange(expected.shape[1])
        shares = np.mean(codes[:, rows, k][:, :, None] == levels, axis=0)
        assert np.mean(shares, axis=0) == pytest.approx(np.mean(expected, axis=0), abs=0.1)
        assert np.mean(np.abs(shares - expected)) < 0.1
    rows = np.flatnonzero(hidden[:, 0])
    low, high = result.interval(rows, "n0", 0.9)
    assert np.mean((codes[:, rows, 0] >= low) & (codes[:, rows, 0] <= high)) == pytest.approx(0.9, abs=0.06)


def test_missing_cells_of_a_row_depend_on_each_other():
    """Two columns that are copies of a third but for a few cells, where a row has none of them."""
    rng = np.random.default_rng(0)
    u = rng.normal(size=200)
    table = pd.DataFrame({f"b{j}": u + 0.2 * rng.normal(size=200) > 0 for j in range(5)}).astype("boolean")
    table["x"] = rng.normal(size=200)
    table.iloc[:20, :5] = pd.NA
    result = rf.complete(table, max_rank=1, folds=2, seed=0)
    codes = np.array(list(cast("Any", result.draws(60)).codes()))[:, :20, :5]
    alike = np.mean(codes[:, :, 0] == codes[:, :, 1])
    p, q = codes[:, :, 0].mean(), codes[:, :, 1].mean()
    assert alike > p * q + (1 - p) * (1 - q) + 0.2


def test_every_way_to_ask_gives_the_same_bits_with_kinds(done, tmp_path: Path):
    result, _, _, codes = done
    draws = result.draws(4)
    assert np.array_equal(list(draws.codes()), codes[:4])
    assert draws[3].equals(list(draws)[3]) and draws[1:3][0].equals(draws[1])
    cells = result.draws(2, cells=([0, 1, 2], ["c0", "g0", "n0"]))
    assert cells.shape == (2, 3) and cells[1].tolist() == [
        draws[1].iloc[0, 3],
        draws[1].iloc[1, 2],
        draws[1].iloc[2, 0],
    ]
    result.save(tmp_path / "m.npz")
    loaded = cast("MixedCompletion", rf.load(tmp_path / "m.npz"))
    assert np.array_equal(list(cast("Any", loaded.draws(2)).codes()), codes[:2])
    i = np.arange(100)
    assert np.array_equal(loaded.interval(i, "n0"), result.interval(i, "n0"))
    with threads(1):
        assert np.array_equal(list(result.draws(2).codes()), codes[:2])
    assert not np.array_equal(next(cast("Any", result.draws(1, seed=1)).codes()), codes[0])
    with pytest.raises(InputError, match="m must be"):
        result.draws(0)


def test_arrays_and_polars_come_back_as_they_came():
    full = mixed(2, m=60, each=1)
    frame = pl.from_pandas(full.mask(np.eye(60, 4, dtype=bool)))
    drawn = rf.complete(frame, max_rank=1, folds=2).draws(1)[0]
    assert isinstance(drawn, pl.DataFrame) and drawn.null_count().sum_horizontal().item() == 0
    numbers = np.column_stack([full["n0"], full["g0"].cat.codes, full["b0"]]).astype(float)
    numbers[:5, 1] = np.nan
    drawn = rf.complete(numbers, kinds={1: "ordinal", 2: "boolean"}, max_rank=1, folds=2).draws(1)[0]
    assert isinstance(drawn, np.ndarray) and set(drawn[:5, 1]) <= {0.0, 1.0, 2.0, 3.0}


@pytest.mark.parametrize("fill", [None, "effects"])
def test_rows_without_entries_stay_empty_unless_they_are_filled(fill):
    table = mixed(3, m=60, each=1).astype({"b0": "boolean"})
    table.iloc[5] = pd.NA
    table["one"] = pd.Series(["same"] * 60).mask(np.arange(60) == 7)
    codes = next(cast("Any", rf.complete(table, max_rank=1, folds=2, fill=fill).draws(1)).codes())
    assert np.isnan(codes[5, :4]).all() == (fill is None)
    assert codes[7, 4] == 0
