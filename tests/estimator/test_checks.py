"""scikit-learn's own checks, and the reasons for the ones that do not apply."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from rankfall import LowRankImputer, LowRankRegressor

_WIDTH = (
    "a sample is a (row, column) pair: X must have exactly two columns, and this check passes another number"
)

# all of them run on AnyWidth below, where nothing is expected to fail
PAIRS_ONLY = dict.fromkeys(
    [
        "check_all_zero_sample_weights_error",
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_dtype_object",
        "check_estimators_dtypes",
        "check_estimators_nan_inf",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit2d_1sample",
        "check_fit2d_predict1d",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_n_features_in_after_fitting",
        "check_pipeline_consistency",
        "check_positive_only_tag_during_fit",
        "check_regressor_data_not_an_array",
        "check_regressors_int",
        "check_regressors_no_decision_function",
        "check_regressors_train",
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weights_list",
        "check_supervised_y_2d",
    ],
    _WIDTH,
)


class AnyWidth(LowRankRegressor):
    """Takes the labels from the first two columns and lets the others be, so that every check can run."""

    def _check_width(self, X: np.ndarray) -> None:
        if X.shape[1] < 2:
            super()._check_width(X)


def expected_failures(estimator: object) -> dict[str, str]:
    return PAIRS_ONLY if type(estimator) is LowRankRegressor else {}


# Rank 0 makes a fit take milliseconds; nothing in the estimators depends on the rank that was found.
@parametrize_with_checks(
    [LowRankImputer(max_rank=0), AnyWidth(max_rank=0), LowRankRegressor(max_rank=0)],
    expected_failed_checks=expected_failures,
)
def test_checks(estimator, check) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [LowRankImputer(), AnyWidth(), LowRankRegressor()], expected_failed_checks=expected_failures
)
def test_checks_at_the_defaults(estimator, check) -> None:
    check(estimator)
