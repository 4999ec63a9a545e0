"""The saddle between two ranks: the closed form, the Hessian in the weights, and gradient descent off it."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory import branches, critical_point, critical_ridge, minima, saddle
from rankfall.theory.weight_hessian import entry_gradients, orbit_dimension, weight_hessian
from theory.landscapes import numerical_hessian


def noisy(seed: int) -> rf.Problem:
    return rf.datasets.low_rank((10, 10), rank=2, observed=0.7, noise=0.5, seed=seed)[0]


@pytest.mark.parametrize("depth", [3, 4, 6])
@pytest.mark.parametrize("rank", [1, 3])
def test_fully_observed_the_weakest_pair_goes_over_its_scalar_barrier(depth, rank):
    """The small root of ``s + 2 ridge N s^(2/L - 1) = s*``, all other pairs unmoved (section 4c)."""
    X = np.random.default_rng(0).standard_normal((4, 5))
    problem = rf.Problem.from_dense(X)
    ridge = 0.7 * critical_ridge(problem, rank, depth, n_starts=2).ridge
    point = minima(problem, depth, ridge, ranks=[rank], n_starts=2).at(rank)[0]
    s_star = np.linalg.svd(X, compute_uv=False)[rank - 1]
    pull, power = 2 * ridge * X.size, 2 / depth - 1
    s = (pull / s_star) ** (-1 / power)
    for _ in range(200):  # Newton's method rises to the root
        s -= (s + pull * s**power - s_star) / (1 + pull * power * s ** (power - 1))

    def scalar(s: float) -> float:
        return (s - s_star) ** 2 / (2 * X.size) + ridge * depth * s ** (2 / depth)

    found = saddle(problem, point)
    np.testing.assert_allclose(found.s, [*point.s[:-1], s], rtol=1e-8)
    assert found.barrier == pytest.approx(scalar(s) - scalar(point.s[-1]), rel=1e-8)
    assert found.lower.rank == rank - 1


@pytest.mark.parametrize(("seed", "depth", "rank", "share"), [(0, 3, 3, 0.9), (1, 4, 2, 0.5), (2, 3, 2, 0.7)])
def test_one_direction_of_descent_and_gradient_descent_both_ways(seed, depth, rank, share):
    problem = noisy(seed)
    ridge = share * critical_ridge(problem, rank, depth, n_starts=5).ridge
    point = minima(problem, depth, ridge, ranks=[rank], n_starts=5).at(rank)[0]
    found = saddle(problem, point)
    assert found.gradient_norm <= 1e-12 and found.barrier > 0
    assert found.lower.loss < found.loss and found.lower.rank == rank - 1
    assert (found.n_negative, found.n_zero) == (1, orbit_dimension(rank, depth))
    # room for another direction adds none of descent
    padded = critical_point(problem, found.matrix(), rank, depth, ridge).network(width=rank + 1)
    wide = np.linalg.eigvalsh(weight_hessian(problem, padded, ridge))
    assert np.count_nonzero(wide < -1e-10) == 1
    # off the saddle, in the weights
    network = found.network()
    direction = np.linalg.eigh(weight_hessian(problem, network, ridge))[1][:, 0]
    ends = []
    for sign in (1, -1):
        moved = np.split(sign * 0.02 * direction, np.cumsum([W.size for W in network])[:-1])
        start = rf.Network(tuple(W + E.reshape(W.shape) for W, E in zip(network, moved, strict=True)))
        ends.append(rf.descend(problem, start, ridge=ridge, gradient_norm=1e-7, max_steps=200_000))
    assert all(end.end == "stationary" for end in ends)
    ends.sort(key=lambda end: end.rank())
    for end, there in zip(ends, (found.lower, point), strict=True):
        assert end.rank() == there.rank
        assert np.linalg.norm(end.network.product() - there.matrix()) <= 1e-3 * np.linalg.norm(there.s)


def test_the_barrier_vanishes_at_the_critical_ridge():
    """As the power 3/2 of the distance, as at every fold."""
    problem = noisy(1)
    top = critical_ridge(problem, 3).ridge
    barriers = []
    for share in (0.999, 0.99):
        point = minima(problem, 3, share * top, ranks=[3], n_starts=5).at(3)[0]
        barriers.append(saddle(problem, point).barrier)
    assert np.log10(barriers[1] / barriers[0]) == pytest.approx(1.5, abs=0.05)


def test_ways_out_over_another_minimum_of_the_rank_are_not_taken_for_a_saddle():
    """The higher of two minima of rank three has a fold, but beyond it lies the lower one."""
    problem = noisy(1)
    high = minima(problem, 3, 0.006, ranks=[3], n_starts=10).at(3)[1]
    assert critical_ridge(problem, high).next_rank == 3
    with pytest.raises(rf.InputError, match="other minima"):
        saddle(problem, high)


def test_the_hessian_in_the_weights():
    problem, _ = rf.datasets.low_rank((5, 4), rank=2, observed=0.7, seed=1)
    for widths in ((4, 2, 3, 3, 5), (4, 3, 5), (4, 1, 2, 5)):
        network = rf.Network.gaussian(widths, seed=0)
        H = weight_hessian(problem, network, 0.1)
        np.testing.assert_allclose(H, numerical_hessian(problem, network, 0.1), atol=1e-8)
        J = entry_gradients(problem, network)
        K = rf.measures.tangent_diagonal(network, problem.rows, problem.cols)
        np.testing.assert_allclose(np.sum(J**2, axis=1), K, rtol=1e-12)


def test_bad_input():
    problem = noisy(0)
    zero = minima(problem, 3, 0.01, ranks=[0]).at(0)[0]
    one = minima(problem, 3, 0.01, ranks=[1], n_starts=2).at(1)[0]
    for use, message in (
        (lambda: saddle(problem, zero), "zero matrix"),
        (lambda: saddle(noisy(1), one), "no minimum of this problem"),
        (lambda: saddle(problem.with_weights(np.linspace(1, 2, problem.n_observed)), one), "weights"),
        (lambda: branches(problem, 3, [0.01], n_starts=0), "n_starts"),
    ):
        with pytest.raises(rf.InputError, match=message):
            use()


@pytest.mark.parametrize("ridge", [1e-3, 0.1])
def test_saddles_next_to_zero_are_found(ridge):
    """One row is a scalar problem; at the small ridge F does not show the first steps off the saddle."""
    problem = rf.Problem.from_dense(np.array([[1.0, 2.0, np.nan, 3.0]]))
    point = minima(problem, ridge=ridge, ranks=[1], n_starts=3).at(1)[0]
    found = saddle(problem, point)
    size = np.sqrt(14.0)
    s = (6 * ridge / size) ** 3
    for _ in range(200):
        s -= (s + 6 * ridge * s ** (-1 / 3) - size) / (1 - 2 * ridge * s ** (-4 / 3))
    assert found.s == pytest.approx([s], rel=1e-8) and found.lower.rank == 0 and found.n_negative == 1
    scalar = (s - size) ** 2 / 6 + 3 * ridge * s ** (2 / 3)
    assert found.barrier == pytest.approx(scalar - point.loss, rel=1e-8)


def test_what_is_no_minimum_of_this_problem_is_refused_in_one_sentence():
    problem = noisy(1)
    other = rf.datasets.low_rank((6, 10), rank=2, observed=0.7, noise=0.5, seed=1)[0]
    point = minima(problem, ridge=1e-3, ranks=[1], n_starts=3).at(1)[0]
    for use, match in (
        (lambda: saddle(other, point), "shape"),
        (lambda: critical_ridge(other, point), "shape"),
        (lambda: saddle(problem, None), "Minimum"),
        (lambda: saddle(problem, 2), "Minimum"),
        (lambda: critical_ridge(problem, 1, seed="x"), "seed"),
        (lambda: branches(problem, 3, 1e-3), "several"),
        (lambda: branches(problem, 3, [None]), "ridge"),
        (lambda: branches(problem, 3, [1e-3], ranks=2), "several"),
        (lambda: minima(problem, ranks=2), "several"),
    ):
        with pytest.raises(rf.InputError, match=match) as refused:
            use()
        assert "\n" not in str(refused.value)
