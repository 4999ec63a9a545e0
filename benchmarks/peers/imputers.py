"""scikit-learn's own imputers."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np

from .tuning import Answer, Prediction, Setting, Task, tuned, untuned

_NEIGHBOURS = (1, 2, 3, 5, 8, 12, 20, 35, 60)
_NEAREST_FEATURES = 100


def knn(task: Task) -> Answer:
    """KNNImputer: rows as samples, as it is meant; number and weights of the neighbours tuned."""
    return tuned(task, _knn, _neighbour_grid(task.train.n_rows))


def knn_columns(task: Task) -> Answer:
    """KNNImputer on the transposed table: neighbours are columns (sensors, wavelengths, items)."""
    return tuned(task, _knn_columns, _neighbour_grid(task.train.n_cols))


def iterative_100(task: Task) -> Answer:
    """IterativeImputer, each column regressed on 100 others that correlate with it.

    Number of rounds tuned.
    """
    return tuned(
        task, _iterative, [{"n_nearest_features": _NEAREST_FEATURES, "max_iter": k} for k in (2, 5, 10)]
    )


def iterative_full(task: Task) -> Answer:
    """IterativeImputer as it comes: each column regressed on all others, at most ten rounds."""
    return untuned(task, _iterative, {"n_nearest_features": None, "max_iter": 10})


def _neighbour_grid(n_samples: int) -> list[Setting]:
    return [
        {"n_neighbors": k, "weights": weights}
        for k, weights in product(_NEIGHBOURS, ("uniform", "distance"))
        if k < n_samples and (k > 1 or weights == "uniform")
    ]


def _knn(task: Task, setting: Setting) -> Prediction:
    return Prediction(task.at(_neighbours(task.train.to_dense(), setting)))


def _knn_columns(task: Task, setting: Setting) -> Prediction:
    return Prediction(task.at(_neighbours(task.train.to_dense().T, setting).T))


def _neighbours(X: np.ndarray, setting: Setting) -> np.ndarray:
    from sklearn.impute import KNNImputer

    filled = KNNImputer(**setting, keep_empty_features=True).fit_transform(X)  # type: ignore[arg-type]
    return _honest(X, np.asarray(filled))


def _iterative(task: Task, setting: Setting) -> Prediction:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    X = task.train.to_dense()
    low, high = task.bounds or (-np.inf, np.inf)
    imputer = IterativeImputer(
        **setting,  # type: ignore[arg-type]
        min_value=low,
        max_value=high,
        random_state=task.seed,
        keep_empty_features=True,
    )
    with warnings.catch_warnings():
        # ten rounds are its default, and it says each time that they were not enough
        warnings.simplefilter("ignore", ConvergenceWarning)
        return Prediction(task.at(_honest(X, np.asarray(imputer.fit_transform(X)))))


def _honest(X: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """The imputers put 0 into a column without observed cells: that is no prediction."""
    return np.where(np.isnan(X).all(axis=0), np.nan, filled)
