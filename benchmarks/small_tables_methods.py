"""The methods of the benchmark on small tables.

Each takes a table with NaN where a cell is missing, and a seed, and gives the table without them. The
imputers of scikit-learn work on columns with mean 0 and standard deviation 1, estimated from what they see.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import rankfall as rf

# scikit-learn's default
_NEIGHBOURS = 5
# twice scikit-learn's default, which is too few on most of the tables
_LINEAR_ROUNDS = 20
# scikit-learn's default
_FOREST_ROUNDS = 10
# half of scikit-learn's default, for the sake of time
_TREES = 50


def rankfall(train: np.ndarray, seed: int) -> np.ndarray:
    """With its defaults; cells for which it has no prediction get the mean of their column."""
    filled = rf.complete(train, seed=seed).to_dense()
    return np.where(np.isnan(filled), column_means(train, seed), filled)


def column_means(train: np.ndarray, seed: int) -> np.ndarray:
    return np.where(np.isnan(train), np.nanmean(train, axis=0), train)


def nearest_rows(train: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.impute import KNNImputer

    return _standardised(KNNImputer(n_neighbors=_NEIGHBOURS), train)


def bayesian_ridge(train: np.ndarray, seed: int) -> np.ndarray:
    """Every column regressed on all others, in rounds."""
    from sklearn.linear_model import BayesianRidge

    return _chained(BayesianRidge(), _LINEAR_ROUNDS, train, seed)


def extra_trees(train: np.ndarray, seed: int) -> np.ndarray:
    """The same with forests of extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(n_estimators=_TREES, n_jobs=1, random_state=seed)
    return _chained(forest, _FOREST_ROUNDS, train, seed)


def _chained(regressor: Any, rounds: int, train: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    with warnings.catch_warnings():
        # the number of rounds is fixed on purpose; it says each time that they were not enough
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _standardised(IterativeImputer(regressor, max_iter=rounds, random_state=seed), train)


def _standardised(imputer: Any, train: np.ndarray) -> np.ndarray:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    filled = imputer.fit_transform(scaler.fit_transform(train))
    return np.asarray(scaler.inverse_transform(filled))


TREES = "extra trees"
METHODS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "rankfall": rankfall,
    "column means": column_means,
    "nearest rows": nearest_rows,
    "BayesianRidge": bayesian_ridge,
    TREES: extra_trees,
}
# compared with rankfall, whose predictions are linear in each factor, too; the others are only shown
LINEAR = ("column means", "BayesianRidge")
