"""The critical ridge of the studies against a closed form, and against the search for minima."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.lab.studies.common.critical import critical_ridge, ridge_share, shares_by_rank, told_shares
from rankfall.lab.studies.common.problems import unit_problem


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_one_fully_observed_singular_value(depth: int) -> None:
    # F(s) = (s - x)^2 / (2 N) + ridge L s^(2/L): the minimum is gone where 2 N ridge = max (x - s) s^p
    x, size = 3.0, 4
    problem = rf.Problem.from_dense(x * np.ones((size, size)) / size)
    p = 1 - 2 / depth
    s = x * p / (1 + p)
    exact = (x - s) * s**p / (2 * size**2)
    start = rf.theory.minima(problem, depth, exact / 4, [1], 4).at(1)[0]
    assert critical_ridge(problem, start.matrix(), 1, depth, exact / 4) == pytest.approx(exact, rel=2e-3)
    assert ridge_share(problem, start.network(2), 1, exact / 4) == pytest.approx(0.25, rel=2e-3)
    assert np.isnan(critical_ridge(problem, start.matrix(), 1, depth, 1.5 * exact))
    assert np.isnan(ridge_share(problem, start.network(2), 0, exact / 4))


def test_beyond_it_the_search_finds_no_such_minimum() -> None:
    problem = unit_problem(8, 2, 0.7, 0.5, seed=1)
    start = rf.theory.minima(problem, 3, 2e-3, [3], 6).at(3)[0]
    last = critical_ridge(problem, start.matrix(), 3, 3, 2e-3)

    def found(ridge: float) -> list[float]:
        again = rf.theory.minima(problem, 3, ridge, [3], 1, starts=[start.matrix()]).at(3)
        return [float(np.linalg.norm(point.matrix() - start.matrix())) for point in again]

    assert found(0.99 * last)
    # others of this rank may be left, but none near it
    assert min(found(1.01 * last), default=np.inf) > 1.1 * min(found(0.99 * last))
    shares = shares_by_rank(problem, 3, 2e-3, [1, 2, 3])
    assert shares[3] == pytest.approx(2e-3 / last, rel=2e-3)
    assert all(0 < share < 1 for share in shares.values())


def test_words() -> None:
    assert told_shares([0.5, float("nan")]) == "ridge 0.50 of the critical one"
    assert told_shares([0.9, 0.2, 0.3]) == "ridge 0.20 to 0.90 of the critical one, median 0.30"
    assert told_shares([float("nan")]) == "no critical ridge is known"
