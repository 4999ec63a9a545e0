"""Study neurons-at-minima: verdicts at their boundaries, the descent, and a small cell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.neurons_at_minima import descend, gaussian, loss

COLUMNS = {"N", "n_outputs", "live", "rays", "pruned", "bound", "decrease_end", "excess", "certified"}


def results(**changes) -> pd.DataFrame:
    """Networks of one and of three outputs; `changes` of the first row of each."""
    usual = {
        "N": 5, "n_layers": 2, "width": 50, "loss": 0.1, "loss_pruned": 0.1, "certified": 1,
        "certified_start": 1, "decrease_start": 0.5, "decrease_end": 1e-6, "excess": 1e-7, "layer": 1,
        "live": 20, "rays": 5, "pruned": 5, "bound": 5, "last": 1,
    }  # fmt: skip
    rows = [
        {**usual, "n_outputs": n, **(changes if first else {})} for n in (1, 3) for first in (True, False)
    ]
    return pd.DataFrame(rows)


def on(part: str, **changes) -> str:
    return verdict_on("neurons-at-minima", results(**changes), part)


def test_verdicts():
    assert on("keeps outputs") == "supported"
    assert on("keeps outputs", certified=0) == "not supported"
    assert on("At random weights") == "supported"
    assert on("At random weights", decrease_start=0.0) == "undecided"
    assert on("next to nothing") == "supported"
    assert on("next to nothing", decrease_end=0.01) == "undecided"
    assert on("cheapest for their activations") == "supported"
    assert on("cheapest for their activations", excess=0.1) == "undecided"
    assert on("With one output") == "supported"
    assert on("With one output", rays=6) == "undecided"
    assert on("With several outputs", rays=15) == "supported"
    assert on("With several outputs", rays=16) == "undecided"
    assert on("below the width") == "supported"
    assert on("below the width", N=10) == "undecided"


def test_the_loss_falls():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    begin = gaussian([3, 12, 2], rng)
    values = [
        loss(descend(begin, X, Y, lr=0.05, momentum=0.9, ridge=1e-3, n_steps=n), X, Y, 1e-3)
        for n in (0, 50, 500, 2000)
    ]
    assert values == sorted(values, reverse=True) and values[-1] < values[0] / 10


def test_small_cell():
    cell = small_cell("neurons-at-minima", 1, descent__n_steps=300, width=12)
    rows = check_rows(cell, COLUMNS)
    assert rows["certified"].all() and len(rows) == cell.get("depth") - 1
