"""Study label-noise: verdicts at their boundaries, the noise, and a small cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.label_noise import student, with_label_noise

NAME = "label-noise"


def problem_rows(
    problem: int, noise: float = 1.0, fall: float = 1.0, rank: int = 2, kept: float = 1.0, chains: int = 4
) -> pd.DataFrame:
    """Records at steps 0, 50 and 100 of the chains on one problem, and gradient descent."""
    rows = [
        {
            "method": "SGD", "problem": problem, "noise": noise, "chain": k, "step": step, "diverged": 0,
            "volume": -fall * step, "smallest": 1.0, "largest": 1.0,
            "hidden_rank": rank, "rank": 2, "true_rank": 2,
        }
        for k in range(chains)
        for step in (0, 50, 100)
    ]  # fmt: skip
    rows += [
        {**rows[0], "method": "GD", "chain": 0, "step": step, "smallest": kept if step else 1.0}
        for step in (0, 100)
    ]
    return pd.DataFrame(rows)


def verdict(part: str, *tables: pd.DataFrame) -> str:
    return verdict_on(NAME, pd.concat(tables, ignore_index=True), part)


@pytest.mark.parametrize(
    ("good", "bad", "expected"), [(6, 0, "supported"), (3, 3, "undecided"), (0, 6, "not supported")]
)
def test_shares_by_problem(good: int, bad: int, expected: str) -> None:
    fine = [problem_rows(k) for k in range(good)]
    for part, change in (("keeps the rank", {"kept": 0.09}), ("falls to that", {"rank": 3})):
        assert verdict(part, *fine, *(problem_rows(10 + k, **change) for k in range(bad))) == expected
    # paired with runs without noise, at rank 3 on all of them
    quiet = [problem_rows(k, noise=0.0, rank=3) for k in (*range(good), *range(10, 10 + bad))]
    noisy = [*fine, *(problem_rows(10 + k, rank=4) for k in range(bad))]
    assert verdict("Without label noise", *quiet, *noisy) == expected


def test_the_volume_by_problem() -> None:
    assert verdict("on and on", *(problem_rows(k, fall=1 + 0.1 * k) for k in range(4))) == "supported"
    assert verdict("on and on", *(problem_rows(k, fall=(-1) ** k) for k in range(4))) == "undecided"
    assert verdict("on and on", *(problem_rows(k, fall=-1 - 0.1 * k) for k in range(4))) == "not supported"
    # what is below rounding says nothing
    lost = [problem_rows(k) for k in range(4)]
    for table in lost:
        table.loc[table["step"] == 100, ["smallest", "volume"]] = 1e-13, 1e9
    assert verdict("on and on", *lost) == "undecided"
    # more chains make it no surer
    assert verdict("on and on", problem_rows(0, chains=100)) == "undecided"
    low, high = student(np.array([1.0, 2.0, 3.0]), 0.05)[1:]
    assert (low + high) / 2 == pytest.approx(2)
    assert high - 2 == pytest.approx(4.302653 / np.sqrt(3))


def test_a_step_has_a_noisy_label() -> None:
    clean, _ = rf.datasets.low_rank((3, 3), rank=1, observed=1.0, seed=0)
    noisy = with_label_noise(clean, 0.5)
    network = rf.Network.gaussian((3, 3, 3), scale=1.0, seed=0)
    seen = []
    for entry in (4, 5):
        sgd = rf.SGD(lr=0.1, ridge=0.0, n_steps=1, entries=np.array([[entry]]))
        W1, W2 = rf.train(noisy, network, sgd, record=rf.Record(what=())).final(0).weights
        V1, V2 = network.weights
        i, j = int(clean.rows[2]), int(clean.cols[2])
        change = -0.1 * (V2[i] @ V1[:, j] - clean.values[2] + (0.5 if entry % 2 else -0.5))
        np.testing.assert_allclose(W1[:, j], V1[:, j] + change * V2[i], atol=1e-14)
        np.testing.assert_allclose(W2[i], V2[i] + change * V1[:, j], atol=1e-14)
        seen.append(change)
    assert np.mean(seen) == pytest.approx(-0.1 * (network.product()[i, j] - clean.values[2]))


@pytest.mark.parametrize("number", [0, 2])
def test_a_small_cell(number: int) -> None:
    cell = small_cell(
        NAME, number, problems=2, chains=2, n_steps=2000, every=500, descent__n_steps=2000, problem__size=4
    )
    rows = check_rows(cell, {"method", "problem", "noise", "volume", "hidden_rank", "smallest"})
    assert len(rows) == 2 * (2 * 5 + 2)
