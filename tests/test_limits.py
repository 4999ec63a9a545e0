"""Limits of detection as they are said: read, or refused in one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from rankfall.limits import Limits, read_limits, require_within

NAN = np.nan
X = np.array([[1.0, 2.0], [3.0, NAN], [NAN, 5.0], [4.0, 6.0]])


def test_a_pair_gives_the_limits_of_missing_cells() -> None:
    upper = np.full((4, 2), NAN)
    upper[1, 1] = 1.5
    lower = np.full((4, 2), NAN)
    lower[2, 0] = 7.0
    limits = read_limits((lower, upper), rf.Problem.from_dense(X))
    assert limits is not None
    assert (limits.rows.tolist(), limits.cols.tolist()) == ([1, 2], [1, 0])
    assert limits.lower.tolist() == [-np.inf, 7.0] and limits.upper.tolist() == [1.5, np.inf]


@pytest.mark.parametrize("nothing", [None, (None, np.full((4, 2), NAN)), (np.full((4, 2), -np.inf), None)])
def test_nothing_known_is_no_limit(nothing: object) -> None:
    assert read_limits(nothing, rf.Problem.from_dense(X)) is None


def test_a_frame_of_limits_goes_with_a_frame() -> None:
    frame = pd.DataFrame(X, columns=["a", "b"])
    upper = pd.DataFrame(np.where(np.isnan(X), 9.0, NAN), columns=["a", "b"])
    limits = read_limits((None, upper), rf.Problem.from_frame(frame))
    assert limits is not None and len(limits) == 2
    with pytest.raises(rf.InputError, match="must have the table's columns, in the same order"):
        read_limits((None, upper[["b", "a"]]), rf.Problem.from_frame(frame))


def one(row: int, col: int, low: float, high: float) -> Limits:
    return Limits(np.array([row]), np.array([col]), np.array([low]), np.array([high]))


@pytest.mark.parametrize(
    ("censored", "words"),
    [
        (5, "censored must be a pair"),
        ((None, None), "censored must be a pair"),
        ((None, np.zeros((3, 2))), "have shape \\(3, 2\\), the table \\(4, 2\\)"),
        ((None, np.full((4, 2), "x")), "text"),
        (one(1, 1, 7.0, 5.0), "row 1, column 1 contradict each other: nothing lies above 7 and below 5"),
        (one(0, 0, -np.inf, 5.0), "row 0, column 0 has a value and a limit"),
    ],
)
def test_what_is_wrong_is_said(censored: object, words: str) -> None:
    with pytest.raises(rf.InputError, match=words):
        read_limits(censored, rf.Problem.from_dense(X))


def test_labels_are_used_where_there_are_some() -> None:
    with pytest.raises(rf.InputError, match="row z, column b"):
        read_limits(one(1, 1, 7.0, 5.0), rf.Problem.from_dense(X), ("a", "b"), ("y", "z", "u", "v"))


def test_a_column_needs_two_values_beside_its_limits() -> None:
    flat = np.where(np.isnan(X), NAN, 1.0)
    with pytest.raises(rf.InputError, match="Column 1 holds limits and fewer than two different values"):
        read_limits(one(1, 1, -np.inf, 0.5), rf.Problem.from_dense(flat))


def test_bounds_and_limits_must_leave_something_between() -> None:
    require_within(one(1, 1, -np.inf, 0.5), (0.0, np.inf))
    with pytest.raises(rf.InputError, match=r"column b is known to lie below 0\.5, where its bounds leave"):
        require_within(one(1, 1, -np.inf, 0.5), (0.5, np.inf), ("a", "b"))
    with pytest.raises(rf.InputError, match="known to lie above 9"):
        require_within(one(1, 1, 9.0, np.inf), (np.zeros(2), np.array([20.0, 9.0])))
