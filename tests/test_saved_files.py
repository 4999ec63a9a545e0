"""What earlier versions saved is loaded, and says what it said then (docs/stability.md, "Saved files").

scripts/save_samples.py makes the files of a version, and knows what to ask of them.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import rankfall as rf
from rankfall.cli import main

ROOT = Path(__file__).parents[1]
VERSIONS = sorted(path for path in (ROOT / "tests" / "saved").iterdir() if path.is_dir())
SMALLEST = 1e-12


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("save_samples", ROOT / "scripts" / "save_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda path: path.name)
def saved(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="module")
def expected(saved: Path) -> dict[str, Any]:
    return json.loads((saved / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def same(script: ModuleType, expected: dict[str, Any]) -> Callable[[object, object], None]:
    """Whether what is found is what is expected; later versions may say more."""

    def check(wanted: object, found: object) -> None:
        differences = compare(wanted, script.plain(found), expected["tolerance"])
        assert not differences, "\n".join(differences)

    return check


def compare(wanted: Any, found: Any, tolerance: float, place: str = "") -> list[str]:
    """Where two trees of plain values differ: numbers by more than `tolerance` of the largest beside them."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        missing = [f"{place} has no {name}" for name in wanted.keys() - found.keys()]
        shared = [name for name in wanted if name in found]
        return missing + [
            text
            for name in shared
            for text in compare(wanted[name], found[name], tolerance, f"{place}.{name}")
        ]
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return [f"{place} has {len(found)} items instead of {len(wanted)}"]
        margin = tolerance * max([SMALLEST / tolerance, *map(abs, filter(is_number, wanted))])
        return [
            text
            for k, (a, b) in enumerate(zip(wanted, found, strict=True))
            if not (is_number(a) and is_number(b) and abs(a - b) <= margin)
            for text in compare(a, b, tolerance, f"{place}[{k}]")
        ]
    if is_number(wanted) and is_number(found) and abs(wanted - found) <= tolerance * abs(wanted) + SMALLEST:
        return []
    return [] if wanted == found else [f"{place} is {found!r} instead of {wanted!r}"]


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def files(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    assert found, f"{folder} has no {pattern}"
    return found


# -- every kind -------------------------------------------------------------------------------------------


def test_every_kind_is_there(saved: Path, expected: dict[str, Any]) -> None:
    assert {path.stem for path in saved.glob("completion-*.npz")} == {
        f"completion-{name}" for name in expected["completions"]
    }
    kinds = {"tolerance", "completions", "traces", "certificate", "checkpoint", "sweep", "study"}
    assert kinds <= set(expected)
    assert sum(path.stat().st_size for path in saved.rglob("*")) < 1_000_000


def test_the_first_version_is_there() -> None:
    assert "0.1.0" in {path.name for path in VERSIONS}


def test_completions(
    script: ModuleType, saved: Path, expected: dict[str, Any], same: Callable, tmp_path: Path
) -> None:
    for path in files(saved, "completion-*.npz"):
        wanted = expected["completions"][path.stem.removeprefix("completion-")]
        result = rf.load(path)
        same(wanted["found"], script.facts_of_completion(result, wanted["asked"]))
        assert result.summary()
        # and it can be saved again
        result.save(tmp_path / path.name)
        again = rf.load(tmp_path / path.name)
        same(wanted["found"], script.facts_of_completion(again, wanted["asked"]))


def test_observed_cells_come_back_as_they_were(saved: Path) -> None:
    for path in files(saved, "completion-*.npz"):
        result = rf.load(path)
        problem, dense = result.problem, result.to_dense()
        assert (dense[problem.rows, problem.cols] == problem.values).all()


def test_traces(
    script: ModuleType, saved: Path, expected: dict[str, Any], same: Callable, tmp_path: Path
) -> None:
    for path in files(saved, "trace-*.npz"):
        wanted = expected["traces"][path.stem.removeprefix("trace-")]
        trace = rf.Trace.load(path)
        same(wanted, script.facts_of_trace(trace))
        trace.save(tmp_path / path.name)
        same(wanted, script.facts_of_trace(rf.Trace.load(tmp_path / path.name)))


def test_a_checkpoint_goes_on(
    script: ModuleType, saved: Path, expected: dict[str, Any], same: Callable, tmp_path: Path
) -> None:
    """The run ends as it did without the interruption."""
    kept = shutil.copy(saved / "checkpoint.npz", tmp_path)
    trace = script.checkpointed_run(Path(kept))
    found = {"steps": trace.steps, "train_loss": trace.train_loss, "rank": trace.rank}
    same(expected["checkpoint"], found)


def test_a_certificate(script: ModuleType, saved: Path, expected: dict[str, Any], same: Callable) -> None:
    written = json.loads((saved / "certificate.json").read_text(encoding="utf-8"))
    found = rf.theory.Certificate.from_dict(written)
    assert found.holds
    same(expected["certificate"], script.facts_of_certificate(found))
    assert len(found.table()) == len(found.conditions)


@pytest.mark.parametrize("name", ["sweep", "study"])
def test_folders(
    script: ModuleType, saved: Path, expected: dict[str, Any], same: Callable, name: str
) -> None:
    same(expected[name], script.facts_of_folder(saved / name))


def test_cells_are_found_and_not_computed_again(script: ModuleType, saved: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(saved / "sweep", tmp_path / "sweep"))
    before = {path.name: path.read_bytes() for path in files(folder, "cells/*")}
    sweep = script.run_sweep(saved / "sweep.toml", folder)
    assert (sweep.found, sweep.done) == (len(before), len(before))
    assert {path.name: path.read_bytes() for path in files(folder, "cells/*")} == before


def test_the_command_line_reads_them(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    for path in (
        *files(saved, "completion-*.npz"),
        *files(saved, "trace-*.npz"),
        saved / "sweep",
        saved / "study",
    ):
        assert main(["report", str(path), "-o", str(page)]) == 0, path
        assert page.stat().st_size > 10_000
        page.unlink()
    assert main(["certify", str(saved / "completion-exact.npz")]) == 0
    assert main(["status", str(saved / "sweep")]) == 0
    assert "Traceback" not in "".join(capsys.readouterr())


# -- the comparison ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "found", "n_differences"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, 0),
        ({"a": 1, "b": 2}, {"a": 1}, 1),
        ([1.0, 1e-9], [1.0, 2e-9], 0),
        ([1e-9], [2e-9], 1),
        ([1.0, "nan"], [1.0, "nan"], 0),
        ([1.0, 2.0], [1.0], 1),
        ([[1, 2], ["x", True]], [[1, 3], ["y", 1.0]], 2),
        (0.0, 1e-15, 0),
        (None, 0.0, 1),
    ],
)
def test_comparison(wanted: object, found: object, n_differences: int) -> None:
    assert len(compare(wanted, found, 1e-6)) == n_differences
