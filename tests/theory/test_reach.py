"""Theorem 2: steps, probabilities and refusals (its paths are run in tests/crosscheck/test_reach.py)."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory import Constants, reach_bound, solve

HALF = solve(3, 0.3, 1.0).halved()


def table(*rows: str) -> rf.Problem:
    """x: observed."""
    X = np.array([[0.5 if cell == "x" else np.nan for cell in row] for row in rows])
    return rf.Problem.from_dense(X)


def arrived(k: Constants, steps: int, side: str) -> bool:
    """The two conditions, as the text states them."""
    V = k.eps_star + k.q ** (2 * steps) * max((1 + k.kappa) * k.C - k.eps_star, 0)
    tail = (
        k.q**steps * k.omega if side == "columns" else math.sqrt(k.q ** (2 * steps) * k.C + (k.depth - 1) * V)
    )
    return k.eps >= V and tail <= k.delta - k.beta * k.C


@pytest.mark.parametrize("side", ["columns", "rows"])
@pytest.mark.parametrize(
    "k",
    [
        HALF,
        HALF.at_lr(HALF.lr / 3),
        solve(4, 0.2, 1.0).at_lr(0.01),
        solve(3, 0.1, 1.0, 9, "distinct").at_lr(0.01),
    ],
    ids=["half", "sixth", "depth 4", "batches"],
)
def test_the_least_number_of_steps(k, side):
    problem = rf.Problem.from_dense(np.full((12, 12), 0.5))
    n_steps = reach_bound(problem, k, rank=2, side=side).n_steps
    assert arrived(k, n_steps, side) and not arrived(k, n_steps - 1, side)


def test_the_lines_with_most_entries():
    problem = table("xx.x", ".x.x", ".x.x", "...x")
    columns = reach_bound(problem, HALF, rank=2)
    np.testing.assert_array_equal(columns.lines, [1, 3])
    np.testing.assert_array_equal(problem.cols[columns.entries], [1, 3, 1, 3, 1, 3, 3])
    rows = reach_bound(problem, HALF.at_lr(HALF.lr / 3), rank=1, side="rows")
    np.testing.assert_array_equal(rows.lines, [0])
    np.testing.assert_array_equal(rows.entries, [0, 1, 2])


def test_probabilities():
    problem = table("xx.x", ".x.x", ".x.x", "...x")  # 7 of 8 entries in the two best columns
    one = reach_bound(problem, HALF, rank=2)
    assert one.log_probability == pytest.approx(one.n_steps * math.log(7 / 8))
    five = reach_bound(problem, replace(HALF, batch_size=5), rank=2)
    assert five.log_probability == pytest.approx(5 * one.log_probability)
    # of the C(8, 5) batches of 5 different entries, C(7, 5) avoid the eighth
    distinct = solve(3, 0.3, 1.0, 5, "distinct")
    reach = reach_bound(problem, distinct, rank=2)
    assert reach.log_probability == pytest.approx(reach.n_steps * math.log(math.comb(7, 5) / math.comb(8, 5)))
    batch = np.sort(reach.path(), axis=1)
    assert (np.diff(batch, axis=1) > 0).all()
    assert reach_bound(problem, HALF, rank=4).log_probability == 0


def test_the_probability_of_epochs_by_enumeration():
    """Two of four entries in the best column; T = 4 steps around the end of the first epoch."""
    problem = table("xx", "xx")
    reach = reach_bound(problem, solve(3, 0.4, 1.0, 1, "epochs"), rank=1)
    assert (reach.n_steps, reach.before) == (4, 2)
    orders = list(permutations(range(4)))
    good = set(reach.entries.tolist())
    hits = sum(set(first[2:]) <= good and set(second[:2]) <= good for first in orders for second in orders)
    assert math.exp(reach.log_probability) == pytest.approx(hits / len(orders) ** 2)


def test_splitting_evenly_is_best():
    problem = rf.Problem.from_dense(np.full((40, 3), 0.5))
    reach = reach_bound(problem, solve(3, 0.3, 1.0, 1, "epochs").halved(), rank=1)
    T, n_r, N = reach.n_steps, 40, 120

    def run(length: int) -> float:
        return sum(math.log((n_r - j) / (N - j)) for j in range(length))

    assert reach.log_probability == pytest.approx(max(run(first) + run(T - first) for first in range(T + 1)))


def test_the_examples_of_the_text():
    """ridge 0.3, lr 0.19: T = 24; ridge 0.1, lr 8.3e-4.

    T = 26938 (the 26946 of the text is from a rounded lr).
    """
    problem = rf.Problem.from_dense(np.full((4, 4), 0.5))
    reach = reach_bound(problem, HALF, rank=1)
    assert (round(HALF.lr, 2), reach.n_steps) == (0.19, 24)
    assert reach.log_probability == pytest.approx(-24 * math.log(4))
    k = solve(3, 0.1, 1.0).halved()
    assert reach_bound(problem, k, rank=1).n_steps == 26938


def test_refusals():
    problem = table("xx.x", ".x.x", ".x.x", "...x")
    with pytest.raises(rf.InputError, match="No path exists: a batch of 7"):
        reach_bound(problem, solve(3, 0.3, 1.0, 7, "distinct"), rank=1)
    with pytest.raises(rf.InputError, match="No path exists: a batch of 8"):
        reach_bound(problem, solve(3, 0.3, 1.0, 8, "distinct"), rank=2)
    with pytest.raises(rf.InputError, match="No path exists: 24 steps"):
        reach_bound(problem, solve(3, 0.3, 1.0, 1, "epochs").halved(), rank=1)
    with pytest.raises(rf.InputError, match="By rows no path exists"):
        reach_bound(problem, solve(3, 0.3, 1.0), rank=1, side="rows")
    with pytest.raises(rf.InputError, match="batches of one entry"):
        reach_bound(problem, solve(3, 0.3, 1.0, 4, "epochs", n_observed=8), rank=1)
    with pytest.raises(rf.InputError, match=r"up to 0\.4, but one is 0\.5"):
        reach_bound(problem, solve(3, 0.3, 0.4), rank=1)
    with pytest.raises(rf.InputError, match="positive slack"):
        reach_bound(problem, solve(3, 0.3, 1.0, slack=0.0), rank=1)
    with pytest.raises(rf.InputError, match="do not satisfy Theorem 1"):
        reach_bound(problem, HALF.at_delta(10.0), rank=1)
    with pytest.raises(rf.InputError, match="rank must be"):
        reach_bound(problem, HALF, rank=-1)
    with pytest.raises(rf.InputError, match="For rank 0 no path"):
        reach_bound(problem, solve(3, 0.1, 0.5).halved(), rank=0)
    with pytest.raises(rf.InputError, match="side must be"):
        reach_bound(problem, HALF, rank=1, side="diagonals")
    with pytest.raises(rf.InputError, match="too many to be written down"):
        reach_bound(problem, solve(3, 1e-3, 1.0), rank=1).path()
