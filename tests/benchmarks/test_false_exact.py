"""No kind of table without an exact fit is claimed to have one: a small run of the benchmark."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

# the other kinds take longer; `python benchmarks/false_exact.py` prints all
KINDS = ["noise", "readings", "offset noise", "unix times", "single offset", "counts", "identity"]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "false_exact.py"
    spec = importlib.util.spec_from_file_location("false_exact", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["false_exact"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_no_false_claims(benchmark: ModuleType, capsys) -> None:
    assert benchmark.main(["--tables", "1", "--first-seed", "500", "--kinds", *KINDS]) == 0
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last[:3] == ["all", str(len(KINDS)), "0"]


def test_a_wrong_exact_fit_counts(benchmark: ModuleType) -> None:
    problem, truth = benchmark.table("noise", 1)
    assert benchmark.is_wrong(problem, truth, truth + 0.01)
    assert not benchmark.is_wrong(problem, truth, truth + 1e-6)
