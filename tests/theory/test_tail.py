"""Equation (3.1), its bounds and thresholds, against steps that are really made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from dynamics.problems import holed
from rankfall.dynamics.kernels import reference
from rankfall.theory import (
    phi_threshold,
    rank_upper_bound,
    robust_factors,
    sufficient_factors,
    tail_factors,
    tail_table,
)
from theory.points import critical, points, rotated, transposed

STEP = {"ridge": 0.05, "lr": 0.1}
Q = 1 - 2 * STEP["lr"] * STEP["ridge"]


def moved(problem: rf.Problem, network: rf.Network, entries: np.ndarray) -> list[np.ndarray]:
    """The hidden spaces after a step with these entries, by the literal twin."""
    G = reference.gradients(
        list(network.weights), problem.rows[entries], problem.cols[entries], problem.values[entries]
    )
    weights = (Q * W - STEP["lr"] * g for W, g in zip(network.weights, G, strict=True))
    return rf.Network(tuple(weights)).hidden_spaces()


def tails(spaces: list[np.ndarray], rank: int) -> np.ndarray:
    return np.array([np.sum(np.linalg.svd(Z, compute_uv=False)[rank:] ** 2) for Z in spaces])


@settings(max_examples=40)
@given(points(), st.integers(0, 3))
def test_factors_agree_with_the_enumeration_of_all_entries(point, rank):
    """The right side of (3.1) exactly, and above the tail that the step leaves."""
    problem, network = point
    seen = tail_factors(problem, network, rank, **STEP)
    bases = [np.linalg.svd(Z)[0][:, rank:] for Z in network.hidden_spaces()]
    projected, left = [], []
    for e in range(problem.n_observed):
        spaces = moved(problem, network, np.array([e]))
        projected.append([np.sum((U.T @ Z) ** 2) for U, Z in zip(bases, spaces, strict=True)])
        left.append(tails(spaces, rank))
    scale = tails(network.hidden_spaces(), 0) * 1e-12
    np.testing.assert_array_less(
        np.abs(np.mean(projected, axis=0) - seen.mean_factor * seen.phi), scale + 1e-15
    )
    np.testing.assert_array_less(
        np.abs(np.max(projected, axis=0) - seen.max_factor * seen.phi), scale + 1e-15
    )
    assert np.all(np.mean(left, axis=0) <= seen.mean_factor * seen.phi + scale)
    assert np.all(np.max(left, axis=0) <= seen.max_factor * seen.phi + scale)
    np.testing.assert_allclose(seen.phi, tails(network.hidden_spaces(), rank), atol=scale.max())


@settings(max_examples=20)
@given(points(), st.integers(0, 2), st.integers(2, 4), st.integers(0, 99))
def test_batches_are_bounded_by_their_entries(point, rank, size, seed):
    """Convexity: surely by the mean of the single entries, hence by the largest factor."""
    problem, network = point
    seen = tail_factors(problem, network, rank, **STEP)
    bases = [np.linalg.svd(Z)[0][:, rank:] for Z in network.hidden_spaces()]
    entries = np.random.default_rng(seed).integers(0, problem.n_observed, size)

    def sizes(chosen):
        spaces = moved(problem, network, chosen)
        return np.array([np.sum((U.T @ Z) ** 2) for U, Z in zip(bases, spaces, strict=True)])

    whole, single = sizes(entries), np.mean([sizes(entries[[k]]) for k in range(size)], axis=0)
    scale = tails(network.hidden_spaces(), 0) * 1e-12
    assert np.all(whole <= single + scale)
    assert np.all(whole <= seen.max_factor * seen.phi + scale)


@pytest.mark.parametrize("sampling", ["replacement", "distinct"])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_second_moment_of_pairs_is_exact(sampling, depth):
    problem = holed((3, 4), seed=1, observed=0.7)
    network = rf.Network.gaussian((4, *[3] * (depth - 1), 3), scale=1.0, seed=2)
    n = problem.n_observed
    bases = [np.linalg.svd(Z)[0][:, 1:] for Z in network.hidden_spaces()]
    pairs = [(a, b) for a in range(n) for b in range(n) if sampling == "replacement" or a != b]
    sizes = [
        [np.sum((U.T @ Z) ** 2) for U, Z in zip(bases, moved(problem, network, np.array(pair)), strict=True)]
        for pair in pairs
    ]
    seen = tail_factors(problem, network, 1, **STEP, batch_size=2, sampling=sampling)
    np.testing.assert_allclose(np.mean(sizes, axis=0), seen.mean_factor * seen.phi, rtol=1e-12)
    one = tail_factors(problem, network, 1, **STEP)
    assert np.all(seen.mean_factor <= one.mean_factor + 1e-15)
    np.testing.assert_array_equal(seen.max_factor, one.max_factor)


def test_all_entries_at_once_leave_no_spread():
    problem = holed((5, 6), seed=3)
    network = rf.Network.gaussian((6, 4, 5, 5), scale=1.0, seed=0)
    seen = tail_factors(problem, network, 1, **STEP, batch_size=problem.n_observed, sampling="distinct")
    bases = [np.linalg.svd(Z)[0][:, 1:] for Z in network.hidden_spaces()]
    spaces = moved(problem, network, np.arange(problem.n_observed))
    sizes = [np.sum((U.T @ Z) ** 2) for U, Z in zip(bases, spaces, strict=True)]
    np.testing.assert_allclose(sizes, seen.mean_factor * seen.phi, rtol=1e-12)


@settings(max_examples=40)
@given(points())
def test_the_table_has_the_factors_of_every_rank(point):
    problem, network = point
    table = tail_table(problem, network, **STEP)
    for rank in range(min(network.widths) + 1):
        seen = tail_factors(problem, network, rank, **STEP)
        np.testing.assert_allclose(table.phi[:, rank], seen.phi, rtol=1e-12, atol=1e-28)
        real = seen.phi > 1e-20
        np.testing.assert_allclose(table.mean_factor[real, rank], seen.mean_factor[real], rtol=1e-9)


@settings(max_examples=40)
@given(points(), st.integers(0, 2))
def test_rotating_hidden_spaces_and_transposing_change_nothing(point, rank):
    problem, network = point
    here = tail_factors(problem, network, rank, **STEP)
    turned = tail_factors(problem, rotated(network), rank, **STEP)
    over = tail_factors(problem.T, transposed(network), rank, **STEP)
    real = here.phi > 1e-20
    for name in ("phi", "mean_factor", "max_factor"):
        expected = getattr(here, name)
        np.testing.assert_allclose(getattr(turned, name)[real], expected[real], rtol=1e-8)
        np.testing.assert_allclose(getattr(over, name)[::-1][real], expected[real], rtol=1e-8)


@settings(max_examples=40)
@given(points(min_depth=3), st.integers(0, 3))
def test_robust_and_sufficient_factors_are_larger(point, rank):
    """``Lambda <= Lambda^ <=`` Lemma A's bound, also for batches."""
    problem, network = point
    for batch in (1, 3):
        options = {**STEP, "batch_size": batch}
        seen = tail_factors(problem, network, rank, **options)
        robust = robust_factors(problem, network, rank, **options)
        cheap = sufficient_factors(problem, network, rank, **options)
        real = seen.phi > 1e-20
        assert np.all(seen.mean_factor[real] <= robust[real] * (1 + 1e-9))
        assert np.all(robust <= cheap * (1 + 1e-12))


