"""The methods of the benchmark on series.

Each takes a :class:`Task` and a setting of its own, and gives the values at the hidden cells. rankfall gets
the table as it is, the others with columns of mean 0 and standard deviation 1 (of the whole table where all
cells have one unit), estimated from what they see.
"""

from __future__ import annotations

import importlib.util
import inspect
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

import numpy as np

import rankfall as rf
import real_scores
from peers import PEERS, Task
from peers.tuning import Setting
from series_data import Table

Intervals = Mapping[str, tuple[np.ndarray, np.ndarray]]
RANKFALL, NO_ORDER = "rankfall", "rankfall-no-order"

_NEIGHBOURS = (2, 5, 10, 20, 40)
_LINEAR_ROUNDS, _FOREST_ROUNDS, _TREES = 20, 5, 50
# in wider tables, columns are regressed on so many others that correlate with them, as in benchmarks/peers
_NEAREST_FEATURES = 100
# a range must not be empty, as that of a constant column would be
_MARGIN = 1e-6
_FACTORS = (1, 2, 4, 8)
# steps of EM; on these tables a hundred more change the error by less than 1%
_STEPS = 100
# of n x n covariances, one per row: statsmodels keeps several of them, about a gigabyte in all
_MOST_COVARIANCES = 10_000_000


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a method delivers.

    Attributes
    ----------
    values : ndarray, shape (n_hidden,)
        NaN where it has no prediction.
    details : mapping
        What it found or chose by itself.
    intervals : mapping
        Lower and upper ends of 90% intervals, by their names.
    seconds : float or None
        Where not everything that was done counts.
    """

    values: np.ndarray
    details: Mapping[str, object] = field(default_factory=dict)
    intervals: Intervals = field(default_factory=dict)
    seconds: float | None = None


# -- the methods -------------------------------------------------------------------------------------------


def _rankfall(task: Task, setting: Setting) -> Fitted:
    """As a user calls it: an array with NaN."""
    table = task.train.to_dense()
    started = time.perf_counter()
    result = rf.complete(table, seed=task.seed, **setting)  # type: ignore[arg-type]
    values = result.predict(task.rows, task.cols)
    seconds = time.perf_counter() - started
    intervals = {RANKFALL: result.interval(task.rows, task.cols, coverage=real_scores.COVERAGE)}
    half = real_scores.conformal_quantile(result.model.held_errors) * result.units[task.cols]
    intervals["constant"] = values - half, values + half
    details: dict[str, object] = {"rank": int(result.rank), "outcome": result.outcome.name}
    details |= {k: v for k, v in result.settings.items() if isinstance(v, str | int | float | bool)}
    return Fitted(values, {**details, "warnings": list(result.warnings)}, intervals, seconds)


@cache
def warm_up() -> None:
    """Kernels are compiled, or read from their cache, outside the clock."""
    rng = np.random.default_rng(0)
    walk = rng.standard_normal((60, 1)).cumsum(axis=0) * np.ones((1, 6)) + rng.standard_normal((60, 6))
    walk[rng.random(walk.shape) < 0.2] = np.nan
    rf.complete(walk, seed=0)


def _peer(name: str) -> Callable[[Task, Setting], Fitted]:
    """One of benchmarks/peers, which chooses its settings by itself."""

    def fit(task: Task, setting: Setting) -> Fitted:
        answer = PEERS[name](task)
        return Fitted(answer.values, answer.settings)

    return fit


def _nearest_rows(task: Task, setting: Setting) -> Fitted:
    from sklearn.impute import KNNImputer

    return _filled_by(KNNImputer(**setting, keep_empty_features=True), task)  # type: ignore[arg-type]


def _neighbours(task: Task) -> list[Setting]:
    return [
        {"n_neighbors": k, "weights": weights}
        for k, weights in product(_NEIGHBOURS, ("uniform", "distance"))
        if k < task.train.n_rows
    ]


def _interpolation(task: Task, setting: Setting) -> Fitted:
    """Straight lines between the observed cells of a column; beyond the last one its value stays."""
    train, places = task.train.to_dense(), np.arange(task.train.n_rows)
    for column in train.T:
        known = ~np.isnan(column)
        if known.any():
            column[~known] = np.interp(places[~known], places[known], column[known])
    return Fitted(task.at(train))


def _bayesian_ridge(task: Task, setting: Setting) -> Fitted:
    from sklearn.linear_model import BayesianRidge

    return _chained(BayesianRidge(), _LINEAR_ROUNDS, task)


def _extra_trees(task: Task, setting: Setting) -> Fitted:
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(n_estimators=_TREES, n_jobs=1, random_state=task.seed)
    return _chained(forest, _FOREST_ROUNDS, task)


def _chained(regressor: Any, rounds: int, task: Task) -> Fitted:
    """Every column regressed on the others, in rounds, and kept within the range of what is seen of it."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    table = task.train.to_dense()
    seen, some = ~np.isnan(table), ~np.isnan(table).all(axis=0)
    low = np.where(some, np.where(seen, table, np.inf).min(axis=0), 0.0)
    high = np.where(some, np.where(seen, table, -np.inf).max(axis=0), 0.0)
    imputer = IterativeImputer(
        regressor,
        max_iter=rounds,
        # without bounds the rounds may diverge where columns are nearly equal
        min_value=low - _MARGIN,  # pyright: ignore[reportArgumentType]
        max_value=high + _MARGIN,  # pyright: ignore[reportArgumentType]
        n_nearest_features=_NEAREST_FEATURES if task.train.n_cols > _NEAREST_FEATURES else None,
        random_state=task.seed,
        keep_empty_features=True,
    )
    return _filled_by(imputer, task)


