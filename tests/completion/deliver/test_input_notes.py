"""What looks like a slip in the data is said, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

import rankfall as rf
from rankfall.completion.complete import _without
from rankfall.completion.deliver.input_notes import input_notes
from rankfall.errors import InputError
from rankfall.problem import Problem


def notes(*columns: object) -> tuple[str, ...]:
    X = np.array(columns, dtype=float).T
    return input_notes(Problem.from_dense(X), [f"c{k}" for k in range(X.shape[1])])


def smooth(seed: int = 0, shape: tuple[int, int] = (40, 6)) -> np.ndarray:
    """Measurements between 5 and 40, of rank 2 with noise."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(shape[0], 2)) @ rng.normal(size=(2, shape[1]))
    return np.clip(20 + 4 * factors + rng.normal(size=shape), 5, 40)


def said(X: np.ndarray) -> tuple[str, ...]:
    return input_notes(Problem.from_dense(X), [f"c{k}" for k in range(X.shape[1])])


# -- two units -----------------------------------------------------------------------------------------


def test_grams_among_milligrams() -> None:
    found = notes([15, 20, 0.03, 18, 0.02, 0.025, 30, np.nan], [1, 2, 3, 4, 5, 6, 8, 7.5])
    assert found == (
        "Column c0 seems to hold two units: 3 of its values are at most 0.03, the others at least 15.",
    )


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3, 4, 5, 6000],  # one outlier
        [1, 10, 100, 1000, 1e4, 1e5],  # skewed, without a gap
        [-1, -2, -3, 500, 600, 700],  # of both signs
        [0, 0, 0, 500, 600, 700],
        [0.01, 0.01, 0.01, np.nan, 5, 6],  # too few
    ],
)
def test_what_is_no_reason(values: list[float]) -> None:
    assert notes(values) == ()


# -- numbers that stand for missing values -------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "count"),
    [(-999, 1), (9999, 1), (-99.9, 1), (-1, 2), (-9, 2), (99, 3), (1e20, 1), (-32768, 1), (4444, 3)],
)
def test_codes_far_outside(code: float, count: int) -> None:
    X = smooth()
    assert said(X) == ()
    X[:count, 3] = code
    (text,) = said(X)
    spelled = "1e+20" if code == 1e20 else str(code)
    assert text.startswith(f"{spelled} in {count} cell{'s' if count > 1 else ''} of column c3 (the others: ")
    assert text.endswith(f"use --missing {spelled} (in Python: missing_values={spelled}).")


def test_zero_below_everything_else() -> None:
    X = 60 + smooth()
    assert said(X) == ()
    X[3, 2] = 0
    (text,) = said(X)
    assert text.startswith("0 in 1 cell of column c2 (the others: 70")


def test_two_codes_in_one_column() -> None:
    X = smooth()
    X[:2, 1], X[4, 1] = -9999, 9999
    assert [text.split(" lies ")[0].split(" (")[0] for text in said(X)] == [
        "-9999 in 2 cells of column c1",
        "9999 in 1 cell of column c1",
    ]


def test_many_columns_make_one_sentence() -> None:
    X = smooth()
    X[::7] = -999
    (text,) = said(X)
    assert "and 3 more columns lies far" in text


def test_few_cells_in_each_of_many_columns() -> None:
    rng = np.random.default_rng(1)
    X = np.where(rng.random((60, 300)) < 0.06, rng.integers(1, 6, (60, 300)), np.nan)
    X[rng.random(X.shape) < 0.003] = 99
    assert "99 in" in said(X)[0]


@pytest.mark.parametrize(
    "column",
    [
        np.tile([1, 2, 3, 4, 5, 99], 7),  # ... of the short codes, 99 is one
        np.tile([1, 2, 3, 4, 5, 6, 7, 8, 9], 7),
    ],
)
def test_short_codes(column: np.ndarray) -> None:
    assert bool(notes(column)) == (99 in column)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).poisson(2, 60),
        np.random.default_rng(0).geometric(0.3, 60) - 1,
        np.exp(2 * np.random.default_rng(0).normal(size=60)),
        np.where(np.arange(60) % 2, 0, np.round(np.random.default_rng(0).gamma(0.5, 5, 60), 1)),
        np.random.default_rng(0).integers(-1, 2, 60),
        np.tile([-1, 0, 1, 2, 3], 12),
        np.tile([850, 900, 980, 999, 1020], 12),
        np.tile([0.0, 1.0], 30),
        np.tile([0, 0, 0, 1000], 15),
    ],
)
def test_numbers_that_are_meant(values: np.ndarray) -> None:
    X = np.column_stack([smooth(shape=(60, 3)), np.random.default_rng(1).permutation(values)])
    assert said(X) == ()


def test_zeros_in_a_full_table() -> None:
    rng = np.random.default_rng(0)
    X = np.where(rng.random((30, 20)) < 0.6, 0, rng.integers(1, 6, (30, 20))).astype(float)
    assert "No cell is missing, but" in said(X)[0]
    X[0, 0] = np.nan
    assert said(X) == ()


