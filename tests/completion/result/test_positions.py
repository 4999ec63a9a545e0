"""Answers for many cells are made in parts, and are the same as those made at once."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.result import positions as cells
from rankfall.errors import InputError


@pytest.fixture(scope="module")
def completion():
    problem, _ = rf.datasets.low_rank((40, 30), rank=2, observed=0.6, noise=0.1, seed=0)
    lonely = problem.subset(problem.rows != 7)  # a row that is not determined
    return rf.complete(lonely, seed=0)


def test_parts_are_the_whole(completion, monkeypatch):
    i, j = np.arange(40)[:, None], np.arange(30)
    expected = completion.predict(i, j), *completion.interval(i, j)
    dense = completion.to_dense(observed="fitted")
    monkeypatch.setattr(cells, "CHUNK", 7)
    for one, other in zip(expected, (completion.predict(i, j), *completion.interval(i, j)), strict=True):
        assert one.shape == (40, 30)
        np.testing.assert_array_equal(one, other)
    assert np.isnan(expected[0][7]).all()
    np.testing.assert_allclose(expected[0], dense, rtol=1e-12)


@pytest.mark.parametrize("observed", ["given", "fitted"])
def test_some_rows_of_the_completed_matrix(completion, observed):
    whole = completion.to_dense(observed)
    for rows in (slice(0, 0), slice(5, 9), slice(30, None), slice(None, 3)):
        np.testing.assert_allclose(completion.to_dense(observed, rows=rows), whole[rows], rtol=1e-12)
    with pytest.raises(InputError, match="consecutive"):
        completion.to_dense(rows=slice(0, 10, 2))


def test_predictions_need_memory_for_the_answer_and_one_part_only(completion, monkeypatch):
    monkeypatch.setattr(cells, "CHUNK", 1000)
    i = np.zeros((1000, 1), np.int64)
    j = np.zeros(1000, np.int64)
    completion.predict(i[:2], j[:2])
    tracemalloc.start()
    answer = completion.predict(i, j)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * answer.nbytes


def test_kinds_of_positions_do_not_matter(completion):
    assert completion.predict(np.int32(3), np.uint8(4)) == completion.predict(3, 4)
    with pytest.raises(InputError, match="do not go together"):
        completion.predict([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="outside"):
        completion.predict([1, -1], [1, 2])
    with pytest.raises(InputError, match="whole numbers"):
        completion.predict([1.0], [2])
