"""What the search for an exact fit makes of the fits it has seen."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.clock import Clock
from rankfall.completion.descent import descend
from rankfall.completion.descent.plan import plan
from rankfall.completion.descent.tried_ranks import Source, TriedRank
from rankfall.completion.exact.evidence import Evidence
from rankfall.completion.exact.precision import Precision


def tried(rank: int, misfits) -> tuple[TriedRank, ...]:
    return tuple(TriedRank(rank, misfit, sgd_train=0.5, source=Source.CHAIN) for misfit in misfits)


def evidence_of(*fits: TriedRank) -> Evidence:
    return Evidence(Precision(), tried=fits)


# the package has a function of this name
exact = importlib.import_module("rankfall.completion.exact.search")

ALIKE = (0.30, 0.31, 0.30, 0.32, 0.31, 0.30, 0.5, 0.31)
SCATTERED = (0.02, 0.05, 0.03, 0.08, 0.02, 0.03, 0.05, 0.04)


@pytest.fixture(scope="module")
def problem():
    """Exact data near the information limit, on which fits of rank 7 and more are expensive."""
    return rf.datasets.low_rank((300, 40), rank=6, oversampling=1.2, mask="guaranteed", seed=0)[0]


@pytest.mark.parametrize(("misfits", "known"), [(ALIKE, True), (ALIKE[:7], False), (SCATTERED, False)])
def test_the_minimum_of_a_rank_is_known_when_its_fits_end_there(problem, misfits, known):
    evidence = evidence_of(*tried(8, misfits), *tried(7, ALIKE[:2]))
    assert evidence.knows_minimum(problem, 8) == known
    assert evidence.knows_minimum(problem, 7) == known  # the smallest misfit falls with the rank
    assert not evidence.knows_minimum(problem, 9)


def test_cheap_ranks_are_tried_again_whatever_was_seen(problem):
    assert not evidence_of(*tried(2, ALIKE)).knows_minimum(problem, 2)


def test_fits_of_a_pursuit_do_not_count(problem):
    fits = [TriedRank(8, 0.3, source=Source.PURSUIT) for _ in range(9)]
    assert not evidence_of(*fits).knows_minimum(problem, 8)


def test_a_rank_near_the_limit_whose_minimum_is_known_calls_for_no_more_chains(problem):
    assert evidence_of(*tried(7, SCATTERED)).near_limit(problem)
    assert not evidence_of(*tried(7, ALIKE)).near_limit(problem)


def test_columns_with_hardly_any_noise_beside_noisy_ones_are_not_fitted_over_and_over(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 2)) @ rng.standard_normal((2, 24))
    X += rng.standard_normal(X.shape) * np.where(np.arange(24) < 12, 0.05, 1.0)
    X[rng.random(X.shape) < 0.3] = np.nan
    tries: Counter[int] = Counter()
    once = exact._fit_chain

    def counted(problem, stage, chain, rank, evidence, quick):
        tries[rank] += not quick
        return once(problem, stage, chain, rank, evidence, quick)

    monkeypatch.setattr(exact, "_fit_chain", counted)
    problem = rf.Problem.from_dense(X / np.nanstd(X))
    answer = exact.search(problem, Precision(), None, 0, Clock())
    assert answer.fit is None
    assert max(tries[rank] for rank in range(11, 15)) < 12


def test_chains_near_the_end_of_the_number_range_start_again(monkeypatch):
    """As chains that diverge do: half of the learning rate, from the last good weights."""
    problem = rf.datasets.low_rank((20, 18), rank=2, oversampling=2.0, seed=0)[0]
    rates, train = [], descend.train

    def lose(trace):
        return replace(trace, measured={"rank": np.full_like(trace.rank, -1)})

    def once_lost(*arguments, **options):
        rates.append(arguments[2].lr.value)
        trace = train(*arguments, **options)
        return lose(trace) if len(rates) == 1 else trace

    monkeypatch.setattr(descend, "train", once_lost)
    settings = plan(problem, 20, 1)
    stage = next(descend.descend(problem, settings, 0, Clock(), "looking for an exact fit"))
    assert rates[1] == rates[0] / 2
    assert stage.ranks[0] > 0
