"""The arithmetic of the comparison of two commits; nothing is timed here."""

from __future__ import annotations

import importlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def regression() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("regression")
        for name in ("regression", "peer_process"):
            sys.modules.pop(name, None)


def test_the_ratio_is_that_of_the_medians(regression) -> None:
    seconds = np.array([[1.0, 2.0], [1.0, 2.0], [9.0, 2.0]])
    found = regression.compare(seconds)
    assert (found.base, found.head, found.ratio) == (1.0, 2.0, 2.0)
    assert found.low <= found.ratio <= found.high


def test_a_round_in_which_the_machine_was_busy_counts_for_both(regression) -> None:
    """Both sides slow down together: the ratio, 1.5, has no uncertainty."""
    base = np.random.default_rng(0).uniform(1.0, 3.0, 9)
    found = regression.compare(np.column_stack([base, 1.5 * base]))
    assert found.low == pytest.approx(1.5) and found.high == pytest.approx(1.5)


@pytest.mark.stat
def test_the_interval_covers(regression) -> None:
    """Equal commits, 11 rounds, 200 comparisons: at least 85% of the intervals hold 1.

    They cover 0.96 (2000 comparisons); below 0.85 in 200 by chance: 1e-9.
    """
    rng = np.random.default_rng(1)
    found = [regression.compare(rng.lognormal(0.0, 0.1, (11, 2)), seed) for seed in range(200)]
    assert np.mean([one.low <= 1 <= one.high for one in found]) >= 0.85


def test_only_an_interval_above_the_limit_is_slower(regression) -> None:
    one = regression.Comparison(1.0, 1.2, 1.2, 1.05, 1.3)
    assert one.slower_than(1.0) and not one.slower_than(1.1)
    assert regression.line("train", one, 1.0).endswith("above 1")
    assert not regression.line("train", one, 1.1).endswith("above 1.1")
    assert not regression.line("train", one, None).endswith("above")


def test_who_begins_alternates(regression) -> None:
    class Side:
        def __init__(self, name: str) -> None:
            self.name = name

        def seconds(self, case: str) -> float:
            asked.append(self.name)
            return float(len(asked))

    asked: list[str] = []
    found = regression.in_turns("train", (Side("base"), Side("head")), 3)
    assert "".join(name[0] for name in asked) == "bh" + "bh" + "hb" + "bh"
    np.testing.assert_array_equal(found, [[3, 4], [6, 5], [7, 8]])


def test_a_case_that_cannot_be_run_is_told(regression, monkeypatch, capsys) -> None:
    """The first request of a case runs it once more, to compile; an error ends nothing."""
    ran = []

    def broken() -> None:
        raise TypeError("no such argument")

    monkeypatch.setattr(regression, "CASES", {"good": lambda: lambda: ran.append(1), "bad": broken})
    monkeypatch.setattr(sys, "stdin", io.StringIO("good\nbad\ngood\n"))
    regression.serve()
    first, bad, again = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["seconds"] >= 0 and again["seconds"] >= 0 and len(ran) == 3
    assert bad == {"error": "TypeError: no such argument"}