@pytest.mark.parametrize("depth", [3, 4, 5])
@pytest.mark.parametrize("kept", [1, 2, 3])
def test_thresholds_at_critical_points(depth, kept):
    """No nonzero singular value of Z_l below sqrt(Phi_thr), ranks within the bound, and any tail shrinks
    there.
    """
    ridge = 2e-4
    problem, network = critical(depth, np.array([4.0, 3.0, 2.0, 1.0]), kept, ridge)
    threshold = phi_threshold(problem, depth, ridge)
    table = tail_table(problem, network, ridge=ridge, lr=1e-3)
    for s in table.singular_values:
        assert np.all((s**2 >= threshold) | (s < 1e-6)) and np.count_nonzero(s > 1e-6) == kept
    assert table.numerical_rank(threshold) == kept <= rank_upper_bound(problem, depth, ridge)
    for factors in (robust_factors, sufficient_factors):
        assert np.all(factors(problem, network, kept, ridge=ridge, lr=1e-5) < 1)
        # with one of the kept directions counted as tail there is nothing to lose: it is neutral, not
        # shrinking
        assert np.any(factors(problem, network, kept - 1, ridge=ridge, lr=1e-5) >= 1 - 1e-9)


def test_an_exact_tail_of_zero():
    problem, network = critical(3, np.array([4.0, 3.0, 2.0]), 1, 1e-3)
    zeros = rf.Network(tuple(np.zeros_like(W) for W in network.weights))
    seen = tail_factors(problem, zeros, 0, **STEP)
    np.testing.assert_array_equal(seen.phi, 0)
    np.testing.assert_array_equal(seen.mean_factor, Q**2)
    np.testing.assert_array_equal(seen.max_factor, Q**2)


def test_thresholds_follow_the_text():
    problem = holed((6, 7))
    size, n = np.linalg.norm(problem.values), problem.n_observed
    assert phi_threshold(problem, 3, 0.01) == pytest.approx(2 * (0.02 * n / size) ** 2)
    assert phi_threshold(problem, 4, 0.01) == pytest.approx(2 * (0.02 * n / size))
    assert rank_upper_bound(problem, 3, 1e-6) == 6
    assert rank_upper_bound(problem, 3, 10.0) == 0
    zero = problem.with_values(np.zeros(n))
    assert phi_threshold(zero, 3, 0.01) == np.inf and rank_upper_bound(zero, 3, 0.01) == 0


def test_refusals_are_one_sentence():
    problem = holed((5, 6))
    network = rf.Network.gaussian((6, 4, 4, 5), scale=1.0, seed=0)

    def refused(match: str, *args: object, **options: object) -> None:
        with pytest.raises(rf.InputError, match=match):
            tail_factors(*(args or (problem, network, 1)), **{**STEP, **options})

    refused("not covered", sampling="epochs")
    refused("must be", sampling="alphabetical")
    refused("whole number, 0 or more", problem, network, -1)
    refused("has", problem.T, network, 1)
    refused("one network", problem, rf.Network.gaussian((6, 4, 4, 5), scale=1.0, seed=0, chains=2), 1)
    refused("not finite", problem, rf.Network(tuple(W * np.nan for W in network.weights)), 1)
    refused("cannot be drawn", sampling="distinct", batch_size=1000)
    refused("whole number, 1 or more", batch_size=0)
    refused("below 1", lr=10.0)
    refused("lr must be", lr=-1.0)
    with pytest.raises(rf.InputError, match="depth 3"):
        phi_threshold(problem, 2, 0.1)
    with pytest.raises(rf.InputError, match="ridge must be positive"):
        rank_upper_bound(problem, 3, 0.0)
