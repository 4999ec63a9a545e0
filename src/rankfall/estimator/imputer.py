"""Filling the holes of a table: the model is fitted on some rows and fills those and others."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.impute import MissingIndicator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..argument_checks import one_of, shown
from ..bounds import kept_columns
from ..entries import first_text, stored
from ..errors import InputError
from ..files.missing_marks import as_missing_values, equals_any
from ..frames import is_frame, read_frame
from ..problem import Problem
from ..scale import require_scale
from .engine import completed

if TYPE_CHECKING:
    from sklearn.utils import Tags


class Sparse(Protocol):
    """What is needed here of the formats of scipy.sparse."""

    shape: tuple[int, int]
    data: np.ndarray

    def copy(self) -> Sparse: ...
    def tocoo(self) -> Any: ...
    def tocsc(self) -> Any: ...


Table = np.ndarray | Sparse

# of scipy.sparse, in which every stored entry is an observation
_FORMATS = ["csr", "csc", "coo"]


class LowRankImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill missing values by a low-rank model whose rank is found, not given.

    :meth:`fit` runs :func:`rankfall.complete` on the table; :meth:`transform` folds rows in, each by
    itself: the row's effect and factors are a ridge regression of its entries on the fitted columns, and
    what is missing in it is read off the model. Entries that are there stay as they are, to the bit. The
    training rows are treated no differently, so ``fit(X).transform(X)`` equals ``fit_transform(X)``.

    Parameters
    ----------
    missing_values : number, np.nan, None or pd.NA, or several of these, default np.nan
        What stands for a missing value. NaN, None and pd.NA mean the same, and always do.
    max_rank, max_time : optional
        As in :func:`rankfall.complete`. A fit that `max_time` cuts short gives a ConvergenceWarning.
    n_jobs : int, optional
        Threads; all by default, and negative numbers count from all as in scikit-learn. Never changes the
        result. joblib's process workers get their share of the cores by themselves.
    fill : {"effects", None}
        What to put in cells that the data do not determine: row and column effects, or NaN.
    scale, bounds, effects, scaling, noise, rule, folds
        As in :func:`rankfall.complete`.
    ordered : {"none", "auto", "rows", "columns", "both"}
        As there, but "none" by default: splits and searches shuffle rows. Each row is one step after the one
        before, whatever the index says, and rows to be transformed are a series of their own.
    sample_posterior : bool, default False
        Draw what is missing from the posterior, noise included, in place of filling the most plausible
        numbers (:meth:`Completion.transform_draws`). The seed of the draws is that of the fit: for multiple
        imputation, fit once for every `random_state`, or call ``completion_.draws``. Each row is drawn by
        itself; a row is filled alike in every call. Needs ``ordered="none"``.
    keep_empty_features : bool, default False
        Features without any value at fit are dropped (with a warning at fit), or kept and filled with 0.
    add_indicator : bool, default False
        Append the columns of a :class:`sklearn.impute.MissingIndicator`.
    random_state : int, RandomState or None, default 0
        The seed of :func:`rankfall.complete`; None draws one from NumPy's global generator.
    verbose : int, default 0
        1 or more: show what a fit is doing, as ``progress`` of :func:`rankfall.complete` does.

    Attributes
    ----------
    completion_ : Completion
        The completed training table, without the features that were empty. Its `warnings`, `path` and
        `identifiability` say how far to trust it.
    rank_ : int
        Its rank, row and column effects not counted.
    indicator_ : MissingIndicator or None
        Fitted indicator, if `add_indicator`.
    n_features_in_ : int
        Number of features seen at fit.
    feature_names_in_ : ndarray of str, shape (n_features,)
        Their names, if `X` has names that are all strings.

    Notes
    -----
    In scipy.sparse input the stored entries are the observed ones, zeros included, as everywhere in
    rankfall (and unlike SimpleImputer, which reads what is not stored as zero); the output is dense.

    The output is numbers. Booleans, and categories whose levels are numbers, are taken for numbers, so that a
    filled cell of a boolean lies between 0 and 1 or a little outside; text and categories of text are
    refused. For kinds of columns and limits of detection see :func:`rankfall.complete`.

    A row without any entry gets the effects only (the average row of the fit), and a UserWarning. Ctrl-C
    during a fit is raised, not turned into a result as `complete` does, so that it ends a whole grid search.

    Examples
    --------
    >>> import numpy as np
    >>> from rankfall import LowRankImputer
    >>> X = np.outer([1.0, 2, 3, 4, 5, 6], [1.0, -1, 2, 3])
    >>> X[1, 2] = np.nan
    >>> imputer = LowRankImputer().fit(X)
    >>> imputer.rank_
    1
    >>> bool(np.isclose(imputer.transform(X)[1, 2], 4.0))
    True
    """

    def __init__(
        self,
        *,
        missing_values=np.nan,
        max_rank=None,
        max_time=None,
        n_jobs=None,
        fill="effects",
        scale="linear",
        bounds=None,
        effects="auto",
        scaling="auto",
        noise="auto",
        rule="one-se",
        folds=None,
        ordered="none",
        sample_posterior=False,
        keep_empty_features=False,
        add_indicator=False,
        random_state=0,
        verbose=0,
    ):
        self.missing_values = missing_values
        self.max_rank = max_rank
        self.max_time = max_time
        self.n_jobs = n_jobs
        self.fill = fill
        self.scale = scale
        self.bounds = bounds
        self.effects = effects
        self.scaling = scaling
        self.noise = noise
        self.rule = rule
        self.folds = folds
        self.ordered = ordered
        self.sample_posterior = sample_posterior
        self.keep_empty_features = keep_empty_features
        self.add_indicator = add_indicator
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, *, weights=None) -> Self:
        """Complete the training table.

        Parameters
        ----------
        X : array, data frame or scipy.sparse of shape (n_samples, n_features)
            Numbers with missing values; data frames are those of pandas, polars and pyarrow.
        y : ignored
        weights : array, data frame or scipy.sparse of X's shape, optional
            Weight of every observed entry, 0 or more. They count in the fit, not in :meth:`transform`.
        """
        if one_of("sample_posterior", self.sample_posterior, (False, True)) and self.ordered != "none":
            raise InputError(
                'sample_posterior=True draws each row by itself, which needs ordered="none", not '
                f"{self.ordered!r}."
            )
        table = self._read(X, reset=True)
        rows, cols, values = _entries(table)
        if weights is not None:
            weights = _weights_like(weights, table.shape)
            weighs = _at(weights, rows, cols) != 0  # entries of weight 0 are none
            rows, cols, values = rows[weighs], cols[weighs], values[weighs]
        if not rows.size:
            what = "entry" if weights is None else "entry that has a weight"
            raise InputError(f"There is no observed {what}: nothing to learn from.")
        require_scale(rows, cols, values, self.scale)  # here, where no column was left out yet
        kept = np.bincount(cols, minlength=table.shape[1]) > 0
        if weights is not None:
            weights = _kept_columns(weights, kept)
        problem, names = Problem.coerce(_kept_columns(table, kept)), None
        if is_frame(X):
            layout = read_frame(X)[1]
            names = layout.col_names
            problem = replace(problem, layout=layout.with_columns(np.flatnonzero(kept).tolist()))
        bounds = kept_columns(self.bounds, kept, names)
        # as transform takes them, which sees no index
        steps = problem.n_rows
        result = completed(self, problem, fill=self.fill, bounds=bounds, weights=weights, in_steps=steps)
        features = getattr(self, "feature_names_in_", None)
        if not self.keep_empty_features:
            _warn_of_empty_features(np.flatnonzero(~kept) if features is None else features[~kept])
        self.indicator_ = (
            MissingIndicator(error_on_new=False).fit(_dense(table)) if self.add_indicator else None
        )
        self.completion_ = result
        self.rank_ = result.rank
        self._kept_features = kept
        return self

    def transform(self, X) -> np.ndarray:
        """Fill what is missing in these rows.

        Parameters
        ----------
        X : array, data frame or scipy.sparse of shape (n_samples, n_features)
            New rows or old ones; there is no difference.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            Entries that were given are unchanged. NaN is left only with ``fill=None``.

        Warns
        -----
        UserWarning
            If a row has no entry: it gets the effects only.
        """
        check_is_fitted(self, "completion_")
        X = _dense(self._read(X, reset=False))
        kept = self._kept_features
        out = X.copy()
        rows = np.flatnonzero(np.isnan(X[:, kept]).any(axis=1))
        if rows.size and self.completion_.settings.get("ordered") in ("rows", "both"):
            rows = np.arange(X.shape[0])  # neighbours count
        if rows.size:
            out[np.ix_(rows, kept)] = self._filled(X[np.ix_(rows, kept)])
        if self.keep_empty_features:
            out[:, ~kept] = np.nan_to_num(out[:, ~kept], nan=0.0)
        else:
            out = out[:, kept]
        if self.indicator_ is not None:
            out = np.hstack([out, np.asarray(self.indicator_.transform(X))])
        return out

    def _filled(self, X: np.ndarray) -> np.ndarray:
        """Rows of the features that were kept, with nothing missing."""
        if not self.sample_posterior:
            return self.completion_.transform(X, follow=False)
        seed = int(str(self.completion_.settings["seed"]))
        return self.completion_.transform_draws(X, 1, seed=seed)[0]

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the output's columns.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the input's columns: `feature_names_in_` by default, or "x0", "x1", ...

        Returns
        -------
        ndarray of str
        """
        names = np.asarray(super().get_feature_names_out(input_features))
        out = names if self.keep_empty_features else names[self._kept_features]
        if self.indicator_ is None:
            return out
        return np.concatenate([out, self.indicator_.get_feature_names_out(names)])

    def _read(self, X, *, reset: bool) -> Table:
        """Floats, dense or sparse, in which NaN stands for missing."""
        missing = as_missing_values(self.missing_values)
        if getattr(getattr(X, "dtype", None), "kind", "") in ("m", "M"):
            raise InputError("X holds dates or durations, which are not numbers; convert them first.")
        if np.ma.isMaskedArray(X):  # scikit-learn would read what lies under the mask
            X = cast("Any", np.ma.filled(X.astype(np.float64), np.nan))
        if is_frame(X):
            read_frame(X)  # a column that holds no numbers is named
        elif hasattr(X, "tocoo"):
            X = X if X.format in _FORMATS else stored(X)
        try:
            checked = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse=_FORMATS,
                dtype=[np.float64, np.float32],
                ensure_all_finite="allow-nan",
            )
        except ValueError as error:
            at = None if hasattr(X, "tocoo") else first_text(X)
            if at is None or len(at) != 2:
                raise
            raise InputError(
                f"Column {at[1]} holds text ({shown(np.asarray(X)[at])}); convert it to numbers, or leave it "
                "out."
            ) from error
        table = cast("Table", checked)
        if not missing:
            return table
        if isinstance(table, np.ndarray):
            return np.where(equals_any(table, missing), table.dtype.type(np.nan), table)
        table = table.copy()
        table.data = np.where(equals_any(table.data, missing), np.nan, table.data)
        return table

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _entries(X: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of the observed entries."""
    if isinstance(X, np.ndarray):
        rows, cols = np.nonzero(~np.isnan(X))
        return rows, cols, X[rows, cols]
    coo = X.tocoo()
    there = ~np.isnan(coo.data)
    return coo.row[there], coo.col[there], coo.data[there]


