"""One absurd cell: found, said, and left out; ordinary and heavy-tailed tables have none."""

import numpy as np
import pytest

import rankfall as rf
from rankfall.completion.deliver.absurd_cells import absurd_cells, without_absurd


def table(seed: int = 0, shape: tuple[int, int] = (40, 12)) -> np.ndarray:
    rng = np.random.default_rng([401, seed])
    X = rng.standard_normal((shape[0], 2)) @ rng.standard_normal((2, shape[1]))
    X += 0.1 * rng.standard_normal(shape)
    X[rng.random(shape) < 0.3] = np.nan
    X[3, 5] = 0.5
    return X


@pytest.mark.parametrize("value", [999_999_999.0, -999_999_999.0, 1e200, 1e308])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_an_absurd_cell_is_found(value: float, offset: float) -> None:
    X = table() + offset
    X[3, 5] = value
    problem = rf.Problem.from_dense(X)
    (found,) = np.flatnonzero(absurd_cells(problem))
    assert (problem.rows[found], problem.cols[found]) == (3, 5)


def test_the_completion_is_that_of_the_table_without_it_and_says_so() -> None:
    import pandas as pd

    frame = pd.DataFrame(table(), index=[f"r{i}" for i in range(40)], columns=list("abcdefghijkl"))
    absurd = frame.copy()
    frame.iloc[3, 5], absurd.iloc[3, 5] = np.nan, 999_999_999.0
    with_it, without = rf.complete(absurd, max_rank=3), rf.complete(frame, max_rank=3)
    assert np.array_equal(with_it.to_dense(), without.to_dense(), equal_nan=True)
    said = [w for w in with_it.warnings if w not in without.warnings]
    assert len(said) == 1
    assert "row r3 and column f holds 999999999," in said[0]


def test_an_exact_fit_is_found_beside_it() -> None:
    rng = np.random.default_rng(402)
    X = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 30))
    seen = np.where(rng.random(X.shape) < 0.6, X, np.nan)
    seen[7, 9] = 999_999_999
    result = rf.complete(seen)
    assert result.outcome is rf.Outcome.EXACT
    assert result.rank == 2
    assert np.abs(result.to_dense() - X).max() < 1e-6


def test_weights_stay_with_their_cells() -> None:
    X = table()
    X[3, 5] = 999_999_999
    problem = rf.Problem.from_dense(X)
    weights = 1.0 + problem.rows
    rest, (said,) = without_absurd(problem.with_weights(weights), "linear")
    assert rest.weights is not None
    assert np.allclose(rest.weights / rest.weights[0], (1 + rest.rows) / (1 + rest.rows[0]))
    assert "row 3 and column 5 holds 999999999," in said


def heavy(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_t(2, shape)


def lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.exp(2 * rng.standard_normal(shape))


def rare_counts(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.poisson(0.05, shape).astype(float)


def identity(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.eye(*shape)


def totals(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    X = rng.standard_normal(shape)
    X[-1] = 1e7 * (1 + rng.random(shape[1]))
    return X


def units(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_normal(shape) * 10.0 ** rng.uniform(-9, 9, shape[1])


@pytest.mark.parametrize("make", [heavy, lognormal, rare_counts, identity, totals, units])
def test_other_tables_have_none(make: object) -> None:
    for seed in range(20):
        X = make(np.random.default_rng([403, seed]), (60, 20))  # type: ignore[operator]
        assert not absurd_cells(rf.Problem.from_dense(X)).any()


def test_on_the_scale_of_logarithms_it_is_none() -> None:
    X = np.exp(table())
    X[3, 5] = 999_999_999
    problem = rf.Problem.from_dense(X)
    assert without_absurd(problem, "linear")[1]
    assert without_absurd(problem, "log") == (problem, ())
