"""Results that know an order: files, forecasts, new rows and columns, labels, words."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from completion.ordered.series import QUICK, series
from damage import damaged_archives
from rankfall import Completion, InputError
from rankfall.completion.result.determined import components
from rankfall.completion.solvers.chain import Chain
from rankfall.files import load_archive, save_archive

DAYS = pd.date_range("2024-03-01", periods=80)
TRUTH, TABLE = series(80, 8, 1)
TABLE[30:36] = np.nan


def asked(table: object, **options: object) -> Completion:
    return rf.complete(table, **{**QUICK, "ordered": "rows", **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def result() -> Completion:
    return asked(pd.DataFrame(TABLE, index=DAYS, columns=list("abcdefgh")))


@pytest.fixture(scope="module")
def both() -> Completion:
    """With row and column effects, along both axes, in two series of rows."""
    return asked(TABLE, ordered="both", effects="both", groups=np.arange(80) < 40)


@pytest.fixture(scope="module")
def plain() -> Completion:
    return asked(TABLE, ordered="none")


def everything(result: Completion) -> list[np.ndarray]:
    """Whatever a result computes."""
    i, j = np.indices(result.shape)
    new = TABLE[:5]
    out = [result.predict(i, j, labels=False), *result.interval(i, j, labels=False), result.to_dense()]
    out += [result.transform(new), result.transform(new, follow=False), result.fold_columns(TABLE[:, :2])]
    return [*out, *result.forecast(3)]


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["result", "both"])
def test_a_loaded_result_says_the_same_to_the_bit(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    saved = request.getfixturevalue(name)
    saved.save(tmp_path / "r.npz")
    loaded = rf.load(tmp_path / "r.npz")
    for one, other in zip(everything(saved), everything(loaded), strict=True):
        np.testing.assert_array_equal(one, other)
    assert loaded.settings == saved.settings
    assert loaded.summary() == saved.summary()
    loaded.save(tmp_path / "again.npz")
    assert load_archive(tmp_path / "again.npz")[0].keys() == load_archive(tmp_path / "r.npz")[0].keys()


def test_a_result_without_order_holds_none(plain: Completion, tmp_path: Path) -> None:
    plain.save(tmp_path / "r.npz")
    names = load_archive(tmp_path / "r.npz")[0]
    assert not any(name.startswith("model_") and name.endswith(("order", "steps", "step")) for name in names)
    assert rf.load(tmp_path / "r.npz").model.posterior.rows.chain is None


@pytest.mark.parametrize("side", ["rows", "cols"])
@pytest.mark.parametrize(
    ("part", "change", "says"),
    [
        ("order", lambda a: np.zeros_like(a), "order"),
        ("order", lambda a: a + 1, "order"),
        ("order", lambda a: -a, "order"),
        ("order", lambda a: a[:-1], "order"),
        ("steps", lambda a: np.ones_like(a), "before the first there is none"),
        ("steps", lambda a: np.full_like(a, np.nan), "steps"),
        ("steps", lambda a: -a, "steps"),
        ("steps", lambda a: a[:-1], "steps"),
        ("coefficients", lambda a: np.ones_like(a), "below 1"),
        ("coefficients", lambda a: a + 0.9999, "below 1"),
        ("coefficients", lambda a: -a, "coefficients"),
        ("coefficients", lambda a: np.zeros_like(a), "coefficients"),
        ("coefficients", lambda a: np.full_like(a, np.nan), "coefficients"),
        ("step", lambda a: np.zeros_like(a), "step"),
        ("step", lambda a: np.full_like(a, np.nan), "step"),
        ("is_time", lambda a: np.asarray("yes"), "is_time"),
        ("order", None, "order"),
        ("coefficients", None, "coefficients"),
    ],
)
def test_forged_files_are_refused(
    side: str, part: str, change: object, says: str, both: Completion, tmp_path: Path
) -> None:
    path = tmp_path / "r.npz"
    both.save(path)
    arrays, meta = load_archive(path)
    name = f"model_{side}_{part}"
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])  # type: ignore[operator]
    save_archive(path, arrays, meta, "completion")
    with pytest.raises(InputError) as error:
        rf.load(path)
    sentence = str(error.value)
    assert sentence.startswith(str(path)) and says in sentence and "\n" not in sentence


@pytest.mark.parametrize("part", ["arrays", "headers"])
def test_damaged_files_end_in_no_other_error(part: str, both: Completion, tmp_path: Path) -> None:
    """What is damaged in the orders is refused in a sentence, or harmless."""
    path = tmp_path / "r.npz"
    both.save(path)
    damages = (
        (what, content)
        for what, content in damaged_archives(path, part)
        if any(
            f"_{word}" in what
            for word in ("order.", "steps.", "coefficients.", "step.", "is_time.", "cols_cov.")
        )
    )
    for what, content in list(islice(damages, 0, None, 3)):
        path.write_bytes(content)
        with warnings.catch_warnings():
            # numbers near the end of the range of floats are sound
            warnings.simplefilter("ignore", RuntimeWarning)
            refusal = _use(path)
        assert refusal is None or (refusal.startswith(str(path)) and "\n" not in refusal), what


def _use(path: Path) -> str | None:
    """Load a result and ask it everything; why it was refused."""
    try:
        loaded = rf.load(path)
    except InputError as error:
        return str(error)
    everything(loaded)
    loaded.summary()
    return None


# -- forecasts -------------------------------------------------------------------------------------


def test_forecasts_become_less_certain(result: Completion) -> None:
    values, low, high = result.forecast(12)
    assert values.shape == low.shape == high.shape == (12, 8)
    assert np.all((low < values) & (values < high))
    widths = (high - low).mean(axis=1)
    assert np.all(np.diff(widths) > 0)


def test_a_forecast_is_the_transform_of_rows_without_entries(result: Completion, both: Completion) -> None:
    for each in (result, both):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            filled = each.transform(np.full((6, 8), np.nan))
        np.testing.assert_allclose(each.forecast(6)[0], filled, atol=1e-10)
        np.testing.assert_allclose(each.forecast(6)[0][:2], each.forecast(2)[0], atol=1e-10)


def test_a_forecast_begins_where_the_last_row_is(result: Completion) -> None:
    """Of the latest time, not of the last line; and of the last series."""
    back = asked(pd.DataFrame(TABLE[::-1], index=DAYS[::-1]))
    stacked = asked(np.vstack([TABLE[40:], TABLE[:40]]), groups=np.repeat(["b", "a"], 40))
    for each, row in ((result, 79), (back, 0), (stacked, 79)):
        last, ahead = each.predict(row, np.arange(8)), each.forecast(1)[0][0]
        average = each.plain_effects["mean"] + each.plain_effects["cols"]
        assert np.linalg.norm(ahead - last) < 0.8 * np.linalg.norm(average - last)
    chain = back.model.posterior.rows.chain
    assert chain is not None and chain.order[-1] == 0


def test_higher_coverage_is_wider(result: Completion) -> None:
    _, low, high = result.forecast(2, 0.5)
    _, lower, higher = result.forecast(2, coverage=0.95)
    assert np.all((lower < low) & (high < higher))


def test_forecasts_that_cannot_be(result: Completion, plain: Completion) -> None:
    with pytest.raises(InputError, match=r'no order of rows: complete with ordered="rows"\.$'):
        plain.forecast(3)
    with pytest.raises(InputError, match="no order of rows"):
        asked(TABLE.T, ordered="columns").forecast(3)
    for bad in (0, -1, 1.5, "3", None, True):
        with pytest.raises(InputError, match="n_rows must be"):
            result.forecast(bad)  # type: ignore[arg-type]
    for coverage in (0, 1, -0.1, float("nan"), "0.9", None):
        with pytest.raises(InputError, match="coverage must lie between 0 and 1"):
            result.forecast(1, coverage)  # type: ignore[arg-type]


@pytest.mark.parametrize("fill", [None, "effects"])
def test_a_column_without_entries_stays_open_ahead(fill: str | None) -> None:
    table = TABLE.copy()
    table[:, 5] = np.nan
    result = asked(table, fill=fill)
    values, low, high = result.forecast(3)
    np.testing.assert_allclose(values, result.transform(np.full((3, 8), np.nan)), atol=1e-10)
    assert np.isfinite(values[:, :5]).all()
    if fill is None:
        assert np.isnan(values[:, 5]).all() and np.isnan(low[:, 5]).all() and np.isnan(high[:, 5]).all()
    else:
        assert np.isfinite(values[:, 5]).all()
        assert np.isneginf(low[:, 5]).all() and np.isposinf(high[:, 5]).all()


def test_a_constant_column_goes_on() -> None:
    table = TABLE.copy()
    table[:, 5] = 4.0
    table[30:36, 5] = np.nan
    result = asked(table)
    for coverage in (0.5, 0.9):
        for each in result.forecast(2, coverage):
            np.testing.assert_array_equal(each[:, 5], 4.0)
    # as interval() says: of 74 equal cells that much cannot be known
    _, low, high = result.forecast(2, 0.999)
    assert np.isneginf(low).all() and np.isposinf(high).all()


def test_series_that_share_no_column() -> None:
    """Rows of the second are no news of the columns of the first."""
    table = TABLE.copy()
    table[:40, 4:] = np.nan
    table[40:, :4] = np.nan
    for fill in (None, "effects"):
        result = asked(table, groups=np.repeat(["early", "late"], 40), fill=fill)
        assert np.isnan(result.to_dense()[:40, 4:]).all() == (fill is None)
        values, low, high = result.forecast(2)
        filled = result.transform(np.full((2, 8), np.nan))
        np.testing.assert_allclose(values, filled, atol=1e-10)
        assert np.isnan(values[:, :4]).all() == (fill is None)
        assert np.isfinite(values[:, 4:]).all() and np.isfinite(low[:, 4:]).all()
        assert np.isposinf(high[:, :4]).all() == (fill is not None)
        # a row that meets the columns of the first speaks of these
        new = np.full((1, 8), np.nan)
        new[0, 0] = 1.0
        assert np.isfinite(result.transform(new)).all()
        alone = result.transform(new, follow=False)
        assert np.isfinite(alone[:, :4]).all()
        assert np.isnan(alone[:, 4:]).all() == (fill is None)


# -- new rows and columns --------------------------------------------------------------------------


def test_the_rows_of_the_fit_are_a_series_of_their_own(result: Completion, both: Completion) -> None:
    np.testing.assert_allclose(result.transform(TABLE, follow=False), result.to_dense(), atol=1e-8)
    # two series were fitted: the second does not follow the first
    first, second = (both.transform(part, follow=False) for part in (TABLE[:40], TABLE[40:]))
    np.testing.assert_allclose(np.vstack([first, second]), both.to_dense(), atol=1e-8)


def test_new_rows_know_what_came_before(result: Completion) -> None:
    """And, beside each other, of each other: one after the other they know less."""
    new = np.full((3, 8), np.nan)
    new[1] = TRUTH[79] + 1.0
    follows, alone = result.transform(new), result.transform(new, follow=False)
    np.testing.assert_array_equal(follows[1], new[1])
    assert not np.allclose(follows[0], alone[0], atol=1e-3)
    assert not np.allclose(result.transform(new[:1])[0], follows[0], atol=1e-3)
    np.testing.assert_allclose(result.transform(new[:1])[0], result.forecast(1)[0][0], atol=1e-10)


def test_rows_of_their_own_without_any_entry_are_an_average_row(result: Completion) -> None:
    nothing = np.full((2, 8), np.nan)
    with pytest.warns(UserWarning, match=r"^2 new rows have no entry: filled with effects only\.$"):
        filled = result.transform(nothing, follow=False)
    averages = result.plain_effects
    np.testing.assert_allclose(filled, np.tile(averages["mean"] + averages["cols"], (2, 1)), atol=1e-10)
    nothing[0, 3] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(result.transform(nothing, follow=False)).all()


def test_no_rows_and_wrong_words(result: Completion, both: Completion) -> None:
    for follow in (True, False):
        assert result.transform(np.empty((0, 8)), follow=follow).shape == (0, 8)
    assert both.fold_columns(np.empty((80, 0))).shape == (80, 0)
    with pytest.raises(InputError, match="follow must be True or False"):
        result.transform(TABLE, follow="yes")  # type: ignore[arg-type]


def test_new_columns(result: Completion, both: Completion) -> None:
    """From their own entries; where columns follow each other, one without entries comes after the last."""
    new = TRUTH[:, :2].copy()
    new[10:20] = np.nan
    filled = result.fold_columns(new)
    assert np.sqrt(np.mean((filled - TRUTH[:, :2])[10:20] ** 2)) < 0.6
    with pytest.warns(UserWarning, match="1 new column has no entry"):
        result.fold_columns(np.full((80, 1), np.nan))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(both.fold_columns(np.full((80, 2), np.nan))).all()
        assert np.isfinite(both.fold_columns(new)).all()


def test_new_columns_in_units_of_their_own() -> None:
    """Row effects count in every column's own unit, also in that of one that follows the last."""
    rng = np.random.default_rng(0)
    level = 3 * rng.normal(size=(60, 1))
    table = (level + 0.3 * rng.normal(size=(60, 30))) * np.linspace(1, 2, 30)
    holes = np.where(rng.random(table.shape) < 0.2, np.nan, table)
    result = asked(holes, ordered="columns", effects="both", scaling="columns", max_rank=1)
    new = 12 * (level + 0.3 * rng.normal(size=(60, 1)))
    seen = np.where(rng.random(new.shape) < 0.4, np.nan, new)
    lost = np.isnan(seen)
    assert np.sqrt(np.mean((result.fold_columns(seen) - new)[lost] ** 2)) < 0.5 * new.std()


