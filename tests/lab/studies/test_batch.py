"""Study batch: verdicts at their boundaries, the bound, and a small cell."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.batch import galanti_bound, layer_rank, rates

COLUMNS = {"problem", "lr", "ridge", "batch_size", "chain", "fell", "at_risk", "rises", "bound", "layer_rank"}


def setting(batch_size: int, fell: int, lr: float = 0.3, at_risk: int = 1000, chains: int = 50, **changes):
    """Rows of one setting in which `fell` of the chains fell."""
    row = {
        "problem": "p", "n_observed": 70, "lr": lr, "ridge": 0.02, "batch_size": batch_size, "start_rank": 2,
        "true_rank": 2, "ridge_share": 0.8,
        "at_risk": at_risk, "rises": 0, "steps": 100_000, "end_rank": 1, "diverged": 0, "layer_rank": 2,
        "bound": 500,
        "width": 10,
    }  # fmt: skip
    rows = [
        {**row, "chain": k, "fell": int(k < fell), "falls": int(k < fell), **changes} for k in range(chains)
    ]
    return pd.DataFrame(rows)


def judged(part: str, *settings: pd.DataFrame) -> str:
    return verdict_on("batch", pd.concat(settings, ignore_index=True), part)


@pytest.mark.parametrize(
    ("fell", "single", "verdict"),
    [(0, 50, "supported"), (1, 50, "not supported"), (0, 5, "undecided")],
)
def test_full_batch(fell, single, verdict):
    """50 runs of which none fell: the share may be up to 7%.

    Of the chains with single entries all or a tenth fell.
    """
    full = setting(70, fell, at_risk=10_000)
    assert judged("Gradient descent", setting(1, single), full) == verdict
    assert judged("Gradient descent", full) == ("not supported" if fell else "undecided")


def test_falls_of_single_entries_count_within_as_many_steps():
    late = setting(1, 50, at_risk=5000)
    assert judged("Gradient descent", late, setting(70, 0, steps=10_000)) == "supported"
    assert judged("Gradient descent", late, setting(70, 0, steps=1000)) == "undecided"


def test_gradient_descent_has_no_rate():
    assert rates(setting(70, 0))[["rate", "low", "high", "per_epoch"]].isna().all(axis=None)
    # nor does it count in the comparisons of rates
    assert judged("faster than 1/b", setting(35, 50), setting(70, 0, at_risk=100_000)) == "undecided"
    assert judged("one way", setting(70, 50), setting(1, 0)) == "undecided"


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((50, 1000), (5, 1000), "supported"),  # 10 times, against 2
        ((50, 1000), (25, 1000), "undecided"),
        ((50, 1000), (50, 1000), "not supported"),
        ((4, 1000), (0, 1000), "undecided"),  # too few to compare
    ],
)
def test_faster_than_inverse(first, second, verdict):
    rows = (
        setting(b, fell, at_risk=at_risk) for b, (fell, at_risk) in zip((1, 2), (first, second), strict=True)
    )
    assert judged("faster than 1/b", *rows) == verdict


@pytest.mark.parametrize(
    ("fell", "at_risk", "verdict"),
    [(50, 500, "supported"), (50, 5000, "not supported"), (3, 30, "undecided"), (50, 1500, "undecided")],
)
def test_temperature(fell, at_risk, verdict):
    """lr 0.15, b = 1 beside lr 0.3, b = 2: per unit of time, rates are those per step divided by lr."""
    one, two = setting(1, 50, lr=0.15), setting(2, fell, lr=0.3, at_risk=at_risk)
    assert judged("lr / b alone", one, two) == verdict
    assert judged("lr / b alone", one) == "undecided"


def test_one_way():
    assert judged("one way", setting(1, 50)) == "supported"
    assert judged("one way", setting(1, 0)) == "undecided"
    assert judged("one way", setting(1, 50, rises=1)) == "not supported"
    assert judged("one way", setting(1, 50), setting(2, 50, rises=1, diverged=1)) == "supported"


def test_bound():
    assert judged("holds where", setting(1, 5)) == "undecided"
    assert judged("holds where", setting(1, 5), setting(2, 5, bound=5, layer_rank=5)) == "supported"
    assert judged("holds where", setting(1, 5), setting(2, 5, bound=5, layer_rank=6)) == "not supported"
    assert judged("explains the falls", setting(1, 5)) == "not supported"
    assert judged("explains the falls", setting(1, 5, bound=5)) == "supported"
    assert judged("explains the falls", setting(1, 5, bound=5), setting(2, 5)) == "undecided"
    assert judged("explains the falls", setting(1, 5, end_rank=0)) == "undecided"


def test_rates():
    table = rates(setting(2, 25))
    assert table["rate"].tolist() == [25 / 50_000]
    assert table["per_epoch"].tolist() == pytest.approx([25 / 50_000 * 35])
    assert table["vacuous"].tolist() == [True]
    assert rates(setting(2, 0))["high"].tolist() == pytest.approx([-np.log(0.05) / 50_000])


def test_galanti_bound_holds_along_a_run():
    """W_t = q^n W_{t-n} + n b terms of rank one: sigma_{nb+1}(W_t) <= q^n |W_{t-n}|, whatever the data."""
    problem, _ = rf.datasets.low_rank((12, 12), rank=2, observed=0.6, seed=1)
    lr, ridge, eps = 0.05, 0.9, 0.3
    network = rf.Network.gaussian([12, 12, 12, 12], scale=1.0, seed=0)
    bound = galanti_bound(eps, lr, ridge, 1)
    assert bound == int(np.ceil(np.log(eps) / np.log(1 - 2 * lr * ridge))) > 0
    n = 8
    trace = rf.train(
        problem, network, rf.SGD(lr=lr, ridge=ridge, n_steps=24), record=rf.Record(every=n, what=("weights",))
    )
    networks = [trace.weights(0, k) for k in range(4)]
    for before, after in pairwise(networks):
        for V, W in zip(before, after, strict=True):
            assert np.linalg.svd(W, compute_uv=False)[n] <= (1 - 2 * lr * ridge) ** n * np.linalg.norm(
                V, 2
            ) * (1 + 1e-9)
    assert layer_rank(rf.Network((np.diag([1.0, 0.05, 0.2]), np.eye(3))), 0.1) == 3
    assert layer_rank(rf.Network((np.diag([1.0, 0.05, 0.2]), np.diag([1.0, 0, 0]))), 0.1) == 2


def test_small_cell():
    cell = small_cell("batch", 0, chains=6, n_steps=4000, descent__n_steps=20_000)
    rows = check_rows(cell, COLUMNS)
    assert len(rows) == 6 and set(rows["start_rank"]) == {2}
    assert rows["fell"].sum() > 0  # lr 0.3, single entries: about 2 falls per 1000 steps
    assert (rows["at_risk"] <= rows["steps"]).all()


def test_a_cell_of_gradient_descent():
    cell = small_cell("batch", 0, chains=3, n_steps=100, descent__n_steps=20_000, optimiser__batch_size=1000)
    rows = check_rows(cell, COLUMNS)
    assert set(rows["batch_size"]) == set(rows["n_observed"])
    assert rows["layer_rank"].min() > 0