def _kept_columns(X: Table, kept: np.ndarray) -> Table:
    if kept.all():
        return X
    return X[:, kept] if isinstance(X, np.ndarray) else X.tocsc()[:, kept]


def _weights_like(weights: object, shape: tuple[int, int]) -> Table:
    """Weights as an array or scipy.sparse of the table's shape."""
    table: Table = weights if hasattr(weights, "tocsc") else np.asarray(weights)  # type: ignore[assignment]
    if table.shape != shape:
        raise InputError(f"weights must have the table's shape {shape}, not {table.shape}.")
    return table


def _at(weights: Table, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Weights of some entries."""
    if isinstance(weights, np.ndarray):
        return weights[rows, cols]
    return np.asarray(weights.tocsc()[rows, cols]).ravel()


def _dense(X: Table) -> np.ndarray:
    """What is not stored becomes NaN."""
    if isinstance(X, np.ndarray):
        return X
    coo = stored(X)
    out = np.full(coo.shape, np.nan, dtype=coo.dtype)
    out[coo.row, coo.col] = coo.data
    return out


def _warn_of_empty_features(which: np.ndarray) -> None:
    if which.size:
        warnings.warn(
            f"Features without any observed value are dropped: {', '.join(map(str, which))}. "
            "keep_empty_features=True keeps them, filled with 0.",
            stacklevel=3,
        )
