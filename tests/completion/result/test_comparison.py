"""Other methods at a completion's own held-out cells: as scikit-learn has them, and what is chance."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import BayesianRidge

import rankfall as rf
from rankfall.completion.result.compared_cells import ComparedCells
from rankfall.completion.result.comparison import ComparedMethod, Comparison, compare


def curves(n_rows: int = 80, seed: int = 0) -> np.ndarray:
    """Every row is a point of a curve that no low rank describes, and near neighbours do."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n_rows)
    table = np.column_stack([x, x**2, np.abs(x), np.cos(6 * x), np.sin(5 * x), x * np.abs(x)])
    table += 0.05 * rng.normal(size=table.shape)
    return np.where(rng.random(table.shape) < 0.25, np.nan, table)


def low_rank(n_rows: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n_rows, 2)) @ rng.normal(size=(2, 8)) + 0.3 * rng.normal(size=(n_rows, 8))
    return np.where(rng.random(table.shape) < 0.25, np.nan, table)


@pytest.fixture(scope="module")
def curved() -> rf.Completion:
    return rf.complete(curves(), seed=0, max_rank=2)


@pytest.fixture(scope="module")
def flat() -> rf.Completion:
    return rf.complete(low_rank(), seed=0, max_rank=2)


def directly(table: np.ndarray, result: rf.Completion) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Errors at the held-out cells in column standard deviations, with scikit-learn alone, and their rows."""
    held = result.model.held_out
    folds = ComparedCells.of(result, int(str(result.settings["folds"])), 0)
    assert held is not None and folds is not None
    mean, spread = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    standardised = (table - mean) / spread
    predicted = np.full(table.shape, np.nan)
    predicted[held.rows, held.cols] = (held.predicted - mean[held.cols]) / spread[held.cols]
    forest = ExtraTreesRegressor(20, min_samples_leaf=2, random_state=0)
    methods = {
        "column means": SimpleImputer(),
        "nearest rows": KNNImputer(n_neighbors=10),
        "ridge regression": IterativeImputer(BayesianRidge(), max_iter=5, random_state=0),
        "chained extra trees": IterativeImputer(forest, max_iter=2, n_nearest_features=15, random_state=0),
    }
    found: dict[str, list[np.ndarray]] = {"this completion": [], **{name: [] for name in methods}}
    rows = []
    for fold in folds.folds:
        cells = (result.problem.rows[fold], result.problem.cols[fold])
        training = standardised.copy()
        training[cells] = np.nan
        rows.append(cells[0])
        found["this completion"].append(predicted[cells] - standardised[cells])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, imputer in methods.items():
                found[name].append(imputer.fit_transform(training)[cells] - standardised[cells])
    return {name: np.concatenate(errors) for name, errors in found.items()}, np.concatenate(rows)


@pytest.mark.parametrize("name", ["curved", "flat"])
def test_errors_are_those_of_scikit_learn(name: str, request: pytest.FixtureRequest) -> None:
    result = request.getfixturevalue(name)
    table, comparison = result.problem.to_dense(), result.comparison
    expected, _ = directly(table, result)
    assert [method.name for method in comparison.methods] == list(expected)
    for method in comparison.methods:
        assert method.error == pytest.approx(np.sqrt(np.mean(expected[method.name] ** 2)), rel=1e-6)
    assert comparison.n_cells == result.model.held_out.rows.size


def test_the_standard_error_is_that_of_leaving_rows_out(curved: rf.Completion) -> None:
    """The jackknife over rows says the same without a formula for the difference."""
    errors, of_row = directly(curves(), curved)
    assert curved.comparison is not None
    rows = np.unique(of_row)
    for method in curved.comparison.methods[1:]:
        left = [of_row != row for row in rows]
        size = {
            name: np.array([np.sqrt(np.mean(each[k] ** 2)) for k in left]) for name, each in errors.items()
        }
        differences = size[method.name] - size["this completion"]
        jackknife = np.sqrt((rows.size - 1) / rows.size * np.sum((differences - differences.mean()) ** 2))
        assert method.standard_error == pytest.approx(jackknife, rel=0.2)
        assert method.difference == pytest.approx(method.error - curved.comparison.methods[0].error)


def test_what_is_better_is_said_and_what_is_not_is_not(curved: rf.Completion, flat: rf.Completion) -> None:
    comparison = curved.comparison
    assert comparison is not None
    assert comparison.better[0].name == "chained extra trees"
    assert "nearest rows" in [method.name for method in comparison.better]
    best, own = comparison.better[0], comparison.methods[0]
    assert f"the error of chained extra trees is {best.error:.3g} column" in comparison.advice
    assert f"{1 - best.error / own.error:.0%} less than the {own.error:.3g}" in comparison.advice
    assert str(comparison).endswith(comparison.advice)
    assert flat.comparison is not None
    assert (flat.comparison.better, flat.comparison.advice) == ((), "")
    assert flat.comparison.table["difference"].iloc[1:].min() > 0
    assert list(flat.comparison.table.columns) == ["error", "difference", "standard_error", "seconds"]
    assert curved.comparison is comparison  # computed once


def test_a_difference_within_chance_is_no_advice() -> None:
    def judged(difference: float, error: float, n_rows: int = 50) -> Comparison:
        own = ComparedMethod("this completion", 0.5, np.nan, np.nan, 1.0)
        other = ComparedMethod("nearest rows", 0.5 + difference, difference, error, 1.0)
        return Comparison((own, other), 100, n_rows, "")

    assert judged(-0.1, 0.04).advice
    assert not judged(-0.1, 0.05).advice  # two standard errors
    assert not judged(-0.004, 0.0001).advice  # less than a hundredth of the error
    assert not judged(-0.1, 0.04, n_rows=9).advice  # too few rows to tell


def test_folds_are_predicted_from_each_other() -> None:
    result = rf.complete(curves(40), seed=0, max_rank=1, folds=4)
    cells = ComparedCells.of(result, 4, 0)
    assert cells is not None
    assert len(cells.folds) == 4
    held = np.concatenate(cells.folds)
    assert np.array_equal(np.sort(held), np.arange(result.problem.n_observed))
    for fold in cells.folds:
        assert np.count_nonzero(~np.isnan(cells.without(fold))) == result.problem.n_observed - fold.size
    assert result.comparison is not None
    assert result.comparison.n_cells == result.problem.n_observed


def test_large_tables_are_compared_in_part(flat: rf.Completion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankfall.completion.result.compared_cells._COLUMNS", 5)
    monkeypatch.setattr("rankfall.completion.result.compared_cells._ROWS", 40)
    cells = ComparedCells.of(flat, 1, 0)
    assert cells is not None
    assert cells.shape == (40, 5)
    counts = flat.problem.col_counts
    kept = np.bincount(cells.cols, minlength=5).size
    assert kept == 5
    assert np.sort(counts)[::-1][:5].min() >= np.sort(counts)[:3].max()
    assert "were given 40 of 60 rows and 5 of 8 columns, this completion all" in cells.scope
    comparison = compare(flat, 1, 0, 1.0)
    assert comparison is not None
    assert comparison.n_cells == sum(fold.size for fold in cells.folds) < flat.settings["held_out"]


def test_bounds_weights_and_scales_count_for_all() -> None:
    table = np.exp(low_rank() / 3)
    weights = np.random.default_rng(0).uniform(0.5, 2, table.shape)
    result = rf.complete(table, seed=0, max_rank=1, scale="log", bounds=(0.8, 1.5), weights=weights)
    cells = ComparedCells.of(result, 1, 0)
    assert cells is not None
    logs = np.log(table)
    mean, spread = np.nanmean(logs, axis=0), np.nanstd(logs, axis=0)
    np.testing.assert_allclose(cells.low, (np.log(0.8) - mean) / spread)
    fold = cells.folds[0]
    filled = cells.kept_within(fold, np.full(cells.shape, 100.0))
    np.testing.assert_allclose(filled, ((np.log(1.5) - mean) / spread)[cells.cols[fold]])
    comparison = result.comparison
    assert comparison is not None
    means = -cells.values[fold]  # the mean is 0 but for the cells left out
    w = cells.weights[fold]
    assert comparison.methods[1].error == pytest.approx(np.sqrt(np.average(means**2, weights=w)), rel=0.05)


def test_without_held_out_cells_there_is_nothing_to_compare(flat: rf.Completion) -> None:
    exact = rf.complete(rf.datasets.low_rank((15, 12), rank=1, oversampling=3.0, seed=0)[0], seed=0)
    assert exact.comparison is None
    early = replace(flat, model=replace(flat.model, held_out=None))  # a file of version 0.1.0
    assert early.comparison is None


def test_a_loaded_completion_compares_alike(curved: rf.Completion, tmp_path: Path) -> None:
    curved.save(tmp_path / "c.npz")
    back = rf.load(tmp_path / "c.npz").comparison
    assert back is not None
    assert curved.comparison is not None
    for one, other in zip(back.methods, curved.comparison.methods, strict=True):
        assert replace(one, seconds=0.0) == replace(other, seconds=0.0) or np.isnan(one.difference)
        assert one.error == other.error
