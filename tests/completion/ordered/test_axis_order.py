"""AxisOrder: positions and series from what is given, or from labels; and what is no position."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import rankfall as rf
from rankfall import InputError
from rankfall.completion.ordered.axis_order import AxisOrder, read_groups, read_positions

DAYS = pd.DatetimeIndex(["2024-03-01", "2024-03-02", "2024-03-04", "2024-03-05"])
STEPS = [np.inf, 1, 2, 1]
DAY = 86400.0


def of_labels(labels: object) -> AxisOrder:
    index = labels if isinstance(labels, pd.Index) else pd.Index(labels)
    return AxisOrder.of_index(index, index.size)


def same(order: AxisOrder, other: AxisOrder) -> bool:
    return (
        np.array_equal(order.order, other.order)
        and np.allclose(order.steps, other.steps, rtol=1e-9)
        and (order.step, order.is_time) == (other.step, other.is_time)
    )


# -- labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "step", "is_time"),
    [
        ([3, 4, 6, 7], 1, False),
        ([0.5, 1.0, 2.0, 2.5], 0.5, False),
        (["10", "20", "40", "50"], 10, False),
        (pd.Index(["1.5", "2.5", "4.5", "5.5"], dtype=object), 1, False),
        (pd.Index([3, 4, 6, 7], dtype="Int64"), 1, False),
        (DAYS, DAY, True),
        (DAYS.as_unit("ns"), DAY, True),
        (DAYS.as_unit("s"), DAY, True),
        (DAYS.tz_localize("Europe/Berlin"), DAY, True),
        (DAYS.to_period("D"), DAY, True),
        (DAYS - DAYS[0], DAY, True),
        (pd.Index(DAYS.to_pydatetime(), dtype=object), DAY, True),
        (pd.Index([day.date() for day in DAYS], dtype=object), DAY, True),
        (DAYS.astype("timestamp[us][pyarrow]"), DAY, True),
        (list(DAYS.strftime("%Y-%m-%d")), DAY, True),
        (list(DAYS.strftime("%Y-%m-%dT%H:%M:%S")), DAY, True),
        (list(DAYS.strftime("%Y-%m-%d %H:%M+01:00")), DAY, True),
    ],
)
def test_numbers_and_times_among_labels_are_positions(labels: object, step: float, is_time: bool) -> None:
    order = of_labels(labels)
    np.testing.assert_array_equal(order.order, range(4))
    np.testing.assert_allclose(order.steps, STEPS, rtol=1e-9)
    assert (order.step, order.is_time) == (step, is_time)


def test_the_clock_changes_and_the_hours_go_on() -> None:
    """In 25 hours of 27 October 2024 no local hour is two hours long, nor is one repeated."""
    hours = pd.date_range("2024-10-27", periods=25, freq="h", tz="Europe/Berlin")
    for labels in (hours, list(hours.strftime("%Y-%m-%dT%H:%M%z"))):
        order = of_labels(labels)
        assert np.all(order.steps[1:] == 1) and order.step == 3600


def test_months_are_as_long_as_they_are() -> None:
    expected = AxisOrder.of(np.cumsum([0, 31, 29, 31, 30, 31]) * DAY, None, True)
    months = pd.period_range("2024-01", periods=6, freq="M")
    for labels in (months, list(months.strftime("%Y-%m")), months.to_timestamp()):
        assert same(of_labels(labels), expected)


@pytest.mark.parametrize("first", ["0850-01-01", "1000-01-01", "2900-01-01"])
def test_times_outside_the_range_of_nanoseconds(first: str) -> None:
    days = (np.datetime64(first) + np.arange(6)).astype("M8[s]")
    order = of_labels(pd.DatetimeIndex(days))
    assert np.all(order.steps[1:] == 1) and (order.step, order.is_time) == (DAY, True)
    at, is_time = read_positions("row_positions", days, 6)
    assert is_time and np.all(np.diff(at) == DAY)


def test_a_falling_index_is_read_backwards() -> None:
    for labels in ([9, 8, 6, 5], DAYS[::-1], ["9", "8", "6", "5"]):
        order = of_labels(labels)
        np.testing.assert_array_equal(order.order, [3, 2, 1, 0])
        np.testing.assert_allclose(order.steps, STEPS)


@pytest.mark.parametrize("falling", [False, True])
def test_an_index_that_begins_again_begins_a_series(falling: bool) -> None:
    years = np.tile(np.arange(2001, 2011), 3)
    order = of_labels(years[::-1] if falling else years)
    np.testing.assert_array_equal(np.flatnonzero(np.isinf(order.steps)), [0, 10, 20])
    assert np.all(order.steps[np.isfinite(order.steps)] == 1)
    rows = np.arange(30).reshape(3, 10)
    np.testing.assert_array_equal(order.order, (rows[:, ::-1] if falling else rows).ravel())


@pytest.mark.parametrize(
    "labels",
    [
        np.random.default_rng(0).permutation(40),
        np.random.default_rng(0).permutation(40).astype(str),
        DAYS[[2, 0, 3, 1, 2, 0, 3, 1]],
        [7, 7, 7, 7, 7],
        np.repeat(np.arange(5), 4),
        list("abcd"),
        ["1", "2", "x", "4"],
        ["2024-03-01", "2024-03-02", "later", "2024-03-05"],
        [True, False, True, False],
        pd.CategoricalIndex([1, 2, 4, 5]),
        pd.MultiIndex.from_product([[1, 2], [3, 4]]),
        pd.interval_range(0, 4),
        # labels of which one says nothing
        [1.0, 2.0, np.nan, 4.0, 5.0],
        [np.nan, 2.0, 3.0, 4.0, 5.0],
        [1.0, 2.0, 3.0, 4.0, np.inf],
        [-np.inf, 2.0, 3.0, 4.0, 5.0],
        ["1", "2", "nan", "4", "5"],
        ["1", "2", "3", "4", "inf"],
        pd.Index(["1", "2", "3", None, "5"], dtype=object),
        pd.Index([1, 2, None, 4, 5], dtype="Int64"),
        DAYS.insert(2, pd.NaT),
        DAYS.insert(4, pd.NaT).tz_localize("UTC"),
        (DAYS - DAYS[0]).insert(0, pd.NaT),
    ],
)
def test_other_labels_are_no_positions(labels: object) -> None:
    assert same(of_labels(labels), AxisOrder.plain(len(labels)))  # type: ignore[arg-type]


def test_no_labels_and_few_rows() -> None:
    assert same(AxisOrder.of_index(None, 3), AxisOrder.plain(3))
    for size in (1, 2):
        order = AxisOrder.plain(size)
        assert order.steps.tolist() == [np.inf, 1][:size] and order.step == 1
    assert of_labels([5]).steps.tolist() == [np.inf]


# -- what is given ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        [3, 4, 6, 7],
        (3.0, 4.0, 6.0, 7.0),
        np.array([3, 4, 6, 7], np.int8),
        pd.Series([3, 4, 6, 7], index=list("dcba")),
        pd.array([3, 4, 6, 7], dtype="Int64"),
        pl.Series([3, 4, 6, 7]),
        pa.array([3, 4, 6, 7]),
        ["3", "4", "6", "7"],
        ["3", "4e0", "6.0", " 7"],
        (k for k in (3, 4, 6, 7)),
    ],
)
def test_positions_may_be_numbers(given: object) -> None:
    at, is_time = read_positions("row_positions", given, 4)
    assert at.tolist() == [3, 4, 6, 7] and not is_time


@pytest.mark.parametrize(
    "given",
    [
        DAYS,
        DAYS.tz_localize("UTC"),
        DAYS.to_numpy(),
        DAYS.to_series().astype("timestamp[ns][pyarrow]"),
        DAYS.to_period("D"),
        list(DAYS.to_pydatetime()),
        [day.date() for day in DAYS],
        pl.Series([day.date() for day in DAYS]),
        pa.array([day.date() for day in DAYS]),
        list(DAYS.strftime("%Y-%m-%d")),
        ["2024-03-01T00:00Z", "2024-03-02T01:00+01:00", "2024-03-04 00:00", "2024-03-04T20:00-04:00"],
        [dt.timedelta(k) for k in (0, 1, 3, 4)],
    ],
)
def test_positions_may_be_times(given: object) -> None:
    at, is_time = read_positions("row_positions", given, 4)
    assert is_time and np.allclose(np.diff(at), [DAY, 2 * DAY, DAY], rtol=1e-12)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([1, 2, 3], "row_positions must have 4 entries, one for each, not 3."),
        ([1, 2, np.nan, 4], "row_positions has no position for entry 2."),
        ([1, None, 3, 4], "row_positions has no position for entry 1."),
        (DAYS[:3].insert(3, pd.NaT), "row_positions has no position for entry 3."),
        (pd.array([None, 2, 3, 4], dtype="Int64"), "row_positions has no position for entry 0."),
        (pl.Series([1, 2, None, 4]), "row_positions has no position for entry 2."),
        (np.ma.array([1.0, 2, 3, 4], mask=[0, 1, 0, 0]), "row_positions has no position for entry 1."),
        ([1, 2, 3, -np.inf], "entry 3 is -inf."),
        (["1", "inf", "3", "4"], "entry 1 is inf."),
        (["1", "2", "x", "4"], "entry 2, 'x', is neither."),
        (["1", "2", "", "4"], "entry 2, '', is neither."),
        (["2024-01-01", "2024-01-02", "2024-01-03", "soon"], "entry 3, 'soon', is neither."),
        (["a", "b", "c", "d"], "entry 0, 'a', is neither."),
        # which of these is the day, and which the month? And a comma is no point
        (["02.01.2024", "03.01.2024", "04.01.2024", "05.01.2024"], "entry 0, '02.01.2024', is neither."),
        (["1,5", "2,5", "3,5", "4,5"], "entry 0, '1,5', is neither."),
        ([True, False, True, False], "not bool."),
        ([1j, 2, 3, 4], "not complex128."),
        (pd.Categorical(["1", "2", "3", "4"]), "not category."),
        ([(1, 2), (3, 4), (5, 6), (7, 8)], "row_positions must hold numbers or times, not tuples."),
        ([[1], [2], [3], [4]], "entry 0, '[1]', is neither."),
        (np.ones((4, 2)), "row_positions must be a sequence of numbers or times (Index data"),
        (pd.DataFrame({"t": [1, 2, 3, 4]}), "row_positions must be a sequence"),
        (5, "row_positions must be a sequence"),
        ("2024", "row_positions must be a sequence"),
    ],
)
def test_what_is_no_position_is_refused_by_its_place(given: object, says: str) -> None:
    with pytest.raises(InputError) as error:
        read_positions("row_positions", given, 4)
    sentence = str(error.value)
    assert says in sentence
    assert sentence.startswith("row_positions ") and sentence.endswith(".") and "\n" not in sentence


@pytest.mark.parametrize(
    "given",
    [
        ["a", "a", "b"],
        [1, 1, "b"],
        [2.5, 2.5, 7],
        [(1, "x"), (1, "x"), (2, "y")],
        pd.MultiIndex.from_tuples([(1, "x"), (1, "x"), (2, "y")]),
        pd.Categorical(["b", "b", "a"]),
        pd.DatetimeIndex(["2024", "2024", "2023"]),
        pl.Series(["a", "a", "b"]),
        pa.array(["a", "a", "b"]),
        np.array([True, True, False]),
        (letter for letter in "aab"),
    ],
)
def test_groups_are_labels_of_any_kind(given: object) -> None:
    assert read_groups("groups", given, 3).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([1, 2], "groups must have 3 entries, one for each row, not 2."),
        (["a", None, "b"], "groups says nothing about row 1."),
        ([1.0, 2.0, np.nan], "groups says nothing about row 2."),
        (pd.array([pd.NA, "a", "b"], dtype="string"), "groups says nothing about row 0."),
        ([[1], [1], [2]], "groups must be a sequence"),
        (np.ones((3, 2)), "groups must be a sequence"),
        ({1, 2, 3}, "groups must be a sequence"),
        (5, "groups must have 3 entries"),
        ("aab", "groups must have 3 entries"),
    ],
)
def test_what_names_no_group_is_refused(given: object, says: str) -> None:
    with pytest.raises(InputError) as error:
        read_groups("groups", given, 3)
    assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["row_positions", "column_positions", "groups"])
def test_complete_says_which_argument_it_is(name: str) -> None:
    table = np.arange(12.0).reshape(4, 3)
    with pytest.raises(InputError, match=f"^{name} must have {3 if name == 'column_positions' else 4} ent"):
        rf.complete(table, **{name: [1, 2]})  # type: ignore[arg-type]
    # also where the order is not asked for
    with pytest.raises(InputError, match=f"^{name} "):
        rf.complete(table, ordered="none", **{name: [1, 2]})  # type: ignore[arg-type]


# -- orders ----------------------------------------------------------------------------------------


def test_rows_are_sorted_within_their_series() -> None:
    at = np.array([5.0, 1.0, 3.0, 2.0, 9.0, 4.0])
    order = AxisOrder.of(at, np.array([0, 1, 0, 1, 0, 1]))
    np.testing.assert_array_equal(order.order, [2, 0, 4, 1, 3, 5])
    np.testing.assert_allclose(order.steps * order.step, [np.inf, 2, 4, np.inf, 1, 2])
    assert order.step == 2


def test_the_same_place_twice_and_everywhere() -> None:
    order = AxisOrder.of(np.array([2.0, 1.0, 2.0, 4.0]))
    np.testing.assert_array_equal(order.order, [1, 0, 2, 3])
    np.testing.assert_allclose(order.steps * order.step, [np.inf, 1, 0, 2])
    assert AxisOrder.of(np.zeros(3)).steps.tolist() == [np.inf, 0, 0]


def test_rows_and_positions_permuted_together_are_the_same_order() -> None:
    rng = np.random.default_rng(0)
    at, groups, shuffle = rng.normal(size=30), rng.integers(0, 3, 30), rng.permutation(30)
    order, other = AxisOrder.of(at, groups), AxisOrder.of(at[shuffle], groups[shuffle])
    np.testing.assert_array_equal(shuffle[other.order], order.order)
    np.testing.assert_array_equal(other.steps, order.steps)


def test_some_rows_keep_their_distances() -> None:
    rng = np.random.default_rng(0)
    at, groups = rng.uniform(0, 100, 40), rng.integers(0, 3, 40)
    whole = AxisOrder.of(at, groups)
    for share in (0.0, 0.3, 0.8):
        kept = np.flatnonzero(rng.random(40) >= share)
        some, expected = whole.some(kept), AxisOrder.of(at[kept], groups[kept])
        np.testing.assert_array_equal(some.order, expected.order)
        np.testing.assert_allclose(some.steps * some.step, expected.steps * expected.step, rtol=1e-9)
        assert (some.step, some.is_time) == (whole.step, False)


def test_a_series_that_lost_its_first_rows_begins_later() -> None:
    whole = AxisOrder.of(np.arange(6.0), np.array([0, 0, 0, 1, 1, 1]))
    some = whole.some(np.array([1, 2, 4]))
    np.testing.assert_array_equal(some.order, [0, 1, 2])
    np.testing.assert_array_equal(some.steps, [np.inf, 1, np.inf])
