"""What a user is told about her observed cells."""

import numpy as np
import pytest

import rankfall as rf
from rankfall.geometry import identifiability


def blocks():
    """Two blocks, an empty row, an empty column, and a row with one entry."""
    X = np.full((7, 6), np.nan)
    X[:3, :3], X[3:5, 3:5] = 1.0, 1.0
    X[5, 0] = 1.0
    return rf.Problem.from_dense(X)


def test_facts():
    report = identifiability(blocks(), 2)
    assert report.oversampling == pytest.approx(14 / (2 * 11))
    assert report.n_components == 2
    np.testing.assert_array_equal(report.row_components, [0, 0, 0, 1, 1, 0, -1])
    np.testing.assert_array_equal(report.col_components, [0, 0, 0, 1, 1, -1])
    np.testing.assert_array_equal(report.empty_rows, [6])
    np.testing.assert_array_equal(report.empty_cols, [5])
    np.testing.assert_array_equal(report.deficient_rows, [5, 6])
    np.testing.assert_array_equal(report.deficient_cols, [5])
    assert report.local is None


def test_summary_in_plain_sentences():
    text = identifiability(blocks(), 2).summary()
    assert text.splitlines() == [
        "14 of 42 cells are observed: 0.64 for each of the 22 free numbers of a 7 x 6 matrix of rank 2.",
        "That is too few: infinitely many matrices of rank 2 fit.",
        "No cell is observed in 1 row and 1 column: nothing can be said about them.",
        "Fewer cells than the rank are observed in 1 row: the rest of them is uncertain.",
        "The observed cells fall into 2 blocks that share no row or column; "
        "cells between blocks cannot be determined.",
        "Local uniqueness: not checked, there is no completion yet.",
    ]


def test_local_uniqueness_is_lazy_and_cached():
    problem, truth = rf.datasets.low_rank((20, 15), rank=2, oversampling=2.0, seed=0)
    U, s, Vt = np.linalg.svd(truth)
    report = identifiability(problem, 2, U[:, :2] * s[:2], Vt[:2].T)
    assert "local" not in vars(report)
    assert report.local is report.local
    assert report.local is not None
    assert report.local.unique
    assert "locally unique: no cell can move" in report.summary()


def test_summary_of_a_free_completion():
    report = identifiability(blocks(), 1, np.ones((7, 1)), np.ones((6, 1)))
    assert report.local is not None
    assert not report.local.unique
    assert f"not locally unique: {report.local.n_free_cells} missing cells can move" in report.summary()


def test_too_large_says_so():
    report = identifiability(blocks(), 1, np.ones((7, 1)), np.ones((6, 1)), max_unknowns=5)
    assert report.local is None
    assert "not checked, the problem is too large" in report.summary()


def test_rank_zero():
    report = identifiability(blocks(), 0, np.ones((7, 0)), np.ones((6, 0)))
    assert report.oversampling == np.inf
    assert report.deficient_rows.size == 0
    assert "nothing to determine" in report.summary()


@pytest.mark.parametrize(
    ("rank", "factors", "message"),
    [
        (-1, (), "rank must be a whole number from 0 to 6"),
        (7, (), "rank must be a whole number from 0 to 6"),
        (1, (np.ones((7, 1)),), "both factors"),
        (2, (np.ones((7, 1)), np.ones((6, 1))), "have 1 columns, but the rank is 2"),
        (1, (np.ones((6, 1)), np.ones((6, 1))), "must have shape"),
    ],
)
def test_bad_questions(rank, factors, message):
    with pytest.raises(rf.InputError, match=message):
        identifiability(blocks(), rank, *factors)
