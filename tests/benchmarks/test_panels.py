"""The benchmark of panels: what it makes, and what it prints."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

BENCHMARK = "panels"


def test_a_panel_is_two_factors_and_noise(script: ModuleType) -> None:
    table = script.make(3, (15, 4000), seed=0)
    np.testing.assert_array_equal(table, script.make(3, (15, 4000), seed=0))
    assert not np.array_equal(table, script.make(3, (15, 4000), seed=1))
    values = np.linalg.eigvalsh(table @ table.T / 4000)
    assert np.all(values[:-2] < 1.5) and values[-2] > 3


def test_it_prints_a_line_for_every_shape_rule_and_fraction(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = script.choose_rank
    monkeypatch.setattr(rule, "AS_GOOD", rule.AS_GOOD)
    monkeypatch.setattr(script, "SHAPES", ((20, 30),))
    script.main(["--panels", "2", "--as-good", "0,0.01"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[12:27].strip() for line in lines] == ["one-se, 0.0%", "min", "one-se, 1.0%", "min"]
    assert all("2: 2" in line or "2: 1" in line for line in lines)
