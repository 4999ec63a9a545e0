"""All one-entry successors of a point against steps taken one by one."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory import AbsorbingSet, successors
from theory.attacks import Batches, step

K = rf.theory.solve(3, 0.2, 1.0).halved()


def holed(m: int, n: int, seed: int) -> rf.Problem:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (m, n))
    X[rng.random((m, n)) < 0.3] = np.nan
    X[0, 0] = 1.0
    return rf.Problem.from_dense(X)


def one_by_one(problem: rf.Problem, network: rf.Network, inside: AbsorbingSet, lr: float, ridge: float):
    """Margins after every step, from the literal step of the attacks."""
    weight = np.zeros((problem.n_observed, *problem.shape))
    weight[np.arange(problem.n_observed), problem.rows, problem.cols] = 1
    target = np.broadcast_to(np.nan_to_num(problem.to_dense()), weight.shape)
    after = step(tuple(W[None] for W in network), lr, ridge, Batches(weight, target))
    margins = inside.margins(rf.Network(after))
    return {"C": margins["C"].min(1), "V": margins["V"].min(1), "T": margins["T"]}


@pytest.mark.parametrize("chunk", [2**22, 100])
@pytest.mark.parametrize("scale", [0.02, 0.5])
def test_against_steps_one_by_one(scale, chunk, monkeypatch):
    monkeypatch.setattr("rankfall.theory.one_step.CHUNK", chunk)
    problem = holed(5, 6, seed=1)
    network = rf.Network.gaussian((6, 4, 3, 5), scale=scale, seed=2)
    inside = AbsorbingSet(1, K)
    for lr, ridge in ((None, None), (0.5, 0.1)):
        found = successors(problem, network, K, rank=1, ridge=ridge, lr=lr)
        expected = one_by_one(problem, network, inside, lr or K.lr, ridge or K.ridge)
        for name, margins in expected.items():
            np.testing.assert_allclose(found.margins[name], margins, atol=1e-13)
            assert found.worst[name] == found.margins[name][found.entries[name]] == found.margins[name].min()
        leaving = np.flatnonzero(np.min(list(expected.values()), axis=0) < 0)
        np.testing.assert_array_equal(found.leaving, leaving)
        assert found.stay == (leaving.size == 0)
        assert found.start == inside.contains(network)


def test_certified_steps_stay_and_long_ones_need_not():
    problem = holed(4, 4, seed=3)
    network = rf.Network.gaussian((4, 3, 3, 4), scale=0.02, seed=2)
    certified = successors(problem, network, K, rank=0)
    assert certified.start and certified.stay
    top = rf.Network.lift(np.diag([0.9 * K.C**1.5, 0, 0, 0]), depth=3, width=3)
    assert successors(problem, top, K, rank=1).stay
    assert not successors(problem, top, K, rank=1, lr=2.0).stay


def test_refusals():
    problem, network = holed(4, 4, 0), rf.Network.gaussian((4, 3, 3, 4), scale=0.1)
    with pytest.raises(rf.InputError, match="2 lr ridge < 1"):
        successors(problem, network, K, rank=1, lr=3.0)
    with pytest.raises(rf.InputError, match="depth 3, but"):
        successors(problem, rf.Network.gaussian((4, 3, 4), scale=0.1), K, rank=1)
    with pytest.raises(rf.InputError, match="but the problem is"):
        successors(holed(5, 4, 0), network, K, rank=1)
