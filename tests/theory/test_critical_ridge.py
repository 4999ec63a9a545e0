"""The critical ridge: closed forms, bisection of ``minima``, and the invariances of the loss."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory import Minimum, critical_point, critical_ridge, effective_loss, minima, s_loc
from rankfall.theory.critical_ridge import ridge_bound
from theory.landscapes import bisect


def noisy(seed: int, shape: tuple[int, int] = (10, 10)) -> rf.Problem:
    return rf.datasets.low_rank(shape, rank=2, observed=0.7, noise=0.5, seed=seed)[0]


def again(problem: rf.Problem, point: Minimum, ridge: float) -> Minimum | None:
    """The minimum near one of another ridge."""
    A = point.matrix()
    found = minima(problem, point.depth, ridge, ranks=[point.rank], n_starts=1, starts=[A]).at(point.rank)
    near = [other for other in found if np.linalg.norm(other.matrix() - A) <= 0.3 * point.s[-1]]
    return near[0] if near else None


@pytest.mark.parametrize("depth", [3, 4, 6])
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_fully_observed_the_weakest_kept_pair_decides(depth, rank):
    """Section 4c: rank k ends where the k-th singular value of the data reaches s_loc."""
    X = np.random.default_rng(0).standard_normal((4, 5))
    s_star = np.linalg.svd(X, compute_uv=False)[rank - 1]
    problem = rf.Problem.from_dense(X)
    found = critical_ridge(problem, rank, depth)
    assert s_loc(found.ridge, X.size, depth) == pytest.approx(s_star, rel=1e-11)
    assert (found.end, found.rank, found.depth, found.next_rank) == ("fold", rank, depth, rank - 1)
    assert found.ridge <= ridge_bound(problem, rank, depth)


def test_coinciding_folds():
    """[[1, 1], [1, -1]]: both singular values vanish together, at ridge 3/32 for depth 3."""
    found = critical_ridge(rf.Problem.from_dense(np.array([[1.0, 1.0], [1.0, -1.0]])), 2)
    assert found.ridge == pytest.approx(3 / 32, rel=1e-10)
    assert found.next_rank == 0


@pytest.mark.parametrize(("seed", "depth"), [(0, 3), (1, 4), (2, 5)])
def test_bisection_of_minima(seed, depth):
    """Rank three where the truth has two: the ridge above which `minima` loses the minimum, to 1e-6."""
    problem = noisy(seed)
    found = critical_ridge(problem, 3, depth, n_starts=5)
    near = next(point for point in found.branch.points[::-1] if point.ridge < 0.99 * found.ridge)
    at = [critical_point(problem, near.matrix(), 3, depth, near.ridge)]

    def exists(ridge: float) -> bool:
        there = again(problem, at[-1], ridge)
        if there is not None:
            at.append(there)
        return there is not None

    ridge = bisect(exists, near.ridge, 1.02 * found.ridge, 2e-7 * found.ridge)
    assert found.ridge == pytest.approx(ridge, rel=1e-6)
    assert found.next_rank == 2


def test_a_symmetric_minimum_may_end_at_a_bifurcation():
    """A symmetric matrix with a symmetric pattern: the symmetric minimum gives way to a pair of others."""
    rng = np.random.default_rng(48)
    B, sign = rng.standard_normal((5, 2)), rng.choice([-1, 1])
    X = B @ np.diag([1, sign]) @ B.T + 0.3 * rng.standard_normal((5, 5))
    mask = rng.random((5, 5))
    X = np.where((mask + mask.T) / 2 > 0.62, np.nan, (X + X.T) / 2)
    problem = rf.Problem.from_dense(X)
    found = critical_ridge(problem, minima(problem, 3, 0.008, ranks=[2], n_starts=4).at(2)[0])
    assert found.end == "bifurcation"
    assert found.last.curvature == pytest.approx(0, abs=1e-10)
    A = found.last.matrix()
    assert np.linalg.norm(A - A.T) <= 1e-8
    # the critical point goes on and is a saddle
    beyond = minima(problem, 3, 1.02 * found.ridge, ranks=[2], n_starts=4)
    assert all(np.linalg.norm(p.matrix() - p.matrix().T) > 1e-3 for p in beyond.at(2))


def test_the_branch_is_one_of_minima():
    problem = noisy(1)
    start = minima(problem, 3, 3e-3, ranks=[3], n_starts=5).at(3)[0]
    found = critical_ridge(problem, start)
    branch = found.branch
    assert np.array_equal(branch.ridges, np.sort(branch.ridges))
    assert branch.ridges[0] == 3e-3 and branch.ridges[-1] == found.ridge
    assert branch.singular_values.shape == (len(branch.points), 3)
    assert np.linalg.norm(branch.points[0].matrix() - start.matrix()) <= 1e-8
    for point in branch.points[:-1]:
        there = critical_point(problem, point.matrix(), 3, 3, point.ridge)
        assert there.kind == "minimum" and there.gradient_norm <= 1e-10
        assert point.curvature == pytest.approx(there.curvature, rel=1e-6)
        assert point.loss == pytest.approx(effective_loss(problem, point.matrix(), 3, point.ridge), rel=1e-9)
    frame = found.to_frame()
    assert list(frame) == ["rank", "ridge", "loss", "curvature", "s_1", "s_2", "s_3"]
    assert len(frame) == len(branch.points) and (np.diff(frame["loss"]) > 0).all()


def test_transposed_permuted_and_scaled():
    """Scaling the data by c scales critical ridges by c^(2 - 2/L)."""
    problem = noisy(3)
    X = problem.to_dense()
    rng = np.random.default_rng(0)
    reference = critical_ridge(problem, 3, 4, n_starts=5).ridge
    other = X.T[rng.permutation(10)][:, rng.permutation(10)]
    for data, factor in ((other, 1), (7 * X, 7**1.5)):
        found = critical_ridge(rf.Problem.from_dense(data), 3, 4, n_starts=5)
        assert found.ridge == pytest.approx(factor * reference, rel=1e-9)


def test_from_a_fold_to_another_minimum_of_the_rank():
    """The search for a rank goes on from branch to branch."""
    problem, _ = rf.datasets.low_rank((20, 20), rank=2, observed=0.6, noise=0.5, seed=2)
    start = minima(problem, 5, 0.0055, ranks=[3], n_starts=2).at(3)
    own = [critical_ridge(problem, point) for point in start]
    assert any(found.next_rank == 3 for found in own)
    assert critical_ridge(problem, 3, 5).ridge > 1.1 * min(found.ridge for found in own)


def test_bad_input():
    problem = noisy(0)
    zero = minima(problem, 3, 0.1, ranks=[0]).at(0)[0]
    two_layers = minima(problem, 2, 0.01, ranks=[1], n_starts=1).points
    weighted = problem.with_weights(np.linspace(1, 2, problem.n_observed))
    cases = [
        (lambda: critical_ridge(problem, 2, depth=2), "depth 3"),
        (lambda: critical_ridge(problem, 11), "rank"),
        (lambda: critical_ridge(problem, 0), "rank"),
        (lambda: critical_ridge(problem, zero), "zero matrix"),
        (lambda: critical_ridge(weighted, 2), "weights"),
        (lambda: critical_ridge(rf.Problem.from_dense(np.zeros((3, 3))), 1), "zero"),
        (lambda: critical_ridge(noisy(1), minima(problem, 3, 0.003, ranks=[2]).at(2)[0]), "no minimum"),
    ]
    cases += [(lambda p=p: critical_ridge(problem, p), "depth 3") for p in two_layers]
    for use, message in cases:
        with pytest.raises(rf.InputError, match=message):
            use()
