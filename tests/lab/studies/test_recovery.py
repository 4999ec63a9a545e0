"""Study recovery: verdicts at their boundaries, the baselines, and a small cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.common.baselines import alternating_least_squares, descent, levenberg_marquardt

COLUMNS = {
    "size",
    "true_rank",
    "rho",
    "instance",
    "method",
    "given",
    "found_rank",
    "error",
    "recovered",
    "redrawn",
}
METHODS = ("depth 2", "depth 3", "depth 4", "least squares", "Levenberg-Marquardt")


def results(n: int = 20, rho: float = 1.5, found_rank: int = 2, **recovered: int) -> pd.DataFrame:
    """The first so many instances of every method are recovered; half of them unless given."""
    rows = []
    for method in METHODS:
        count = recovered.get(method.replace(" ", "_").replace("-", "_"), n // 2)
        for k in range(n):
            rows.append(
                {
                    "size": 30, "true_rank": 2, "rho": rho, "instance": k, "redrawn": 0, "method": method,
                    "given": int(not method.startswith("depth")),
                    "found_rank": found_rank if k < count else -1,
                    "recovered": int(k < count),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def on(part: str, *tables: pd.DataFrame) -> str:
    return verdict_on("recovery", pd.concat(tables, ignore_index=True), part)


def test_recovers():
    part = "from rho = 1.5 on"
    assert on(part, results(n=40, depth_3=39)) == "supported"
    assert on(part, results(n=40, depth_3=34)) == "undecided"
    assert on(part, results(n=40, depth_3=20)) == "not supported"
    assert on(part, results(n=40, rho=1.4, depth_3=39)) == "undecided"


@pytest.mark.parametrize(
    ("other", "part"),
    [
        ("least_squares", "more than least squares"),
        ("Levenberg_Marquardt", "more than Lev"),
        ("depth_2", "depth 2"),
    ],
)
def test_better(other, part):
    """Six pairs that differ, all in one direction, are the fewest that decide: 2 * 2^-6 < 0.05."""
    assert on(part, results(**{other: 4})) == "supported"
    assert on(part, results(**{other: 5})) == "undecided"
    assert on(part, results(**{other: 16})) == "not supported"
    assert on(part, results()) == "undecided"
    assert on(part, results(rho=2.0, **{other: 0})) == "undecided"


def test_rank():
    part = "has the true one"
    assert on(part, results(n=40)) == "supported"
    assert on(part, results(n=40, found_rank=3)) == "not supported"
    assert on(part, results(n=4)) == "undecided"


def test_methods_recover_an_easy_matrix():
    problem, truth = rf.datasets.low_rank((20, 22), rank=2, oversampling=3.0, seed=3)
    fits = [
        descent(problem, 3, chains=1, effort=60, seed=0),
        alternating_least_squares(problem, 2, 500),
        levenberg_marquardt(problem, 2, 100),
    ]
    for fit in fits:
        assert fit is not None
        assert fit.residual < 1e-9
        assert fit.rank == 2
        np.testing.assert_allclose(fit.matrix, truth, atol=1e-6 * np.abs(truth).max())


def test_descent_finds_nothing_in_noise():
    problem, _ = rf.datasets.low_rank((15, 15), rank=2, oversampling=1.8, noise=2.0, seed=0)
    assert descent(problem, 3, chains=1, effort=20, seed=0) is None


def test_small_cell():
    rows = check_rows(small_cell("recovery", 1, instances=1, effort=40, problem__size=20), COLUMNS)
    assert rows["method"].tolist() == list(METHODS)
