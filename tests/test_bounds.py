"""What bounds may be, which of them are refused, and that values keep to them."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from rankfall.bounds import clip, kept_columns, plain_bounds, read_bounds
from rankfall.cli.bounds_option import AskedBounds
from rankfall.completion.complete import LabelledProblem
from rankfall.files import Table
from rankfall.report.adapters.words import repeat

NAMES = ("rain", "share", "age")
CELLS = np.array([[0.0, 0.5, 20], [3, np.nan, 90], [7, 1, 40], [np.nan, 0, np.nan]])
PROBLEM = rf.Problem.from_dense(CELLS)


def sides(bounds: object, names: tuple[str, ...] | None = NAMES) -> list[list[float]]:
    found = read_bounds(bounds, PROBLEM, names)
    assert found is not None
    return [np.broadcast_to(side, 3).tolist() for side in found]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ("observed", [[0, 0, 20], [7, 1, 90]]),
        ((0, None), [[0, 0, 0], [inf, inf, inf]]),
        (([0, None, 18], None), [[0, -inf, 18], [inf, inf, inf]]),
        ((0, np.array([10.0, 1, 99])), [[0, 0, 0], [10, 1, 99]]),
        ({"rain": (0, None), "age": "observed"}, [[0, -inf, 20], [inf, inf, 90]]),
        # a Series goes by its labels
        ((pd.Series({"age": 18, "rain": 0, "share": -1}), None), [[0, -1, 18], [inf, inf, inf]]),
    ],
)
def test_what_bounds_may_be(bounds: object, expected: list[list[float]]) -> None:
    assert sides(bounds) == expected


def test_columns_without_labels_go_by_position() -> None:
    assert sides({2: (18, None), np.int64(0): (0, 9)}, None) == [[0, -inf, 18], [9, inf, inf]]
    # a label that is a number is a label
    assert sides({5: (18, None)}, ("4", "6", "5")) == [[-inf, -inf, 18], [inf, inf, inf]]
    # and one that several columns have means all of them
    assert sides({"a": (0, None)}, ("a", "b", "a")) == [[0, -inf, 0], [inf, inf, inf]]


@pytest.mark.parametrize(
    ("bounds", "match"),
    [
        ("all", 'bounds must be None, "observed", a pair'),
        (3, "bounds must be None"),
        ([(0, 1)] * 3, "bounds must be None"),
        ((0, "1"), "bounds must be None"),
        ((0, np.nan), "bounds must be None"),
        ((2, 2), "lower bound must be below the upper one, not 2 and 2"),
        ((pd.Series({"rain": 0, "age": 1, "wind": 2}), None), "labels are not those"),
        (([0, 0], None), "a sequence of 2 numbers, but the table has 3 columns"),
        (([0, 0, 50], [1, 2, 40]), "lower bound of column age must be below"),
        ({"rian": (0, None)}, "names column 'rian', which the table does not have; it has columns rain,"),
        ({"age": (90, 18)}, "lower bound of column age must be below"),
        ({"age": 3}, 'bounds of column age must be "observed" or a pair'),
        (
            (0, 10),
            r"No observed value of column age \(20 to 90\) lies within the bounds 0 and 10: .*age=20,90",
        ),
        ({"rain": (8, None)}, "No observed value of column rain .* above the lower bound 8"),
        ({"rain": (None, -1)}, "No observed value of column rain .* below the upper bound -1"),
        ((200, None), "column rain .*, nor of 2 more columns, lies"),
    ],
)
def test_what_is_refused(bounds: object, match: str) -> None:
    with pytest.raises(rf.InputError, match=match) as refused:
        read_bounds(bounds, PROBLEM, NAMES)
    assert "\n" not in str(refused.value)


def test_a_column_without_cells_has_no_range() -> None:
    problem = rf.Problem.from_dense(np.array([[1, np.nan], [2, np.nan]]))
    low, high = read_bounds("observed", problem) or (0, 0)
    assert (np.asarray(low).tolist(), np.asarray(high).tolist()) == ([1, -inf], [2, inf])


def test_values_are_kept_within() -> None:
    by_column = (np.array([0.0, 2]), np.array([1.0, inf]))
    values = np.array([[-1.0, 1], [3, np.nan]])
    np.testing.assert_array_equal(clip(values, by_column), [[0, 2], [1, np.nan]])
    np.testing.assert_array_equal(clip(values[0], by_column, np.array([1, 0])), [2, 1])
    # a column that is not in the table has no bounds but those of all
    np.testing.assert_array_equal(clip(values[0], by_column, np.array([-1, -1])), values[0])
    np.testing.assert_array_equal(clip(values[0], (0.0, inf), np.array([-1, -1])), [0, 1])


def test_columns_that_are_left_out() -> None:
    kept = np.array([True, False, True])
    assert kept_columns({"rain": (0, 1), "share": (0, 1)}, kept, NAMES) == {"rain": (0, 1)}
    assert kept_columns({1: (0, 1), 2: (3, 4)}, kept) == {1: (3, 4)}
    low, high = kept_columns(([1, 2, 3], None), kept)  # type: ignore[misc]
    assert (low.tolist(), high.tolist()) == ([1, 3], [inf, inf])
    assert kept_columns((0, 1), kept) == (0, 1)
    assert kept_columns("observed", kept) == "observed"


def test_plain_words() -> None:
    found = read_bounds({"age": (18, None)}, PROBLEM, NAMES)
    assert plain_bounds({}, found, NAMES) == {"age": [18, inf]}
    assert plain_bounds({}, found, None) == {"2": [18, inf]}
    assert plain_bounds((0, 1), (0.0, 1.0), NAMES) == [0, 1]
    assert plain_bounds("observed", found, NAMES) == "observed"
    assert plain_bounds(None, None, NAMES) is None


def test_the_command_line() -> None:
    table = Table.from_values(CELLS, None, ("rain", "a=b", "age"))
    asked = AskedBounds.read(["rain=0,", "a=b=0,1", ",95"])
    assert asked.of(table) == {"rain": (0, None), "a=b": (0, 1), "age": (None, 95)}
    assert AskedBounds.read(["2=observed"]).of(Table.from_values(CELLS)) == {2: "observed"}
    assert AskedBounds.read(["observed"]).of(table) == "observed"
    with pytest.raises(rf.InputError, match="'wind', but the table has columns rain, a=b and age"):
        AskedBounds.read(["wind=0,"]).of(table)


# -- in a completion -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(13)
    factors = rng.normal(size=(60, 2))
    values = {
        "share": 1 / (1 + np.exp(-2 * factors[:, 0] - 0.5 * rng.normal(size=60))),
        "score": np.clip(50 + 30 * factors[:, 0] + 20 * factors[:, 1], 0, 100),
        "age": np.clip(45 + 18 * factors[:, 1] + 4 * rng.normal(size=60), 18, 90),
        "other": np.clip(0.5 + 0.4 * factors[:, 0] + 0.1 * rng.normal(size=60), 0, 1),
    }
    frame = pd.DataFrame(values)
    return frame.mask(rng.random(frame.shape) < 0.3)


BOUNDS: dict[str, object] = {
    "observed": "observed",
    "sequences": ([0, 0, 18, 0], [1, 100, 90, 1]),
    "mapping": {"score": (30, None), "other": (0, 1)},
}


@pytest.mark.parametrize("bounds", BOUNDS.values(), ids=list(BOUNDS))
def test_everything_that_is_delivered_keeps_to_the_bounds(
    table: pd.DataFrame, bounds: object, tmp_path: Path
) -> None:
    result = rf.complete(table, seed=0, bounds=bounds, max_rank=1, fill="effects")  # type: ignore[arg-type]
    found = read_bounds(bounds, rf.Problem.from_frame(table), tuple(table.columns))
    assert found is not None
    low, high = (np.broadcast_to(side, table.shape) for side in found)

    def within(values: np.ndarray, rows: object = slice(None), cols: object = slice(None)) -> bool:
        return bool(np.all((values >= low[rows, cols]) & (values <= high[rows, cols])))  # type: ignore[index]

    assert within(result.to_dense("fitted"))
    rows, cols = np.nonzero(table.isna().to_numpy())
    assert within(result.predict(rows, cols), rows, cols)
    for side in result.interval(rows, cols, 0.8):
        assert within(side, rows, cols)
    new = table.iloc[:3].mask(np.eye(3, 4, dtype=bool))
    assert within(np.where(new.isna(), result.transform(new), low[:3]), slice(0, 3))
    # a new column is none of those
    assert np.isfinite(result.fold_columns(1e3 * table[["score"]].to_numpy())).all()
    result.save(tmp_path / "c.npz")
    back = rf.load(tmp_path / "c.npz")
    np.testing.assert_array_equal(back.to_dense(), result.to_dense())
    for one, other in zip(back.bounds or (), result.bounds or (), strict=True):
        np.testing.assert_array_equal(one, other)
    # the report says how to do it again
    words: dict[str, object] = {}
    call = repeat(back)[-1][1].replace("rankfall.complete(X, ", "dict(").partition("result = ")[2]
    words = eval(call)
    again = read_bounds(words["bounds"], rf.Problem.from_frame(table), tuple(table.columns))
    for one, other in zip(again or (), found, strict=True):
        np.testing.assert_array_equal(one, np.broadcast_to(other, 4))


def test_bounds_of_estimators(table: pd.DataFrame) -> None:
    empty = table.assign(nothing=np.nan)[["share", "nothing", "score", "age", "other"]]
    bounds: Mapping[str, object] = {"score": (40, 60), "nothing": (0, 1)}
    with pytest.warns(UserWarning, match="nothing"):
        imputer = rf.LowRankImputer(bounds=bounds, max_rank=0).fit(empty)
    holes = table.isna().to_numpy()[:, 1]
    filled = imputer.transform(empty)[holes, 1]
    assert 40 <= filled.min() <= filled.max() <= 60
    with pytest.warns(UserWarning, match="dropped"):
        imputer = rf.LowRankImputer(bounds={2: (40, 60)}, max_rank=0).fit(empty.to_numpy())
    np.testing.assert_array_equal(imputer.transform(empty.to_numpy())[holes, 1], filled)
    long = table.melt(ignore_index=False).dropna().reset_index()
    cells, values = long[["index", "variable"]].to_numpy(object), long["value"]
    regressor = rf.LowRankRegressor(bounds={"score": (40, 60)}, max_rank=0).fit(cells, values)
    asked = np.array([[row, "score"] for row in range(60)] + [[0, "unheard of"]], dtype=object)
    assert 40 <= regressor.predict(asked)[:60].min() <= regressor.predict(asked)[:60].max() <= 60
    lower, upper = regressor.predict_interval(asked)
    assert 40 <= lower[:60].min() <= upper[:60].max() <= 60
    assert (lower[60], upper[60]) == (-inf, inf)


def test_one_observed_number_is_a_range_too(tmp_path: Path) -> None:
    cells = np.full((6, 5), 3.0)
    cells[2, 2] = np.nan
    result = rf.complete(cells, seed=0, bounds="observed")
    result.save(tmp_path / "c.npz")
    assert rf.load(tmp_path / "c.npz").to_dense()[2, 2] == 3


def test_columns_are_called_by_their_names() -> None:
    with pytest.raises(rf.InputError, match="column age"):
        rf.complete(LabelledProblem(PROBLEM, None, NAMES), bounds=(0, 10))
