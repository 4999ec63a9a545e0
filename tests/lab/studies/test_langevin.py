"""Study langevin: verdicts at their boundaries, the starts, and small cells of all forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.common.problems import unit_problem
from rankfall.lab.studies.langevin import FORMS, embedded, looked_at

COLUMNS = {
    "problem",
    "lr",
    "noise",
    "begin",
    "kind",
    "step",
    "fell_A",
    "until_fall_A",
    "rose_Z",
    "until_rise_Z",
    "tail",
}


def chains(form: str, rose: int = 0, n: int = 20, steps: int = 1000, **changes) -> pd.DataFrame:
    """Chains from two starts of which `rose` saw a rise, of A and of Z."""
    row = {
        "problem": "p", "lr": 0.1, "noise": form,
        "begin_rank": 2, "true_rank": 2, "ridge_share": 0.8, "kind": "chain", "step": steps, "fell_A": 1,
        "until_fall_A": steps,
        "until_rise_A": steps, "until_rise_Z": steps, "tail": 1e-15, "diverged": 0,
    }  # fmt: skip
    rows = []
    for begin in ("minimum", "fallen"):
        for k in range(n):
            seen = int(begin == "fallen" and k < rose)
            rows.append({**row, "chain": k, "begin": begin, "rose_A": seen, "rose_Z": seen, **changes})
    return pd.DataFrame(rows)


def study(**forms: pd.DataFrame) -> pd.DataFrame:
    """All forms: quiet ones, and isotropic noise with rises, unless given."""
    usual = {form: chains(form, rose=20 if form == "isotropic" else 0) for form in FORMS}
    return pd.concat({**usual, **forms}.values(), ignore_index=True)


def on(part: str, **forms: pd.DataFrame) -> str:
    return verdict_on("langevin", study(**forms), part)


@pytest.mark.parametrize("form", ["sgd", "joint"])
def test_stays(form):
    part = "Under SGD the rank, once" if form == "sgd" else "Under joint noise the rank, once"
    assert on(part) == "supported"
    assert on(part, **{form: chains(form, rose=1)}) == "not supported"
    assert on(part, **{form: chains(form, steps=100)}) == "undecided"
    assert on(part, isotropic=chains("isotropic")) == "undecided"


@pytest.mark.parametrize("form", ["layers", "isotropic"])
def test_raises(form):
    part = "layerwise noise raises" if form == "layers" else "isotropic noise raises the rank of the hidden"
    assert on(part, **{form: chains(form, rose=20)}) == "supported"
    assert on(part, **{form: chains(form, rose=1)}) == "undecided"
    if form == "layers":
        assert on(part) == "not supported"
        assert on(part, layers=chains("layers", steps=50)) == "undecided"


def test_raises_the_product():
    part = "isotropic noise raises the rank of A"
    assert on(part) == "supported"
    assert on(part, isotropic=chains("isotropic", rose=20).assign(rose_A=0)) == "not supported"
    assert on(part, isotropic=chains("isotropic", rose=2)) == "undecided"


def test_exact():
    part = "Under layerwise noise the exact rank"
    assert on(part, layers=chains("layers", tail=1e-12)) == "supported"
    assert on(part, layers=chains("layers", tail=1.1e-12)) == "not supported"
    assert on(part, layers=chains("layers").query("begin == 'minimum'")) == "undecided"


@pytest.mark.parametrize(
    ("n", "until", "verdict"), [(100, 1000, "supported"), (100, 100, "not supported"), (3, 1000, "undecided")]
)
def test_same_falls(n, until, verdict):
    joint = chains("joint", n=n, until_fall_A=until)
    assert (
        on("as often as SGD, within a factor of 2 (joint", joint=joint, sgd=chains("sgd", n=100)) == verdict
    )


def test_embedded_network_is_the_same_matrix_with_hidden_spaces_of_low_rank():
    small = rf.Network.gaussian([5, 2, 2, 5], scale=1.0, seed=0)
    large = embedded(small, 5, seed=3)
    np.testing.assert_allclose(large.product(), small.product(), atol=1e-14)
    assert large.widths == (5, 5, 5, 5)
    for Z in large.hidden_spaces():
        assert np.linalg.svd(Z, compute_uv=False)[2] < 1e-14


def test_a_dead_network_has_no_rank_and_a_diverged_one_is_marked():
    problem = unit_problem(5, 2, 1.0, 0.0, 0)
    networks = [rf.Network.gaussian([5, 5, 5, 5], scale=1.0, seed=seed) for seed in range(3)]
    weights = [np.stack([W[0], 1e-9 * W[1], W[2]]) for W in zip(*networks, strict=True)]
    weights[1][2] = np.nan
    rank, hidden, tail = looked_at(problem, weights, 2)
    assert rank[0] > 2 and rank[1:].tolist() == [0, -1]
    assert hidden[0] == 5 and hidden[1:].tolist() == [0, -1]
    assert tail[0] > 1e-2 and tail[1] == 0 and np.isnan(tail[2])


@pytest.mark.parametrize("number", range(4))
def test_small_cells(number):
    number += 4 * (number + 2)  # a start of each kind and all forms, over both problems
    cell = small_cell("langevin", number % 24, chains=3, n_steps=400, sgd_factor=1, descent__n_steps=20_000)
    rows = check_rows(cell, COLUMNS)
    assert (rows["kind"] == "chain").sum() == 3
    assert (rows["kind"] == "path").sum() == 5


def test_the_isotropic_noise_is_seen_to_raise_the_rank():
    cell = small_cell("langevin", 11, chains=3, n_steps=800, descent__n_steps=20_000)
    assert (cell.get("form"), cell.get("start")) == ("isotropic", "fallen")
    rows = check_rows(cell, COLUMNS)
    assert rows["rose_Z"].sum() == 3
