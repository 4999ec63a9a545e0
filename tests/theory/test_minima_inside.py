"""B_r holds all minima of rank r or less, and not more; beyond its hypotheses it does not hold all."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory import (
    AbsorbingSet,
    Constants,
    check_constants,
    check_minima_inside,
    contraction_steps,
    critical_ridge,
    minima,
    saddle,
    solve,
)
from rankfall.theory.constants import with_imbalance


def wide_enough(k: Constants) -> Constants:
    """The same setting with C at least a^2 / (8 ridge)."""
    wide = replace(k, C=max(k.C, k.bound**2 / (8 * k.ridge)))
    return with_imbalance(wide, (1 + k.slack) * wide.eps_star)


@lru_cache
def settings(depth: int, ridge: float) -> tuple[Constants, ...]:
    """For entries up to 1: single ones, and batches of ten at the largest certified lr."""
    found = (solve(depth, ridge, 1.0).halved(), solve(depth, ridge, 1.0, 10, "distinct"))
    return tuple(wide_enough(k) for k in found)


def scaled(shape: tuple[int, int], noise: float, seed: int) -> rf.Problem:
    """Rank two and noise; the largest entry is 1."""
    problem, _ = rf.datasets.low_rank(shape, rank=2, observed=0.8, noise=noise, seed=seed)
    return rf.Problem.from_dense(problem.to_dense() / np.abs(problem.values).max())


PROBLEMS = [scaled(shape, noise, 7) for shape, noise in product(((5, 5), (6, 4), (8, 8)), (0.1, 0.6))]


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_all_minima_of_its_rank_and_no_others(depth):
    """In all 100 minima; the benchmark minima_inside.py has 800."""
    checked = 0
    for problem, ridge in product(PROBLEMS[1:], (7e-4, 3e-3)):
        found = [point for point in minima(problem, depth, ridge, range(5), n_starts=4) if point.is_minimum]
        for point, k in product(found, settings(depth, ridge)):
            assert check_minima_inside(k).holds and check_constants(k).holds
            network = point.network(width=6)
            held = [rank for rank in range(7) if AbsorbingSet(rank, k).contains(network)]
            assert held == list(range(point.rank, 7))
        checked += len(found)
    assert checked >= 33


def test_saddles_too():
    problem = PROBLEMS[5]
    ridge = 0.5 * critical_ridge(problem, 2, 3).ridge
    found = saddle(problem, minima(problem, 3, ridge, ranks=[2], n_starts=5).at(2)[0])
    for k in settings(3, ridge):
        assert check_minima_inside(k).holds
        held = [rank for rank in range(3) if AbsorbingSet(rank, k).contains(found.network())]
        assert held == [2]


def one_entry(depth: int, ridge: float) -> tuple[rf.Problem, rf.Network]:
    """The matrix (1) and its minimum of rank one."""
    problem = rf.Problem.from_dense(np.array([[1.0]]))
    return problem, minima(problem, depth, ridge, ranks=[1], n_starts=3).at(1)[0].network()


def test_beyond_the_cap_a_minimum_may_lie_outside():
    """lr ridge = 0.495: the least C of (B) is a fiftieth of a^2/(8 ridge), and of the minimum's norm."""
    _, network = one_entry(3, 0.2)
    k = solve(3, 0.2, 1.0, lr=0.495 / 0.2)
    assert check_constants(k).holds
    assert not AbsorbingSet(1, k).contains(network)
    failed = [condition.name for condition in check_minima_inside(k).conditions if not condition.holds]
    assert failed == ["lr ridge <= 1/4", "a^2/(8 ridge) <= C"]


def test_at_the_cap_too_if_c_is_too_small():
    """Depth 8, lr ridge = 1/4: Theorem 1 needs only C = 0.69 a^2/(8 ridge)."""
    _, network = one_entry(8, 0.15)
    k = solve(8, 0.15, 1.0, lr=0.25 / 0.15)
    assert check_constants(k).holds
    assert not AbsorbingSet(1, k).contains(network)
    failed = [condition.name for condition in check_minima_inside(k).conditions if not condition.holds]
    assert failed == ["a^2/(8 ridge) <= C"]


def test_the_bound_on_norms_is_attained():
    """Where A is half of the data, |W_l|^2 is a^2/(8 ridge) exactly; the set then holds it just so."""
    ridge = 0.5 ** (4 / 3) / 2
    _, network = one_entry(3, ridge)
    norms = [float(np.sum(W**2)) for W in network]
    np.testing.assert_allclose(norms, 1 / (8 * ridge), rtol=1e-9)
    k = wide_enough(solve(3, ridge, 1.0).halved())
    k = with_imbalance(replace(k, C=k.C * (1 + 1e-9)), 1.05 * k.eps_star)
    assert check_minima_inside(k).holds and AbsorbingSet(1, k).contains(network)


def test_depth_two_is_refused():
    with pytest.raises(rf.InputError, match="depth 3"):
        check_minima_inside(solve(2, 1.0, 1.0))


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_norms_outside_the_ball_come_down_whatever_is_sampled(depth):
    """Theorem 2 from outside: from |W_l|^2 = 3 C and any entries, the norms are at most C after the steps."""
    problem = PROBLEMS[2]
    ridge = 0.6 if depth == 2 else 0.1
    k = solve(depth, ridge, 1.0).halved()
    k = replace(k, C=1.1 * k.C)
    steps = contraction_steps(k, 3 * k.C)
    assert steps > 0 and contraction_steps(k, 0.9 * k.C) == 0
    widths = (problem.shape[1], *[4] * (depth - 1), problem.shape[0])
    for seed in range(5):
        network = rf.Network.gaussian(widths, seed=seed)
        start = rf.Network(tuple(W * np.sqrt(3 * k.C) / np.linalg.norm(W) for W in network))
        # one entry again and again, and random ones
        for entries in (np.full(steps, seed), None):
            sgd = rf.SGD(lr=k.lr, ridge=ridge, n_steps=steps, entries=entries)
            end = rf.train(problem, start, sgd, seed=seed).final(0)
            assert max(float(np.sum(W**2)) for W in end) <= k.C * (1 + 1e-12)


def test_contraction_is_refused_where_it_is_not_proved():
    k = solve(3, 0.1, 1.0).halved()
    with pytest.raises(rf.InputError, match="not strict at norms"):
        contraction_steps(replace(k, C=0.5 * k.C), k.C)
    with pytest.raises(rf.InputError, match="smaller starts"):
        contraction_steps(replace(k, C=1.1 * k.C), 1e6 * k.C)


@pytest.mark.parametrize("bad", [None, "1", 3.0])
def test_other_objects_than_constants_are_refused(bad):
    problem = rf.Problem.from_dense(np.eye(3))
    for use in (
        lambda: check_minima_inside(bad),
        lambda: contraction_steps(bad, 1.0),
        lambda: rf.theory.reach_bound(problem, bad, 0),
    ):
        with pytest.raises(rf.InputError, match="Constants"):
            use()
