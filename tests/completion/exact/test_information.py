"""How much cells tell, and which exact fits they can be evidence for."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.clock import Clock
from rankfall.completion.exact import Precision, search
from rankfall.completion.exact.information import largest_rank, without_copies, worth_of_a_cell
from rankfall.completion.exact.precision import what_moves


def holed(X: np.ndarray, share: float = 0.5, seed: int = 0) -> rf.Problem:
    return rf.Problem.from_dense(np.where(np.random.default_rng(seed).random(X.shape) < share, X, np.nan))


def test_different_values_are_worth_a_number_each_and_repeated_ones_less():
    rng = np.random.default_rng(0)
    assert worth_of_a_cell(rng.standard_normal(500)) == 1
    assert worth_of_a_cell(np.full(9, 3.0)) == 1  # rank 1 says all there is
    # a fair coin holds its bit, one that falls to one side 99 times of 100 holds 0.081 of it
    assert worth_of_a_cell(np.repeat([0.0, 1.0], 50)) == pytest.approx(1.0)
    assert worth_of_a_cell(np.repeat([0.0, 1.0], [99, 1])) == pytest.approx(0.0808, abs=1e-4)


def test_an_identity_of_which_half_is_missing_has_no_exact_fit():
    problem = holed(np.eye(100))
    assert problem.max_oversampled_rank() > 25  # what numbers of cells alone would allow
    assert largest_rank(problem, None) < 3
    assert search(problem, Precision(coarse=True), None, 0, Clock()).fit is None


def test_copies_count_once():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((30, 8))
    problem = holed(X[:, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]], 0.8)
    merged = without_copies(problem)
    assert merged.shape == (30, 8)
    np.testing.assert_array_equal(np.sort(np.unique(merged.values)), np.unique(problem.values))
    assert without_copies(holed(X)).shape == (30, 8)
    # columns of zeros are no copies of each other
    X[:, :3] = 0
    assert without_copies(holed(X)).shape == (30, 8)
    # rows likewise
    assert without_copies(problem.T).shape == (8, 30)


def test_cells_of_a_low_rank_tell_its_rank():
    problem, _ = rf.datasets.low_rank((40, 30), rank=3, oversampling=1.5, mask="guaranteed", seed=0)
    assert largest_rank(problem, None) >= 3
    assert largest_rank(problem, 2) == 2
    blocks = np.kron(np.eye(5), np.ones((20, 20)))  # zeros and ones, but of rank 5
    assert largest_rank(holed(blocks), None) >= 5


@pytest.mark.parametrize("offset", [1e7, 1.7e9])
def test_what_moves_beside_an_offset_decides(offset):
    rng = np.random.default_rng(2)
    noise = holed(rng.standard_normal((60, 20)) + offset, 0.7)
    assert what_moves(noise) == pytest.approx(np.std(noise.values) / offset, rel=0.1)
    result = rf.complete(noise, seed=0, max_rank=3)
    assert result.outcome is not rf.Outcome.EXACT


def test_offsets_do_not_hide_an_exact_fit():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((40, 1)) @ rng.standard_normal((1, 25)) + 1e5
    result = rf.complete(holed(X, 0.7), seed=0)
    assert result.outcome is rf.Outcome.EXACT
    assert result.rank == 2
    assert np.max(np.abs(result.to_dense() - X)) < 1e-5


def test_a_table_of_effects_is_exact():
    X = np.add.outer(np.arange(20.0) ** 2, np.sqrt(np.arange(15.0)))
    assert rf.complete(holed(X, 0.7), seed=0).outcome is rf.Outcome.EXACT


def test_single_precision_beside_an_offset_tells_nothing():
    values = (np.random.default_rng(4).standard_normal((30, 12)) + 1e5).astype(np.float32).astype(float)
    problem = rf.Problem.from_dense(values)
    assert not Precision.of(problem, problem).tells
    assert Precision.of(*[rf.Problem.from_dense(values - 1e5 + 0.1)] * 2).tells
