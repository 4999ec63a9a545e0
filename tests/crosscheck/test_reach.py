"""Theorem 2 (theory) and its path, executed by training (dynamics): two independent witnesses."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory import AbsorbingSet, reach_bound, solve


def holed(m: int, n: int, seed: int, observed: float = 0.7) -> rf.Problem:
    """Entries up to 1 in absolute value, one of them 1."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (m, n))
    X[rng.random((m, n)) > observed] = np.nan
    X[rng.integers(m), rng.integers(n)] = 1.0
    return rf.Problem.from_dense(X)


def on_the_sphere(widths: tuple[int, ...], C: float, seed: int) -> rf.Network:
    """``|W_l|_F^2 = C`` in every layer."""
    network = rf.Network.gaussian(widths, scale=1.0, seed=seed)
    return rf.Network(tuple(W * math.sqrt(C) / np.linalg.norm(W) for W in network))


# widths, ridge, rank, side, batch size, sampling, fraction of the largest certified lr
CASES = [
    ((5, 4, 4, 6), 0.3, 1, "columns", 1, "replacement", 0.5),
    ((5, 4, 4, 6), 0.3, 2, "columns", 3, "replacement", 0.5),
    ((4, 5, 3, 4), 0.3, 1, "rows", 1, "replacement", 0.3),
    ((6, 3, 4, 5), 0.2, 2, "columns", 1, "replacement", 0.5),
    ((6, 3, 4, 5), 0.2, 2, "rows", 1, "replacement", 0.2),
    ((5, 4, 4, 4, 5), 0.25, 1, "columns", 1, "replacement", 0.5),
    ((5, 4, 3, 4, 5), 0.25, 2, "columns", 2, "distinct", 0.5),
    ((4, 4, 4, 4, 6), 0.2, 1, "rows", 2, "distinct", 0.1),
    ((5, 3, 4, 3, 4, 5), 0.1, 2, "columns", 1, "distinct", 0.5),
    ((8, 4, 4, 8), 0.1, 2, "columns", 6, "distinct", 0.5),
    ((30, 3, 3, 40), 0.3, 1, "columns", 1, "epochs", 0.5),
    ((40, 3, 3, 30), 0.3, 2, "rows", 1, "epochs", 0.3),
    ((3, 3, 3, 5), 0.3, 3, "columns", 1, "epochs", 0.5),
    ((6, 3, 5), 0.6, 1, "columns", 1, "replacement", 0.5),
    ((6, 4, 4, 6), 0.1, 2, "columns", 1, "replacement", 0.5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_path_ends_in_the_set(case):
    widths, ridge, rank, side, batch_size, sampling, fraction = case
    problem = holed(widths[-1], widths[0], seed=sum(widths))
    largest = solve(len(widths) - 1, ridge, 1.0, batch_size, sampling)
    k = largest.at_lr(fraction * largest.lr)
    reach = reach_bound(problem, constants=k, rank=rank, side=side)
    path = reach.path(seed=1)
    assert path.shape == (reach.n_steps, batch_size)
    assert np.isin(path, reach.entries).all()
    assert reach.log_probability <= 0
    inside = AbsorbingSet(rank, k)
    for seed in range(2):
        start = on_the_sphere(widths, k.C, seed)
        assert not inside.contains(start)
        trace = rf.train(problem, start, rf.SGD(lr=k.lr, ridge=ridge, n_steps=reach.n_steps, entries=path))
        end = trace.final(0)
        assert inside.contains(end), {name: margin.min() for name, margin in inside.margins(end).items()}
        # and it stays, whatever is drawn afterwards
        later = rf.train(
            problem, end, rf.SGD(lr=k.lr, ridge=ridge, n_steps=300, batch_size=batch_size, sampling=sampling)
        )
        assert inside.contains(later.final(0))


def test_the_path_of_epochs_lies_in_two_epochs():
    """A whole first epoch that ends with the path's first part, then its second part."""
    problem = holed(40, 30, seed=5)
    k = solve(3, 0.3, 1.0, 1, "epochs").halved()
    reach = reach_bound(problem, constants=k, rank=1)
    path = reach.path()[:, 0]
    first, second = path[: reach.before], path[reach.before :]
    assert np.unique(first).size == first.size and np.unique(second).size == second.size
    others = np.setdiff1d(np.arange(problem.n_observed), first)
    steps = np.concatenate([np.random.default_rng(0).permutation(others), path])
    start = on_the_sphere((30, 3, 3, 40), k.C, 0)
    trace = rf.train(problem, start, rf.SGD(lr=k.lr, ridge=0.3, n_steps=steps.size, entries=steps))
    assert AbsorbingSet(1, k).contains(trace.final(0))


@pytest.mark.parametrize("batch_size", [1, 2])
def test_rank_zero_by_sampling_small_entries(batch_size):
    """A table with zeros: while only they are sampled, every layer decays until the network is in B_0."""
    X = holed(6, 5, seed=3).to_dense()
    X[:, 2], X[0, 0] = 0.0, 1e-4
    problem = rf.Problem.from_dense(X)
    largest = solve(3, 0.1, 1.0, batch_size)
    k = largest.at_lr(0.5 * largest.lr)
    reach = reach_bound(problem, constants=k, rank=0)
    assert np.abs(problem.values[reach.entries]).max() < 0.2 and reach.lines.size == 0
    n_small = reach.entries.size
    assert reach.log_probability == pytest.approx(
        batch_size * reach.n_steps * math.log(n_small / problem.n_observed)
    )
    for seed in range(2):
        start = on_the_sphere((5, 3, 4, 6), k.C, seed)
        path = reach.path(seed)
        end = rf.train(problem, start, rf.SGD(lr=k.lr, ridge=0.1, n_steps=reach.n_steps, entries=path)).final(
            0
        )
        assert AbsorbingSet(0, k).contains(end) and not AbsorbingSet(0, k).contains(start)
