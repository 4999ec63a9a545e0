"""Whoever looks at the folder of a sweep runs no code that it names, and a sweep clears away its own only."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

import rankfall as rf
from rankfall.cli import main
from rankfall.lab import open_sweep, sweep_status
from rankfall.lab.sweep.store import Store

SAVED = Path(__file__).parents[2] / "saved" / "0.1.0" / "sweep"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAVED, tmp_path / "sweep"))


def with_runner(folder: Path, runner: str) -> None:
    """A study whose cells another function computes."""
    path = folder / "study.json"
    study = json.loads(path.read_text())
    study["study"]["runner"] = runner
    path.write_text(json.dumps(study))


@pytest.mark.parametrize("runner", ["trap_of_this_test:run", "no_such_module:run", "gone_study"])
def test_looking_imports_nothing(
    folder: Path, runner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap_of_this_test.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = len(open_sweep(folder))
    assert before
    with_runner(folder, runner)
    # the name of the runner is part of the keys: nothing of another one is shown as its result
    assert sweep_status(folder).done == 0
    assert open_sweep(folder).empty
    page = tmp_path / "page.html"
    assert main(["report", str(folder), "-o", str(page)]) == 0
    assert main(["status", str(folder)]) == 0
    assert "trap_of_this_test" not in sys.modules


def test_finished_results_are_shown_where_the_module_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_for_a_while.py").write_text(
        "import pandas as pd\ndef run(cell):\n    return pd.DataFrame({'twice': [2 * cell.get('x')]})\n"
    )
    study = '[study]\nname = "s"\nrunner = "mine_for_a_while:run"\n[settings]\nx = 0\n[grid]\nx = [1, 2]\n'
    (tmp_path / "s.toml").write_text(study)
    from concurrent.futures import ThreadPoolExecutor

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.syspath_prepend(str(tmp_path))
        rf.lab.run_sweep(rf.lab.read_study(tmp_path / "s.toml"), tmp_path / "out", executor=pool)
    del sys.modules["mine_for_a_while"]
    (tmp_path / "mine_for_a_while.py").unlink()
    assert open_sweep(tmp_path / "out")["twice"].tolist() == [2, 4]
    assert sweep_status(tmp_path / "out").done == 2
    # who runs it needs the module
    with pytest.raises(rf.InputError, match="cannot be imported"):
        rf.lab.read_study(tmp_path / "s.toml")


def test_only_its_own_temporary_files_are_cleared(folder: Path) -> None:
    """The user's .mydata.tmp was deleted."""
    own = [".rankfall-0123456789ab.tmp.parquet", ".rankfall-0123456789ab.tmp"]
    others = [".mydata.tmp", ".0123456789ab.tmp.json", ".rankfall-notes.tmp", ".rankfall-01.tmp.d.e"]
    for name in own + others:
        (folder / name).write_bytes(b"x")
    with Store(folder).in_use():
        pass
    left = {path.name for path in folder.iterdir()}
    assert left.isdisjoint(own)
    assert left.issuperset(others)