# -- labels and words ------------------------------------------------------------------------------


def test_cells_are_asked_for_by_their_labels(result: Completion) -> None:
    for label in ("2024-03-05", DAYS[4]):
        assert result.predict(label, "c") == result.predict(4, 2)
        assert result.interval(label, "c") == result.interval(4, 2)
    some = result.predict(DAYS[[30, 33]].to_numpy()[:, None], ["a", "h"])
    np.testing.assert_array_equal(some, result.predict([[30], [33]], [0, 7]))
    low, high = result.interval(DAYS[27:39], "a")
    widths = high - low
    assert widths[5:7].min() > widths[[1, 10]].max()


def test_numbers_as_labels_are_positions_in_time_too() -> None:
    years = pd.DataFrame(TABLE, index=np.arange(1940, 2020))
    result = asked(years)
    assert result.predict(1944, 2, labels=True) == result.predict(4, 2, labels=False)
    assert np.isfinite(result.forecast(1)[0]).all()


def test_half_lives_are_told_in_the_units_of_the_positions() -> None:
    chain = Chain(np.arange(3), np.array([np.inf, 1, 1]), np.array([0.5]), 1.0)
    assert chain.half_lives.tolist() == [1.0]
    days = Chain(chain.order, chain.steps, chain.coefficients, 86400.0, True)
    told = {2: "2 days", 0.5: "12 hours", 1 / 720: "2 minutes", 1e-5: "0.864 seconds"}
    for distance, words in told.items():
        assert days.in_words(distance) == words
    assert chain.in_words(2.5) == "2.5"


