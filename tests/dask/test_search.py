"""Which ranks are compared, and which of them is taken."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest

import rankfall as rf
from dask_tables import NAMES, draw
from rankfall.dask import sample
from rankfall.dask.fit import choose
from rankfall.dask.state import Judged, State


def judged(squares: list[float]) -> Judged:
    """A fit with these mean squared errors in groups of 100 held-out cells."""
    by_group = np.array([[100.0, 100 * x, 100 * np.sqrt(x)] for x in squares])
    zeros = np.zeros((1, 0))
    state = State(0, False, False, zeros, zeros, np.ones((1, 2)), zeros[0], zeros[0], 1.0, inf, np.ones(1),
                  np.ones(1, bool))  # fmt: skip
    return Judged(state, by_group, zeros[0])


def test_the_smallest_rank_as_good_as_the_best_is_taken() -> None:
    clearly = {1: judged([2.0, 2.1]), 2: judged([1.0, 1.1]), 3: judged([0.999, 1.099])}
    assert choose(clearly, "one-se") == 2  # within 0.2%
    assert choose(clearly, "min") == 3
    # worse by a tenth in each group, and by a tenth on average in groups that do not agree
    agreed = {1: judged([1.1] * 20), 2: judged([1.0] * 20)}
    assert choose(agreed, "one-se") == 2
    differing = {1: judged([0.5, 1.8] * 2), 2: judged([1.0] * 4)}
    assert differing[1].rmse > 1.05
    assert choose(differing, "one-se") == 1
    # one group has no standard error
    assert choose({1: judged([1.1]), 2: judged([1.0])}, "one-se") == 2


def test_ranks_above_are_tried_while_the_last_is_the_best(
    monkeypatch: pytest.MonkeyPatch, remembered: Any
) -> None:
    """The sample says rank 1 of a table of rank 4, and random factors find the other three."""
    table = draw((250, 40), rank=4, observed=0.6, seed=8)
    monkeypatch.setattr(
        sample, "complete", lambda problem, **given: rf.complete(problem, **{**given, "max_rank": 1})
    )
    found = rf.dask.complete(table.cells, **NAMES)
    assert found.settings["sample"]["rank"] <= 1
    assert found.rank == 4
    assert {2, 3, 4, 5, 6} <= set(found.path["rank"])
    errors = found.predict(table.hidden) - table.hidden["rating"]
    assert np.sqrt(np.mean(errors**2)) < 1.25 * table.noise


def test_max_rank_is_kept(remembered: Any) -> None:
    table = draw((250, 40), rank=3, observed=0.6, seed=8)
    found = rf.dask.complete(table.cells, **NAMES, max_rank=2)
    assert found.rank == 2
    assert found.path["rank"].max() == 2
