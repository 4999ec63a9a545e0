"""The third answer: the data look exact, and no fit was found."""

from __future__ import annotations

import importlib
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import rankfall as rf
from rankfall.cli.exit_codes import exit_code
from rankfall.completion.clock import Clock
from rankfall.completion.descent.tried_ranks import Source, TriedRank
from rankfall.completion.exact.evidence import Evidence, OpenQuestion
from rankfall.completion.exact.noise_test import Judgement
from rankfall.completion.exact.precision import Precision
from rankfall.completion.solvers.least_squares import LeastSquaresFit
from rankfall.estimator import LowRankImputer

# the package has a function of this name
exact = importlib.import_module("rankfall.completion.exact.search")


@pytest.fixture(scope="module")
def problem():
    return rf.datasets.low_rank((100, 100), rank=5, oversampling=1.05, mask="guaranteed", seed=0)[0]


def evidence(misfits: dict[int, float], **settings) -> Evidence:
    """Two fits begun by chains at each rank."""
    tried = tuple(TriedRank(rank, x, source=Source.CHAIN) for rank, x in misfits.items() for _ in (0, 1))
    empty = np.empty((0, 0))
    best = {k: LeastSquaresFit(empty, np.empty(k), empty, x, (x,), False) for k, x in misfits.items()}
    return Evidence(Precision(**settings), tried=tried, best=MappingProxyType(best))


def test_a_misfit_that_falls_as_that_of_noise_falls_by_one(problem):
    noise = {k: float(np.sqrt(1 - 1 / problem.oversampling(k))) for k in (3, 4, 5)}
    assert evidence(noise).fall(problem, 5) == pytest.approx(1)
    assert evidence(noise).open_question(problem, 0, in_haste=True) is None
    assert not evidence(noise).looks_exact(problem)


def test_a_misfit_that_falls_faster_leaves_the_question_open(problem):
    seen = evidence({3: 0.26, 4: 0.12, 5: 0.008})
    assert seen.looks_exact(problem)
    assert seen.open_question(problem, 2, in_haste=False) == OpenQuestion(5, 0.008, 2)
    assert evidence({4: 0.12, 5: 0.008}, coarse=True).open_question(problem, 2, in_haste=False) is None
    # in haste less is enough, and what a quick round saw counts
    hasty = evidence({4: 0.12, 5: 0.03})
    assert hasty.open_question(problem, 0, in_haste=False) is None
    assert hasty.open_question(problem, 0, in_haste=True) is not None
    assert replace(Evidence(Precision()), glimpse=hasty).open_question(problem, 0, in_haste=True) is not None


@pytest.fixture
def open_ended(monkeypatch):
    """Every search for an exact fit fails, and leaves the question open."""
    complete = importlib.import_module("rankfall.completion.complete")
    answer = exact.ExactAnswer(open_question=OpenQuestion(5, 3e-4, 2))
    monkeypatch.setattr(complete.exact, "search", lambda *_: answer)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 2)) @ rng.standard_normal((2, 12)) + 0.1 * rng.standard_normal((30, 12))
    return np.where(rng.random(X.shape) < 0.7, X, np.nan)


def test_the_outcome_says_so_with_the_best_noisy_completion(open_ended, tmp_path):
    result = rf.complete(open_ended, seed=0)
    assert result.outcome is rf.Outcome.UNDECIDED
    assert not result.outcome.converged
    assert exit_code(result.outcome) == 3
    assert "undecided" in result.summary()
    said = [w for w in result.warnings if "look exact at rank 5 (misfit still falling at 3.0e-04)" in w]
    assert len(said) == 1
    assert "ranks up to 2 are excluded" in said[0]
    assert np.isfinite(result.to_dense()).all()
    result.save(tmp_path / "c.npz")
    again = rf.load(tmp_path / "c.npz")
    assert again.outcome is rf.Outcome.UNDECIDED
    assert again.warnings == result.warnings


def test_the_imputer_warns(open_ended):
    with pytest.warns(ConvergenceWarning, match="look exact"):
        LowRankImputer(random_state=0).fit(open_ended)


def test_a_search_that_ends_without_a_fit_leaves_it_open(monkeypatch, problem):
    seen = evidence({4: 0.12, 5: 0.008})

    def only(*_, **__):
        yield seen
        return seen

    for name in ("_one_round", "pursue"):
        monkeypatch.setattr(exact, name, only)
    monkeypatch.setattr(exact, "judge_misfits", lambda *_: Judgement())
    answer = exact.search(problem, Precision(), 5, 0, Clock())
    assert answer.fit is None
    assert answer.open_question is not None
    assert answer.open_question.rank == 5
