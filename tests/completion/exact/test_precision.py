"""What the digits of values tell."""

from __future__ import annotations

import importlib
from collections import Counter

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.exact.evidence import Evidence
from rankfall.completion.exact.noise_test import Judgement
from rankfall.completion.exact.precision import is_coarse, is_single


def table(values):
    """The values in four columns."""
    return rf.Problem.from_dense(np.reshape(values, (-1, 4)))


@pytest.mark.parametrize("unit", [1.0, 0.1, 0.01, 0.001, 1e-9, 1e3, 1e9])
def test_readings_are_coarse_in_any_unit(unit):
    values = np.random.default_rng(0).integers(-99_999, 99_999, (50, 4)) * unit
    assert is_coarse(table(values))
    assert not is_coarse(table(values / 7))
    # every column has a unit of its own
    units = 10.0 ** np.array([0, 3, 6, 9])
    assert is_coarse(table(values * units))
    assert not is_coarse(table((values * units).T))


def test_rounded_numbers_of_some_digits():
    values = np.random.default_rng(0).standard_normal(200) * 30
    assert is_coarse(table(np.round(values, 2)))
    assert is_coarse(table(np.round(values, 2).astype(np.float32)))
    assert not is_coarse(table(np.round(values, 6)))
    assert not is_coarse(table(values))
    assert not is_coarse(table(values.astype(np.float32)))
    assert is_coarse(table(np.zeros(8)))
    assert not is_coarse(table([3e-310, 1e-310, 0, 0]))
    odd = np.round(values, 1)
    odd[:9] += 1e-6  # of 200
    assert is_coarse(table(odd))
    odd[9:12] += 1e-6
    assert not is_coarse(table(odd))
    sparse = np.zeros(400)
    sparse[:100] = values[:100]  # zeros say nothing
    assert not is_coarse(table(sparse))
    holes = np.round(values, 1)
    holes[::3] = np.nan
    assert is_coarse(table(holes))


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_readings_are_not_searched_with_the_longest_chains(monkeypatch, scale):
    """Numbers of all their digits are, where a rank near the information limit is pointed at."""
    rounds = Counter()
    exact = importlib.import_module("rankfall.completion.exact.search")
    once = exact._one_round

    def counted(problem, settings, *args, **options):
        rounds[settings.steps] += 1
        return once(problem, settings, *args, **options)

    monkeypatch.setattr(exact, "_one_round", counted)
    monkeypatch.setattr(Evidence, "near_limit", lambda self, problem: True)
    monkeypatch.setattr(Evidence, "looks_exact", lambda self, problem: True)
    # neither a complete submatrix nor the noise test ends the search before
    monkeypatch.setattr(exact, "least_rank", lambda *_: 0)
    monkeypatch.setattr(exact, "judge_misfits", lambda *_: Judgement())
    X = np.exp(np.random.default_rng(0).standard_normal((12, 6)))
    X[::3, ::2] = np.nan
    rf.complete(np.round(X, 2), scale=scale, seed=0)
    assert max(rounds) == 400 * sum(X.shape)
    rf.complete(X, scale=scale, seed=0)
    assert max(rounds) == 6400 * sum(X.shape)


def test_single_precision_is_told_from_whole_numbers():
    values = np.random.default_rng(0).standard_normal(50)
    assert is_single(values.astype(np.float32).astype(float))
    assert not is_single(values)
    assert not is_single(np.arange(5.0))
    assert not is_single(np.array([1e300]))
