"""A packaged study from its cells to claims and figure, on a small one packaged for the test."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from rankfall.errors import InputError
from rankfall.lab import Cell, Claim, open_sweep, read_study, run_study, study_names, verdict
from rankfall.lab import studies as packaged

TOML = """
[study]
name = "coin-toss"
runner = "coin-toss"
seed_axes = ["repeat"]
[settings]
repeat = 0
n = 100
[grid]
repeat = [0, 1, 2, 3]
[quick.settings]
n = 10
[quick.grid]
repeat = [0]
"""


def run(cell: Cell) -> pd.DataFrame:
    if cell.get("n") < 0:
        raise RuntimeError("nobody tossed")
    return pd.DataFrame({"heads": [cell.seed("coin") % cell.get("n")]})


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    low, high = float(results["heads"].min()), float(results["heads"].max())
    return (
        Claim("heads", "all of them", low, low, high, verdict(low, high, above=0), f"{len(results)} cells"),
    )


def draw(results: pd.DataFrame):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(2, 2))
    ax.plot(results["heads"])
    return figure


@pytest.fixture
def coin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of studies with one in it."""
    folder = tmp_path / "studies"
    folder.mkdir()
    (folder / "coin-toss.toml").write_text(TOML)
    module = ModuleType("rankfall.lab.studies.coin_toss")
    module.__dict__.update(run=run, judge=judge, draw=draw)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(packaged, "FOLDER", folder)
    return folder


def test_cells_claims_figure(tmp_path: Path, coin: Path) -> None:
    assert study_names() == ("coin-toss",)
    out = tmp_path / "out"
    with ThreadPoolExecutor(2) as executor:
        result = run_study("coin-toss", out, executor=executor)
        first = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
        again = run_study("coin-toss", out, executor=executor)
    assert result.claims == again.claims
    assert result.claims[0].note == "4 cells"
    assert (again.sweep.found, again.sweep.done) == (4, 4)
    assert {"claims.csv", "claims.md", "figure.png", "figure.svg", "results.parquet"} <= set(first)
    after = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert after == first, "the same results make the same files"
    assert first["claims.md"].startswith(b"Study coin-toss: `rankfall study coin-toss`, 4 cells.\n")
    assert first["figure.png"].startswith(b"\x89PNG")
    assert b"<svg" in first["figure.svg"]
    pd.testing.assert_frame_equal(pd.read_parquet(out / "results.parquet"), open_sweep(out))

    with ThreadPoolExecutor(2) as executor:
        quick = run_study("coin-toss", tmp_path / "quick", quick=True, executor=executor)
    assert quick.claims[0].note == "1 cells"
    assert b"--quick" in (tmp_path / "quick" / "claims.md").read_bytes()


def test_failed_cells_are_not_judged(tmp_path: Path, coin: Path) -> None:
    out = tmp_path / "out"
    with ThreadPoolExecutor(2) as executor:
        run_study("coin-toss", out, executor=executor)
        (coin / "coin-toss.toml").write_text(TOML.replace("n = 100", "n = -1"))
        result = run_study("coin-toss", out, executor=executor)
    assert result.sweep.failed == 4
    assert result.claims == ()
    assert not (out / "claims.md").exists(), "claims about other cells must not stay"


def test_unknown_names(coin: Path) -> None:
    with pytest.raises(InputError, match="There is no study 'depht'; the studies are: coin-toss"):
        run_study("depht", coin)


@pytest.mark.parametrize("name", study_names() or [None])
def test_every_packaged_study_is_whole(name: str | None) -> None:
    """Its TOML is read, also the quick version, and its module has the three functions."""
    if name is None:
        return
    for quick in (False, True):
        study = read_study(packaged.study_path(name), quick)
        assert study.name == name
        assert study.cells
    module = packaged.study_module(name)
    assert all(callable(getattr(module, function)) for function in ("run", "judge", "draw"))