def _filled_by(imputer: Any, task: Task) -> Fitted:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # the number of rounds is fixed on purpose; it says each time that they were not enough
        warnings.simplefilter("ignore", ConvergenceWarning)
        return Fitted(task.at(np.asarray(imputer.fit_transform(task.train.to_dense()))))


def _dynamic_factors(task: Task, setting: Setting) -> Fitted:
    """Factors that follow VAR(1), and an AR(1) series or white noise beside them in each column; by EM."""
    from statsmodels.tsa.statespace.dynamic_factor_mq import (  # pyright: ignore[reportMissingImports]
        DynamicFactorMQ,
    )

    with warnings.catch_warnings():
        # that the steps were too few, and means of rows without an observed cell
        warnings.simplefilter("ignore")
        model = DynamicFactorMQ(task.train.to_dense(), **setting, factor_orders=1, standardize=False)
        found = model.fit(maxiter=_STEPS, disp=False)
        smooth = found.get_prediction(information_set="smoothed").predicted_mean
    return Fitted(task.at(np.asarray(smooth)))


def _factor_grid(task: Task) -> list[Setting]:
    return [
        {"factors": k, "idiosyncratic_ar1": series}
        for k, series in product(_FACTORS, (False, True))
        if k < task.train.n_cols
    ]


def _is_small(table: Table) -> bool:
    m, n = table.values.shape
    return m * n**2 <= _MOST_COVARIANCES


def _biharmonic(task: Task, setting: Setting) -> Fitted:
    from skimage.restoration import inpaint_biharmonic  # pyright: ignore[reportMissingImports]

    picture = task.train.to_dense()
    missing = np.isnan(picture)
    return Fitted(task.at(inpaint_biharmonic(np.where(missing, 0.0, picture), missing)))


@dataclass(frozen=True)
class Method:
    """A method, and what to know in order to run it.

    Attributes
    ----------
    fit : callable
    grid : callable
        The settings to choose from, the cheap ones first; of a single one nothing is chosen.
    needs : tuple of str
        Modules, imported outside the clock; of those of other projects, the package is asked for.
    as_it_is : bool
        Whether it gets the table in its own units.
    suits : callable
        Whether it can be used with a table.
    """

    fit: Callable[[Task, Setting], Fitted]
    grid: Callable[[Task], list[Setting]] = lambda task: [{}]
    needs: tuple[str, ...] = ()
    as_it_is: bool = False
    suits: Callable[[Table], bool] = lambda table: True


METHODS: dict[str, Method] = {
    RANKFALL: Method(_rankfall, as_it_is=True),
    NO_ORDER: Method(_rankfall, lambda task: [{"ordered": "none"}], as_it_is=True),
    "column-means": Method(_peer("column-means")),
    "nearest-rows": Method(_nearest_rows, _neighbours, ("sklearn.impute",)),
    "interpolation": Method(_interpolation),
    "bayesian-ridge": Method(_bayesian_ridge, needs=("sklearn.impute", "sklearn.linear_model")),
    "extra-trees": Method(_extra_trees, needs=("sklearn.impute", "sklearn.ensemble")),
    "soft-impute": Method(_peer("soft-impute")),
    "dynamic-factor": Method(
        _dynamic_factors, _factor_grid, ("statsmodels.tsa.statespace.dynamic_factor_mq",), suits=_is_small
    ),
    "biharmonic": Method(_biharmonic, needs=("skimage.restoration",), suits=lambda table: table.picture),
}


def absent(method: str) -> str | None:
    """Why a method cannot be used here, in a sentence; None if it can."""
    if method == NO_ORDER and "ordered" not in inspect.signature(rf.complete).parameters:
        return f"This rankfall ignores the order of rows always, and {NO_ORDER} is left out."
    for package in {module.partition(".")[0] for module in METHODS[method].needs}:
        if importlib.util.find_spec(package) is None:
            return (
                f"{package} is not there, and {method} is left out: "
                "`pip install -r benchmarks/requirements-series.txt` brings it."
            )
    return None
