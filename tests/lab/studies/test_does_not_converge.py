"""Study does-not-converge: verdicts at their boundaries and small cells; the proposition's condition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on

NAME = "does-not-converge"
KINDS = [
    ("decay", 1, 0.0),
    ("decay", 9, 0.0),
    ("decay", 1, 0.9),
    ("full batch", 10, 0.0),
    ("no decay", 1, 0.0),
    ("dies", 1, 0.0),
]


def results(changed: dict | None = None, **only: object) -> pd.DataFrame:
    """Ends as theory has them; those that agree with `only` are changed."""
    rows = []
    for state, b, mu in KINDS:
        for sigma in ("tanh", "relu"):
            end = {"row": "end", "state": state, "b": b, "mu": mu, "N": 10, "sigma": sigma, "right": 0.9,
                   "ratio": 1.0 if state == "decay" else 0.4, "disagreement": 5.0, "smallest_rank": 6.0,
                   "norm_first": 0.3, "gradients": 1e-6, "length": 0.1, "step": 100}  # fmt: skip
            if all(end[name] == value for name, value in only.items()):
                end |= changed or {}
            rows.append(end)
    return pd.DataFrame(rows)


def on(part: str, changed: dict | None = None, **only: object) -> str:
    return verdict_on(NAME, results(changed, **only), part)


@pytest.mark.parametrize(
    ("part", "only"),
    [
        ("constant learning rate does not settle", {"state": "decay"}),
        ("lacks one sample", {"b": 9}),
        ("Nor does it", {"mu": 0.9}),
    ],
)
def test_wandering(part: str, only: dict):
    assert on(part) == "supported"
    assert on(part, {"ratio": 0.7}, **only) == "not supported"
    assert on(part, {"ratio": 0.7}, **only, sigma="relu") == "undecided"


@pytest.mark.parametrize(
    ("part", "only"),
    [
        ("every batch it settles", {"state": "full batch", "sigma": "tanh"}),
        ("settles then, too", {"state": "full batch", "sigma": "relu"}),
        ("Without decay it settles", {"state": "no decay"}),
        ("that dies settles", {"state": "dies"}),
    ],
)
def test_settling(part: str, only: dict):
    assert on(part) == "supported"
    assert on(part, {"ratio": 1.0}, **only) == "not supported"


def test_what_converging_needs():
    assert on("Where SGD ends") == "supported"
    assert on("Where SGD ends", {"disagreement": 0.05}, state="decay") == "not supported"
    assert on("Where gradient descent ends") == "supported"
    assert on("Where gradient descent ends", {"disagreement": 0.05}, b=10) == "not supported"
    assert on("more rank") == "supported"
    assert on("more rank", {"smallest_rank": 1.0}, state="decay") == "not supported"
    assert on("would have to vanish") == "supported"
    assert on("would have to vanish", {"norm_first": 0.05}, state="decay") == "not supported"
    assert on("samples vanish") == "supported"
    assert on("samples vanish", {"gradients": 0.01}, state="no decay") == "not supported"


# in the quick version every case has a repeat with tanh and one with ReLU
@pytest.mark.parametrize("number", [0, 7, 8, 10, 12])
def test_small_cells(number: int):
    cell = small_cell(NAME, number, samples=10, widths=[8, 7], n_steps=200, bins=10)
    rows = check_rows(cell, {"row", "step", "length", "state", "b", "mu", "N", "sigma"})
    assert len(rows) == 11
    end = rows[rows["row"] == "end"].iloc[0]
    assert end["step"] == 200 and end["norm_first"] > 0
    assert np.isinf(end["disagreement"]) == (end["state"] == "no decay")


def test_a_network_that_dies_agrees():
    """All gradients vanish with the weights, faster: the condition of the proposition."""
    cell = small_cell(NAME, 12, n_steps=3000)
    rows = check_rows(cell, {"disagreement"})
    assert rows["disagreement"].iloc[-1] < 1e-6