@pytest.mark.parametrize("kind", range(6))
def test_no_false_alarm_on_tables_of_many_kinds(kind: int) -> None:
    rng = np.random.default_rng(kind)
    for _ in range(50):
        m, n = rng.integers(8, 80, 2)
        X = rng.normal(size=(m, 2)) @ rng.normal(size=(2, n))
        X = (
            X,
            np.round(10 * X),
            np.exp(X),
            np.clip(np.round(3 + X), 1, 5),
            rng.poisson(np.exp(np.clip(X, -3, 3))).astype(float),
            np.round(100 + 10 * X),
        )[kind]
        X[rng.random(X.shape) < 0.2] = np.nan
        assert input_notes(Problem.from_dense(X)) == ()


def test_no_false_alarm_on_real_data() -> None:
    for load in (datasets.load_iris, datasets.load_wine, datasets.load_diabetes, datasets.load_breast_cancer):
        assert input_notes(Problem.from_dense(load().data)) == ()
    for table in (rf.datasets.beijing("temperature"), rf.datasets.coffee(), rf.datasets.camera()):
        assert input_notes(Problem.coerce(table)) == ()


def test_minus_one_among_ages() -> None:
    ages = np.random.default_rng(0).integers(18, 80, 60).astype(float)
    temperatures = np.random.default_rng(1).normal(0, 9, 60)
    ages[3] = -1
    assert len(notes(ages, ages + temperatures.clip(0), temperatures.clip(1))) == 1  # none is negative
    assert notes(ages, temperatures) == ()
    ages[4] = -1
    assert len(notes(ages, temperatures)) == 1


# -- labels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "how"),
    [
        (np.arange(100001, 100041), "rises in even steps (100001 to 100040)"),
        (np.arange(2040, 2000, -1), "falls in even steps (2001 to 2040)"),
        (np.arange(0, 400, 10), "rises in even steps (0 to 390)"),
        (
            np.random.default_rng(0).permutation(40) + 1,
            "holds evenly spaced whole numbers, each once (1 to 40)",
        ),
    ],
)
@pytest.mark.parametrize("place", [0, 3, 6])
def test_labels_wherever_they_stand(labels: np.ndarray, how: str, place: int) -> None:
    X = np.insert(smooth(), place, labels, axis=1)
    (text,) = said(X)
    assert text.startswith(f"Column c{place} {how}") and f"--aside c{place})" in text


def test_labels_with_holes() -> None:
    X = np.column_stack([smooth(), np.arange(40)])
    X[[3, 17, 18], 6] = np.nan
    assert len(said(X)) == 1
    assert said(np.outer(np.arange(1, 13), [1.0, -1, 2, 3])) == ()  # every column rises: it was made


# -- triplets ------------------------------------------------------------------------------------------


def triplets(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array(
        [(u, f, rng.integers(1, 6)) for u in range(1, 13) for f in sorted(rng.choice(20, 6, replace=False))],
        dtype=float,
    )


def test_a_list_of_triplets() -> None:
    (text,) = said(triplets())
    assert "each line looks like one cell" in text and "--triplets (in Python: Problem.from_triplets)" in text
    times = np.random.default_rng(1).integers(8e8, 9e8, 72)
    assert len(said(np.column_stack([np.random.default_rng(0).permutation(triplets()), times]))) == 1
    holed = triplets()
    holed[::9, 2] = np.nan
    assert len(said(holed)) == 1


def test_three_columns_of_measurements() -> None:
    assert said(smooth(shape=(40, 3))) == ()
    rng = np.random.default_rng(0)
    assert said(rng.integers(1, 6, (40, 3)).astype(float)) == ()
    holed = np.round(np.column_stack([rng.normal(50, 9, 40), rng.normal(80, 9, 40), rng.normal(size=40)]))
    holed[::5, 2] = np.nan
    assert said(holed) == ()


# -- what Python users see and do ----------------------------------------------------------------------


def test_they_are_warnings_of_a_completion_and_the_remedy_works() -> None:
    X = smooth()
    holed = X.copy()
    holed[2:5, 1] = np.nan
    coded = np.where(np.isnan(holed), -999, holed)
    result = rf.complete(coded, max_rank=0)
    assert result.warnings[0].startswith("-999 in 3 cells of column 1")
    mended = rf.complete(coded, max_rank=0, missing_values=-999)
    np.testing.assert_array_equal(mended.to_dense(), rf.complete(holed, max_rank=0).to_dense())
    assert not any("-999" in text for text in mended.warnings)


def test_missing_values_of_every_kind() -> None:
    X = smooth()
    X[0, 0], X[1, 1], X[2, 2] = -999, 9999, np.nan
    problem = Problem.from_dense(X)
    assert _without(problem, (-999.0, 9999.0)).n_observed == X.size - 3
    assert _without(problem, ()) is problem
    single = Problem.from_dense(np.array([[1, -999.9], [2, 3]], np.float32))
    assert _without(single, (-999.9,)).n_observed == 3
    weighted = _without(problem.with_weights(np.arange(1.0, problem.n_observed + 1)), (-999.0,))
    assert weighted.weights is not None and weighted.weights.mean() == pytest.approx(1)
    for bad in ("-999", ["x"], np.inf, True):
        with pytest.raises(InputError, match="missing_values must be a finite number"):
            rf.complete(X, missing_values=bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Every observed cell holds 7"):
        rf.complete(np.full((2, 2), 7.0), missing_values=7)
