"""What the statements do not cover is refused by name, wherever it comes in."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed
from rankfall import theory
from rankfall.analysis import monitor
from rankfall.theory.tail_growth import mean_steps

PROBLEM = holed((6, 5), seed=0)
NET = rf.Network.gaussian((5, 4, 4, 6), scale=0.5, seed=0)
STEP = {"ridge": 0.05, "lr": 0.1}


def _update(problem: rf.Problem) -> None:
    watcher = theory.Monitor(PROBLEM, 3, **STEP)
    watcher.problem = problem
    watcher.update(0, NET)


@pytest.mark.parametrize(
    "use",
    [
        lambda p: theory.phi_threshold(p, 3, 0.05),
        lambda p: theory.rank_upper_bound(p, 3, 0.05),
        lambda p: theory.tail_factors(p, NET, 1, **STEP),
        lambda p: theory.tail_table(p, NET, **STEP),
        lambda p: theory.robust_factors(p, NET, 1, **STEP),
        lambda p: theory.sufficient_factors(p, NET, 1, **STEP),
        lambda p: mean_steps(p, NET),
        lambda p: theory.lock(p, NET, **STEP),
        lambda p: theory.lock_all_time(p, NET, **STEP),
        lambda p: theory.Monitor(p, 3, **STEP),
        _update,
        lambda p: monitor(p, NET, rf.SGD(**STEP, n_steps=10)),
    ],
)
def test_section_3_refuses_weighted_problems(use):
    weighted = PROBLEM.with_weights(np.linspace(1, 2, PROBLEM.n_observed))
    with pytest.raises(rf.InputError, match="weights"):
        use(weighted)


X = np.diag([3.0, 2.0, 1.0])
FACTORS = (theory.tail_factors, theory.robust_factors, theory.sufficient_factors)
WRONG = (inf, nan, -1, 1.5, "1")
NEGATIVE = (inf, nan, -1, "1")
CASES = [
    *((lambda bad, f=f: f(PROBLEM, NET, bad, **STEP), WRONG) for f in FACTORS),
    *((lambda bad, f=f: f(PROBLEM, NET, 1, **STEP, batch_size=bad), WRONG) for f in FACTORS),
    (lambda bad: theory.tail_table(PROBLEM, NET, **STEP, batch_size=bad), WRONG),
    (lambda bad: theory.lock(PROBLEM, NET, **STEP, batch_size=bad), WRONG),
    (lambda bad: theory.lock_all_time(PROBLEM, NET, **STEP, batch_size=bad), WRONG),
    (lambda bad: theory.Monitor(PROBLEM, bad, **STEP), (3.5, *WRONG)),
    (lambda bad: theory.phi_threshold(PROBLEM, bad, 0.1), (3.5, *WRONG)),
    (lambda bad: theory.phi_threshold(PROBLEM, 3, bad), (0, inf, nan, "1")),
    (lambda bad: theory.rank_upper_bound(PROBLEM, bad, 0.1), (3.5, *WRONG)),
    (lambda bad: theory.minima(PROBLEM, bad, 0.1), WRONG),
    (lambda bad: theory.minima(PROBLEM, 3, bad), (0, inf, nan, "1")),
    (lambda bad: theory.minima(PROBLEM, 3, 0.1, ranks=[bad]), (6, *WRONG)),
    (lambda bad: theory.minima(PROBLEM, 3, 0.1, n_starts=bad), (0, *WRONG)),
    (lambda bad: theory.schatten_cost(X, depth=bad), WRONG),
    (lambda bad: theory.effective_loss(PROBLEM, np.zeros(PROBLEM.shape), bad, 0.1), WRONG),
    (lambda bad: theory.s_loc(0.1, 25, bad), WRONG),
    (lambda bad: theory.s_glob(0.1, bad, 3), (0, *WRONG)),
    (lambda bad: theory.closed_form_minima(X, width=bad), (0, *WRONG)),
    (
        lambda bad: theory.deflate(NET, bad),
        (0, 9, *WRONG, [2], [2, inf], np.array([2.0, 1.5]), np.array([9, 9])),
    ),
    (lambda bad: theory.a_bound(bad, 0.1, 0.1, 1.0), (0, *WRONG)),
    (lambda bad: theory.a_bound(3, 0.1, bad, 1.0), (-0.1, nan)),
    (lambda bad: theory.solve(bad, 0.1, 1.0), WRONG),
    (lambda bad: mean_steps(PROBLEM, NET, bad), (0, *WRONG)),
    (lambda bad: mean_steps(PROBLEM, NET, 1, bad), ("epochs", "other")),
    (lambda bad: theory.lemma_b(bad, 0.1, 1.0, 1.0), (2, *WRONG)),
    *(
        (lambda bad, n=n: theory.lemma_b(3, 0.1, **({"omega": 1.0, "rho": 1.0} | {n: bad})), NEGATIVE)
        for n in ("omega", "rho")
    ),
    (lambda bad: theory.growth_bound(bad, np.ones(2), np.ones(2), 1, 0.1), NEGATIVE),
    (lambda bad: theory.growth_bound(1.0, np.ones(2), np.ones(2), bad, 0.1), WRONG),
    *((lambda bad, f=f: f(bad, 3, 0.1), NEGATIVE) for f in (theory.basin_radius, theory.barrier)),
    *((lambda bad, f=f: f(1.0, bad, 0.1), (1, *WRONG)) for f in (theory.basin_radius, theory.barrier)),
    *((lambda bad, f=f: f(1.0, 3, bad), (0, inf, nan, "1")) for f in (theory.basin_radius, theory.barrier)),
]


@pytest.mark.parametrize(("use", "bad"), [(use, bad) for use, several in CASES for bad in several])
def test_bad_values_are_refused_in_one_sentence(use, bad):
    with pytest.raises(rf.InputError) as caught:
        use(bad)
    assert "\n" not in str(caught.value)


def test_deflate_takes_arrays():
    assert theory.deflate(NET, np.array([2, 3])).network.widths == (5, 2, 3, 6)
    assert theory.deflate(NET, np.int64(2)).network.widths == (5, 2, 2, 6)
