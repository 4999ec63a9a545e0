"""The bifurcation diagram: every minimum of the search lies on a branch, and branches end where they must."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory import branches, closed_form_minima, critical_point, critical_ridge, minima

PROBLEM, _ = rf.datasets.low_rank((8, 8), rank=2, observed=0.7, noise=0.5, seed=1)


def test_fully_observed_one_branch_for_each_rank():
    X = np.random.default_rng(0).standard_normal((4, 5))
    ridges = np.geomspace(1e-3, 0.2, 6)
    found = branches(rf.Problem.from_dense(X), 3, ridges, n_starts=2)
    assert [branch.rank for branch in found] == [0, 1, 2, 3, 4]
    for branch in found:
        for point in branch.points:
            if point.ridge in found.ridges:
                exact = closed_form_minima(X, 3, point.ridge)[branch.rank]
                assert point.loss == pytest.approx(exact.loss, rel=1e-9)
                np.testing.assert_allclose(point.s, exact.s, rtol=1e-8)
        ends = critical_ridge(rf.Problem.from_dense(X), branch.rank).ridge if branch.rank else np.inf
        assert (branch.begins, branch.ends) == ("range", "fold" if ends < 0.2 else "range")
        if ends < 0.2:
            assert branch.points[-1].ridge == pytest.approx(ends, rel=1e-9)
        # every ridge of the range is there
        assert {r for r in found.ridges if r < ends} <= set(branch.ridges)


def test_every_minimum_lies_on_a_branch_and_every_point_is_one():
    ridges = np.geomspace(2e-3, 0.05, 5)
    found = branches(PROBLEM, 3, ridges, ranks=[1, 2, 3], n_starts=5)
    for branch in found:
        assert np.array_equal(branch.ridges, np.unique(branch.ridges))
        for point in branch.points:
            there = critical_point(PROBLEM, point.matrix(), branch.rank, 3, point.ridge)
            assert there.gradient_norm <= 1e-9
            assert there.kind == "minimum" or point.ridge not in found.ridges
    for ridge in found.ridges:
        for point in minima(PROBLEM, 3, ridge, ranks=[1, 2, 3], n_starts=5, seed=0):
            near = [
                np.linalg.norm(other.matrix() - point.matrix())
                for branch in found.at(point.rank)
                for other in branch.points
                if other.ridge == ridge
            ]
            assert min(near) <= 1e-6 * np.linalg.norm(point.s)


def test_tables():
    found = branches(PROBLEM, 3, [0.05, 0.002], ranks=[0, 2], n_starts=2)
    assert found.ridges == (0.002, 0.05) and len(found) == len(list(found))
    frame, ends = found.to_frame(), found.ends()
    assert list(frame)[:5] == ["branch", "rank", "ridge", "loss", "curvature"]
    assert len(frame) == sum(len(branch.points) for branch in found)
    assert list(ends) == ["branch", "rank", "from", "to", "begins", "ends"]
    assert ends["to"].tolist() == [branch.ridges[-1] for branch in found]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: branches(PROBLEM, 2, [0.1]), "depth 3"),
        (lambda: branches(PROBLEM, 3, []), "ridge"),
        (lambda: branches(PROBLEM, 3, [0.1, -1.0]), "ridge"),
        (lambda: branches(PROBLEM, 3, [0.1], ranks=[9]), "rank"),
        (lambda: branches(PROBLEM.with_weights(np.linspace(1, 2, PROBLEM.n_observed)), 3, [0.1]), "weights"),
    ],
)
def test_bad_input(use, message):
    with pytest.raises(rf.InputError, match=message):
        use()


def test_the_two_by_two_family():
    """Section 9: the trap of rank two ends at a fold, long before the completion of rank one does."""
    problem, _ = rf.datasets.two_by_two(0.48)
    found = branches(problem, 3, np.geomspace(1e-4, 0.3, 5), n_starts=5)
    (trap,) = found.at(2)
    assert trap.ends == "fold"
    assert trap.points[-1].ridge == pytest.approx(critical_ridge(problem, 2).ridge, rel=1e-9)
    # the entry that is not observed is below 1/e in the trap
    assert trap.points[0].matrix()[1, 0] == pytest.approx(1.23, abs=0.05)
    assert max(branch.points[-1].ridge for branch in found.at(1)) > 0.1