def test_the_summary_tells_half_lives(result: Completion, both: Completion, plain: Completion) -> None:
    (line,) = (line for line in result.summary().splitlines() if "half-lives" in line)
    assert line.startswith("Rows that follow each other resemble each other: factors have half-lives ")
    assert " days" in line or " hours" in line
    lines = [line for line in both.summary().splitlines() if "half-lives" in line]
    assert [line.split()[0] for line in lines] == ["Rows", "Columns"]
    assert lines[0].rstrip(".").endswith(("rows", ")")) and "rows" in lines[0] and "columns" in lines[1]
    assert "half-lives" not in plain.summary()
    for text in ("half-lives", "follow each other"):
        assert text in result._repr_html_()


def test_settings_say_what_was_chosen_and_asked(
    result: Completion, both: Completion, plain: Completion
) -> None:
    for each, order in ((result, "rows"), (both, "both"), (plain, "none")):
        assert each.settings["ordered"] == each.settings["asked"]["ordered"] == order
    assert plain.settings["held_out_in"] == "single cells"


def test_cells_of_a_series_belong_together(plain: Completion) -> None:
    """Rows without entries between others, blocks that share a series, series without any entry."""
    table = np.full((12, 4), np.nan)
    table[0, 0] = table[3, 1] = table[5, 2] = 1.0
    given = rf.Problem.coerce(table)
    steps = np.where(np.isin(np.arange(12), [0, 4, 8]), np.inf, 1.0)
    chain = Chain(np.arange(12), steps, np.array([0.5]))
    posterior = plain.model.posterior
    posterior = replace(posterior, rows=replace(posterior.rows, chain=chain))
    row_labels, col_labels = components(given, posterior)
    assert np.unique(row_labels[:4]).size == 1 and row_labels[0] == col_labels[0] == col_labels[1] >= 0
    assert np.unique(row_labels[4:8]).size == 1 and row_labels[4] == col_labels[2] >= 0
    assert row_labels[0] != row_labels[4]
    assert row_labels[8:].tolist() == [-1] * 4 and col_labels[3] == -1
