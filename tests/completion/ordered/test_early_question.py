"""The question of order where sweeps take long: asked before larger ranks are tried."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import rankfall as rf
from completion.ordered.series import error, series
from rankfall import Completion
from rankfall.completion.clock import Progress
from rankfall.completion.ordered.decisions import Decisions

# the sub-package's function of this name hides the module
noisy_search = importlib.import_module("rankfall.completion.noisy.search")
TRUTH, TABLE = series(260, 24, rank=3)
LARGER, DRAWING = "trying larger ranks", "drawing from the posterior"


def asked(table: np.ndarray, phases: list[str] | None = None, **options: object) -> Completion:
    def told(progress: Progress) -> None:
        if phases is not None and phases[-1:] != [progress.phase]:
            phases.append(progress.phase)

    known = {"max_rank": 4, "effects": "columns", "scaling": "all", "callback": told}
    return rf.complete(table, **{**known, **options})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _sweeps_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noisy_search, "is_cheap", lambda *_: False)
    monkeypatch.setattr(noisy_search, "may_be_trapped", lambda *_: False)


def test_an_order_that_leads_spares_the_search_for_larger_ranks() -> None:
    phases: list[str] = []
    result = asked(TABLE, phases)
    assert result.settings["ordered"] == "rows"
    assert DRAWING not in phases
    plain = asked(TABLE, ordered="none")
    assert error(result.to_dense(), TRUTH, TABLE) < 0.95 * error(plain.to_dense(), TRUTH, TABLE)


def test_an_order_that_is_asked_for_is_not_compared() -> None:
    phases: list[str] = []
    result = asked(np.random.default_rng(0).permutation(TABLE), phases, ordered="rows")
    assert result.settings["ordered"] == "rows"
    assert LARGER not in phases


def test_a_lead_that_may_be_caught_up_with_is_compared_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fitted twice, and the answer is the same."""
    settled = asked(TABLE)
    made: list[Decisions] = []
    first = Decisions.__init__

    def counted(self: Decisions, *arguments: object) -> None:
        made.append(self)
        first(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Decisions, "__init__", counted)
    monkeypatch.setattr(noisy_search, "is_ahead", lambda *_: False)
    phases: list[str] = []
    result = asked(TABLE, phases)
    assert LARGER in phases
    assert (result.settings["ordered"], len(made)) == ("rows", 1)
    np.testing.assert_array_equal(result.to_dense(), settled.to_dense())


def test_without_order_the_bits_are_those_of_none() -> None:
    table = np.random.default_rng(0).permutation(TABLE)
    result, plain = asked(table), asked(table, ordered="none")
    assert result.settings["ordered"] == "none"
    np.testing.assert_array_equal(result.to_dense("fitted"), plain.to_dense("fitted"))
    assert result.path.equals(plain.path)


def test_gaps_are_asked_about_in_the_end() -> None:
    """There cells are held out in gaps like those of the table, and fits without order begin again."""
    table = TABLE.copy()
    table[np.isnan(table)] = TRUTH[np.isnan(TABLE)]
    for j in range(24):
        for start in range(5 * j % 40, 250, 40):
            table[start : start + 10, j] = np.nan
    phases: list[str] = []
    result = asked(table, phases)
    assert result.settings["held_out_in"] == "gaps like the missing ones"
    assert DRAWING in phases
