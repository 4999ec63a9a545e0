"""The benchmark of panels: what it makes, and what it prints."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def panels() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        yield importlib.import_module("panels")
        del sys.modules["panels"]


def test_a_panel_is_two_factors_and_noise(panels: ModuleType) -> None:
    table = panels.make(3, (15, 4000), seed=0)
    np.testing.assert_array_equal(table, panels.make(3, (15, 4000), seed=0))
    assert not np.array_equal(table, panels.make(3, (15, 4000), seed=1))
    values = np.linalg.eigvalsh(table @ table.T / 4000)
    assert np.all(values[:-2] < 1.5) and values[-2] > 3


def test_it_prints_a_line_for_every_shape_rule_and_fraction(
    panels: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = panels.choose_rank
    monkeypatch.setattr(rule, "AS_GOOD", rule.AS_GOOD)
    monkeypatch.setattr(panels, "SHAPES", ((20, 30),))
    panels.main(["--panels", "2", "--as-good", "0,0.01"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[12:27].strip() for line in lines] == ["one-se, 0.0%", "min", "one-se, 1.0%", "min"]
    assert all("2: 2" in line or "2: 1" in line for line in lines)
