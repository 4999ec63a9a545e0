"""What the statements do not cover is refused by name, wherever it comes in."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed
from rankfall import theory
from rankfall.analysis import monitor
from rankfall.theory.growth import mean_steps

PROBLEM = holed((6, 5), seed=0)
NET = rf.Network.gaussian((5, 4, 4, 6), 0.5, 0)
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
