"""Study neurons: verdicts at their boundaries and small cells of both starts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.neurons import digits, start
from rankfall.neurons import rays

COLUMNS = {"kind", "layer", "step", "live", "rays", "ever_dead", "revived", "zeros", "largest_zero", "decay"}


def results(n: int = 10, firing: dict | None = None, **changes) -> pd.DataFrame:
    """Runs of both starts, a layer each, with some numbers replaced."""
    rows = []
    for begin in ("plain", "doubled"):
        for repeat in range(n):
            run = {"begin": begin, "repeat": repeat, "decay": 0.01, "layer": 1, "step": 100}
            rays_now = changes.get("rays", 12) if repeat == 0 else 12
            rows.append({**run, "kind": "look", "step": 0, "live": 24, "rays": 12, "loss": 1.0})
            rows.append(
                {**run, "kind": "look", "live": changes.get("live", 16), "rays": rays_now, "loss": 0.1}
            )
            rows.append({**run, "kind": "layer", "neurons": 24, "ever_dead": changes.get("dead", 8),
                         "revived": changes.get("revived", 0), "grown": changes.get("grown", 0),
                         "factors": 100,
                         "above_one": changes.get("above", 5), "zeros": 3 * (begin == "doubled"),
                         "largest_zero": changes.get("zero", 0.0)})  # fmt: skip
            if begin == "plain":
                rows.append({**run, "kind": "firing", "phi": 1e-6, "worst": 2e-6, "exceeded": 0, "steps": 50,
                             "covered": 50, "fired": 8, **(firing or {})})  # fmt: skip
    return pd.DataFrame(rows)


def on(part: str, **changes) -> str:
    return verdict_on("neurons", results(**changes), part)


def test_exact_claims():
    assert on("stays zero") == "supported"
    assert on("stays zero", zero=1e-300) == "not supported"
    assert on("never rises") == "supported"
    assert on("never rises", rays=13) == "not supported"
    assert on("can rise in one step") == "supported"


def test_deaths_and_revivals():
    assert on("some neurons die") == "supported"
    assert on("some neurons die", live=24) == "not supported"
    assert on("rarely come back.") == "supported"
    assert on("rarely come back.", n=3) == "undecided"
    assert on("rarely come back.", revived=4) == "not supported"
    assert on("rarely come back.", dead=0) == "undecided"
    assert on("small size either") == "supported"
    assert on("small size either", grown=4) == "not supported"


def test_factors_and_certificates():
    assert on("exceed 1 now and then") == "supported"
    assert on("exceed 1 now and then", above=0) == "not supported"
    assert on("credit lasts") == "supported"
    assert on("credit lasts", firing={"covered": 49}) == "not supported"
    assert on("violated") == "supported"
    assert on("violated", firing={"exceeded": 1}) == "not supported"
    nothing = results()
    nothing = nothing[nothing["kind"] != "firing"]
    assert verdict_on("neurons", nothing, "credit lasts") == "undecided"
    assert verdict_on("neurons", nothing, "violated") == "undecided"


def test_starts():
    X, Y = digits(50, seed=1)
    assert X.shape == (50, 64) and X.max() == 1 and np.all(Y.sum(axis=1) == 1)
    network = start("doubled", [24, 24], 3, np.random.default_rng(0))
    assert [each.n_rays for each in rays(network)] == [12, 12]
    assert [int((each.labels < 0).sum()) for each in rays(network)] == [3, 3]


@pytest.mark.parametrize("number", [0, 4])
def test_small_cells(number: int):
    cell = small_cell(
        "neurons", number, n_steps=400, every=100, watched=20, widths=[8, 6], zero=2, samples=40
    )
    rows = check_rows(cell, COLUMNS)
    assert set(rows["kind"]) >= {"look", "layer"}
    assert rows["rays"].max() <= (8 if cell.get("start") == "plain" else 4)
