"""Running the command line inside the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rankfall.cli import main


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def rankfall(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*args: object) -> Ran:
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A 12 x 8 table of rank 1 with names and 20 holes, as a CSV file."""
    rng = np.random.default_rng(0)
    values = np.outer(rng.uniform(1, 3, 12), rng.uniform(1, 3, 8))
    texts = [[repr(x) for x in row] for row in values.tolist()]
    for k in rng.choice(values.size, 20, replace=False):
        texts[k // 8][k % 8] = ""
    lines = [",".join(["site", *(f"c{j}" for j in range(8))])]
    lines += [",".join([f"r{i}", *row]) for i, row in enumerate(texts)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
