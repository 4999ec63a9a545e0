"""Whatever comes in: one clear sentence and exit code 2, or a completed table with the right warning."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse


def _pickled() -> bytes:
    file = io.BytesIO()
    np.savez(file, values=np.array([[1, "a"], [None, 2.0]], dtype=object))
    return file.getvalue()


def _absurd() -> bytes:
    """An archive whose header claims 8e18 bytes."""
    file = io.BytesIO()
    honest = np.ones((10, 10))
    np.savez(file, values=honest)
    lie = b"(1000000000, 1000000000), }"
    data = file.getvalue()
    at = data.index(b"(10, 10), }")
    return data[:at] + lie + data[at + len(lie) :]


def _sparse() -> bytes:
    """Three entries of a sparse matrix that would have 1e18 cells."""
    file = io.BytesIO()
    far = 10**9
    sparse.save_npz(
        file, sparse.coo_array(([1.0, 2.0, 3.0], ([0, 5, far - 1], [1, 5, far - 2])), shape=(far, far))
    )
    return file.getvalue()


def _truncated() -> bytes:
    file = io.BytesIO()
    pd.DataFrame({"a": [1.0, None, 3.0], "b": [2.0, 4.0, None]}).to_parquet(file)
    return file.getvalue()[:-40]


# name of the file, its bytes, further arguments, what the sentence must say
REFUSED = {
    "missing file": ("nothing.csv", None, [], "no file"),
    "folder": ("folder.csv", "folder", [], "folder"),
    "empty file": ("in.csv", b"", [], "empty"),
    "blank file": ("in.csv", b"\n  \n", [], "empty"),
    "header only": ("in.csv", b"name,a,b\n", [], "no rows"),
    "no observed cell": ("in.csv", b"name,a,b\nx,,\ny,,NA\n", [], "no observed"),
    "infinity": ("in.csv", b"name,a,b\nx,1,inf\ny,,3\n", [], "'b'"),
    "text cell": ("in.csv", b"name,a,b\nx,1,many\ny,,3\n", [], "'many'"),
    "ragged lines": ("in.csv", b"name,a,b\nx,1\ny,,3,4\n", [], "line"),
    "not text": ("in.csv", b"\x00\x01\x02" * 30, [], "not a text"),
    "duplicates that disagree": ("in.csv", b"r,c,v\nx,a,1\nx,a,2\ny,b,3\n", ["--triplets"], "'x'"),
    "triplets of two columns": ("in.csv", b"r,c\nx,a\n", ["--triplets"], "value"),
    "pickled objects": ("in.npz", _pickled, [], "Python objects"),
    "absurd shape": ("in.npz", _absurd, [], "damaged"),
    "sparse and absurd": ("in.npz", _sparse, [], "claims"),
    "not a zip": ("in.npz", b"PK nonsense", [], "damaged"),
    "truncated Parquet": ("in.parquet", _truncated, [], "in.parquet"),
    "unknown format": ("in.ods", b"x", [], "format"),
    "no workbook": ("in.xlsx", b"x", [], "not an Excel workbook"),
    "three dimensions": ("in.npy", None, [], "dimension"),
}


def _make(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    if name.endswith(".npy"):
        np.save(path, np.ones((2, 2, 2)))
    elif content == "folder":
        path.mkdir()
    elif callable(content):
        path.write_bytes(content())
    elif isinstance(content, bytes):
        path.write_bytes(content)
    return path


def _one_sentence(err: str) -> str:
    assert "Traceback" not in err
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("rankfall: ")
    return lines[0]


@pytest.mark.parametrize("command", ["complete", "diagnose"])
@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, command: str, tmp_path: Path, rankfall: Callable) -> None:
    name, content, args, says = REFUSED[case]
    path = _make(tmp_path, name, content)
    before = set(tmp_path.iterdir())
    outputs = []
    if command == "complete":
        outputs = [
            "-o",
            tmp_path / "out.csv",
            "--report",
            tmp_path / "page.html",
            "--save",
            tmp_path / "r.npz",
        ]
    ran = rankfall(command, path, *args, *outputs)
    assert ran.code == 2
    assert says in _one_sentence(ran.err)
    assert ran.out == ""
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["-o", "."], "folder"),
        (["-o", "missing/out.csv"], "does not exist"),
        (["-o", "out.ods"], "format"),
        (["-o", "table.csv"], "same file"),
        (["-o", "./sub/../table.csv"], "same file"),
        (["-o", "linked.csv"], "same file"),
        (["-o", "out.csv", "--save", "out.csv"], "same file"),
        (["-o", "out.csv", "--report", "missing/page.html"], "does not exist"),
        (["-o", "out.csv", "--report", "page.pdf"], "The report is a page of HTML; write it to page.html"),
        (["-o", "out.csv", "--save", "sub"], "folder"),
        (["-o", "out.csv", "--cells", "nothing.csv"], "no file"),
        (["-o", "out.npz", "--cells", "table.csv"], "text table"),
        (["-o", "out.csv", "--max-time", "0"], "positive"),
        (["-o", "out.csv", "--log", "--scale", "log1p"], "contradicts --scale log1p"),
        (["-o", "out.csv", "--log", "--scale", "linear"], "contradicts --scale linear"),
        (["-o", "out.csv", "--bounds", "seen"], "LOW,HIGH"),
        (["-o", "out.csv", "--bounds", "3"], "LOW,HIGH"),
        (["-o", "out.csv", "--bounds", ","], "LOW,HIGH"),
        (["-o", "out.csv", "--bounds", "0,1,2"], "LOW,HIGH"),
        (["-o", "out.csv", "--bounds", "5,1"], "LOW below HIGH"),
        (["-o", "out.csv", "--bounds", "nan,1"], "LOW below HIGH"),
        (["-o", "out.csv", "--bounds", "nan,"], "LOW,HIGH"),
        (["-o", "out.csv", "--bounds", "0,", "--bounds", ",5"], "a second range for all columns"),
        (["-o", "out.csv", "--bounds", "a=0,", "--bounds", "a=1,"], "column a two ranges"),
        (["-o", "out.csv", "--bounds", "a=5,1"], "LOW below HIGH"),
        (["-o", "out.csv", "--interval", "0.9"], "needs --cells"),
        (["-o", "out.csv", "--cells", "table.csv", "--interval", "90"], "between 0 and 1"),
        (["-o", "out.csv", "--cells", "table.csv", "--interval", "nan"], "between 0 and 1"),
    ],
)
def test_outputs_are_checked_first(
    args: list[str], says: str, table: Path, rankfall: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(table.parent)
    monkeypatch.setattr("rankfall.completion.complete.complete", lambda *a, **k: pytest.fail("it computed"))
    Path("sub").mkdir()
    os.link("table.csv", "linked.csv")
    before, text = set(Path().iterdir()), table.read_bytes()
    ran = rankfall("complete", "table.csv", *args)
    assert ran.code == 2
    assert says in _one_sentence(ran.err)
    assert set(Path().iterdir()) == before
    assert table.read_bytes() == text


# bytes of a CSV, further arguments, what the warnings say, the number of cells left empty
COMPLETED = {
    "one cell": (b"name,a\nx,5\n", [], "Too few observed cells", 0),
    "one observed cell": (b"name,a,b\nx,5,\ny,,\n", [], "without any entry", 3),
    "an all-empty row": (
        b"name,a,b,c\nw,1,2,3\nx,,,\ny,2,4,6\nz,3,6,\n",
        [],
        "1 row without any entry: their cells are left empty",
        3,
    ),
    "two blocks": (
        b"name,a,b,c,d\nw,1,2,,\nx,2,4,,\ny,,,3,6\nz,,,1,2\n",
        [],
        "2 blocks that share no row or column",
        8,
    ),
    "constant": (b"name,a,b,c\nw,7,7,7\nx,7,7,7\ny,7,7,\nz,7,7,7\n", [], "", 0),
    "1 x n": (b"name,a,b,c,d\nw,7,8,,9\n", [], "1 column without any entry", 1),
    "n x 1": (b"name,a\nv,7\nw,8\nx,\ny,9\n", [], "1 row without any entry", 1),
    "agreeing duplicates": (b"r,c,v\nx,a,1\nx,a,1\ny,b,3\ny,a,2\nx,b,\n", ["--triplets"], "", 0),
    "empty row, filled": (
        b"name,a,b,c\nw,1,2,3\nx,,,\ny,2,4,6\nz,3,6,\n",
        ["--fill", "effects"],
        "filled with effects only",
        0,
    ),
}


@pytest.mark.parametrize("case", COMPLETED)
def test_completed_with_a_warning(case: str, tmp_path: Path, rankfall: Callable) -> None:
    content, args, says, n_empty = COMPLETED[case]
    path, out = _make(tmp_path, "in.csv", content), tmp_path / "out.csv"
    ran = rankfall("complete", path, "-o", out, *args)
    assert (ran.code, ran.err) == (0, "")
    assert says in ran.out
    filled = pd.read_csv(out, index_col=0)
    assert int(filled.isna().sum().sum()) == n_empty
    assert not (filled == 0).any(axis=None)
    if case == "constant":
        np.testing.assert_allclose(filled.to_numpy(), 7)


@pytest.mark.parametrize("case", ["missing file", "text cell", "truncated Parquet"])
def test_from_a_shell(case: str, tmp_path: Path) -> None:
    name, content, args, says = REFUSED[case]
    path = _make(tmp_path, name, content)
    command = [
        sys.executable,
        "-m",
        "rankfall",
        "complete",
        str(path),
        "-o",
        str(tmp_path / "out.csv"),
        *args,
    ]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 2
    assert says in _one_sentence(ran.stderr)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (["--log"], "--scale log needs positive numbers"),
        (["--scale", "log"], "--scale log needs positive numbers"),
        (["--scale", "log1p"], "--scale log1p needs numbers above -1"),
    ],
)
def test_scale_names_the_cell_that_it_cannot_take(
    option: list[str], says: str, tmp_path: Path, rankfall: Callable
) -> None:
    path = _make(tmp_path, "in.csv", b"name,a,b\nx,1,2\ny,,-3\n")
    ran = rankfall("complete", path, "-o", tmp_path / "out.csv", *option)
    assert ran.code == 2
    assert f"{says}, but row y, column b holds -3" in _one_sentence(ran.err)
    assert not (tmp_path / "out.csv").exists()


def test_bytes_of_a_name_cannot_break_the_sentence(tmp_path: Path, rankfall: Callable) -> None:
    ran = rankfall("diagnose", tmp_path / "two\nlines.csv")
    assert ran.code == 2
    _one_sentence(ran.err)


def test_too_large_for_memory_is_known_before_computing(
    table: Path, rankfall: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(shape: object) -> np.ndarray:
        raise MemoryError(f"Unable to allocate {shape}")

    monkeypatch.setattr("rankfall.cli.complete.np.empty", too_much)
    monkeypatch.setattr("rankfall.completion.complete.complete", lambda *a, **k: pytest.fail("it computed"))
    ran = rankfall("complete", table, "-o", table.with_name("out.csv"))
    assert ran.code == 2
    assert "--cells" in _one_sentence(ran.err)
