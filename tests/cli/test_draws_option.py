"""``rankfall complete --draws``: long tables in every format, and what does not go with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf

NAMES = list("abcdef")
QUICK = ("--max-rank", 0, "--folds", 2, "--effects", "columns")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((30, 1)) * rng.uniform(1, 2, 6) + 0.3 * rng.standard_normal((30, 6)) + 5
    values = np.round(values, 2)
    values[:, 2] = np.rint(10 * values[:, 2])
    values[rng.random((30, 6)) < 0.2] = np.nan
    out = pd.DataFrame(values, columns=NAMES, index=pd.Index([f"r{i}" for i in range(30)], name="site"))
    return out.assign(c=out["c"].astype("Int64"))


def asked(rankfall: Callable, source: Path, out: Path, *options: object) -> None:
    ran = rankfall("complete", source, "-o", out, "--draws", 3, *QUICK, "--quiet", *options)
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".parquet", ".feather", ".xlsx"])
def test_a_long_table_in_every_format(suffix, frame, tmp_path: Path, rankfall: Callable):
    source, out = tmp_path / "in.csv", tmp_path / f"out{suffix}"
    frame.to_csv(source)
    asked(rankfall, source, out, "--seed", 4)
    read = {
        ".csv": pd.read_csv, ".csv.gz": pd.read_csv, ".tsv": lambda path: pd.read_csv(path, sep="\t"),
        ".parquet": lambda path: pd.read_parquet(path).reset_index(),
        ".feather": lambda path: pd.read_feather(path).reset_index(), ".xlsx": pd.read_excel,
    }[suffix]  # fmt: skip
    long = read(out)
    assert sorted(long.columns) == sorted(["draw", "site", *NAMES])
    if suffix not in (".parquet", ".feather"):
        assert list(long.columns) == ["draw", "site", *NAMES]
    assert long["draw"].tolist() == [1] * 30 + [2] * 30 + [3] * 30
    assert long["site"].tolist() == 3 * frame.index.tolist()
    assert np.all(long["c"].to_numpy(float) % 1 == 0)
    known = ~frame.isna().to_numpy()
    result = rf.complete(frame, max_rank=0, folds=2, effects="columns", seed=4)
    for number, drawn in enumerate(result.draws(3, seed=4).arrays(), 1):
        values = long.loc[long["draw"] == number, NAMES].to_numpy(float)
        assert np.array_equal(values[known], frame.to_numpy(float, na_value=np.nan)[known])
        assert np.allclose(values[:, 0], np.round(drawn[:, 0], 2), atol=1e-9)
    assert long.loc[long["draw"] == 1, "a"].tolist() != long.loc[long["draw"] == 2, "a"].tolist()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_have_the_numbers_in_their_first_column(suffix, frame, tmp_path: Path, rankfall: Callable):
    source, out = tmp_path / "in.npy", tmp_path / f"out{suffix}"
    np.save(source, frame.to_numpy(float, na_value=np.nan))
    asked(rankfall, source, out)
    long = np.load(out)
    long = long["values"] if suffix == ".npz" else long
    assert long.shape == (90, 7) and np.array_equal(long[:, 0], np.repeat([1.0, 2.0, 3.0], 30))
    assert np.all(np.isfinite(long))


def test_delimiters_and_decimals_stay(frame, tmp_path: Path, rankfall: Callable):
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    frame.to_csv(source, sep=";", decimal=",")
    asked(rankfall, source, out, "--no-round")
    long = pd.read_csv(out, sep=";", decimal=",")
    assert list(long.columns) == ["draw", "site", *NAMES] and long.shape[0] == 90
    assert np.array_equal(long["a"][:30][frame["a"].notna().to_numpy()], frame["a"].dropna())


def test_triplets_and_columns_aside(frame, tmp_path: Path, rankfall: Callable):
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    cells = frame.astype(float).stack().dropna().reset_index()
    cells.set_axis(["site", "column", "value"], axis=1).to_csv(source, index=False)
    asked(rankfall, source, out, "--triplets")
    assert pd.read_csv(out).shape == (90, 8)
    frame.assign(note="x").to_csv(source)
    asked(rankfall, source, out, "--aside", "note")
    assert list(pd.read_csv(out).columns) == ["draw", "site", *NAMES, "note"]


def test_frames_of_parquet_keep_their_types(frame, tmp_path: Path, rankfall: Callable):
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    frame.to_parquet(source)
    asked(rankfall, source, out)
    long = pd.read_parquet(out)
    assert long.shape == (90, 7) and str(long["c"].dtype) == "Int64" and long.columns[0] == "draw"


def test_json_says_how_many(table: Path, rankfall: Callable):
    ran = rankfall("complete", table, "-o", table.with_name("out.csv"), "--draws", 2, "--json")
    assert ran.code == 0 and json.loads(ran.out)["draws"] == 2


def test_what_does_not_combine_is_refused(table: Path, rankfall: Callable):
    out = table.with_name("out.csv")
    wanted = table.with_name("wanted.csv")
    wanted.write_text("row,column\nr0,c0\n")
    ran = rankfall("complete", table, "-o", out, "--draws", 2, "--cells", wanted)
    assert ran.code == 2 and "give one of them" in ran.err
    ran = rankfall("complete", table, "-o", out, "--draws", 0)
    assert ran.code == 2
    table.write_text(table.read_text().replace("c3", "draw"))
    ran = rankfall("complete", table, "-o", out, "--draws", 2)
    assert ran.code == 2 and "rename it" in ran.err and not out.exists()
