"""scikit-learn's own checks, and the reason for the ones that LowRankRegressor cannot pass."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from rankfall import InputError, LowRankImputer, LowRankRegressor

REFUSAL = re.compile(r"X has (?!2 )\d+ feature\(s\); it must have two, a row label and a column label")


class AnyWidth(LowRankRegressor):
    """Takes the labels from the first two columns and lets the others be, so that every check can run."""

    def _check_width(self, X: np.ndarray) -> None:
        if X.shape[1] < 2:
            super()._check_width(X)


def reasons(error: BaseException | None) -> list[str]:
    """The messages of an error and of those it was raised from: some checks put their own before ours."""
    return [] if error is None else [str(error), *reasons(error.__cause__ or error.__context__)]


def perform(estimator: BaseEstimator, check: partial[None]) -> None:
    """The check passes, or it passes other than two columns to LowRankRegressor, and they are refused.

    What such a check is about is checked on AnyWidth.
    """
    try:
        check(estimator)
    except (InputError, AssertionError) as error:
        if type(estimator) is not LowRankRegressor or not any(map(REFUSAL.search, reasons(error))):
            raise


# Rank 0 makes a fit take milliseconds; nothing in the estimators depends on the rank that was found.
@parametrize_with_checks(
    [
        LowRankImputer(max_rank=0),
        LowRankImputer(max_rank=0, sample_posterior=True),
        AnyWidth(max_rank=0),
        LowRankRegressor(max_rank=0),
    ]
)
def test_checks(estimator: BaseEstimator, check: partial[None]) -> None:
    perform(estimator, check)


@pytest.mark.slow
@parametrize_with_checks([LowRankImputer(), AnyWidth(), LowRankRegressor()])
def test_checks_at_the_defaults(estimator: BaseEstimator, check: partial[None]) -> None:
    perform(estimator, check)
