"""Starts at a share of the critical ridge, and the exponent of the tail."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.errors import InputError
from rankfall.lab.studies.common.branch_points import lowest, stage
from rankfall.lab.studies.common.chains import ensemble, fastest, scattered
from rankfall.lab.studies.common.problems import unit_instance, unit_problem
from rankfall.lab.studies.common.tail_exponent import tail_exponent


@pytest.fixture(scope="module")
def problem() -> rf.Problem:
    return unit_problem(8, 2, 0.8, 0.5, 3)


@pytest.fixture(scope="module")
def end(problem: rf.Problem) -> rf.theory.CriticalRidge:
    return rf.theory.critical_ridge(problem, 3)


def slope(problem: rf.Problem, network: rf.Network, ridge: float) -> float:
    return float(max(np.abs(G).max() for G in rf.theory.weight_gradient(problem, network, ridge)))


def test_scattered_by_a_share_of_each_layer():
    network = rf.Network.gaussian((5, 4, 3), scale=2.0, seed=0)
    copies = scattered(network, 0.03, 1, 6)
    for W, many in zip(network.weights, copies.weights, strict=True):
        off = np.linalg.norm(many - W, axis=(1, 2))
        np.testing.assert_allclose(off, 0.03 * np.linalg.norm(W), rtol=1e-12)
    parts = ensemble([copies.chain(k) for k in range(6)])
    for W, V in zip(parts.weights, copies.weights, strict=True):
        np.testing.assert_array_equal(W, V)


def test_unit_instance():
    problem, truth = unit_instance(12, 2, 0.6, 0.0, 4)
    np.testing.assert_allclose(problem.values, truth[problem.rows, problem.cols], rtol=1e-14)
    assert np.sqrt(np.mean(problem.values**2)) == pytest.approx(1)


@pytest.mark.parametrize("share", [0.7, 0.95, 0.99])
def test_stage_is_the_minimum_on_its_branch(problem, end, share):
    here = stage(problem, end, share)
    assert here.ridge == pytest.approx(share * end.ridge) and here.critical == pytest.approx(
        end.ridge, rel=1e-5
    )
    assert here.network.widths == (8, 8, 8, 8)
    assert np.linalg.matrix_rank(here.network.product()) == 3
    assert slope(problem, here.network, here.ridge) < 1e-9
    assert here.sharpness == pytest.approx(fastest(problem, here.network))
    # gradient descent returns to it from beside it
    back = rf.descend(
        problem, scattered(here.network, 0.01, 0, 1).chain(0), ridge=here.ridge, gradient_norm=1e-6
    )
    np.testing.assert_allclose(back.network.product(), here.network.product(), atol=1e-3)


def test_beyond_the_critical_ridge_there_is_none(problem, end):
    with pytest.raises(InputError, match=r"No minimum of rank 3 was found at 1\.01"):
        stage(problem, end, 1.01)


def test_lowest(problem, end):
    here = stage(problem, end, 0.95)
    lower = lowest(problem, here, 2)
    assert lower is not None
    assert lower.ridge == here.ridge and lower.critical > here.critical
    assert np.linalg.matrix_rank(lower.network.product()) == 2
    assert slope(problem, lower.network, lower.ridge) < 1e-9
    assert lowest(problem, here, 7) is None


def test_the_tail_shrinks_at_the_rank_and_stays_one_rank_below(problem, end):
    """At the rank the tail decays by about ``2 lr ridge``; with r - 1 it holds a direction that lives."""
    lower = lowest(problem, stage(problem, end, 0.95), 2)
    assert lower is not None
    lr = 0.5 / lower.sharpness
    at = {"lr": lr, "ridge": lower.ridge, "chains": 4, "seed": 0}
    beyond = tail_exponent(problem, lower.network, 2, **at)
    assert beyond.chains == 4
    assert -1.1 < beyond.exponent < -0.9 and -1.1 < beyond.log_factor < -0.9
    assert beyond.excess < 0.05  # Jensen
    living = tail_exponent(problem, lower.network, 1, **at)
    assert abs(living.exponent) < 0.05
