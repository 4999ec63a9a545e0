"""The ladder of ranks, and the choice among them."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.lab.studies.common.ladder import Ladder, chosen
from rankfall.lab.studies.common.problems import unit_problem


def test_every_rung_is_a_minimum_at_the_delivered_ridge():
    problem = unit_problem(8, 2, 0.8, 0.4, 1)
    ladder = Ladder(depth=3, ridge=5e-3, shares=(0.95, 1.01), relative_lr=2.5, n_steps=30_000)
    met = ladder.ranks(problem, seed=0)
    assert list(met) == sorted(met, reverse=True) and len(met) >= 3
    np.testing.assert_array_equal(met[max(met)], ladder.descent(problem, seed=0))
    for rank, A in met.items():
        s = np.linalg.svd(A, compute_uv=False)
        assert rf.measures.numerical_rank(s, problem) == rank
        if rank:
            point = rf.theory.minima(problem, 3, 5e-3, ranks=[rank], n_starts=1, starts=[A])
            nearest = min(np.linalg.norm(p.matrix() - A) for p in point.at(rank) if p.kind == "minimum")
            assert nearest < 1e-2 * s[0]


@pytest.mark.parametrize(("more", "rank"), [(-0.5, 1), (0.09, 1), (0.12, 2)])
def test_the_smallest_rank_within_one_standard_error(more, rank):
    """Differences of +-1 on 100 cells have a mean with the standard error 0.1005."""
    best = np.linspace(1, 2, 100)
    swings = np.tile([1.0, -1.0], 50)
    errors = {0: best + 3, 1: best + swings + more, 2: best, 3: best + 0.5}
    assert chosen(errors) == rank
