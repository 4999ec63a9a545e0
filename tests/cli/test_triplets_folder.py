"""``rankfall complete FOLDER``: a folder of triplets in, a folder out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from rankfall.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((60, 1)) * rng.standard_normal(20) + 0.2 * rng.standard_normal((60, 20))
    i, j = np.nonzero(rng.random(values.shape) < 0.7)
    path = tmp_path_factory.mktemp("in") / "triplets"
    path.mkdir()
    frame = pd.DataFrame({"user": i, "item": [f"i{k}" for k in j], "rating": values[i, j]})
    frame[:400].to_parquet(path / "a.parquet")
    frame[400:].to_parquet(path / "b.parquet")
    return path


NAMES = ["--row", "user", "--column", "item", "--value", "rating"]


def test_a_folder_is_completed(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    given = ["complete", str(folder), *NAMES, "-o", str(out), "--memory", "4GB", "--max-rank", "2", "-q"]
    assert main([*given, "--bounds", "-1,", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["rank"] in (1, 2)
    assert (facts["shape"], facts["outcome"]) == ([60, 20], "chosen")
    found = rf.dask.load(out)
    assert found.rank == facts["rank"]
    assert found.predict(pd.DataFrame({"user": [3], "item": ["i4"]})).min() >= -1
    assert sorted(path.name for path in out.iterdir()) == [
        "cells", "column_factors", "column_keys.parquet", "plan.json", "result.npz", "row_factors",
        "row_keys.parquet",
    ]  # fmt: skip
    # the same call finds it done
    assert main([*given, "--bounds", "-1,"]) == 0
    shown = capsys.readouterr().out
    assert "chosen" in shown
    assert f"Rank {found.rank}" in shown
    assert "rankfall.dask.load" in shown


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (NAMES[:4], "--row, --column and --value must name"),
        ([*NAMES, "--ordered", "rows"], "--ordered is not for folders of triplets"),
        ([*NAMES, "--cells", "c.csv"], "--cells is not for folders"),
        ([*NAMES, "--draws", "2"], "--draws is not for folders"),
        ([*NAMES, "--kinds", "rating=ordinal"], "--kinds is not for folders"),
        ([*NAMES, "--save", "r.npz"], "--save is not for folders"),
        ([*NAMES, "--report", "r.html"], "--report is not for folders"),
        ([*NAMES, "--fill", "effects"], "--fill is not for folders"),
        ([*NAMES, "--no-round"], "--no-round is not for folders"),
        ([*NAMES, "--bounds", "observed"], "must be LOW,HIGH"),
        ([*NAMES, "--memory", "few"], "memory must be"),
        (["--row", "who", *NAMES[2:]], "has no column 'who'"),
    ],
)
def test_what_does_not_combine_is_refused(
    folder: Path, tmp_path: Path, options: list[str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["complete", str(folder), *options, "-o", str(tmp_path / "out"), "-q"]) == 2
    assert match in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_stdout_is_no_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", str(folder), *NAMES, "-o", "-"]) == 2
    assert "is a folder; -o must name one" in " ".join(capsys.readouterr().err.split())


def test_a_table_has_no_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,\n")
    given = ["complete", str(tmp_path / "t.csv"), "-o", str(tmp_path / "o.csv")]
    for option in (["--scheduler", "tcp://x"], ["--memory", "4GB"]):
        assert main([*given, *option]) == 2
        assert f"{option[0]} is for folders of triplets" in capsys.readouterr().err
