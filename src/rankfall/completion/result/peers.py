"""Methods of scikit-learn that know nothing of low rank, at the size at which each takes seconds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

# rows that predict a cell in the nearest-rows method
_NEIGHBOURS = 10
# trees of a forest, the fewest cells of a leaf, and how often the forests of all columns follow each other
_TREES, _LEAF, _FOREST_ROUNDS = 20, 2, 2
_RIDGE_ROUNDS = 5
# columns that a forest of one column sees, drawn in proportion to their correlation with it
PREDICTORS = 15


def column_means(seed: int) -> Any:
    """Every cell is the mean of its column."""
    from sklearn.impute import SimpleImputer

    return SimpleImputer(keep_empty_features=True)


def nearest_rows(seed: int) -> Any:
    """The mean of the ten rows that are closest in the columns that both have."""
    from sklearn.impute import KNNImputer

    return KNNImputer(n_neighbors=_NEIGHBOURS, keep_empty_features=True)


def ridge_regression(seed: int) -> Any:
    """Each column is regressed on all others, in turn."""
    from sklearn.linear_model import BayesianRidge

    return _chained(BayesianRidge(), _RIDGE_ROUNDS, None, seed)


def extra_trees(seed: int) -> Any:
    """Each column is predicted from others by a small forest, in turn."""
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(_TREES, min_samples_leaf=_LEAF, random_state=seed)
    return _chained(forest, _FOREST_ROUNDS, PREDICTORS, seed)


PEERS: Mapping[str, Any] = MappingProxyType(
    {
        "column means": column_means,
        "nearest rows": nearest_rows,
        "ridge regression": ridge_regression,
        "chained extra trees": extra_trees,
    }
)


def filled_by(peer: str, table: np.ndarray, seed: int) -> np.ndarray:
    """A standardised table with NaN as one of the peers fills it, shape (m, n)."""
    with warnings.catch_warnings():
        # few rounds on purpose; columns that are empty without the held-out cells have no correlations
        warnings.simplefilter("ignore")
        return np.asarray(PEERS[peer](seed).fit_transform(table))


def _chained(model: Any, rounds: int, predictors: int | None, seed: int) -> Any:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # isort: skip
    from sklearn.impute import IterativeImputer

    return IterativeImputer(
        model, max_iter=rounds, n_nearest_features=predictors, random_state=seed, keep_empty_features=True
    )
