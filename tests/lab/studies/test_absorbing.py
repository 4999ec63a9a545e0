"""Study absorbing: verdicts at their boundaries, the smallest set, and small cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.errors import InputError
from rankfall.lab.studies.absorbing import NONE, sign_problem, smallest_set
from rankfall.theory import AbsorbingSet, solve

COLUMNS = {
    "setting",
    "lr",
    "lr_ratio",
    "phase",
    "chain",
    "step",
    "member",
    "monitored",
    "hidden_rank",
    "rank",
}


def chains(sure: bool, n: int = 10, **columns: list[int]) -> pd.DataFrame:
    """Chains of four looks, all alike."""
    usual = {
        "setting": "s" if sure else "o", "certified_lr": int(sure), "lr_ratio": 0.9 if sure else 1e9,
        "p_fail": 1e-3,
        "phase": "sgd", "step": [0, 1, 2, 3], "rank": [9, 2, 2, 2], "hidden_rank": [9, 2, 2, 2], "proved": 0,
        "violated": 0, "member": [NONE, NONE, 3, 2] if sure else NONE, "monitored": [NONE, NONE, 2, 2],
    }  # fmt: skip
    return pd.concat(
        [pd.DataFrame({**usual, **columns}).assign(chain=k) for k in range(n)], ignore_index=True
    )


def on(part: str, *tables: pd.DataFrame) -> str:
    return verdict_on("absorbing", pd.concat(tables, ignore_index=True), part)


SURE, OTHER = chains(True), chains(False)


def test_alive():
    part = "about a network that lives"
    dead = chains(True, rank=[9, 2, 1, 0])
    assert on(part, SURE, OTHER) == "supported"
    assert on(part, dead, OTHER) == "not supported"
    assert on(part, SURE, dead.assign(setting="dead"), OTHER) == "undecided"


def test_entered():
    part = "by itself brings"
    outside = chains(True, member=[NONE, NONE, NONE, NONE]).assign(setting="outside")
    assert on(part, SURE, OTHER) == "supported"
    assert on(part, outside, OTHER) == "not supported"
    assert on(part, SURE, outside, OTHER) == "undecided"


@pytest.mark.parametrize(("phase", "part"), [("sgd", "never leaves"), ("attack", "Nor does it")])
def test_stays(phase, part):
    later = SURE.assign(phase=phase)
    assert on(part, SURE, later.assign(setting="later"), OTHER) == "supported"
    for member in ([3, 2, 3, 3], [3, NONE, 3, 3]):
        leaves = chains(True, n=1, member=member).assign(phase=phase, setting="leaves")
        assert on(part, SURE, leaves, OTHER) == "not supported"
    never = chains(True, member=[NONE] * 4).assign(phase=phase)
    assert on(part, never, OTHER) == "undecided"


def test_practice():
    part = "learning rates of practice"
    assert on(part, SURE, OTHER) == "not supported"
    assert on(part, SURE, OTHER.assign(lr_ratio=1.0)) == "supported"
    assert on(part, SURE) == "undecided"


def test_fires():
    part = "certifies the rank at the end"
    silent = chains(False, monitored=[NONE] * 4).assign(setting="silent")
    assert on(part, SURE, OTHER) == "supported"
    assert on(part, SURE, silent) == "not supported"
    assert on(part, SURE, silent, OTHER) == "undecided"


def test_holds():
    part = "is not exceeded later"
    assert on(part, SURE, OTHER) == "supported"
    rises = chains(False, rank=[9, 2, 2, 3], monitored=[NONE, 2, NONE, NONE])
    assert on(part, SURE, rises) == "not supported"
    assert on(part, chains(True, monitored=[NONE] * 4)) == "undecided"
    early = chains(False, rank=[9, 3, 2, 2])  # above what is certified only before
    assert on(part, early) == "supported"


def test_smallest_set_is_the_first_that_contains():
    k = solve(3, 0.1, 1.0)
    k = k.at_lr(0.5 * k.lr)
    found = []
    for spectrum in ([], [0.5], [0.5, 0.4], [0.5, 1e-5], [5.0]):
        lift = rf.Network.lift(np.diag([*spectrum, *[0.0] * (4 - len(spectrum))]), depth=3)
        found.append(smallest_set(lift, k))
        inside = [q for q in range(5) if AbsorbingSet(q, k).contains(lift)]
        assert found[-1] == (inside[0] if inside else NONE)
    assert found == [0, 1, 2, 1, NONE]
    assert smallest_set(lift, None) == NONE


def test_sign_problem():
    problem = sign_problem(12, 4, 1.0, 0)
    assert np.linalg.matrix_rank(problem.to_dense()) == 4
    assert set(problem.values) == {-1.0, 1.0}
    assert sign_problem(12, 2, 0.5, 0).n_observed < 144
    with pytest.raises(InputError, match="power of two"):
        sign_problem(12, 3, 1.0, 0)


def test_small_cells():
    sure = small_cell(
        "absorbing", 0, chains=2, n_steps=400, attack_steps=20, problem__size=12, optimiser__batch_size=60
    )
    rows = check_rows(sure, COLUMNS)
    assert set(rows["phase"]) == {"sgd", "attack"}
    assert set(rows["certified_lr"]) == {1}
    other = small_cell("absorbing", 1, chains=2, n_steps=4000, problem__size=12)
    rows = check_rows(other, COLUMNS)
    assert set(rows["member"]) == {NONE}
    assert (rows["lr_ratio"] > 1).all()
