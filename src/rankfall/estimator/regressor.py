"""Predicting single cells, so that scikit-learn's tools see cells as their samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, cast

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..completion import Completion
from ..errors import InputError
from ..frames.labels import categories
from ..problem import Problem
from .engine import completed

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.utils import Tags


class LowRankRegressor(RegressorMixin, BaseEstimator):
    """Predict the cells of a table from (row, column) pairs.

    A sample is a cell: ``X`` holds a row label and a column label (users and films, stations and hours:
    numbers, strings, whatever can be hashed), ``y`` the value. So scikit-learn's own tools do
    cross-validation over cells: ``cross_val_score(LowRankRegressor(), pairs, y, cv=KFold(5, shuffle=True))``.

    A cell that comes several times is the (weighted) mean of its values, with the sum of their weights. A
    pair with a label that was not there at fit is predicted by the mean and the known line's effect.

    Parameters
    ----------
    max_rank, max_time, n_jobs, scale, bounds, effects, scaling, noise, rule, folds, random_state, verbose
        As in :class:`LowRankImputer`.
    ordered : {"none", "auto", "rows", "columns", "both"}
        As in :func:`rankfall.complete`, with the labels in the order of `rows_` and `cols_`; numbers among
        them are positions.

    Attributes
    ----------
    completion_ : Completion
        The completed table; its rows and columns are `rows_` and `cols_`.
    rank_ : int
        Its rank, row and column effects not counted.
    rows_, cols_ : ndarray
        Labels of the table's rows and columns, sorted where they can be.
    n_features_in_ : int
        2.
    feature_names_in_ : ndarray of str, shape (2,)
        Names of the columns of `X`, if it has names that are all strings.

    Examples
    --------
    >>> import numpy as np
    >>> from rankfall import LowRankRegressor
    >>> pairs = [[row, col] for row in "abcdef" for col in "uvwx"]
    >>> y = np.outer([1.0, 2, 3, 4, 5, 6], [1.0, -1, 2, 3]).ravel()
    >>> model = LowRankRegressor().fit(pairs[:-1], y[:-1])
    >>> bool(np.isclose(model.predict([["f", "x"]])[0], 18.0))
    True
    """

    def __init__(
        self,
        *,
        max_rank=None,
        max_time=None,
        n_jobs=None,
        scale="linear",
        bounds=None,
        effects="auto",
        scaling="auto",
        noise="auto",
        rule="one-se",
        folds=None,
        ordered="none",
        random_state=0,
        verbose=0,
    ):
        self.max_rank = max_rank
        self.max_time = max_time
        self.n_jobs = n_jobs
        self.scale = scale
        self.bounds = bounds
        self.effects = effects
        self.scaling = scaling
        self.noise = noise
        self.rule = rule
        self.folds = folds
        self.ordered = ordered
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None) -> Self:
        """Complete the table that the samples make up.

        Parameters
        ----------
        X : array_like or data frame of shape (n_samples, 2)
            Row label and column label of every sample.
        y : array_like of shape (n_samples,)
            Values.
        sample_weight : array_like of shape (n_samples,), optional
            Observation weights, 0 or more; samples of weight 0 are left out.
        """
        checked = validate_data(self, X, y, dtype=None, y_numeric=True)
        X, y = cast("tuple[np.ndarray, np.ndarray]", checked)
        self._check_width(X)
        weights = _sample_weights(sample_weight, X.shape[0])
        used = weights > 0
        X, y, weights = X[used], np.asarray(y[used], dtype=np.float64), weights[used]
        rows, row_labels = _categories(X[:, 0], "row")
        cols, col_labels = _categories(X[:, 1], "column")
        shape = (row_labels.size, col_labels.size)
        rows, cols, values, total = _merge(rows, cols, y, weights, shape[1])
        problem = Problem.from_triplets(rows, cols, values, shape)
        result = completed(
            self,
            problem.with_labels(row_labels, col_labels),
            fill="effects",
            bounds=self.bounds,
            weights=None if np.all(total == total[0]) else total,
        )
        self.completion_ = result
        self.rows_, self.cols_ = np.asarray(row_labels), np.asarray(col_labels)
        self.rank_ = result.rank
        return self

    def predict(self, X) -> np.ndarray:
        """Values of cells.

        Parameters
        ----------
        X : array_like or data frame of shape (n_samples, 2)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        rows, cols = self._positions(X)
        known = (rows >= 0) & (cols >= 0)
        out = np.empty(rows.size)
        out[known] = self.completion_.predict(rows[known], cols[known], labels=False)
        out[~known] = _effects_only(self.completion_, rows[~known], cols[~known])
        return out

    def predict_interval(self, X, coverage: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Intervals that hold the values of cells with this probability.

        Parameters
        ----------
        X : array_like or data frame of shape (n_samples, 2)
        coverage : float
            Between 0 and 1.

        Returns
        -------
        lower, upper : ndarray of shape (n_samples,)
            As :meth:`rankfall.Completion.interval`; infinite (or the bounds) for pairs with a label that
            was not there at fit, about which the held-out cells say nothing.
        """
        rows, cols = self._positions(X)
        known = (rows >= 0) & (cols >= 0)
        # nothing was held out that could tell about new labels: whatever the bounds allow
        lower = self.completion_.in_data_units(np.full(rows.size, -np.inf), cols)
        upper = self.completion_.in_data_units(np.full(rows.size, np.inf), cols)
        inside = self.completion_.interval(rows[known], cols[known], coverage, labels=False)
        lower[known], upper[known] = inside
        return lower, upper

    def _positions(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the samples in the completed table; -1 for a label that was not there at fit."""
        check_is_fitted(self, "completion_")
        X = cast("np.ndarray", validate_data(self, X, reset=False, dtype=None))
        return _find(X[:, 0], self.rows_, "row"), _find(X[:, 1], self.cols_, "column")

    def _check_width(self, X: np.ndarray) -> None:
        if X.shape[1] != 2:
            raise InputError(
                f"X has {X.shape[1]} feature(s); it must have two, a row label and a column label."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # labels have no order: scikit-learn's test problem, a linear function of numbers, is not for this
        # model
        tags.input_tags.categorical = True
        assert tags.regressor_tags is not None
        tags.regressor_tags.poor_score = True
        return tags


def _sample_weights(weights: object, n_samples: int) -> np.ndarray:
    if weights is None:
        return np.ones(n_samples)
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (n_samples,):
        raise InputError(f"sample_weight must have shape ({n_samples},), not {array.shape}.")
    if not np.all(np.isfinite(array)) or np.any(array < 0):
        raise InputError("Sample weights must be finite numbers, 0 or more.")
    if not np.any(array):
        raise InputError("Every sample weight is zero: there is nothing to learn from.")
    return array


def _categories(labels: np.ndarray, what: str) -> tuple[np.ndarray, pd.Index]:
    """Position of every label among the different ones, and these."""
    try:
        return categories(labels, what, "sample")
    except TypeError as error:
        # the words that scikit-learn's encoders use
        raise TypeError(
            f"A label argument must be a string, a number or otherwise hashable ({error})."
        ) from error


def _find(labels: np.ndarray, categories: np.ndarray, what: str) -> np.ndarray:
    """Position of every label among the categories; -1 for new ones."""
    import pandas as pd

    positions = pd.Index(categories).get_indexer(pd.Index(labels))
    if np.all(positions < 0) and isinstance(labels[0], str) != isinstance(categories[0], str):
        # otherwise "17" for 17 would be a new label without a word
        raise InputError(
            f"The {what} labels do not match those of the fit: {_plain(labels[0])!r} here, "
            f"{_plain(categories[0])!r} there."
        )
    return positions


def _plain(label: object) -> object:
    return label.item() if isinstance(label, np.generic) else label


def _merge(
    rows: np.ndarray, cols: np.ndarray, values: np.ndarray, weights: np.ndarray, n_cols: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Each cell once, by row, then column: weighted mean of its values, sum of its weights."""
    cells, first, group = np.unique(rows * n_cols + cols, return_index=True, return_inverse=True)
    total = np.bincount(group, weights)
    mean = np.bincount(group, weights * values) / total
    # a mean of equal numbers may differ from them by rounding: keep them as given
    equal = np.bincount(group, values != values[first][group]) == 0
    return cells // n_cols, cells % n_cols, np.where(equal, values[first], mean), total


def _effects_only(result: Completion, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Mean and line effects in the data's units; -1 is a line without any."""
    plain = result.plain_effects
    out = np.full(rows.size, float(plain["mean"]))
    out[rows >= 0] += plain["rows"][rows[rows >= 0]]
    out[cols >= 0] += plain["cols"][cols[cols >= 0]]
    return result.in_data_units(out, cols)
